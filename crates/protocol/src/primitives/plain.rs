//! For tests: what the suite that every MLS engine has (0x0001) is made of. DHKEM(X25519, HKDF-SHA256) and AES-128-GCM, in
//! HPKE (RFC 9180) and alone.

use super::hpke::{Keys, Sealed, labeled_expand, labeled_extract};
use crate::{Error, PeerFault, Result};
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes128Gcm, KeyInit};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

const KEM_X25519: u16 = 0x20;
const AEAD_AES_128_GCM: u16 = 1;
/// How the KEM names itself (§4.1).
const KEM: &[u8] = &[b'K', b'E', b'M', 0, 0x20];

pub(crate) fn seal_at(key: &[u8; 16], nonce: [u8; 12], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    let sealed = Aes128Gcm::new(key.into()).encrypt(&nonce.into(), Payload { msg: plaintext, aad });
    sealed.map_err(|_| Error::TooLarge)
}

pub(crate) fn open_at(
    key: &[u8; 16],
    nonce: [u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    let opened = Aes128Gcm::new(key.into()).decrypt(&nonce.into(), Payload { msg: sealed, aad });
    opened.map(Zeroizing::new).map_err(|_| PeerFault::DoesNotOpen.into())
}

/// Seals to the holder of `to`; `seed` becomes the ephemeral key.
pub(crate) fn seal(
    to: &[u8],
    (info, aad): (&[u8], &[u8]),
    plaintext: &[u8],
    seed: [u8; 32],
) -> Result<Sealed> {
    let to: [u8; 32] = to.try_into().map_err(|_| PeerFault::Malformed)?;
    let ephemeral = StaticSecret::from(seed);
    let kem = public(&ephemeral);
    let shared = shared(&ephemeral, &to, &[kem, to])?;
    let keys = Keys::schedule((KEM_X25519, AEAD_AES_128_GCM), &shared, info)?;
    Ok(Sealed { kem: kem.to_vec(), text: seal_at(&keys.key, keys.nonce, aad, plaintext)? })
}

/// Opens what [`seal`] made.
pub(crate) fn open(
    secret: [u8; 32],
    (info, aad): (&[u8], &[u8]),
    kem: &[u8],
    text: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    let kem: [u8; 32] = kem.try_into().map_err(|_| PeerFault::Malformed)?;
    let secret = StaticSecret::from(secret);
    let shared = shared(&secret, &kem, &[kem, public(&secret)])?;
    let keys = Keys::schedule((KEM_X25519, AEAD_AES_128_GCM), &shared, info)?;
    open_at(&keys.key, keys.nonce, aad, text)
}

/// DeriveKeyPair (§7.1.3): the secret key, then the public one.
pub(crate) fn derive(ikm: &[u8]) -> Result<([u8; 32], [u8; 32])> {
    let prk = labeled_extract(KEM, &[], b"dkp_prk", ikm);
    let secret = labeled_expand(KEM, &prk, b"sk", &[], 32)?;
    let secret = secret.as_slice().try_into().map_err(|_| PeerFault::Malformed)?;
    Ok((secret, public(&StaticSecret::from(secret))))
}

/// Whether `key` has the length of a public key.
pub(crate) fn check_key(key: &[u8]) -> Result<()> {
    if key.len() == 32 { Ok(()) } else { Err(PeerFault::Malformed.into()) }
}

/// ExtractAndExpand (§4.1).
fn shared(secret: &StaticSecret, their: &[u8; 32], context: &[[u8; 32]; 2]) -> Result<Zeroizing<Vec<u8>>> {
    let dh = secret.diffie_hellman(&PublicKey::from(*their));
    let prk = labeled_extract(KEM, &[], b"eae_prk", dh.as_bytes());
    labeled_expand(KEM, &prk, b"shared_secret", context.as_flattened(), 32)
}

fn public(secret: &StaticSecret) -> [u8; 32] {
    PublicKey::from(secret).to_bytes()
}
