//! Who is in a group. A [`Roster`] in hand is authentic: it was created here, reached by verified commits, or came in a
//! verified welcome.
//!
//! Which keys the members share is the group's concern; what the relay says about members is nobody's.

mod change;
mod commit;
mod leaf;
mod policy;
mod proposal;
mod record;

pub(crate) use change::{Change, LeaveRequest, RejoinRequest, SignedLeave, SignedRejoin};
pub(crate) use commit::{Body, Commit, Draft, SUITE};
pub(crate) use leaf::{Leaf, LeafKeys, LeafSecrets};
pub use policy::{Endorsers, Policy, Right, Role};
pub use proposal::{MAX_PROPOSALS, MAX_REASON};
pub(crate) use proposal::{Proposal, Proposed, Rules};
#[cfg(any(test, fuzzing))]
pub(crate) use record::Head as RosterHead;

use crate::codec::{self, VLBytes};
use crate::identity::{DeviceList, Handle, PeerDevice, UnverifiedDeviceList};
use crate::primitives::kdf;
use crate::primitives::sign::{PreparedKey, VerifyingKey};
use crate::{DeviceId, Digest, Error, GroupId, PeerFault, PersonId, Result, SeatId, labels};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The format of rosters, commits and welcomes.
pub(crate) const VERSION: u8 = 1;
/// The longest name of a group, in bytes.
pub const MAX_NAME: usize = 64;

/// The people of a group, their devices, leaves and roles, at one epoch.
#[derive(Clone)]
pub struct Roster {
    body: RosterBody,
    lists: Vec<DeviceList>,
    /// Leaf keys by which something was checked: who speaks once will speak again.
    prepared: RefCell<BTreeMap<VerifyingKey, PreparedKey>>,
}

#[derive(Clone, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct RosterBody {
    pub(crate) version: u8,
    pub(crate) suite: u8,
    pub(crate) group: GroupId,
    pub(crate) scheme: u8,
    pub(crate) direct: u8,
    pub(crate) epoch: u64,
    pub(crate) name: VLBytes,
    pub(crate) rules: Rules,
    pub(crate) members: Vec<Member>,
}

/// A person in a roster.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Member {
    pub(crate) person: PersonId,
    pub(crate) handle: Handle,
    pub(crate) role: Role,
    pub(crate) list: VLBytes,
    pub(crate) leaves: Vec<Leaf>,
}

impl Member {
    /// The leaves that have keys.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().filter(|leaf| !leaf.is_away())
    }
}

impl Roster {
    /// Checks a roster that came in a welcome: every list, every leaf. That its members are the right ones is shown by
    /// the signature of whoever sent it.
    pub(crate) fn verify(body: RosterBody) -> Result<Self> {
        if body.version != VERSION || body.suite != SUITE {
            return Err(PeerFault::UnknownVersion.into());
        }
        let mut lists = Vec::new();
        for member in &body.members {
            let list = verified_list(member)?;
            for leaf in &member.leaves {
                let device = list.peer(leaf.device).ok_or(PeerFault::RosterMismatch)?;
                leaf.verify(&body.group, &device)?;
            }
            lists.push(list);
        }
        let roster = Self { body, lists, prepared: RefCell::default() };
        roster.check_shape()?;
        Ok(roster)
    }

    /// Reads a roster from the own store.
    pub(crate) fn stored(body: RosterBody) -> Result<Self> {
        let lists = body.members.iter().map(|member| DeviceList::stored(member.list.as_slice()));
        let lists = lists.collect::<Result<_>>()?;
        Ok(Self { body, lists, prepared: RefCell::default() })
    }

    pub(crate) fn body(&self) -> &RosterBody {
        &self.body
    }

    /// The hash that commits name.
    pub(crate) fn hash(&self) -> Result<Digest> {
        Ok(kdf::hash(labels::ROSTER, &[&codec::encode(&self.body)?]))
    }

