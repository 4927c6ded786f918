//! A chat message inside the outer seal: what it is bound to, and what it carries beside the content.

use crate::codec::{self, Count, Rest, VLBytes};
use crate::{DeviceId, Digest, GroupId, MessageId, Result, Timestamp};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Associated data: only what every member knows without other messages.
#[derive(Clone, Copy, TlsSize, TlsSerialize)]
pub(super) struct Aad {
    pub(super) version: u8,
    pub(super) group: GroupId,
    pub(super) epoch: u64,
    pub(super) commit: Digest,
    pub(super) sender: DeviceId,
}

/// What is inside. Claims about history raise events; they never decide whether a message opens.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct ChatBody {
    pub(super) id: MessageId,
    pub(super) sent_at: Timestamp,
    pub(super) view: View,
    /// How many entries of the view there are from the sender's last accepted message on; 0: none is claimed.
    pub(super) since: Count,
    pub(super) content: Rest,
}

/// "I have seen up to this entry, with this running hash, at the relay in this incarnation." Entry 0: nothing is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct View {
    incarnation: Count,
    pub(super) entry: Count,
    pub(super) hash: [u8; 16],
}

impl ChatBody {
    /// The entry number of the sender's last accepted message; 0: none is claimed.
    pub(super) fn last(&self) -> u64 {
        self.since.0.checked_sub(1).map_or(0, |before| self.view.entry.0.saturating_sub(before))
    }
}

impl View {
    pub(super) fn new(incarnation: u32, entry: u64, hash: [u8; 16]) -> Self {
        Self { incarnation: Count(incarnation.into()), entry: Count(entry), hash }
    }

    /// What no relay counts up to, none is believed to.
    pub(super) fn incarnation(&self) -> u32 {
        u32::try_from(self.incarnation.0).unwrap_or(u32::MAX)
    }
}

/// A chat message as a cipher made it.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Chat {
    pub(super) key: KeyName,
    pub(super) sealed: VLBytes,
}

/// Which key opens a message.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(super) enum KeyName {
    /// The one of this number in the sender's chain.
    Chain(Count) = 0,
    /// The one that this commits to; it comes in the own slice.
    Committed(Digest) = 1,
}

impl Aad {
    /// The bytes that the cipher binds, with the counter it chose.
    pub(super) fn bytes(&self, counter: u64) -> Result<Vec<u8>> {
        let mut bytes = codec::encode(self)?;
        bytes.extend_from_slice(&counter.to_be_bytes());
        Ok(bytes)
    }
}
