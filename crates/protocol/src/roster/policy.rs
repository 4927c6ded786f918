//! Who may do what in a group: part of the signed roster.

use std::io::Write;
use std::num::NonZeroU8;
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
    /// Who else must agree before somebody is added; none: whoever may add people does so alone.
    pub endorsers: Option<Endorsers>,
    /// So many minutes a person is proposed before they are added; 0: they are added at once.
    pub cooling_off: u16,
}

/// How many members beside the one who proposes must endorse an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endorsers {
    /// So many.
    pub count: NonZeroU8,
    /// In a group of more people than this.
    pub above: u16,
}

/// As transmitted: the first version had the three rights alone. What came later follows them in a byte of flags, if any is
/// set; the top bit of the first byte says so, so that an earlier version refuses what it would not keep.
const MORE: u8 = 0x80;
const VERIFIED_ONLY: u8 = 1;
const ENDORSERS: u8 = 2;
const COOLING_OFF: u8 = 4;
/// That what stands beside the policy in a roster follows it.
pub(super) const BESIDE: u8 = 8;

impl Default for Policy {
    fn default() -> Self {
        Self {
            add: Right::Members,
            remove: Right::Administrators,
            rename: Right::Members,
            verified_only: false,
            endorsers: None,
            cooling_off: 0,
        }
    }
}

impl Policy {
    /// Whether somebody who is to be added to a group of `people` is proposed first.
    pub fn proposes(&self, people: usize) -> bool {
        self.cooling_off > 0 || self.endorsements(people) > 0
    }

    /// How many endorsements an addition to a group of `people` needs.
    pub fn endorsements(&self, people: usize) -> usize {
        self.endorsers
            .filter(|needed| people > needed.above.into())
            .map_or(0, |needed| needed.count.get().into())
    }

    fn flags(&self) -> u8 {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        flag(self.verified_only, VERIFIED_ONLY)
            | flag(self.endorsers.is_some(), ENDORSERS)
            | flag(self.cooling_off > 0, COOLING_OFF)
    }

    /// The bytes, with the flag of what stands beside it.
    pub(super) fn bytes(&self, beside: u8) -> Vec<u8> {
        let (flags, rights) = (self.flags() | beside, [self.add as u8, self.remove as u8, self.rename as u8]);
        let [add, remove, rename] = rights;
        if flags == 0 {
            return rights.to_vec();
        }
        let mut bytes = vec![add | MORE, remove, rename, flags];
        if let Some(Endorsers { count, above }) = self.endorsers {
            bytes.push(count.get());
            bytes.extend(above.to_be_bytes());
        }
        if self.cooling_off > 0 {
            bytes.extend(self.cooling_off.to_be_bytes());
        }
        bytes
    }

    /// Reads it, and which of the flags in `beside` there are.
    pub(super) fn read(bytes: &[u8], beside: u8) -> Result<(Self, u8, &[u8]), tls_codec::Error> {
        use tls_codec::Error::{EndOfStream, InvalidInput};
        let (&[add, remove, rename], mut rest) = bytes.split_first_chunk::<3>().ok_or(EndOfStream)?;
        let mut flags = 0;
        if add & MORE != 0 {
            (flags, rest) = rest.split_first().map(|(flags, rest)| (*flags, rest)).ok_or(EndOfStream)?;
            if flags == 0 || flags & !(VERIFIED_ONLY | ENDORSERS | COOLING_OFF | beside) != 0 {
                return Err(InvalidInput);
            }
        }
        let mut endorsers = None;
        if flags & ENDORSERS != 0 {
            let (&[count, high, low], after) = rest.split_first_chunk::<3>().ok_or(EndOfStream)?;
            let count = NonZeroU8::new(count).ok_or(InvalidInput)?;
            endorsers = Some(Endorsers { count, above: u16::from_be_bytes([high, low]) });
            rest = after;
        }
        let mut cooling_off = 0;
        if flags & COOLING_OFF != 0 {
            let (minutes, after) = rest.split_first_chunk::<2>().ok_or(EndOfStream)?;
            (cooling_off, rest) = (u16::from_be_bytes(*minutes), after);
            if cooling_off == 0 {
                return Err(InvalidInput);
            }
        }
        let right = |byte: u8| Right::tls_deserialize_exact_bytes(&[byte]);
        let (add, remove, rename) = (right(add & !MORE)?, right(remove)?, right(rename)?);
        let verified_only = flags & VERIFIED_ONLY != 0;
        Ok((Self { add, remove, rename, verified_only, endorsers, cooling_off }, flags & beside, rest))
    }
}

impl Size for Policy {
    fn tls_serialized_len(&self) -> usize {
        self.bytes(0).len()
    }
}

impl Serialize for Policy {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        let bytes = self.bytes(0);
        writer.write_all(&bytes)?;
        Ok(bytes.len())
    }
}

impl DeserializeBytes for Policy {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        Self::read(bytes, 0).map(|(policy, _, rest)| (policy, rest))
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
    fn endorsers_are_needed_above_the_size_and_a_pause_always_proposes() {
        let count = NonZeroU8::new(2).unwrap();
        let policy = Policy { endorsers: Some(Endorsers { count, above: 10 }), ..Policy::default() };
        assert_eq!((policy.endorsements(10), policy.endorsements(11)), (0, 2));
        assert!(!policy.proposes(10) && policy.proposes(11) && !Policy::default().proposes(1000));
        assert!(Policy { cooling_off: 1, ..Policy::default() }.proposes(1));
    }

    #[test]
    fn a_policy_has_one_encoding_and_what_is_new_in_it_is_refused_by_the_first_version() {
        let first = Policy::default();
        assert_eq!(codec::encode(&first).unwrap(), [0, 1, 0], "as groups of the first version have it");
        let verified = Policy { verified_only: true, ..first };
        let bytes = codec::encode(&verified).unwrap();
        assert_eq!(bytes, [0x80, 1, 0, 1]);
        assert_eq!((codec::decode(&bytes), codec::decode(&[0, 1, 0])), (Ok(verified), Ok(first)));
        let count = NonZeroU8::new(2).unwrap();
        let watched = Policy { endorsers: Some(Endorsers { count, above: 10 }), cooling_off: 300, ..first };
        let bytes = codec::encode(&watched).unwrap();
        assert_eq!(bytes, [0x80, 1, 0, 6, 2, 0, 10, 1, 44]);
        assert_eq!(codec::decode(&bytes), Ok(watched));
        let bad: [&[u8]; 10] = [
            &[0x80, 1, 0, 0],
            &[0x80, 1, 0, 8],
            &[0x80, 1, 0, 16],
            &[0x80, 1, 0],
            &[0x80, 1, 0, 2, 0, 0, 10],
            &[0x80, 1, 0, 2, 1, 0],
            &[0x80, 1, 0, 4, 0, 0],
            &[2, 1, 0],
            &[0, 1, 0, 1],
            &[0, 1],
        ];
        for bad in bad {
            assert_eq!(codec::decode::<Policy>(bad).err(), Some(PeerFault::Malformed.into()), "{bad:?}");
        }
    }
}