    /// The roster after `changes` by `author`, checked against policy and certificates.
    pub(crate) fn apply(&self, author: DeviceId, changes: &[Change], renewed: Option<&Leaf>) -> Result<Self> {
        let mut next = Self { body: self.body.clone(), lists: Vec::new(), prepared: self.prepared.clone() };
        next.body.epoch += 1;
        let by = self.member_of(author).ok_or(PeerFault::RosterMismatch)?;
        for change in changes {
            change.apply((by, author), self, &mut next.body)?;
        }
        next.lists = self.lists_of(&next.body.members)?;
        if let Some(leaf) = renewed {
            // By the keys of a list that comes with it, if one does.
            let device = next.peer(author).ok_or(PeerFault::RosterMismatch)?;
            let old = self.leaf(author).ok_or(PeerFault::RosterMismatch)?;
            leaf.verify_successor(&self.body.group, &device, old)?;
            *next.leaf_mut(author).ok_or(PeerFault::RosterMismatch)? = leaf.clone();
        }
        for person in changes.iter().filter_map(Change::devices_of) {
            next.verify_leaves_of(person)?;
        }
        next.check_shape()?;
        Ok(next)
    }

    fn verify_leaves_of(&self, person: PersonId) -> Result<()> {
        let member = self.member(person).ok_or(PeerFault::RosterMismatch)?;
        let list = self.list(person).ok_or(PeerFault::RosterMismatch)?;
        member.leaves.iter().try_for_each(|leaf| {
            let device = list.peer(leaf.device).ok_or(PeerFault::RosterMismatch)?;
            leaf.verify(&self.body.group, &device)
        })
    }

