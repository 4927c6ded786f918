//! Canonical, bounded encoding: the TLS presentation language (RFC 8446 §3) with the variable-length vectors of MLS
//! (RFC 9420 §2.1.2).
//!
//! Everything signed, hashed or stored goes through here. What the bytes mean is the business of the types.

use crate::{Error, PeerFault, Result};
use std::io::{Read, Write};
use tls_codec::{Deserialize, DeserializeBytes, Serialize, Size, TlsVarInt, VLByteSlice};

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

/// Bytes with their length before them.
///
/// `tls_codec` has such a type, in the same format; its reader panics on truncated bytes where debug assertions are on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct VLBytes(Vec<u8>);

impl VLBytes {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for VLBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for VLBytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<VLBytes> for Vec<u8> {
    fn from(bytes: VLBytes) -> Self {
        bytes.0
    }
}

impl Size for VLBytes {
    fn tls_serialized_len(&self) -> usize {
        VLByteSlice(&self.0).tls_serialized_len()
    }
}

impl Serialize for VLBytes {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        VLByteSlice(&self.0).tls_serialize(writer)
    }
}

impl Deserialize for VLBytes {
    fn tls_deserialize<R: Read>(bytes: &mut R) -> Result<Self, tls_codec::Error> {
        tls_codec::VLBytes::tls_deserialize(bytes).map(|bytes| Self(bytes.into()))
    }
}

impl DeserializeBytes for VLBytes {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (length, rest) = TlsVarInt::tls_deserialize_bytes(bytes)?;
        let length = usize::try_from(length.value()).map_err(|_| tls_codec::Error::InvalidVectorLength)?;
        let (content, rest) = rest.split_at_checked(length).ok_or(tls_codec::Error::EndOfStream)?;
        Ok((Self(content.to_vec()), rest))
    }
}
