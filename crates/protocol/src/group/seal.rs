//! The outer seal: everything posted is sealed whole under the epoch's secret, shared part and slices.
//!
//! Each part has a key of its own from a fresh 16-byte salt, used once. What is inside, and who wrote it, is not this
//! file's concern.

use super::epoch::EpochKeys;
use crate::codec::{self, Decode};
use crate::content::padded;
use crate::primitives::secret::{AeadKey, Secret};
use crate::primitives::{aead, kdf};
use crate::roster::VERSION;
use crate::{Context, Digest, GroupId, PeerFault, Result, SeatId, labels};
use tls_codec::{TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// What the seal is bound to: every member knows it without any other message.
#[derive(Clone, Copy, TlsSize, TlsSerialize)]
pub(super) struct Place {
    pub(super) version: u8,
    pub(super) group: GroupId,
    pub(super) epoch: u64,
    pub(super) commit: Digest,
}

/// A fresh salt, with which one post is sealed.
pub(super) struct Sealer<'a> {
    keys: &'a EpochKeys,
    place: Vec<u8>,
    salt: [u8; 16],
}

impl<'a> Sealer<'a> {
    pub(super) fn fresh(keys: &'a EpochKeys, place: &Place, cx: &mut Context) -> Result<Self> {
        Ok(Self { keys, place: codec::encode(place)?, salt: cx.random() })
    }

    /// For opening the parts of an entry whose shared part is `shared`.
    pub(super) fn of(keys: &'a EpochKeys, place: &Place, shared: &[u8]) -> Result<Self> {
        let salt = shared.get(1..17).and_then(|salt| salt.try_into().ok()).ok_or(PeerFault::Malformed)?;
        if shared.first() != Some(&VERSION) {
            return Err(PeerFault::UnknownVersion.into());
        }
        Ok(Self { keys, place: codec::encode(place)?, salt })
    }

    pub(super) fn salt(&self) -> &[u8; 16] {
        &self.salt
    }

    /// `version ‖ salt ‖ sealed`, padded inside with zeros.
    pub(super) fn seal_shared(&self, inner: Vec<u8>) -> Result<Vec<u8>> {
        let mut padded_inner = Zeroizing::new(inner);
        let length = padded(padded_inner.len());
        padded_inner.resize(length, 0);
        let mut shared = vec![VERSION];
        shared.extend_from_slice(&self.salt);
        shared.extend(aead::seal(self.key(b"shared"), &self.place, &padded_inner)?);
        Ok(shared)
    }

    /// What was padded says itself where it ends.
    pub(super) fn open_shared<T: Decode>(&self, shared: &[u8]) -> Result<T> {
        let sealed = shared.get(17..).ok_or(PeerFault::Malformed)?;
        let plaintext = aead::open(&self.key(b"shared"), &self.place, sealed)?;
        let (inner, padding) = codec::decode_prefix(&plaintext)?;
        let length = plaintext.len() - padding.len();
        if plaintext.len() != padded(length) || padding.iter().any(|byte| *byte != 0) {
            return Err(PeerFault::Malformed.into());
        }
        Ok(inner)
    }

    pub(super) fn seal_slice(&self, seat: &SeatId, plaintext: &[u8]) -> Result<Vec<u8>> {
        aead::seal(self.key(seat.as_bytes()), &self.place, plaintext)
    }

    pub(super) fn open_slice(&self, seat: &SeatId, slice: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        aead::open(&self.key(seat.as_bytes()), &self.place, slice)
    }

    fn key(&self, part: &[u8]) -> Secret<AeadKey> {
        kdf::derive(self.keys.seal.expose(), &self.salt, labels::SEAL_PART, &[part])
    }
}
