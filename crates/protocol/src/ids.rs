//! The ids of DESIGN §4 that the protocol knows. All are opaque bytes; none says anything about another.

use crate::primitives::kdf;
use crate::{Context, labels};
use std::fmt;
use tls_codec::{TlsDeserialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $size:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes,
        )]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// Draws a random one.
            pub fn random(cx: &mut Context) -> Self {
                Self(cx.random())
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = crate::Error;
            fn try_from(bytes: &[u8]) -> crate::Result<Self> {
                bytes.try_into().map(Self).map_err(|_| crate::PeerFault::Malformed.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

id!(
    /// A person: 32 bytes, the hash of the first identity key. Never changes.
    PersonId, 32
);
id!(
    /// A device: 16 random bytes, certified by its person's device list.
    DeviceId, 16
);
id!(
    /// A group: 32 random bytes, never shown to the relay.
    GroupId, 32
);
id!(
    /// One device's pseudonymous place in one channel: 16 random bytes.
    SeatId, 16
);
id!(
    /// A message: 16 random bytes, made when composed; survives every re-seal.
    MessageId, 16
);
id!(
    /// A 32-byte hash under some label.
    Digest, 32
);

impl PersonId {
    /// The id of the person whose first identity key is `key` (Ed25519, 32 bytes).
    pub fn of(key: &crate::primitives::sign::VerifyingKey) -> Self {
        Self(kdf::hash(labels::PERSON_ID, &[key.as_bytes()]).0)
    }
}
