//! ChaCha20-Poly1305 (RFC 8439), 16-byte tags, nonce zero: a key seals once and is consumed by it.
//!
//! Keys come from a fresh random salt (see `kdf`), so that a restored store never repeats a (key, nonce) pair.

use super::secret::{AeadKey, Secret};
use crate::{Error, PeerFault, Result};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use zeroize::Zeroizing;

/// Seals `plaintext`; only this key and this `aad` open it.
pub(crate) fn seal(key: Secret<AeadKey>, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    #[cfg(any(test, fuzzing))]
    sealed_under::note(&key);
    cipher(&key).encrypt(&Nonce::default(), Payload { msg: plaintext, aad }).map_err(|_| Error::TooLarge)
}

/// Opens what [`seal`] made.
pub(crate) fn open(key: &Secret<AeadKey>, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let opened = cipher(key).decrypt(&Nonce::default(), Payload { msg: sealed, aad });
    opened.map(Zeroizing::new).map_err(|_| PeerFault::DoesNotOpen.into())
}

/// Seals in a format of others (MLS, HPKE), which says its own nonce. Its keys, too, seal once.
pub(crate) fn seal_at(key: &[u8; 32], nonce: [u8; 12], aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>> {
    let cipher = ChaCha20Poly1305::new(key.into());
    cipher.encrypt(&Nonce::from(nonce), Payload { msg: plaintext, aad }).map_err(|_| Error::TooLarge)
}

/// Opens what [`seal_at`] made.
pub(crate) fn open_at(
    key: &[u8; 32],
    nonce: [u8; 12],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    let cipher = ChaCha20Poly1305::new(key.into());
    let opened = cipher.decrypt(&Nonce::from(nonce), Payload { msg: sealed, aad });
    opened.map(Zeroizing::new).map_err(|_| PeerFault::DoesNotOpen.into())
}

fn cipher(key: &Secret<AeadKey>) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.expose().into())
}

/// Every key under which this thread has sealed something: tests and fuzz targets look for one that came twice.
#[cfg(any(test, fuzzing))]
pub(crate) mod sealed_under {
    use super::{AeadKey, Secret};
    use std::cell::RefCell;

    thread_local! {
        static KEYS: RefCell<Vec<[u8; 32]>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn note(key: &Secret<AeadKey>) {
        KEYS.with_borrow_mut(|keys| keys.push(*key.expose()));
    }

    /// Gives them, and starts anew.
    pub(crate) fn take() -> Vec<[u8; 32]> {
        KEYS.take()
    }
}
