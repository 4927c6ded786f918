//! HPKE (RFC 9180), base mode, single shot: X-Wing (0x647a), HKDF-SHA-256, ChaCha20-Poly1305. MLS seals with it.
//!
//! Our own formats seal with `kem::seal_to`.

use super::kem::{XWingCiphertext, XWingPublic, XWingSecret};
use super::{aead, kdf};
use crate::{Error, PeerFault, Result};
use zeroize::Zeroizing;

const KEM_X_WING: u16 = 0x647a;
const KDF_HKDF_SHA256: u16 = 1;
const AEAD_CHACHA20_POLY1305: u16 = 3;

/// A sealed text and the encapsulated key that opens it.
pub(crate) struct Sealed {
    pub(crate) kem: Vec<u8>,
    pub(crate) text: Vec<u8>,
}

/// Seals `plaintext` to the holder of `to`; `seed` is fresh randomness.
///
/// # Errors
/// `Malformed` or `BadKey` for what is no key.
pub(crate) fn seal(
    to: &[u8],
    (info, aad): (&[u8], &[u8]),
    plaintext: &[u8],
    seed: Zeroizing<[u8; 64]>,
) -> Result<Sealed> {
    let (kem, shared) = XWingPublic::try_from(to)?.encapsulate_with(seed)?;
    let keys = Keys::schedule((KEM_X_WING, AEAD_CHACHA20_POLY1305), shared.expose(), info)?;
    let text = aead::seal_at(&keys.key, keys.nonce, aad, plaintext)?;
    Ok(Sealed { kem: kem.as_bytes().to_vec(), text })
}

/// Opens what [`seal`] made.
///
/// # Errors
/// `Malformed`, `BadKey`, `DoesNotOpen`.
pub(crate) fn open(
    secret: &XWingSecret,
    (info, aad): (&[u8], &[u8]),
    kem: &[u8],
    text: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    let shared = secret.decapsulate(&XWingCiphertext::try_from(kem)?)?;
    let keys = Keys::schedule((KEM_X_WING, AEAD_CHACHA20_POLY1305), shared.expose(), info)?;
    aead::open_at(&keys.key, keys.nonce, aad, text)
}

/// Whether `key` is one that can be sealed to.
///
/// # Errors
/// `Malformed` for another length, `BadKey` for a key that FIPS 203 §7.2 refuses.
pub(crate) fn check_key(key: &[u8]) -> Result<()> {
    XWingPublic::try_from(key)?.check()
}

/// What the key schedule comes to (§5.1), without the exporter, which nobody asks for.
pub(crate) struct Keys<const KEY: usize> {
    pub(crate) key: Zeroizing<[u8; KEY]>,
    pub(crate) nonce: [u8; 12],
}

impl<const KEY: usize> Keys<KEY> {
    pub(crate) fn schedule((kem, aead): (u16, u16), shared: &[u8], info: &[u8]) -> Result<Self> {
        let suite = [b"HPKE".as_slice(), &pair(kem), &pair(KDF_HKDF_SHA256), &pair(aead)].concat();
        let psk_id = labeled_extract(&suite, &[], b"psk_id_hash", &[]);
        let info = labeled_extract(&suite, &[], b"info_hash", info);
        let context = [&[0], psk_id.as_slice(), info.as_slice()].concat();
        let secret = labeled_extract(&suite, shared, b"secret", &[]);
        let mut key = Zeroizing::new([0; KEY]);
        key.copy_from_slice(&labeled_expand(&suite, &secret, b"key", &context, KEY)?);
        let nonce = labeled_expand(&suite, &secret, b"base_nonce", &context, 12)?;
        Ok(Self { key, nonce: nonce.as_slice().try_into().map_err(|_| PeerFault::Malformed)? })
    }
}

pub(crate) fn labeled_extract(suite: &[u8], salt: &[u8], label: &[u8], ikm: &[u8]) -> Zeroizing<[u8; 32]> {
    let labeled = Zeroizing::new([b"HPKE-v1", suite, label, ikm].concat());
    kdf::extract(salt, &labeled)
}

pub(crate) fn labeled_expand(
    suite: &[u8],
    prk: &[u8; 32],
    label: &[u8],
    info: &[u8],
    length: usize,
) -> Result<Zeroizing<Vec<u8>>> {
    let labeled = [&(length as u16).to_be_bytes(), b"HPKE-v1".as_slice(), suite, label, info].concat();
    kdf::expand(prk, &labeled, length).ok_or(Error::TooLarge)
}

fn pair(number: u16) -> [u8; 2] {
    number.to_be_bytes()
}
