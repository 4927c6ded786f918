//! Further devices of a person. The primary device signs the list that names them; a linked one has keys of its own, and not the
//! identity key.
//!
//! ```text
//! new device: keys ─► asks, by a link that the primary device shows (group::linking) ─► adopts the list once it is in it
//! primary:    compares the code ─► lists the device ─► publishes
//! ```

use super::account::Own;
use super::device_list::{DeviceList, ListedDevice, MAX_DEVICES};
use super::{Account, Handle};
use crate::primitives::dh::DhSecret;
use crate::primitives::sign::SigningKey;
use crate::vault::{Row, key, load, save};
use crate::{Context, DeviceId, Misuse, PeerFault, Result};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// A device that is to become one of somebody's.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct NewDevice {
    device: DeviceId,
    signing: SigningKey,
    dh: DhSecret,
}

impl NewDevice {
    /// Makes the keys of this store's device, or takes up those of an earlier attempt.
    ///
    /// # Errors
    /// `AccountExists`.
    pub fn make(cx: &mut Context) -> Result<Self> {
        if cx.vault.get(&key(Row::Account, &[]))?.is_some() {
            return Err(Misuse::AccountExists.into());
        }
        if let Some(made) = load(cx.vault, &key(Row::NewDevice, &[]))? {
            return Ok(made);
        }
        let made = Self {
            device: DeviceId::random(cx),
            signing: SigningKey::generate(cx),
            dh: DhSecret::generate(cx),
        };
        save(cx.vault, &key(Row::NewDevice, &[]), &made)?;
        Ok(made)
    }

    /// As the list is to name it.
    pub fn listed(&self) -> ListedDevice {
        ListedDevice { device: self.device, signing: *self.signing.public(), dh: *self.dh.public() }
    }

    /// The key with which it signs.
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// Becomes a device of the person whose list names it, with these very keys.
    ///
    /// # Errors
    /// `WrongAddress` if it does not.
    pub fn adopt(self, handle: Handle, list: DeviceList, cx: &mut Context) -> Result<Account> {
        if list.device(self.device) != Some(&self.listed()) {
            return Err(PeerFault::WrongAddress.into());
        }
        let Self { device, signing, dh } = self;
        let account = Account { own: Own { handle, identity: None, device, signing, dh }, list };
        account.save(cx)?;
        cx.vault.delete(&key(Row::NewDevice, &[]))?;
        Ok(account)
    }
}

impl Account {
    /// Whether this device signs the list.
    pub fn is_primary(&self) -> bool {
        self.own.identity.is_some()
    }

    /// Lists one more device; the list must be published.
    ///
    /// # Errors
    /// `NotPrimary`, `KeysUnderWay`; `TooLong` for more than 16 devices.
    pub fn add_device(&mut self, listed: ListedDevice, cx: &mut Context) -> Result<()> {
        let known = self.list.devices().iter().filter(|known| known.device != listed.device).copied();
        let devices: Vec<_> = known.chain([listed]).collect();
        if devices.len() > MAX_DEVICES {
            return Err(Misuse::TooLong(MAX_DEVICES).into());
        }
        self.sign(devices, cx)
    }

    /// Takes a device off the list; the list must be published.
    ///
    /// # Errors
    /// `NotPrimary`, `KeysUnderWay`; `NotAMember` if it is not listed, or is this one.
    pub fn remove_device(&mut self, device: DeviceId, cx: &mut Context) -> Result<()> {
        if self.list.device(device).is_none() || device == self.own.device {
            return Err(Misuse::NotAMember.into());
        }
        let left = self.list.devices().iter().filter(|known| known.device != device);
        self.sign(left.copied().collect(), cx)
    }

    /// Takes over a newer list of this person, as the directory or a group has it. Whether there was one.
    ///
    /// # Errors
    /// `RolledBack`, `WrongAddress`, as [`DeviceList::newer`]; `WrongAddress` if this device is not in it any more, or it is by
    /// another identity key than this device has.
    pub fn take_list(&mut self, list: DeviceList, cx: &mut Context) -> Result<bool> {
        list.newer(&self.list)?;
        if list.version() == self.list.version() {
            return Ok(false);
        }
        list.device(self.own.device).ok_or(PeerFault::WrongAddress)?;
        if self.own.identity.as_ref().is_some_and(|identity| identity.public() != list.identity()) {
            return Err(PeerFault::WrongAddress.into());
        }
        self.list = list;
        self.save(cx)?;
        Ok(true)
    }

    /// Signs the list of this person's devices, as this device knows them, so that it is newer than one that it did not sign;
    /// it must be published. Nothing where it is newer already.
    ///
    /// # Errors
    /// `NotPrimary`.
    pub fn outdo(&mut self, forged: &DeviceList, cx: &mut Context) -> Result<()> {
        if forged.version() < self.list.version() {
            return Ok(());
        }
        let Some(identity) = &self.own.identity else { return Err(Misuse::NotPrimary.into()) };
        // Prepared keys have a list that would be older than this one: they are prepared anew.
        cx.vault.delete(&key(Row::NextDevice, &[]))?;
        let devices = self.list.devices().to_vec();
        self.list = self.list.followed_by(identity, forged.version() + 1, devices, cx.now)?;
        self.save(cx)
    }

    fn sign(&mut self, devices: Vec<ListedDevice>, cx: &mut Context) -> Result<()> {
        let Some(identity) = &self.own.identity else { return Err(Misuse::NotPrimary.into()) };
        if cx.vault.get(&key(Row::NextDevice, &[]))?.is_some() {
            // They have a list already, and two must not have one version.
            return Err(Misuse::KeysUnderWay.into());
        }
        self.list = self.list.followed_by(identity, self.list.version() + 1, devices, cx.now)?;
        self.save(cx)
    }
}
