//! This device's own account: identity key, device keys, device list. One row of the store.
//!
//! Registration with a relay, and secrets that come and go (prekeys, sessions, leaves), live elsewhere.

use super::device_list::{DeviceList, ListedDevice};
use super::{Handle, PeerDevice};
use crate::codec::VLBytes;
use crate::primitives::dh::DhSecret;
use crate::primitives::sign::{SigningKey, VerifyingKey};
use crate::vault::{Row, key, load, save};
use crate::{Context, DeviceId, Misuse, PersonId, Result};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The account of this store. It holds secrets, so it has no `Debug` and no `Clone`.
pub struct Account {
    pub(super) own: Own,
    pub(super) list: DeviceList,
}

pub(super) struct Own {
    pub(super) handle: Handle,
    /// On the primary device alone.
    pub(super) identity: Option<SigningKey>,
    pub(super) device: DeviceId,
    pub(super) signing: SigningKey,
    pub(super) dh: DhSecret,
}

/// As it lies in the store: of the primary device, or of one that it has linked.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(super) enum Stored {
    #[tls_codec(discriminant = 1)]
    Primary(Handle, SigningKey, DeviceId, SigningKey, DhSecret, VLBytes),
    #[tls_codec(discriminant = 2)]
    Linked(Handle, DeviceId, SigningKey, DhSecret, VLBytes),
}

/// The same, to be written.
#[derive(TlsSize, TlsSerialize)]
#[repr(u8)]
enum Form<'a> {
    #[tls_codec(discriminant = 1)]
    Primary(Handle, &'a SigningKey, DeviceId, &'a SigningKey, &'a DhSecret, VLBytes),
    #[tls_codec(discriminant = 2)]
    Linked(Handle, DeviceId, &'a SigningKey, &'a DhSecret, VLBytes),
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
        let own = Own { handle, identity: Some(identity), device, signing, dh };
        let account = Self { own, list };
        account.save(cx)?;
        Ok(account)
    }

    /// The account of this store.
    ///
    /// # Errors
    /// `NoAccount`.
    pub fn load(cx: &mut Context) -> Result<Self> {
        let stored: Option<Stored> = load(cx.vault, &key(Row::Account, &[]))?;
        let (own, list) = match stored.ok_or(Misuse::NoAccount)? {
            Stored::Primary(handle, identity, device, signing, dh, list) => {
                (Own { handle, identity: Some(identity), device, signing, dh }, list)
            }
            Stored::Linked(handle, device, signing, dh, list) => {
                (Own { handle, identity: None, device, signing, dh }, list)
            }
        };
        Ok(Self { own, list: DeviceList::stored(list.as_slice())? })
    }

    /// The person.
    pub fn person(&self) -> &PersonId {
        self.list.person()
    }

    /// This device.
    pub fn device_id(&self) -> &DeviceId {
        &self.own.device
    }

    /// Where the person is found.
    pub fn handle(&self) -> &Handle {
        &self.own.handle
    }

    /// Changes where the person is found, for a host that is known only after registration.
    pub fn set_handle(&mut self, handle: Handle, cx: &mut Context) -> Result<()> {
        self.own.handle = handle;
        self.save(cx)
    }

    /// The person's identity key.
    pub fn identity_public(&self) -> &VerifyingKey {
        self.list.identity()
    }

    /// The current device list.
    pub fn device_list(&self) -> DeviceList {
        self.list.clone()
    }

    /// This device as others see it.
    pub fn as_peer(&self) -> PeerDevice {
        PeerDevice {
            person: *self.person(),
            device: self.own.device,
            signing: *self.own.signing.public(),
            dh: *self.own.dh.public(),
        }
    }

    /// The key with which this device signs.
    pub fn device_signing(&self) -> &SigningKey {
        &self.own.signing
    }

    /// The key with which this device enters sessions.
    pub fn device_dh(&self) -> &DhSecret {
        &self.own.dh
    }

    /// Signs the list anew if it is older than 30 days; what it returns must be published. Where new keys are prepared, their
    /// list is.
    pub fn renew_list(&mut self, cx: &mut Context) -> Result<Option<DeviceList>> {
        if !self.list.is_due(cx.now) || cx.vault.get(&key(Row::NextDevice, &[]))?.is_some() {
            return Ok(None);
        }
        let (version, devices) = (self.list.version() + 1, self.list.devices().to_vec());
        let Some(identity) = &self.own.identity else { return Ok(None) };
        self.list = self.list.followed_by(identity, version, devices, cx.now)?;
        self.save(cx)?;
        Ok(Some(self.list.clone()))
    }

    pub(super) fn save(&self, cx: &mut Context) -> Result<()> {
        let Own { handle, identity, device, signing, dh } = &self.own;
        let list = self.list.signed_bytes().into();
        let form = match identity {
            Some(identity) => Form::Primary(handle.clone(), identity, *device, signing, dh, list),
            None => Form::Linked(handle.clone(), *device, signing, dh, list),
        };
        save(cx.vault, &key(Row::Account, &[]), &form)
    }
}
