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

/// As [`decode`], of what may be larger than a post: its bytes were named by a hash and counted before they were fetched.
pub(crate) fn decode_large<T: Decode>(bytes: &[u8]) -> Result<T> {
    T::tls_deserialize_exact_bytes(bytes).map_err(|_| PeerFault::Malformed.into())
}

/// The value that `bytes` start with, and what follows it. As [`decode`] otherwise.
pub(crate) fn decode_prefix<T: Decode>(bytes: &[u8]) -> Result<(T, &[u8])> {
    if bytes.len() > MAX_INPUT {
        return Err(PeerFault::Malformed.into());
    }
    T::tls_deserialize_bytes(bytes).map_err(|_| PeerFault::Malformed.into())
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

/// Bytes up to the end: only as the last field of what is decoded on its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest(pub Vec<u8>);

/// A number in as few bytes as it needs, below 2^62: big-endian in 1, 2, 4 or 8 bytes whose two top bits say which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

impl Size for Rest {
    fn tls_serialized_len(&self) -> usize {
        self.0.len()
    }
}

impl Serialize for Rest {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        writer.write_all(&self.0)?;
        Ok(self.0.len())
    }
}

impl DeserializeBytes for Rest {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        Ok((Self(bytes.to_vec()), &[]))
    }
}

impl Size for Count {
    fn tls_serialized_len(&self) -> usize {
        match self.0 {
            0..0x40 => 1,
            0x40..0x4000 => 2,
            0x4000..0x4000_0000 => 4,
            _ => 8,
        }
    }
}

impl Serialize for Count {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        if self.0 >= 1 << 62 {
            return Err(tls_codec::Error::InvalidVectorLength);
        }
        let length = self.tls_serialized_len();
        let marked = self.0 | u64::from(length.trailing_zeros()) << (8 * length - 2);
        writer.write_all(marked.to_be_bytes().get(8 - length..).unwrap_or_default())?;
        Ok(length)
    }
}

impl DeserializeBytes for Count {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let first = bytes.first().ok_or(tls_codec::Error::EndOfStream)?;
        let (number, rest) =
            bytes.split_at_checked(1 << (first >> 6)).ok_or(tls_codec::Error::EndOfStream)?;
        let marked = number.iter().fold(0, |read, byte| read << 8 | u64::from(*byte));
        let count = Self(marked & !(3 << (8 * number.len() - 2)));
        let shortest = count.tls_serialized_len() == number.len();
        if shortest { Ok((count, rest)) } else { Err(tls_codec::Error::InvalidVectorLength) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_takes_as_few_bytes_as_it_needs_and_no_other_form_is_read() {
        let cases = [
            (0, "00"),
            (63, "3f"),
            (64, "4040"),
            (16_383, "7fff"),
            (16_384, "80004000"),
            ((1 << 30) - 1, "bfffffff"),
            (1 << 30, "c000000040000000"),
            ((1 << 62) - 1, "ffffffffffffffff"),
        ];
        for (number, bytes) in cases {
            assert_eq!(hex::encode(encode(&Count(number)).unwrap()), bytes);
            assert_eq!(decode::<Count>(&hex::decode(bytes).unwrap()), Ok(Count(number)));
        }
        assert_eq!(encode(&Count(1 << 62)), Err(Error::TooLarge));
        for bytes in ["", "40", "403f", "80003fff", "c00000003fffffff", "c0"] {
            let read = decode::<Count>(&hex::decode(bytes).unwrap());
            assert_eq!(read, Err(PeerFault::Malformed.into()), "{bytes}");
        }
    }
}
