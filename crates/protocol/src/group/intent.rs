//! What a person wants of a group. How it becomes a commit is another file's concern.

use super::Role;
use crate::codec::VLBytes;
use crate::roster::{MAX_REASON, Policy};
use crate::{Misuse, PersonId, Result};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Something that a person (or the client for them) wants of a group. It survives lost races: it is turned into a commit
/// again at every new head until it is done.
#[derive(Clone, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Intent {
    /// Add people.
    Add(Vec<PersonId>) = 0,
    /// Remove people.
    Remove(Vec<PersonId>) = 1,
    /// Leave.
    Leave = 2,
    /// Give the group a name (UTF-8).
    Rename(VLBytes) = 3,
    /// Give a person a role.
    SetRole(PersonId, Role) = 4,
    /// Bring in fresh secrets.
    Heal = 5,
    /// Commit the removal of those who asked to leave.
    Settle = 6,
    /// Let a device in again: the request from its letter.
    Readmit(VLBytes) = 7,
    /// Bring the own device list up to date: devices that are new come in, those that are gone are out.
    Devices = 8,
    /// Bring the devices of another member up to date, by the list in the bundles.
    DevicesOf(PersonId) = 9,
    /// Give the group another policy.
    SetPolicy(Policy) = 10,
    /// Add people, for a reason (UTF-8, at most [`MAX_REASON`] bytes).
    AddFor(Vec<PersonId>, VLBytes) = 11,
    /// Agree that somebody who is proposed be added.
    Endorse(PersonId) = 12,
    /// Object to somebody who is proposed, or take an own proposal back.
    Object(PersonId) = 13,
    /// Add those who are proposed and sufficiently endorsed. That they have been proposed for long enough is the caller's
    /// concern.
    Admit(Vec<PersonId>) = 14,
    /// Remove people, and whoever was added by them since this epoch: a removal that comes after an addition undoes it.
    RemoveSince(Vec<PersonId>, u64) = 15,
}

impl Intent {
    /// The people whose device lists [`super::Group::change`] needs in its bundles.
    pub fn people(&self) -> &[PersonId] {
        match self {
            Self::Add(people) | Self::AddFor(people, _) | Self::Admit(people) => people,
            Self::DevicesOf(person) => std::slice::from_ref(person),
            _ => &[],
        }
    }

    /// To add people, for a reason or none.
    ///
    /// # Errors
    /// `TooLong` above [`MAX_REASON`] bytes.
    pub fn add(people: Vec<PersonId>, reason: &str) -> Result<Self> {
        if reason.len() > MAX_REASON {
            return Err(Misuse::TooLong(MAX_REASON).into());
        }
        let because = reason.as_bytes().into();
        Ok(if reason.is_empty() { Self::Add(people) } else { Self::AddFor(people, because) })
    }
}
