//! Who may do what in a group: part of the signed roster.

use std::io::Write;
use tls_codec::{DeserializeBytes, Serialize, Size, TlsDeserializeBytes, TlsSerialize, TlsSize};

/// A person's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Role {
    /// Speaks, leaves, and does what the policy grants to all.
    Member = 0,
    /// May do everything.
    Administrator = 1,
}

/// To whom a right is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Right {
    /// To every member.
    Members = 0,
    /// To administrators.
    Administrators = 1,
}

/// A group's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Who may add people.
    pub add: Right,
    /// Who may remove people.
    pub remove: Right,
    /// Who may rename the group.
    pub rename: Right,
    /// Nothing is said while a member is unchecked by whoever speaks.
    pub verified_only: bool,
}

/// As transmitted: the first version had the three rights alone. What came later follows them in a byte of flags, if any is
/// set; the top bit of the first byte says so, so that an earlier version refuses what it would not keep.
const MORE: u8 = 0x80;
const VERIFIED_ONLY: u8 = 1;

impl Default for Policy {
    fn default() -> Self {
        Self {
            add: Right::Members,
            remove: Right::Administrators,
            rename: Right::Members,
            verified_only: false,
        }
    }
}

impl Policy {
    fn flags(&self) -> u8 {
        if self.verified_only { VERIFIED_ONLY } else { 0 }
    }
}

impl Size for Policy {
    fn tls_serialized_len(&self) -> usize {
        3 + usize::from(self.flags() != 0)
    }
}

impl Serialize for Policy {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        let (flags, rights) = (self.flags(), [self.add as u8, self.remove as u8, self.rename as u8]);
        let [add, remove, rename] = rights;
        match flags {
            0 => writer.write_all(&rights)?,
            flags => writer.write_all(&[add | MORE, remove, rename, flags])?,
        }
        Ok(self.tls_serialized_len())
    }
}

impl DeserializeBytes for Policy {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (rights, rest) = bytes.split_first_chunk::<3>().ok_or(tls_codec::Error::EndOfStream)?;
        let &[add, remove, rename] = rights;
        let (flags, rest) = match add & MORE {
            0 => (0, rest),
            _ => match rest.split_first().ok_or(tls_codec::Error::EndOfStream)? {
                (&VERIFIED_ONLY, rest) => (VERIFIED_ONLY, rest),
                _ => return Err(tls_codec::Error::InvalidInput),
            },
        };
        let right = |byte: u8| Right::tls_deserialize_exact_bytes(&[byte]);
        let (add, remove, rename) = (right(add & !MORE)?, right(remove)?, right(rename)?);
        Ok((Self { add, remove, rename, verified_only: flags & VERIFIED_ONLY != 0 }, rest))
    }
}

impl Right {
    /// Whether somebody with `role` has it.
    pub fn granted_to(self, role: Role) -> bool {
        self == Self::Members || role == Role::Administrator
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PeerFault, codec};

    #[test]
    fn a_policy_has_one_encoding_and_what_is_new_in_it_is_refused_by_the_first_version() {
        let first = Policy::default();
        assert_eq!(codec::encode(&first).unwrap(), [0, 1, 0], "as groups of the first version have it");
        let verified = Policy { verified_only: true, ..first };
        let bytes = codec::encode(&verified).unwrap();
        assert_eq!(bytes, [0x80, 1, 0, 1]);
        assert_eq!((codec::decode(&bytes), codec::decode(&[0, 1, 0])), (Ok(verified), Ok(first)));
        for bad in [&[0x80, 1, 0, 0][..], &[0x80, 1, 0, 3], &[0x80, 1, 0], &[2, 1, 0], &[0, 1, 0, 1], &[0, 1]]
        {
            assert_eq!(codec::decode::<Policy>(bad).err(), Some(PeerFault::Malformed.into()), "{bad:?}");
        }
    }
}
