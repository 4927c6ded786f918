//! The one own post of a group whose fate is not known yet.

use crate::primitives::secret::{Secret, SecretBytes, Seed};
use crate::roster::{Commit, LeafSecrets};
use crate::{DeviceId, MessageId};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// An own post whose fate is not known yet: stored before it is sent, merged at acceptance, dropped on conflict.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Pending {
    pub(super) hash: [u8; 32],
    pub(super) what: PendingWhat,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[allow(clippy::large_enum_variant, reason = "lives for one step; boxing would only move the copy")]
#[repr(u8)]
pub(super) enum PendingWhat {
    Chat(PendingChat) = 0,
    Commit(PendingCommit) = 1,
    Leave = 2,
    /// A commit, and what the cipher stores once it counts.
    Rekeyed(PendingCommit, SecretBytes) = 3,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct PendingChat {
    pub(super) id: MessageId,
    /// The incarnation that the message claims.
    pub(super) incarnation: u32,
    pub(super) handed: Vec<DeviceId>,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct PendingCommit {
    pub(super) commit: Commit,
    pub(super) seed: Option<Secret<Seed>>,
    pub(super) leaf: Option<LeafSecrets>,
}
