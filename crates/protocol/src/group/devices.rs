//! The own devices in a group: the list that a change brings, and first leaves for those that are new in it.
//!
//! Making the commit is the concern of `change`; who is a device of whom, of the identity.

use super::{Bundles, Group};
use crate::identity::{Account, DeviceList, PeerDevice};
use crate::roster::{Change, Leaf, LeafKeys};
use crate::{Context, DeviceId, Misuse, PeerFault, Result, SeatId};

impl Group {
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

    /// The own devices that have no place in the group yet.
    pub(super) fn not_here(&self, account: &Account, list: &DeviceList) -> Result<Vec<DeviceId>> {
        let member = self.roster.member(*account.person()).ok_or(Misuse::NotInGroup)?;
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
        for device in self.not_here(account, &list)? {
            let peer = list.peer(device).ok_or(PeerFault::RosterMismatch)?;
            leaves.push(first_leaf(&peer, bundles, cx)?);
        }
        if leaves.is_empty() && known.version() >= list.version() {
            return Err(Misuse::AlreadyMember.into());
        }
        Ok(Change::Devices(list.signed_bytes().into(), leaves))
    }
}

/// The leaf of a device that comes in: a join key that it published.
pub(super) fn first_leaf(peer: &PeerDevice, bundles: &Bundles, cx: &mut Context) -> Result<Leaf> {
    let keys = LeafKeys::Joined(bundles.join_key(peer, cx)?);
    Ok(Leaf { device: peer.device, seat: SeatId::random(cx), asked: 0, keys })
}
