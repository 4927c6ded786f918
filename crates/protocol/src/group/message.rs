//! A chat message inside the outer seal: what it is bound to, and what it carries beside the content.

use crate::codec::{self, VLBytes};
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
    /// The entry number of the sender's last accepted message; 0: none.
    pub(super) last: u64,
    pub(super) content: VLBytes,
}

/// "I have seen up to this entry, with this running hash, at the relay in this incarnation." Entry 0: nothing is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct View {
    pub(super) incarnation: u32,
    pub(super) entry: u64,
    pub(super) hash: [u8; 16],
}

/// A chat message as a cipher made it.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Chat {
    pub(super) counter: u64,
    pub(super) commitment: Option<Digest>,
    pub(super) sealed: VLBytes,
}

impl Aad {
    /// The bytes that the cipher binds, with the counter it chose.
    pub(super) fn bytes(&self, counter: u64) -> Result<Vec<u8>> {
        let mut bytes = codec::encode(self)?;
        bytes.extend_from_slice(&counter.to_be_bytes());
        Ok(bytes)
    }
}
