//! Canonical, bounded encoding: the TLS presentation language (RFC 8446 §3) with the variable-length vectors of MLS
//! (RFC 9420 §2.1.2).
//!
//! Everything signed, hashed or stored goes through here. What the bytes mean is the business of the types.

use crate::{Error, PeerFault, Result};
use tls_codec::{DeserializeBytes, Serialize};

pub use tls_codec::VLBytes;

/// What can be written.
pub trait Encode: Serialize {}
impl<T: Serialize> Encode for T {}

/// What can be read.
pub trait Decode: DeserializeBytes {}
impl<T: DeserializeBytes> Decode for T {}

/// The largest input any decoder looks at, in bytes: a post's bound.
pub const MAX_INPUT: usize = 4 << 20;

/// The canonical bytes of `value`.
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>> {
    value.tls_serialize_detached().map_err(|_| Error::TooLarge)
}

/// The value whose canonical bytes are `bytes`, all of them.
///
/// # Errors
/// `Malformed` if the bytes are longer than [`MAX_INPUT`], cut short, not canonical, or followed by others.
pub fn decode<T: Decode>(bytes: &[u8]) -> Result<T> {
    if bytes.len() > MAX_INPUT {
        return Err(PeerFault::Malformed.into());
    }
    T::tls_deserialize_exact_bytes(bytes).map_err(|_| PeerFault::Malformed.into())
}
