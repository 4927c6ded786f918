//! The devices of a person in a group: the list that a change brings, and first leaves for those that are new in it. Mostly
//! it is one of them that says so; anybody else does it for somebody who has no other device left.
//!
//! Making the commit is the concern of `change`; who is a device of whom, of the identity.

use super::{Bundles, Group};
use crate::identity::{Account, DeviceList, PeerDevice};
use crate::roster::{Change, Leaf, LeafKeys};
use crate::{Context, DeviceId, Misuse, PeerFault, PersonId, Result, SeatId};

impl Group {
    /// Whose device it is, present or away.
    pub fn owner(&self, device: DeviceId) -> Option<PersonId> {
        self.roster.owner_of(device)
    }

    /// Whether a device is in, with keys.
    pub fn reaches(&self, device: DeviceId) -> bool {
        self.roster.leaves().any(|leaf| leaf.device == device)
    }

    /// What a heal says along the way: the own device list, if the roster has an older one, and who is away.
    pub(super) fn beside_a_heal(&self, account: &Account, cx: &mut Context) -> Result<Vec<Change>> {
        let known = self.roster.list(*account.person()).ok_or(Misuse::NotInGroup)?;
        let list = account.device_list();
        let newer = (list.version() > known.version())
            .then(|| Change::Devices(list.signed_bytes().into(), Vec::new()));
        // Own devices that are gone from the list go with it.
        let own = self.roster.member(*account.person()).ok_or(Misuse::NotInGroup)?;
        let unlisted = |device: &DeviceId| {
            own.present().any(|leaf| leaf.device == *device) && list.device(*device).is_none()
        };
        let away = self.away(cx)?.into_iter().filter(|device| newer.is_none() || !unlisted(device));
        Ok(newer.iter().cloned().chain(away.map(Change::Away)).collect())
    }

    /// The devices of a list that have no place in the group yet.
    pub(super) fn not_here(&self, list: &DeviceList) -> Result<Vec<DeviceId>> {
        let member = self.roster.member(*list.person()).ok_or(Misuse::NotAMember)?;
        let here = |device: &DeviceId| member.leaves.iter().any(|leaf| leaf.device == *device);
        Ok(list.devices().iter().map(|listed| listed.device).filter(|device| !here(device)).collect())
    }

    pub(super) fn own_devices(
        &self,
        account: &Account,
        bundles: &Bundles,
        cx: &mut Context,
    ) -> Result<Change> {
        let list = account.device_list();
        let known = self.roster.list(*account.person()).ok_or(Misuse::NotInGroup)?;
        let mut leaves = Vec::new();
        for device in self.not_here(&list)? {
            let peer = list.peer(device).ok_or(PeerFault::RosterMismatch)?;
            leaves.push(first_leaf(&peer, bundles, cx)?);
        }
        if leaves.is_empty() && known.version() >= list.version() {
            return Err(Misuse::AlreadyMember.into());
        }
        Ok(Change::Devices(list.signed_bytes().into(), leaves))
    }

    /// Whether somebody has to bring a person's devices up to date here: whether a newer list names others than have leaves,
    /// or other keys; and whether a device that it still names could do it.
    pub fn lags_behind(&self, list: &DeviceList) -> Option<Lag> {
        let (known, member) = (self.roster.list(*list.person())?, self.roster.member(*list.person())?);
        let listed = |of: &DeviceList| of.devices().iter().map(|one| one.device).collect::<Vec<_>>();
        // Where keys were replaced in place, a leaf by the new ones comes from that device itself.
        let replaced =
            |leaf: &Leaf| list.device(leaf.device).is_some_and(|one| known.device(leaf.device) != Some(one));
        let same = listed(list) == listed(known);
        if list.newer(known).is_err() || same || member.present().any(replaced) {
            return None;
        }
        let sibling = member.present().any(|leaf| list.device(leaf.device).is_some());
        Some(if sibling { Lag::Sibling } else { Lag::Nobody })
    }

    /// As [`Self::own_devices`], for another member. A new device without keys in the directory is left for later.
    pub(super) fn devices_of(&self, person: PersonId, bundles: &Bundles, cx: &mut Context) -> Result<Change> {
        let (_, list) = bundles.list(person)?;
        let known = self.roster.list(person).ok_or(Misuse::NotAMember)?;
        let mut leaves = Vec::new();
        for device in self.not_here(list)? {
            let peer = list.peer(device).ok_or(PeerFault::RosterMismatch)?;
            match first_leaf(&peer, bundles, cx) {
                Err(crate::Error::Misuse(Misuse::JoinKeyNeeded)) => {}
                leaf => leaves.push(leaf?),
            }
        }
        if leaves.is_empty() && known.version() >= list.version() {
            return Err(Misuse::AlreadyMember.into());
        }
        Ok(Change::Devices(list.signed_bytes().into(), leaves))
    }
}

/// Who could bring a person's devices up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// Another device of that person, which is in the group.
    Sibling,
    /// No device of that person: somebody else has to.
    Nobody,
}

/// The leaf of a device that comes in: a join key that it published.
pub(super) fn first_leaf(peer: &PeerDevice, bundles: &Bundles, cx: &mut Context) -> Result<Leaf> {
    let keys = LeafKeys::Joined(bundles.join_key(peer, cx)?);
    Ok(Leaf { device: peer.device, seat: SeatId::random(cx), asked: 0, keys })
}
