//! A commit: the signed step from one epoch's roster to the next.
//!
//! Validity is decided from bytes that everybody has, so that all decide alike. Which secret the step leads to is the
//! group's concern.

use super::{Change, Leaf, Roster, VERSION};
use crate::codec;
use crate::labels;
use crate::primitives::kdf;
use crate::primitives::sign::{Signature, SigningKey};
use crate::{DeviceId, Digest, GroupId, PeerFault, Result};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The one cipher suite of this version: X-Wing, Ed25519, ChaCha20-Poly1305, SHA-256.
pub(crate) const SUITE: u8 = 1;

#[derive(Clone, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Draft {
    pub(crate) version: u8,
    pub(crate) suite: u8,
    pub(crate) group: GroupId,
    pub(crate) epoch: u64,
    pub(crate) parent: Digest,
    pub(crate) parent_change: Digest,
    pub(crate) changes: Vec<Change>,
    /// The author's own new leaf: a heal.
    pub(crate) leaf: Option<Leaf>,
    pub(crate) roster_after: Digest,
    pub(crate) author: DeviceId,
}

#[derive(Clone, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Body {
    pub(crate) draft: Draft,
    pub(crate) key_material: Digest,
    pub(crate) seed_check: Option<Digest>,
}

#[derive(Clone, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Commit {
    pub(crate) body: Body,
    pub(crate) tag: [u8; 32],
    signature: Signature,
}

impl Draft {
    pub(crate) fn hash(&self) -> Result<Digest> {
        Ok(kdf::hash(labels::DRAFT, &[&codec::encode(self)?]))
    }

    pub(crate) fn needs_seed(&self) -> bool {
        self.leaf.is_some() || self.changes.iter().any(Change::needs_seed)
    }
}

impl Body {
    pub(crate) fn hash(&self) -> Result<Digest> {
        Ok(kdf::hash(labels::COMMIT_BODY, &[&codec::encode(self)?]))
    }
}

impl Commit {
    pub(crate) fn sign(body: Body, tag: [u8; 32], leaf: &SigningKey) -> Result<Self> {
        let signature = leaf.sign(labels::COMMIT_SIGNATURE, &signed(&body, &tag)?);
        Ok(Self { body, tag, signature })
    }

    pub(crate) fn hash(&self) -> Result<Digest> {
        Ok(kdf::hash(labels::COMMIT, &[&codec::encode(self)?]))
    }

    /// The roster that this commit leads to from `parent`, which stands at `hash` and last changed at `parent_change`.
    pub(crate) fn verify(&self, parent: &Roster, hash: &Digest, parent_change: &Digest) -> Result<Roster> {
        let draft = &self.body.draft;
        let follows = draft.group == parent.body().group
            && draft.epoch == parent.body().epoch.wrapping_add(1)
            && draft.parent == *hash
            && draft.parent_change == *parent_change;
        if !follows {
            return Err(PeerFault::WrongEpoch.into());
        }
        self.verify_alone(parent)?;
        let after = parent.apply(draft.author, &draft.changes, draft.leaf.as_ref())?;
        if after.hash()? != draft.roster_after {
            return Err(PeerFault::HashMismatch.into());
        }
        Ok(after)
    }

    /// What holds of a commit wherever it stands: its version, its signature by the author's leaf in `roster`, and a seed where
    /// there must be one.
    pub(crate) fn verify_alone(&self, roster: &Roster) -> Result<()> {
        let draft = &self.body.draft;
        if draft.version != VERSION || draft.suite != SUITE {
            return Err(PeerFault::UnknownVersion.into());
        }
        self.verify_signature(roster)?;
        if draft.needs_seed() && self.body.seed_check.is_none() {
            return Err(PeerFault::NotAllowed.into());
        }
        Ok(())
    }

    /// Checks the author's signature with the leaf key that `roster` has for it.
    pub(crate) fn verify_signature(&self, roster: &Roster) -> Result<()> {
        let author = roster.leaf(self.body.draft.author).ok_or(PeerFault::RosterMismatch)?;
        let signed = signed(&self.body, &self.tag)?;
        author.signing()?.verify(labels::COMMIT_SIGNATURE, &signed, &self.signature)
    }
}

fn signed(body: &Body, tag: &[u8; 32]) -> Result<Vec<u8>> {
    let mut bytes = codec::encode(body)?;
    bytes.extend_from_slice(tag);
    Ok(bytes)
}
