//! What was fetched from the directory for a step: verified on use, against the keys that vouch for it.

use crate::identity::{Account, DeviceList, Handle, PeerDevice, UnverifiedDeviceList};
use crate::session::{self, Bundle, UnverifiedBundle, UnverifiedJoinKey, UnverifiedOneTimePrekey};
use crate::{Context, DeviceId, Misuse, PersonId, Result};
use std::collections::BTreeMap;

/// Fetched device lists and keys.
#[derive(Default)]
pub struct Bundles {
    people: BTreeMap<PersonId, (Handle, DeviceList)>,
    devices: BTreeMap<DeviceId, Fetched>,
    /// Lists that came along with bundles.
    lists: BTreeMap<PersonId, DeviceList>,
}

struct Fetched {
    bundle: Vec<u8>,
    one_time: Option<Vec<u8>>,
    join_key: Option<Vec<u8>>,
}

/// What must be fetched of a device before a step; its bundle always comes along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The device.
    pub device: DeviceId,
    /// Its person's handle: it says at which relay to ask.
    pub handle: Handle,
    /// A one-time prekey, for a session.
    pub prekey: bool,
    /// A join key, for an add.
    pub join_key: bool,
}

impl Bundles {
    /// Takes in a person's signed device list.
    ///
    /// # Errors
    /// As [`UnverifiedDeviceList::verify`].
    pub fn person(&mut self, handle: Handle, device_list: &[u8]) -> Result<PersonId> {
        let list = UnverifiedDeviceList::read(device_list)?.verify()?;
        let person = *list.person();
        self.people.insert(person, (handle, list));
        Ok(person)
    }

    /// Takes in what a device published.
    pub fn device(
        &mut self,
        device: DeviceId,
        bundle: Vec<u8>,
        one_time: Option<Vec<u8>>,
        join_key: Option<Vec<u8>>,
    ) {
        self.devices.insert(device, Fetched { bundle, one_time, join_key });
    }

    /// Takes in the list that came with a device's bundle: a device that has new keys signs by these.
    ///
    /// # Errors
    /// As [`UnverifiedDeviceList::verify`].
    pub fn listed(&mut self, device_list: &[u8]) -> Result<()> {
        let list = UnverifiedDeviceList::read(device_list)?.verify()?;
        self.lists.insert(*list.person(), list);
        Ok(())
    }

    /// A device and its list's version, by whichever list is newer: the roster's, or the one that came with its bundle.
    fn newest(&self, peer: &PeerDevice, known: u64) -> (PeerDevice, u64) {
        let newer = self.lists.get(&peer.person).filter(|list| list.version() > known);
        let found = newer.and_then(|list| Some((list.peer(peer.device)?, list.version())));
        found.unwrap_or((*peer, known))
    }

    pub(super) fn list(&self, person: PersonId) -> Result<&(Handle, DeviceList)> {
        Ok(self.people.get(&person).ok_or(Misuse::BundleNeeded)?)
    }

    /// The bundle of a device that `list` has.
    pub(super) fn bundle(&self, list: &DeviceList, device: DeviceId, cx: &Context) -> Result<Bundle> {
        let peer = list.peer(device).ok_or(Misuse::NotAMember)?;
        self.bundle_by(&self.newest(&peer, list.version()).0, cx)
    }

    fn bundle_by(&self, peer: &PeerDevice, cx: &Context) -> Result<Bundle> {
        let fetched = self.devices.get(&peer.device).ok_or(Misuse::BundleNeeded)?;
        UnverifiedBundle::read(&fetched.bundle)?.verify(peer, cx.now)
    }

    pub(super) fn join_key(&self, peer: &PeerDevice, cx: &Context) -> Result<UnverifiedJoinKey> {
        let fetched = self.devices.get(&peer.device).and_then(|fetched| fetched.join_key.as_ref());
        let (key, _) = UnverifiedJoinKey::read_first(fetched.ok_or(Misuse::JoinKeyNeeded)?)?;
        key.clone().verify(peer, cx.now)?;
        Ok(key)
    }

    /// The key package that came with the join key of a device; empty: none. Its own signature, by the join key's signing
    /// key, vouches for it.
    pub(super) fn key_package(&self, device: DeviceId) -> Result<Vec<u8>> {
        let fetched = self.devices.get(&device).and_then(|fetched| fetched.join_key.as_ref());
        let (_, package) = UnverifiedJoinKey::read_first(fetched.ok_or(Misuse::JoinKeyNeeded)?)?;
        Ok(package.to_vec())
    }

    /// Starts a session with a device.
    pub(super) fn start(
        &self,
        account: &Account,
        peer: &PeerDevice,
        list_version: u64,
        cx: &mut Context,
    ) -> Result<()> {
        let (peer, list_version) = self.newest(peer, list_version);
        let peer = &peer;
        let bundle = self.bundle_by(peer, cx)?;
        let one_time = self.devices.get(&peer.device).and_then(|fetched| fetched.one_time.as_ref());
        let one_time = one_time.map(|bytes| UnverifiedOneTimePrekey::read(bytes)?.verify(peer, cx.now));
        session::start(account, peer, list_version, &bundle, one_time.transpose()?.as_ref(), cx)
    }
}
