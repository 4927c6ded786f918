//! Known answers: what the primitives must give, from the documents that define them.
//!
//! Where our own framing stands between (labels, nonce zero), the test reaches through it and compares with the definition.

use super::dh::{DhPublic, DhSecret};
use super::kem::{XWingCiphertext, XWingPublic, XWingSecret};
use super::secret::{AeadKey, ChainKey, MessageKey, Secret};
use super::sign::{SigningKey, VerifyingKey};
use super::{aead, kdf};
use crate::codec::{decode, encode};
use crate::{Context, MemoryVault, PeerFault, Timestamp, labels};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use rand_core::{TryCryptoRng, TryRng, utils};
use sha2::Sha256;
use std::collections::VecDeque;
use std::convert::Infallible;

/// Gives out the bytes it was made with, so that a vector's randomness enters by the only door there is.
struct Fixed(VecDeque<u8>);

impl TryRng for Fixed {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        utils::next_word_via_fill(self)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        utils::next_word_via_fill(self)
    }
    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        to.iter_mut().for_each(|byte| *byte = self.0.pop_front().unwrap());
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

fn with_random<T>(bytes: &[u8], step: impl FnOnce(&mut Context) -> T) -> T {
    let (mut vault, mut rng) = (MemoryVault::default(), Fixed(bytes.iter().copied().collect()));
    step(&mut Context { vault: &mut vault, rng: &mut rng, now: Timestamp(0) })
}

fn hex32(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn x_wing_draft_vectors() {
    let vectors = include_str!("../../../../vectors/xwing.json");
    let mut checked = 0;
    for vector in vectors.split('{').skip(1) {
        let field = |name: &str| {
            let (_, rest) = vector.split_once(&format!("\"{name}\": \"")).unwrap();
            hex::decode(rest.split_once('"').unwrap().0).unwrap()
        };
        let secret = with_random(&field("seed"), XWingSecret::generate);
        assert_eq!(encode(&secret).unwrap(), field("sk"));
        assert_eq!(secret.public().as_bytes().to_vec(), field("pk"));
        let (ciphertext, shared) =
            with_random(&field("eseed"), |cx| secret.public().encapsulate(cx)).unwrap();
        assert_eq!((encode(&ciphertext).unwrap(), shared.expose().to_vec()), (field("ct"), field("ss")));
        assert_eq!(secret.decapsulate(&ciphertext).unwrap().expose().to_vec(), field("ss"));
        checked += 1;
    }
    assert_eq!(checked, 3);
}

#[test]
fn x_wing_agrees_with_another_implementation() {
    use x_wing::{Decapsulate, KeyExport};
    for round in 0..8u8 {
        let seed: [u8; 32] = std::array::from_fn(|i| (i as u8).wrapping_mul(37) ^ round.wrapping_mul(91));
        let eseed: [u8; 64] = std::array::from_fn(|i| (i as u8).wrapping_mul(53) ^ round.wrapping_mul(17));
        let (ours, theirs) =
            (with_random(&seed, XWingSecret::generate), x_wing::DecapsulationKey::from(seed));
        let their_public = x_wing::Decapsulator::encapsulation_key(&theirs);
        assert_eq!(ours.public().as_bytes().as_slice(), their_public.to_bytes().as_slice());
        let (ciphertext, shared) = with_random(&eseed, |cx| ours.public().encapsulate(cx)).unwrap();
        let (their_ciphertext, their_shared) = their_public.encapsulate_deterministic(&eseed.into());
        assert_eq!(encode(&ciphertext).unwrap(), their_ciphertext.to_vec());
        assert_eq!(shared.expose().as_slice(), their_shared.as_slice());
        // A ciphertext that no encapsulation made decapsulates alike as well (implicit rejection).
        let mut odd = their_ciphertext;
        odd[500] ^= 1;
        let ours = ours.decapsulate(&decode(&odd).unwrap()).unwrap();
        assert_eq!(ours.expose().as_slice(), theirs.decapsulate(&odd).as_slice());
    }
}

#[test]
fn x_wing_refuses_bad_keys_and_small_order_ciphertexts() {
    let secret = with_random(&[7; 32], XWingSecret::generate);
    // An ML-KEM coefficient above the modulus (FIPS 203 §7.2).
    let mut public = encode(&secret.public()).unwrap();
    (public[0], public[1]) = (0xff, 0xff);
    let public: XWingPublic = decode(&public).unwrap();
    let refused = with_random(&[9; 64], |cx| public.encapsulate(cx));
    assert_eq!(refused.err(), Some(PeerFault::BadKey.into()));
    let (ciphertext, _) = with_random(&[9; 64], |cx| secret.public().encapsulate(cx)).unwrap();
    let mut ciphertext = encode(&ciphertext).unwrap();
    ciphertext[1088..].fill(0);
    let ciphertext: XWingCiphertext = decode(&ciphertext).unwrap();
    assert_eq!(secret.decapsulate(&ciphertext).err(), Some(PeerFault::BadKey.into()));
}

#[test]
fn rfc_7748_section_6_1() {
    let pair = |secret: &str, public: &str| {
        let pair = with_random(&hex32(secret), DhSecret::generate);
        assert_eq!(pair.public().as_bytes(), &hex32(public));
        pair
    };
    let alice = pair(
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    );
    let bob = pair(
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    );
    let shared = hex32("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_eq!(alice.agree(bob.public()).unwrap().expose(), &shared);
    assert_eq!(bob.agree(alice.public()).unwrap().expose(), &shared);
}

#[test]
fn x25519_refuses_every_small_order_point() {
    let mine = with_random(&[5; 32], DhSecret::generate);
    for point in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ] {
        let point: DhPublic = decode(&hex32(point)).unwrap();
        assert_eq!(mine.agree(&point).err(), Some(PeerFault::BadKey.into()));
    }
}

#[test]
fn rfc_8032_section_7_1() {
    for (seed, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ] {
        let key = with_random(&hex32(seed), SigningKey::generate);
        assert_eq!(key.public().as_bytes(), &hex32(public));
        let made = key.sign_raw(&hex::decode(message).unwrap());
        assert_eq!(hex::encode(made.as_bytes()), signature);
    }
}

#[test]
fn signatures_hold_for_their_label_message_and_key_only() {
    let (key, other) =
        (with_random(&[1; 32], SigningKey::generate), with_random(&[2; 32], SigningKey::generate));
    let signature = key.sign(labels::LEAF, b"bytes");
    assert_eq!(key.public().verify(labels::LEAF, b"bytes", &signature), Ok(()));
    let bad = Err(PeerFault::BadSignature.into());
    assert_eq!(key.public().verify(labels::DRAFT, b"bytes", &signature), bad);
    assert_eq!(key.public().verify(labels::LEAF, b"other", &signature), bad);
    assert_eq!(other.public().verify(labels::LEAF, b"bytes", &signature), bad);
    // The neutral element as a key would "verify" (R = identity, S = 0) for any message without strict verification.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let forged: [u8; 64] = std::array::from_fn(|i| u8::from(i == 0));
    let neutral: VerifyingKey = decode(&neutral).unwrap();
    assert!(neutral.verify(labels::LEAF, b"bytes", &decode(&forged).unwrap()).is_err());
}

#[test]
fn rfc_8439_section_2_8_2() {
    let key: [u8; 32] = std::array::from_fn(|i| 0x80 + i as u8);
    let nonce: [u8; 12] = hex::decode("070000004041424344454647").unwrap().try_into().unwrap();
    let aad = &hex::decode("50515253c0c1c2c3c4c5c6c7").unwrap();
    let msg: &[u8] =
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
sunscreen would be it.";
    let sealed = ChaCha20Poly1305::new(&key.into()).encrypt(&nonce.into(), Payload { msg, aad }).unwrap();
    assert!(hex::encode(&sealed).starts_with("d31a8d34648e60db7b86afbc53ef7ec2"));
    assert!(hex::encode(&sealed).ends_with("1ae10b594f09e26a7e902ecbd0600691"));
}

#[test]
fn rfc_8439_appendix_a_1_through_our_own_sealing() {
    // Zero key, zero nonce: an AEAD's ciphertext of zeros is the key stream from block 1 on (test vector 2).
    let sealed = aead::seal(Secret::<AeadKey>::new([0; 32]), b"", &[0; 64]).unwrap();
    assert_eq!(
        hex::encode(&sealed[..64]),
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed\
         29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
    );
    assert_eq!(sealed.len(), 64 + 16);
}

#[test]
fn sealed_bytes_open_whole_and_untouched_only() {
    let key = || Secret::<AeadKey>::new([3; 32]);
    let sealed = aead::seal(key(), b"aad", b"plain").unwrap();
    assert_eq!(aead::open(&key(), b"aad", &sealed).unwrap().as_slice(), b"plain");
    let refused = |aad: &[u8], sealed: &[u8]| {
        assert_eq!(aead::open(&key(), aad, sealed).err(), Some(PeerFault::DoesNotOpen.into()));
    };
    refused(b"other", &sealed);
    for at in 0..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[at] ^= 1;
        refused(b"aad", &flipped);
        refused(b"aad", &sealed[..at]);
    }
}

