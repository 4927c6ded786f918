//! New keys for this device, under the same identity and device id: after a theft, or on suspicion.
//!
//! ```text
//! prepare ─► next (published by the caller) ─► take over: the keys before stay for what is on its way to them
//! ```
//! Groups learn of them by a list in this device's next heal. Which keys a relay checks logins with is the caller's concern.

use super::device_list::{DeviceList, ListedDevice};
use super::{Account, PeerDevice};
use crate::codec::VLBytes;
use crate::primitives::dh::DhSecret;
use crate::primitives::sign::SigningKey;
use crate::session::{self, GRACE};
use crate::vault::{Row, key, load, save};
use crate::{Context, Error, Result, Timestamp, codec};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Keys that this device will have, and the list that says so.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Next {
    signing: SigningKey,
    dh: DhSecret,
    list: VLBytes,
}

/// The Diffie-Hellman key that this device had before.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Former {
    dh: DhSecret,
    /// The first list that does not have it.
    replaced_by: u64,
    until: Timestamp,
}

/// The keys of this device by which somebody may have started a session.
pub(crate) struct DeviceKeys {
    former: Option<DhSecret>,
    pub(crate) peer: PeerDevice,
}

impl DeviceKeys {
    /// The secret half.
    pub(crate) fn dh<'a>(&'a self, account: &'a Account) -> &'a DhSecret {
        self.former.as_ref().unwrap_or(account.device_dh())
    }
}

impl Account {
    /// Makes new keys for this device, to be published and then taken over, unless there are some already. A linked device
    /// cannot sign for itself: it is revoked and linked anew.
    pub fn prepare_keys(&self, cx: &mut Context) -> Result<()> {
        if cx.vault.get(&key(Row::NextDevice, &[]))?.is_some() {
            return Ok(());
        }
        let (signing, dh) = (SigningKey::generate(cx), DhSecret::generate(cx));
        let own = ListedDevice { device: *self.device_id(), signing: *signing.public(), dh: *dh.public() };
        let others = self.list.devices().iter().filter(|listed| listed.device != own.device).copied();
        let devices = others.chain([own]).collect();
        let Some(identity) = &self.own.identity else { return Ok(()) };
        let list = self.list.followed_by(identity, self.list.version() + 1, devices, cx.now)?;
        let list = list.signed_bytes().into();
        save(cx.vault, &key(Row::NextDevice, &[]), &Next { signing, dh, list })
    }

    /// This account with the keys that are prepared, if there are any. Nothing is changed.
    pub fn with_next_keys(cx: &mut Context) -> Result<Option<Self>> {
        let Some(Next { signing, dh, list }) = load(cx.vault, &key(Row::NextDevice, &[]))? else {
            return Ok(None);
        };
        let mut account = Self::load(cx)?;
        account.list = DeviceList::stored(list.as_slice())?;
        (account.own.signing, account.own.dh) = (signing, dh);
        Ok(Some(account))
    }

    /// The prepared keys are known to the relay: they count from now on, and every session is to start anew. What is on
    /// its way to the keys before opens for 52 days more.
    pub fn take_over_keys(cx: &mut Context) -> Result<()> {
        let Some(account) = Self::with_next_keys(cx)? else { return Ok(()) };
        let until = cx.now.plus(GRACE);
        let former = Former { dh: Self::load(cx)?.own.dh, replaced_by: account.list.version(), until };
        save(cx.vault, &former_row(former.replaced_by), &former)?;
        account.save(cx)?;
        cx.vault.delete(&key(Row::NextDevice, &[]))?;
        session::retire_every(cx)
    }

    /// Deletes former keys that nothing can arrive at any more.
    pub(crate) fn tidy_keys(cx: &mut Context) -> Result<()> {
        for found in cx.vault.scan(&key(Row::FormerDevice, &[]))? {
            let former: Former = codec::decode(&found.value).map_err(|_| Error::CorruptStore)?;
            if cx.now >= former.until {
                cx.vault.delete(&found.key)?;
            }
        }
        Ok(())
    }

    /// The keys that this device had by the list of a version.
    pub(crate) fn keys_by(&self, list: u64, cx: &Context) -> Result<DeviceKeys> {
        let mut peer = self.as_peer();
        for found in cx.vault.scan(&key(Row::FormerDevice, &[]))? {
            let former: Former = codec::decode(&found.value).map_err(|_| Error::CorruptStore)?;
            // By ascending version: the first that is newer than the list replaced what the list had.
            if list < former.replaced_by {
                peer.dh = *former.dh.public();
                return Ok(DeviceKeys { former: Some(former.dh), peer });
            }
        }
        Ok(DeviceKeys { former: None, peer })
    }
}

fn former_row(version: u64) -> Vec<u8> {
    key(Row::FormerDevice, &[&version.to_be_bytes()])
}
