//! What an entry of the log meant, told to the client.

use crate::codec::VLBytes;
use crate::content::Content;
use crate::gossip::Gossip;
use crate::identity::{DeviceList, Handle};
use crate::roster::{Change, Commit, Policy, Role, Roster};
use crate::{DeviceId, MessageId, PeerFault, PersonId, Timestamp};

/// What an entry meant.
#[derive(Clone, Debug)]
pub enum Received {
    /// Somebody said something.
    Message(ReceivedMessage),
    /// The own pending post is in the log, and merged.
    Accepted {
        /// The message it was, if it was one.
        message: Option<MessageId>,
        /// What it changed, if it was a commit.
        changes: Vec<Happened>,
        /// The epoch after it.
        epoch: u64,
    },
    /// Somebody's commit moved the group.
    Committed {
        /// Whose.
        author: PersonId,
        /// By which device.
        device: DeviceId,
        /// What it changed.
        changes: Vec<Happened>,
        /// The epoch after it.
        epoch: u64,
        /// The relay opened or closed other seats than the commit says.
        seats_differ: bool,
    },
    /// Somebody leaves: the removal is to be committed.
    LeaveRequested {
        /// Who.
        person: PersonId,
    },
    /// This device is out.
    Removed {
        /// By whom.
        by: PersonId,
    },
    /// Void for everybody: passed over.
    Void(PeerFault),
    /// Authentic, but this device lacks what opens it: ask to rejoin.
    Unreadable {
        /// From whom.
        person: PersonId,
        /// Why.
        fault: PeerFault,
    },
    /// Two different messages of one device came under one number of its chain: whoever sealed the second one has the
    /// device's keys, or is a member whose post the relay calls that device's. The second is not opened.
    NumberTwice {
        /// Whose device.
        person: PersonId,
        /// The device.
        device: DeviceId,
    },
    /// A commit by this device's own leaf that it did not make, posted by somebody else. Void for everybody.
    Impersonated,
    /// An entry of this device's own seat that this store knows nothing of: it is an older copy, or somebody else posts
    /// there, or the relay lies. This device must rejoin.
    NotPosted,
    /// The group moved on without this device: it must rejoin.
    Stranded(PeerFault),
    /// Only a hash: nothing to see.
    Unseen,
}

/// A message, opened.
#[derive(Clone, Debug)]
pub struct ReceivedMessage {
    /// Its id, the same in every re-seal.
    pub id: MessageId,
    /// From whom.
    pub person: PersonId,
    /// From which device.
    pub device: DeviceId,
    /// What it says.
    pub content: Content,
    /// The sender's clock.
    pub sent_at: Timestamp,
    /// The epoch.
    pub epoch: u64,
    /// Whether the sender saw the same log.
    pub view: ViewCheck,
    /// Earlier messages of the sender are missing here.
    pub gap: bool,
    /// What rides beside it.
    pub gossip: Gossip,
}

/// How the sender's view of the log compares with the own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewCheck {
    /// The same.
    Same,
    /// Too old, or from before this device joined.
    Unchecked,
    /// Another log: proof of a fork.
    Differs,
}

/// What a commit changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// A person came in.
    Added(PersonId),
    /// A person came in, for a reason.
    AddedFor(PersonId, String),
    /// A person is proposed, found there, for a reason or none.
    Proposed(PersonId, Handle, String),
    /// That a person who is proposed come in is endorsed.
    Endorsed(PersonId),
    /// A person is proposed no more.
    Objected(PersonId),
    /// A person was removed.
    Removed(PersonId),
    /// A person left.
    Left(PersonId),
    /// A new name.
    Renamed(String),
    /// A new role.
    Role(PersonId, Role),
    /// Another policy.
    Policy(Policy),
    /// A device brought fresh secrets.
    Healed(DeviceId),
    /// A device was let in again.
    Rejoined(DeviceId),
    /// A person has one device more, or several.
    DeviceAdded(PersonId),
    /// A person has one device less, or several.
    DeviceRemoved(PersonId),
    /// Devices of a person have new keys.
    NewKeys(PersonId),
    /// A person has another identity key, signed by the one before.
    NewIdentity(PersonId),
    /// A person is back with devices of which none was there before: by the recovery key.
    Recovered(PersonId),
    /// A device of this person was put away: it had not been heard of for too long.
    Away(PersonId, DeviceId),
}

/// What a commit changes, for people; `roster` is the one before or after it.
pub(super) fn happened(commit: &Commit, roster: &Roster) -> Vec<Happened> {
    let draft = &commit.body.draft;
    let changes = draft.changes.iter().filter_map(|change| {
        Some(match change {
            Change::Add(member) => Happened::Added(member.person),
            Change::AddFor(member, reason) => Happened::AddedFor(member.person, text(reason)),
            Change::Propose(one) => Happened::Proposed(one.person, one.handle.clone(), text(&one.reason)),
            Change::Endorse(person) => Happened::Endorsed(*person),
            Change::Object(person) => Happened::Objected(*person),
            Change::Remove(person) => Happened::Removed(*person),
            Change::Leave(leave) => Happened::Left(leave.request.person),
            Change::Rename(name) => Happened::Renamed(text(name)),
            Change::Role(person, role) => Happened::Role(*person, *role),
            Change::Policy(policy) => Happened::Policy(*policy),
            Change::Rejoin(rejoin, _) => Happened::Rejoined(rejoin.request.device),
            Change::Away(device) => Happened::Away(roster.owner_of(*device)?, *device),
            Change::Devices(list, leaves) => {
                let newer = DeviceList::stored(list.as_slice()).ok()?;
                return devices(roster.list(*newer.person()), &newer, !leaves.is_empty());
            }
        })
    });
    let healed = draft.leaf.as_ref().map(|leaf| Happened::Healed(leaf.device));
    changes.chain(healed).collect()
}

fn text(bytes: &VLBytes) -> String {
    String::from_utf8_lossy(bytes.as_slice()).into_owned()
}

/// What a list says beside the one known before: the most that can be told of it. One that was signed anew for its date
/// alone is nothing to tell.
fn devices(known: Option<&DeviceList>, newer: &DeviceList, added: bool) -> Option<Happened> {
    let person = *newer.person();
    let gone = |known: &DeviceList| known.devices().iter().any(|one| newer.device(one.device).is_none());
    let none_left = |known: &DeviceList| known.devices().iter().all(|one| newer.device(one.device).is_none());
    match known {
        Some(known) if none_left(known) => Some(Happened::Recovered(person)),
        _ if added => Some(Happened::DeviceAdded(person)),
        Some(known) if gone(known) => Some(Happened::DeviceRemoved(person)),
        Some(known) if known.identity() != newer.identity() => Some(Happened::NewIdentity(person)),
        Some(known) if known.devices() == newer.devices() => None,
        _ => Some(Happened::NewKeys(person)),
    }
}