#[test]
fn rfc_5869_appendix_a_1() {
    let salt: Vec<u8> = (0..=0x0c).collect();
    let info: Vec<u8> = (0xf0..=0xf9).collect();
    let mut out = [0; 42];
    Hkdf::<Sha256>::new(Some(&salt), &[0x0b; 22]).expand(&info, &mut out).unwrap();
    assert_eq!(
        hex::encode(out),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    );
}

#[test]
fn derivations_are_hkdf_and_hmac_over_the_framed_label() {
    let label = labels::SESSION_MESSAGE.0;
    let mut frame = vec![label.len() as u8];
    frame.extend_from_slice(label.as_bytes());
    let chain: Secret<MessageKey> = kdf::step(&Secret::<ChainKey>::new([4; 32]), labels::SESSION_MESSAGE);
    let mut mac = Hmac::<Sha256>::new_from_slice(&[4; 32]).unwrap();
    mac.update(&frame);
    assert_eq!(chain.expose().as_slice(), mac.finalize().into_bytes().as_slice());
    for part in [&b"ab"[..], b"c"] {
        frame.extend_from_slice(&(part.len() as u32).to_be_bytes());
        frame.extend_from_slice(part);
    }
    let (first, second): (Secret<MessageKey>, Secret<ChainKey>) =
        kdf::derive_two(b"material", b"salt", labels::SESSION_MESSAGE, &[b"ab", b"c"]);
    for (index, key) in [first.expose(), second.expose()].into_iter().enumerate() {
        let mut expected = [0; 32];
        let info = [&frame[..], &[index as u8]].concat();
        Hkdf::<Sha256>::new(Some(b"salt"), b"material").expand(&info, &mut expected).unwrap();
        assert_eq!(key, &expected);
    }
    let other: Secret<MessageKey> =
        kdf::derive(b"material", b"salt", labels::SESSION_MESSAGE, &[b"a", b"bc"]);
    assert!(!other.same(&first), "parts are framed");
}
