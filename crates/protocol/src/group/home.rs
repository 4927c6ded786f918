//! Where a group lives.

use crate::codec::VLBytes;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Where a group lives: a relay (its URL is a hint, its id is not) and a channel there.
#[derive(Clone, PartialEq, Eq, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Home {
    relay: VLBytes,
    /// Hash of the relay's signing key.
    pub relay_id: [u8; 32],
    /// The channel.
    pub channel: [u8; 16],
}

impl Home {
    /// A home; `relay` is its URL.
    pub fn new(relay: &str, relay_id: [u8; 32], channel: [u8; 16]) -> Self {
        Self { relay: relay.as_bytes().into(), relay_id, channel }
    }

    /// The relay's URL, as far as it is text.
    pub fn relay(&self) -> String {
        String::from_utf8_lossy(self.relay.as_slice()).into_owned()
    }
}
