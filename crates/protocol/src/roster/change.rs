//! What a commit changes, and whether its author may.

use super::proposal::{Proposed, check_reason, endorse, object};
use super::{Leaf, LeafKeys, MAX_NAME, Member, Policy, Role, Roster, RosterBody};
use crate::codec::{self, VLBytes};
use crate::identity::{DeviceList, UnverifiedDeviceList};
use crate::labels;
use crate::primitives::sign::{Signature, SigningKey};
use crate::session::UnverifiedJoinKey;
use crate::{DeviceId, GroupId, PeerFault, PersonId, Result, SeatId};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

#[derive(Clone, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(crate) enum Change {
    /// A person with the first leaves.
    Add(Member) = 0,
    /// A person, by decision of the author.
    Remove(PersonId) = 1,
    /// A person, by that person's own request.
    Leave(SignedLeave) = 2,
    Rename(VLBytes) = 3,
    Role(PersonId, Role) = 4,
    /// A device that lost track: its leaf is replaced. The seat is new.
    Rejoin(SignedRejoin, SeatId) = 5,
    /// A device that was away for too long: its keys are out, its person stays.
    Away(DeviceId) = 6,
    /// A newer device list of a person, and first leaves of devices that are new in the group. Devices that are not in it any
    /// more are out. Whoever sees it first may say so: it is that person who signed it.
    Devices(VLBytes, Vec<Leaf>) = 7,
    /// Another policy.
    Policy(Policy) = 8,
    /// "Let this person be added": where the policy asks for endorsers or for time.
    Propose(Proposed) = 9,
    /// "I agree."
    Endorse(PersonId) = 10,
    /// "I object", or the proposer takes it back.
    Object(PersonId) = 11,
    /// A person with the first leaves, and why they are added.
    AddFor(Member, VLBytes) = 12,
}

/// "Take me out", by a member.
#[derive(Clone, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct LeaveRequest {
    pub(crate) group: GroupId,
    pub(crate) person: PersonId,
    pub(crate) device: DeviceId,
}

/// A request to leave, signed by the device's leaf key.
#[derive(Clone, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct SignedLeave {
    pub(crate) request: LeaveRequest,
    signature: Signature,
}

/// "Let me in again", by a device that is still listed.
#[derive(Clone, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct RejoinRequest {
    pub(crate) group: GroupId,
    pub(crate) person: PersonId,
    pub(crate) device: DeviceId,
    pub(crate) last_epoch: u64,
    pub(crate) asked: u64,
    pub(crate) join_key: UnverifiedJoinKey,
}

/// A request to rejoin, signed by the device key.
#[derive(Clone, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct SignedRejoin {
    pub(crate) request: RejoinRequest,
    signature: Signature,
}

impl Change {
    /// Applies this change by `author`, who speaks from the device `from`, as `before` allows it, to `next`.
    pub(super) fn apply(
        &self,
        (author, from): (&Member, DeviceId),
        before: &Roster,
        next: &mut RosterBody,
    ) -> Result<()> {
        let policy = before.body().rules.policy;
        let allowed = |granted: bool| if granted { Ok(()) } else { Err(PeerFault::NotAllowed) };
        match self {
            Self::Add(member) => {
                allowed(policy.add.granted_to(author.role) && member.role == Role::Member)?;
                add(member, before, next)
            }
            Self::AddFor(member, reason) => {
                allowed(policy.add.granted_to(author.role) && member.role == Role::Member)?;
                check_reason(reason)?;
                add(member, before, next)
            }
            Self::Propose(proposed) => {
                allowed(policy.add.granted_to(author.role))?;
                proposed.propose(author.person, next)
            }
            Self::Endorse(person) => {
                allowed(policy.add.granted_to(author.role))?;
                endorse(*person, author, next)
            }
            Self::Object(person) => object(*person, (author, &policy), next),
            Self::Remove(person) => {
                allowed(policy.remove.granted_to(author.role) && *person != author.person)?;
                remove(*person, next)
            }
            Self::Leave(leave) => {
                leave.verify(before)?;
                remove(leave.request.person, next)
            }
            Self::Rename(name) => {
                allowed(policy.rename.granted_to(author.role) && name.as_slice().len() <= MAX_NAME)?;
                next.name = name.clone();
                Ok(())
            }
            Self::Role(person, role) => {
                allowed(author.role == Role::Administrator)?;
                let member = next.members.iter_mut().find(|member| member.person == *person);
                member.ok_or(PeerFault::RosterMismatch)?.role = *role;
                Ok(())
            }
            Self::Rejoin(rejoin, seat) => replace(rejoin.leaf(before, *seat)?, next),
            // How long it was away nobody can prove. Who is put away in spite comes back by itself, and sees by whom.
            Self::Away(device) => {
                allowed(*device != from)?;
                let mut leaves = next.members.iter_mut().flat_map(|member| &mut member.leaves);
                let leaf = leaves.find(|leaf| leaf.device == *device && !leaf.is_away());
                leaf.ok_or(PeerFault::RosterMismatch)?.keys = LeafKeys::Away;
                Ok(())
            }
            Self::Policy(policy) => {
                allowed(author.role == Role::Administrator)?;
                next.rules.policy = *policy;
                Ok(())
            }
            Self::Devices(list, leaves) => devices(list, leaves, (author, from), before, next),
        }
    }

    /// Who comes in by this.
    pub(crate) fn added(&self) -> Option<PersonId> {
        match self {
            Self::Add(member) | Self::AddFor(member, _) => Some(member.person),
            _ => None,
        }
    }

    /// Whose devices this changes.
    pub(super) fn devices_of(&self) -> Option<PersonId> {
        let Self::Devices(list, _) = self else { return None };
        DeviceList::stored(list.as_slice()).ok().map(|list| *list.person())
    }