    /// Every leaf that has keys, in roster order.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = &Leaf> {
        self.body.members.iter().flat_map(Member::present)
    }

    /// Every seat, of those who are away as well.
    pub(crate) fn seats(&self) -> impl Iterator<Item = SeatId> {
        self.body.members.iter().flat_map(|member| &member.leaves).map(|leaf| leaf.seat)
    }

    /// The seats that `other` does not have.
    pub(crate) fn seats_not_in(&self, other: &Self) -> Vec<SeatId> {
        let known: BTreeSet<SeatId> = other.seats().collect();
        self.seats().filter(|seat| !known.contains(seat)).collect()
    }

    /// Whose device it is, present or away.
    pub(crate) fn owner_of(&self, device: DeviceId) -> Option<PersonId> {
        let mut members = self.body.members.iter();
        members
            .find(|member| member.leaves.iter().any(|leaf| leaf.device == device))
            .map(|member| member.person)
    }

    /// Whether the device was taken out for its absence, and may come back.
    pub(crate) fn is_away(&self, device: DeviceId) -> bool {
        let mut leaves = self.body.members.iter().flat_map(|member| &member.leaves);
        leaves.any(|leaf| leaf.device == device && leaf.is_away())
    }

    /// The leaves with keys whose seats have none in `other`, in roster order: who came since, or who went.
    pub(crate) fn leaves_not_in<'a>(&'a self, other: &Self) -> impl Iterator<Item = &'a Leaf> + use<'a> {
        let seats: BTreeSet<SeatId> = other.leaves().map(|leaf| leaf.seat).collect();
        self.leaves().filter(move |leaf| !seats.contains(&leaf.seat))
    }

    pub(crate) fn leaf(&self, device: DeviceId) -> Option<&Leaf> {
        self.leaves().find(|leaf| leaf.device == device)
    }

    pub(crate) fn leaf_by_seat(&self, seat: SeatId) -> Option<&Leaf> {
        self.author(seat).map(|(_, leaf)| leaf)
    }

    /// Whose posts a seat makes.
    pub(crate) fn author(&self, seat: SeatId) -> Option<(&Member, &Leaf)> {
        let members = self.body.members.iter();
        let mut leaves = members.flat_map(|member| member.present().map(move |leaf| (member, leaf)));
        leaves.find(|(_, leaf)| leaf.seat == seat)
    }

    /// Another leaf of a device that has one, made by that device: its certificate is checked.
    pub(crate) fn replace_leaf(&mut self, leaf: &Leaf) -> Result<()> {
        let device = self.lists.iter().find_map(|list| list.peer(leaf.device));
        leaf.verify(&self.body.group, &device.ok_or(PeerFault::RosterMismatch)?)?;
        *self.leaf_mut(leaf.device).ok_or(PeerFault::RosterMismatch)? = leaf.clone();
        Ok(())
    }

    /// The same at an epoch further on, where those between brought no change.
    pub(crate) fn at_epoch(mut self, epoch: u64) -> Self {
        self.body.epoch = epoch;
        self
    }

    fn leaf_mut(&mut self, device: DeviceId) -> Option<&mut Leaf> {
        self.body.members.iter_mut().flat_map(|member| &mut member.leaves).find(|leaf| leaf.device == device)
    }

    pub(crate) fn member(&self, person: PersonId) -> Option<&Member> {
        self.body.members.iter().find(|member| member.person == person)
    }

    pub(crate) fn member_of(&self, device: DeviceId) -> Option<&Member> {
        self.body.members.iter().find(|member| member.present().any(|leaf| leaf.device == device))
    }

    /// The keys of a device with a leaf.
    pub(crate) fn peer(&self, device: DeviceId) -> Option<PeerDevice> {
        self.leaf(device)?;
        self.lists.iter().find_map(|list| list.peer(device))
    }

    /// The leaf key of a member, prepared once for as long as this roster is in hand.
    pub(crate) fn key_of(&self, leaf: &Leaf) -> Result<PreparedKey> {
        let key = leaf.signing()?;
        if let Some(prepared) = self.prepared.borrow().get(&key) {
            return Ok(*prepared);
        }
        let prepared = key.prepare()?;
        self.prepared.borrow_mut().insert(key, prepared);
        Ok(prepared)
    }

    /// The device list of a member.
    pub(crate) fn list(&self, person: PersonId) -> Option<&DeviceList> {
        self.lists.iter().find(|list| *list.person() == person)
    }

    /// The members' lists, each verified unless this roster holds the very same already.
    fn lists_of(&self, members: &[Member]) -> Result<Vec<DeviceList>> {
        let known: BTreeMap<_, _> = self.lists.iter().map(|list| (*list.person(), list)).collect();
        let list = |member: &Member| match known.get(&member.person) {
            Some(known) if known.signed_bytes() == member.list.as_slice() => Ok((*known).clone()),
            _ => verified_list(member),
        };
        members.iter().map(list).collect()
    }

    fn check_shape(&self) -> Result<()> {
        let people: Vec<_> = self.body.members.iter().map(|member| member.person).collect();
        let leaves = || self.body.members.iter().flat_map(|member| &member.leaves);
        let devices: Vec<_> = leaves().map(|leaf| leaf.device).collect();
        let shaped = self.body.name.as_slice().len() <= MAX_NAME
            && std::str::from_utf8(self.body.name.as_slice()).is_ok()
            && (self.body.direct == 0 || self.body.members.len() <= 2)
            && all_differ(people.clone())
            && self.body.rules.proposals.iter().all(|proposal| well_proposed(proposal, &people))
            && all_differ(self.body.rules.proposals.iter().map(|one| one.proposed.person).collect())
            && all_differ(devices)
            && all_differ(self.seats().collect());
        if shaped { Ok(()) } else { Err(PeerFault::RosterMismatch.into()) }
    }
}

fn verified_list(member: &Member) -> Result<DeviceList> {
    let list = UnverifiedDeviceList::read(member.list.as_slice())?.verify()?;
    if *list.person() != member.person {
        return Err(PeerFault::WrongAddress.into());
    }
    Ok(list)
}

/// That it is by members and about nobody who is one.
fn well_proposed(proposal: &Proposal, people: &[PersonId]) -> bool {
    let reason = proposal.proposed.reason.as_slice();
    people.contains(&proposal.by)
        && !people.contains(&proposal.proposed.person)
        && proposal.endorsers.iter().all(|one| people.contains(one) && *one != proposal.by)
        && all_differ(proposal.endorsers.clone())
        && reason.len() <= MAX_REASON
        && std::str::from_utf8(reason).is_ok()
}

fn all_differ<T: Ord>(mut items: Vec<T>) -> bool {
    items.sort();
    items.is_sorted_by(|a, b| a < b)
}

/// Text that was checked when it entered the roster.
pub(crate) fn name_text(name: &VLBytes) -> Result<String> {
    String::from_utf8(name.as_slice().to_vec()).map_err(|_| Error::CorruptStore)
}
