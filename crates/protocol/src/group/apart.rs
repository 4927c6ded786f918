//! What all newcomers of one commit need alike, sealed once and kept apart from their welcomes: roster, commit, ratchet tree.
//!
//! It is cut into pieces that are named by their hashes. A welcome names the pieces and holds the key, so that it stays
//! small whatever the group's size; uploading and fetching them is the client's concern.

use super::post::Blob;
use crate::primitives::secret::{AeadKey, Secret};
use crate::primitives::{aead, kdf};
use crate::{Context, Digest, PeerFault, Result};
use std::collections::BTreeMap;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// The most bytes of a piece.
pub(crate) const PIECE: usize = 512 * 1024;
/// The most pieces: what a newcomer can be made to fetch.
pub(crate) const MOST: usize = 128;

/// Pieces at hand, by their SHA-256.
#[derive(Clone, Debug, Default)]
pub struct Blobs(BTreeMap<Digest, Vec<u8>>);

/// Where something lies, and what opens it.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Apart {
    key: Secret<AeadKey>,
    pieces: Vec<Digest>,
}

impl Blobs {
    /// Takes in a piece.
    pub fn add(&mut self, bytes: Vec<u8>) {
        self.0.insert(Digest(kdf::sha256(&bytes)), bytes);
    }

    /// A piece at hand.
    #[cfg(test)]
    pub(super) fn get(&self, hash: &Digest) -> Option<&[u8]> {
        self.0.get(hash).map(Vec::as_slice)
    }

    /// How much is at hand.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// Seals `content` once, under a key of its own.
pub(super) fn seal(content: &[u8], cx: &mut Context) -> Result<(Apart, Vec<Blob>)> {
    let key = Secret::<AeadKey>::random(cx);
    let sealed = aead::seal(key.duplicate(), &[], content)?;
    let blobs: Vec<_> = sealed.chunks(PIECE).map(|piece| Blob::new(piece.to_vec())).collect();
    Ok((Apart { key, pieces: blobs.iter().map(|blob| blob.hash).collect() }, blobs))
}

impl Apart {
    /// For each of the welcomes.
    pub(super) fn duplicate(&self) -> Self {
        Self { key: self.key.duplicate(), pieces: self.pieces.clone() }
    }

    /// The pieces that are not at hand.
    ///
    /// # Errors
    /// `Malformed` if there are more than anybody has.
    pub(super) fn missing(&self, blobs: &Blobs) -> Result<Vec<Digest>> {
        if self.pieces.len() > MOST {
            return Err(PeerFault::Malformed.into());
        }
        Ok(self.pieces.iter().filter(|piece| !blobs.0.contains_key(piece)).copied().collect())
    }

    /// Opens what was put apart; the pieces are at hand.
    ///
    /// # Errors
    /// `HashMismatch` without one of them, `DoesNotOpen`.
    pub(super) fn open(&self, blobs: &Blobs) -> Result<Zeroizing<Vec<u8>>> {
        let pieces = self.pieces.iter().map(|piece| blobs.0.get(piece).map(Vec::as_slice));
        let sealed = pieces.collect::<Option<Vec<_>>>().ok_or(PeerFault::HashMismatch)?.concat();
        aead::open(&self.key, &[], &sealed)
    }
}
