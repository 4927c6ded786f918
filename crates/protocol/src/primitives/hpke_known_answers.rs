//! Known answers for HPKE: the published vectors, and another implementation in both directions.

use super::foreign::Foreign;
use super::hpke::{self, Keys, Sealed};
use super::kem::XWingSecret;
use super::secret::Secret;
use super::{aead, plain};
use crate::PeerFault;
use openmls_traits::types::HpkeKemType;
use zeroize::Zeroizing;

/// One published vector: base mode, HKDF-SHA-256, the first message.
struct Vector(&'static str);

impl Vector {
    fn number(&self, name: &str) -> u16 {
        let (_, rest) = self.0.split_once(&format!("\"{name}\": ")).unwrap();
        rest.split_once([',', '\n']).unwrap().0.parse().unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        let (_, rest) = self.0.split_once(&format!("\"{name}\": \"")).unwrap();
        hex::decode(rest.split_once('"').unwrap().0).unwrap()
    }

    fn fixed<const N: usize>(&self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap()
    }

    fn check_schedule<const KEY: usize>(&self) -> Keys<KEY> {
        let suite = (self.number("kem_id"), self.number("aead_id"));
        let keys = Keys::<KEY>::schedule(suite, &self.bytes("shared_secret"), &self.bytes("info")).unwrap();
        assert_eq!((keys.key.to_vec(), keys.nonce.to_vec()), (self.bytes("key"), self.bytes("base_nonce")));
        keys
    }

    fn check(&self, sealed: &Sealed, opened: &[u8]) {
        assert_eq!((&sealed.kem, &sealed.text), (&self.bytes("enc"), &self.bytes("ct")));
        assert_eq!(opened, self.bytes("pt"));
    }
}

/// RFC 9180 appendix A.1.1 and A.2.1, and X-Wing of draft-ietf-hpke-pq.
#[test]
fn published_vectors() {
    let mut seen = Vec::new();
    for vector in include_str!("../../../../vectors/hpke.json").split('{').skip(1).map(Vector) {
        let (info, aad, pt, ct) =
            (vector.bytes("info"), vector.bytes("aad"), vector.bytes("pt"), vector.bytes("ct"));
        let (pk, enc) = (vector.bytes("pkRm"), vector.bytes("enc"));
        match (vector.number("kem_id"), vector.number("aead_id")) {
            (0x20, 1) => {
                vector.check_schedule::<16>();
                let secret: [u8; 32] = vector.fixed("skRm");
                assert_eq!(plain::derive(&vector.bytes("ikmR")), Ok((secret, vector.fixed("pkRm"))));
                let sealed = plain::seal(&pk, (&info, &aad), &pt, vector.fixed("seed")).unwrap();
                vector.check(&sealed, &plain::open(secret, (&info, &aad), &enc, &ct).unwrap());
            }
            (0x20, 3) => {
                let keys = vector.check_schedule::<32>();
                assert_eq!(aead::seal_at(&keys.key, keys.nonce, &aad, &pt).unwrap(), ct);
                assert_eq!(*aead::open_at(&keys.key, keys.nonce, &aad, &ct).unwrap(), pt);
            }
            (0x647a, 3) => {
                vector.check_schedule::<32>();
                let secret = XWingSecret::from_seed(Secret::new(vector.fixed("skRm")));
                assert_eq!(secret.public().as_bytes().as_slice(), pk);
                let seed = Zeroizing::new(vector.fixed("seed"));
                let sealed = hpke::seal(&pk, (&info, &aad), &pt, seed).unwrap();
                vector.check(&sealed, &hpke::open(&secret, (&info, &aad), &enc, &ct).unwrap());
            }
            other => panic!("{other:?}"),
        }
        seen.push((vector.number("kem_id"), vector.number("aead_id")));
    }
    assert_eq!(seen, [(0x20, 1), (0x20, 3), (0x647a, 3)]);
}

#[test]
fn another_implementation_opens_what_we_seal_and_seals_what_we_open() {
    let foreign = Foreign::new(1);
    for round in 0..8u8 {
        let (info, aad, text) = (vec![round; 40 * round as usize], vec![1; round as usize], vec![2; 99]);
        let bound = (info.as_slice(), aad.as_slice());
        // X-Wing: each with keys of either.
        let ours = XWingSecret::derive(&[round; 32]);
        let kem = HpkeKemType::XWingKemDraft6;
        let (their_secret, their_public) = foreign.derive(kem, &[round; 32]).unwrap();
        assert_eq!(ours.seed().expose().as_slice(), their_secret);
        assert_eq!(ours.public().as_bytes().as_slice(), their_public);
        let sealed = hpke::seal(&their_public, bound, &text, Zeroizing::new([round; 64])).unwrap();
        let opened = foreign.open(kem, &their_secret, bound, (&sealed.kem, &sealed.text));
        assert_eq!(opened.as_deref(), Ok(text.as_slice()));
        let (enc, sealed) = foreign.seal(kem, ours.public().as_bytes(), bound, &text).unwrap();
        assert_eq!(*hpke::open(&ours, bound, &enc, &sealed).unwrap(), text);
        for other in [(b"info".as_slice(), bound.1), (bound.0, b"aad")] {
            let refused = hpke::open(&ours, other, &enc, &sealed);
            assert_eq!(refused.err(), Some(PeerFault::DoesNotOpen.into()));
        }
        // X25519.
        let kem = HpkeKemType::DhKem25519;
        let (secret, public) = plain::derive(&[round; 32]).unwrap();
        assert_eq!(foreign.derive(kem, &[round; 32]), Ok((secret.to_vec(), public.to_vec())));
        let sealed = plain::seal(&public, bound, &text, [round; 32]).unwrap();
        let opened = foreign.open(kem, &secret, bound, (&sealed.kem, &sealed.text));
        assert_eq!(opened.as_deref(), Ok(text.as_slice()));
        let (enc, sealed) = foreign.seal(kem, &public, bound, &text).unwrap();
        assert_eq!(*plain::open(secret, bound, &enc, &sealed).unwrap(), text);
    }
}
