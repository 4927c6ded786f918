//! The ids that a relay knows: fixed-size opaque bytes, one type per kind, so
//! that they cannot be swapped. Not here: ids that no relay ever sees.

use std::fmt;

use bytes::Bytes;

use crate::WireError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $length]);

        impl $name {
            /// Its length in bytes.
            pub const LENGTH: usize = $length;

            /// The id made of these bytes.
            pub const fn new(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            /// Its bytes, as message fields want them.
            pub fn to_bytes(&self) -> Bytes {
                Bytes::copy_from_slice(&self.0)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = WireError;
            fn try_from(bytes: &[u8]) -> Result<Self, WireError> {
                let wrong = WireError::IdLength { want: $length, got: bytes.len() };
                bytes.try_into().map(Self).map_err(|_| wrong)
            }
        }

        impl TryFrom<&Bytes> for $name {
            type Error = WireError;
            fn try_from(bytes: &Bytes) -> Result<Self, WireError> {
                Self::try_from(bytes.as_ref())
            }
        }

        impl From<[u8; $length]> for $name {
            fn from(bytes: [u8; $length]) -> Self {
                Self(bytes)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id!(
    /// A channel: a group's log at its home relay. Random, unrelated to the
    /// group's own id.
    ChannelId, 16
);
id!(
    /// A seat: one device's pseudonymous place in one channel.
    SeatId, 16
);
id!(
    /// A blob: an encrypted attachment.
    BlobId, 16
);
id!(
    /// A device, as its person's device list names it.
    DeviceId, 16
);
id!(
    /// A person: hash of their first identity key.
    PersonId, 32
);
id!(
    /// A relay: SHA-256 of its signing key.
    RelayId, 32
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_exactly_its_length_and_shows_as_hex() {
        let id = SeatId::try_from([0xabu8; 16].as_slice()).unwrap();
        assert_eq!(id.to_string(), "ab".repeat(16));
        assert_eq!(format!("{id:?}"), format!("SeatId({})", "ab".repeat(16)));
        let wrong = WireError::IdLength { want: 16, got: 17 };
        assert_eq!(SeatId::try_from([0u8; 17].as_slice()), Err(wrong));
    }
}