    /// Whether this takes keys out of hands, so that the commit must carry a fresh seed.
    pub(crate) fn needs_seed(&self) -> bool {
        matches!(
            self,
            Self::Remove(_) | Self::Leave(_) | Self::Rejoin(..) | Self::Away(_) | Self::Devices(..)
        )
    }

    /// Whether this is a link of the chain of changes.
    pub(crate) fn is_lasting(&self) -> bool {
        !matches!(self, Self::Rejoin(..) | Self::Away(_))
    }
}

/// Puts a leaf in the place of the one that its device has.
fn replace(leaf: Leaf, next: &mut RosterBody) -> Result<()> {
    let leaves = next.members.iter_mut().flat_map(|member| &mut member.leaves);
    let old = leaves.into_iter().find(|old| old.device == leaf.device);
    *old.ok_or(PeerFault::RosterMismatch)? = leaf;
    Ok(())
}

fn add(member: &Member, before: &Roster, next: &mut RosterBody) -> Result<()> {
    let list = UnverifiedDeviceList::read(member.list.as_slice())?.verify()?;
    if member.leaves.is_empty() || next.members.iter().any(|other| other.person == member.person) {
        return Err(PeerFault::RosterMismatch.into());
    }
    for leaf in &member.leaves {
        let device = list.peer(leaf.device).ok_or(PeerFault::RosterMismatch)?;
        let LeafKeys::Joined(_) = &leaf.keys else { return Err(PeerFault::NotAllowed.into()) };
        leaf.verify(&next.group, &device)?;
    }
    // Who is proposed is so since an earlier commit, so that all have seen it.
    if !before.body().rules.admits(member.person, next.members.len()) {
        return Err(PeerFault::NotAllowed.into());
    }
    next.rules.drop(member.person);
    next.members.push(member.clone());
    Ok(())
}

fn devices(
    list: &VLBytes,
    leaves: &[Leaf],
    (author, from): (&Member, DeviceId),
    before: &Roster,
    next: &mut RosterBody,
) -> Result<()> {
    let newer = UnverifiedDeviceList::read(list.as_slice())?.verify()?;
    let person = *newer.person();
    let known = before.list(person).ok_or(PeerFault::RosterMismatch)?;
    newer.newer(known)?;
    // Nobody makes the seed of a commit that takes out its own leaf.
    if person == author.person && newer.device(from).is_none() {
        return Err(PeerFault::NotAllowed.into());
    }
    if newer.version() == known.version() && leaves.is_empty() {
        return Err(PeerFault::RolledBack.into());
    }
    let member = next.members.iter_mut().find(|member| member.person == person);
    let member = member.ok_or(PeerFault::RosterMismatch)?;
    member.list = list.clone();
    member.leaves.retain(|leaf| newer.device(leaf.device).is_some());
    // That each fits the list is checked with all others of this person, that none is there twice by the roster's shape.
    if leaves.iter().any(|leaf| !matches!(leaf.keys, LeafKeys::Joined(_)) || leaf.asked != 0) {
        return Err(PeerFault::NotAllowed.into());
    }
    member.leaves.extend_from_slice(leaves);
    Ok(())
}

fn remove(person: PersonId, next: &mut RosterBody) -> Result<()> {
    let before = next.members.len();
    next.members.retain(|member| member.person != person);
    next.rules.forget(person);
    if next.members.len() == before { Err(PeerFault::RosterMismatch.into()) } else { Ok(()) }
}

impl SignedLeave {
    pub(crate) fn sign(request: LeaveRequest, leaf: &SigningKey) -> Result<Self> {
        let signature = leaf.sign(labels::LEAVE, &codec::encode(&request)?);
        Ok(Self { request, signature })
    }

    /// Checks that the request is by a leaf of that person.
    pub(crate) fn verify(&self, roster: &Roster) -> Result<()> {
        let LeaveRequest { group, person, device } = &self.request;
        let member = roster.member_of(*device).filter(|member| member.person == *person);
        let leaf = roster.leaf(*device).filter(|_| member.is_some() && *group == roster.body().group);
        let key = leaf.ok_or(PeerFault::RosterMismatch)?.signing()?;
        key.verify(labels::LEAVE, &codec::encode(&self.request)?, &self.signature)
    }
}

impl SignedRejoin {
    pub(crate) fn sign(request: RejoinRequest, device: &SigningKey) -> Result<Self> {
        let signature = device.sign(labels::REJOIN, &codec::encode(&request)?);
        Ok(Self { request, signature })
    }

    /// The leaf that it asks for, checked: by a device with a leaf or one that is away, newer than the request that leaf
    /// came from.
    pub(crate) fn leaf(&self, roster: &Roster, seat: SeatId) -> Result<Leaf> {
        let RejoinRequest { group, person, device, asked, join_key, last_epoch } = &self.request;
        let member = roster.member(*person).filter(|_| *group == roster.body().group);
        let old = member.and_then(|member| member.leaves.iter().find(|leaf| leaf.device == *device));
        let peer = roster.list(*person).and_then(|list| list.peer(*device));
        let (Some(old), Some(peer)) = (old, peer) else { return Err(PeerFault::RosterMismatch.into()) };
        peer.signing.verify(labels::REJOIN, &codec::encode(&self.request)?, &self.signature)?;
        if *asked <= old.asked || *last_epoch > roster.body().epoch {
            return Err(PeerFault::RolledBack.into());
        }
        let keys = LeafKeys::Joined(join_key.clone());
        let leaf = Leaf { device: *device, seat, asked: *asked, keys };
        leaf.verify(group, &peer)?;
        Ok(leaf)
    }
}
