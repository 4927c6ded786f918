//! This device's own account: identity key, device keys, device list. One row of the store.
//!
//! Registration with a relay, and secrets that come and go (prekeys, sessions, leaves), live elsewhere.

use super::device_list::{DeviceList, ListedDevice};
use super::{Handle, PeerDevice};
use crate::codec::VLBytes;
use crate::primitives::dh::DhSecret;
use crate::primitives::sign::{SigningKey, VerifyingKey};
use crate::vault::{Row, key, load, save};
use crate::{Context, DeviceId, Error, Misuse, PersonId, Result};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

const FORMAT: u8 = 1;

/// The account of this store. It holds secrets, so it has no `Debug` and no `Clone`.
pub struct Account {
    pub(super) stored: Stored,
    pub(super) list: DeviceList,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Stored {
    format: u8,
    handle: Handle,
    pub(super) identity: SigningKey,
    device: DeviceId,
    pub(super) signing: SigningKey,
    pub(super) dh: DhSecret,
    pub(super) list: VLBytes,
}

impl Account {
    /// Makes the account of this store: a new identity with one device.
    ///
    /// # Errors
    /// `AccountExists`.
    pub fn create(handle: Handle, cx: &mut Context) -> Result<Self> {
        if cx.vault.get(&key(Row::Account, &[]))?.is_some() {
            return Err(Misuse::AccountExists.into());
        }
        let identity = SigningKey::generate(cx);
        let (device, signing, dh) = (DeviceId::random(cx), SigningKey::generate(cx), DhSecret::generate(cx));
        let listed = ListedDevice { device, signing: *signing.public(), dh: *dh.public() };
        let list = DeviceList::sign(&identity, 1, vec![listed], cx.now)?;
        let signed = list.signed_bytes().into();
        let stored = Stored { format: FORMAT, handle, identity, device, signing, dh, list: signed };
        let account = Self { stored, list };
        account.save(cx)?;
        Ok(account)
    }

    /// The account of this store.
    ///
    /// # Errors
    /// `NoAccount`.
    pub fn load(cx: &mut Context) -> Result<Self> {
        let stored: Option<Stored> = load(cx.vault, &key(Row::Account, &[]))?;
        let stored = stored.ok_or(Misuse::NoAccount)?;
        if stored.format != FORMAT {
            return Err(Error::CorruptStore);
        }
        let list = DeviceList::stored(stored.list.as_slice())?;
        Ok(Self { stored, list })
    }

    /// The person.
    pub fn person(&self) -> &PersonId {
        self.list.person()
    }

    /// This device.
    pub fn device_id(&self) -> &DeviceId {
        &self.stored.device
    }

    /// Where the person is found.
    pub fn handle(&self) -> &Handle {
        &self.stored.handle
    }

    /// Changes where the person is found, for a host that is known only after registration.
    pub fn set_handle(&mut self, handle: Handle, cx: &mut Context) -> Result<()> {
        self.stored.handle = handle;
        self.save(cx)
    }

    /// The person's identity key.
    pub fn identity_public(&self) -> &VerifyingKey {
        self.stored.identity.public()
    }

    /// The current device list.
    pub fn device_list(&self) -> DeviceList {
        self.list.clone()
    }

    /// This device as others see it.
    pub fn as_peer(&self) -> PeerDevice {
        PeerDevice {
            person: *self.person(),
            device: self.stored.device,
            signing: *self.stored.signing.public(),
            dh: *self.stored.dh.public(),
        }
    }

    /// The key with which this device signs.
    pub fn device_signing(&self) -> &SigningKey {
        &self.stored.signing
    }

    /// The key with which this device enters sessions.
    pub fn device_dh(&self) -> &DhSecret {
        &self.stored.dh
    }

    /// Signs the list anew if it is older than 30 days; what it returns must be published. Where new keys are prepared, their
    /// list is.
    pub fn renew_list(&mut self, cx: &mut Context) -> Result<Option<DeviceList>> {
        if !self.list.is_due(cx.now) || cx.vault.get(&key(Row::NextDevice, &[]))?.is_some() {
            return Ok(None);
        }
        let (version, devices) = (self.list.version() + 1, self.list.devices().to_vec());
        self.list = DeviceList::sign(&self.stored.identity, version, devices, cx.now)?;
        self.stored.list = self.list.signed_bytes().into();
        self.save(cx)?;
        Ok(Some(self.list.clone()))
    }

    pub(super) fn save(&self, cx: &mut Context) -> Result<()> {
        save(cx.vault, &key(Row::Account, &[]), &self.stored)
    }
}
