//! What this device shows its own relay: that it is this device, and the keys by which others reach it.
//!
//! New device keys are prepared, published with everything that they sign, and count once the relay has answered. If that
//! answer is lost the relay knows them already: then the login with the old key is refused, and the new one logs in.

use super::people::member_groups;
use super::session::Session;
use crate::directory::answer_fault;
use crate::store::meta::Fact;
use crate::store::outbox::{Heal, What, WishState};
use crate::store::relays::RelayFacts;
use crate::store::{Store, Tx};
use crate::transport::Link;
use crate::{ClientError, Event, Result};
use conclave_protocol::GroupId;
use conclave_protocol::group::Intent;
use conclave_protocol::identity::{Account, ListedDevice};
use conclave_protocol::session::{Publication, Stock, replenish, retire_all};
use conclave_wire::auth::{login_bytes, recover_bytes};
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use conclave_wire::{Code, DeviceId, RelayId};

/// What is to be published, and what it fulfils.
struct Publishing {
    request: v1::Publish,
    /// The device list that the relay has then, by its version.
    version: i64,
    /// So many wishes to have all keys replaced.
    wanted: i64,
    /// So many changes of the own devices.
    devices: i64,
}

impl Session<'_> {
    /// Wished for new keys are published before anything more is said, so that heals can carry them.
    pub(super) async fn renew_keys(&mut self) -> Result<()> {
        let wanted = |tx: &Tx| {
            let keys = tx.number(Fact::KeysWanted)? > tx.number(Fact::KeysReplaced)?;
            Ok(keys || tx.number(Fact::DevicesWanted)? > tx.number(Fact::DevicesTold)?)
        };
        match self.own && self.store.view(wanted).await? {
            true => self.catch_up().await,
            false => Ok(()),
        }
    }

    /// Publishes what the directory lacks.
    pub(super) async fn publish(&mut self, stock: v1::Stock) -> Result<()> {
        let have =
            Stock { one_time_prekeys: stock.one_time_prekeys as usize, join_keys: stock.join_keys as usize };
        let Some(publishing) = self.store.step(move |tx| publishing(tx, have)).await? else { return Ok(()) };
        let Publishing { request, version, wanted, devices } = publishing;
        match self.link.ask(Request::Publish(request)).await {
            Ok(Body::Stock(_)) => {
                let note = move |tx: &Tx| {
                    if wanted > tx.number(Fact::KeysReplaced)? {
                        tx.protocol(Account::take_over_keys)?;
                        tx.set_number(Fact::KeysReplaced, wanted)?;
                        tell_groups(tx)?;
                    }
                    tx.set_number(Fact::ListPublished, version)?;
                    tx.set_number(Fact::IdentityTold, 1)?;
                    if devices > tx.number(Fact::DevicesTold)? {
                        tx.set_number(Fact::DevicesTold, devices)?;
                        member_groups(tx)?.iter().try_for_each(|group| want_devices(tx, group))?;
                    }
                    Ok(())
                };
                self.store.step(note).await
            }
            Ok(_) => Err(answer_fault()),
            Err(ClientError::Refused { code, .. }) if code == Code::NoRecovery.as_str() => {
                let cause = "it holds another identity key for this name: somebody else could recover it";
                let note = move |tx: &Tx| {
                    tx.set_number(Fact::IdentityTold, 1)?;
                    tx.tell(&Event::RelayFault { cause: cause.into() })
                };
                self.store.step(note).await
            }
            Err(error) => Err(error),
        }
    }
}

/// The groups are to know the new keys, those that were healed while they were on their way as well.
fn tell_groups(tx: &Tx) -> Result<()> {
    for group in member_groups(tx)? {
        // One that is sealed already names the keys before.
        let waits = |heal: &Heal| matches!(heal, Heal::Waits(wish) if wish.state == WishState::Queued);
        if !waits(&tx.heal_of(&group)?) {
            tx.heal_first(&group)?;
        }
    }
    Ok(())
}

/// The group is to have the own devices as the list does.
pub(crate) fn want_devices(tx: &Tx, group: &GroupId) -> Result<()> {
    tx.wish_beyond(group, &What::Change(Intent::Devices), 0).map(drop)
}

fn publishing(tx: &Tx, have: Stock) -> Result<Option<Publishing>> {
    let wanted = tx.number(Fact::KeysWanted)?;
    let replace = wanted > tx.number(Fact::KeysReplaced)?;
    let (account, keys) = tx.protocol(|cx| {
        let mut account = Account::load(cx)?;
        if replace {
            // Anew at each try: of one whose answer is lost nobody knows what came through.
            retire_all(cx)?;
            account.prepare_keys(cx)?;
            account = Account::with_next_keys(cx)?.unwrap_or(account);
        }
        account.renew_list(cx)?;
        let keys = replenish(&account, have, cx)?;
        Ok((account, keys))
    })?;
    let list = account.device_list();
    let version = crate::store::messages::signed(list.version());
    let newer = tx.number(Fact::ListPublished)? < version && account.is_primary();
    let untold = account.is_primary() && tx.number(Fact::IdentityTold)? == 0;
    if !newer && !untold && keys.is_none() {
        return Ok(None);
    }
    // Only the first device signs lists, and knows of whom they speak.
    let devices = if newer && account.is_primary() { list.devices() } else { &[] };
    let request = v1::Publish {
        devices: devices.iter().map(listed).collect(),
        device_list: if newer { list.signed_bytes().to_vec().into() } else { Default::default() },
        device_key: if replace { device_key(&account) } else { Default::default() },
        identity_key: if untold { identity_key(&account) } else { Default::default() },
        keys: keys.map(published),
    };
    Ok(Some(Publishing { request, version, wanted, devices: tx.number(Fact::DevicesWanted)? }))
}

/// As the relay is told of a device.
pub(crate) fn listed(listed: &ListedDevice) -> v1::ListedDevice {
    v1::ListedDevice {
        device: listed.device.0.to_vec().into(),
        device_key: listed.signing.as_bytes().to_vec().into(),
    }
}

/// The key by which the person recovers.
pub(crate) fn identity_key(account: &Account) -> bytes::Bytes {
    account.identity_public().as_bytes().to_vec().into()
}

/// The key that logins are checked with.
pub(crate) fn device_key(account: &Account) -> bytes::Bytes {
    account.device_signing().public().as_bytes().to_vec().into()
}

/// Logs in; gives what the directory holds of this device's keys.
pub(super) async fn log_in(store: &Store, link: &Link, relay: &RelayFacts) -> Result<v1::Stock> {
    let (id, hello) = (relay.id, link.hello().clone());
    let logins = store.view(move |tx| {
        let now = tx.protocol(Account::load)?;
        let next = tx.protocol(Account::with_next_keys)?;
        let login = |account: &Account| -> Result<v1::Login> {
            let signature = sign_login(account, id, &hello)?;
            Ok(v1::Login { device: account.device_id().0.to_vec().into(), signature: signature.into() })
        };
        Ok((login(&now)?, next.as_ref().map(login).transpose()?))
    });
    let (now, next) = logins.await?;
    let answer = match (link.ask(Request::Login(now)).await, next) {
        (Err(ClientError::Refused { code, .. }), Some(next)) if code == Code::BadSignature.as_str() => {
            link.ask(Request::Login(next)).await
        }
        (answer, _) => answer,
    };
    match answer? {
        Body::Stock(stock) => Ok(stock),
        _ => Err(answer_fault()),
    }
}

/// Proves the device to this relay, on this connection only.
pub(crate) fn sign_login(account: &Account, relay: [u8; 32], hello: &v1::Hello) -> Result<Vec<u8>> {
    let bad = |_| ClientError::RelayFault("its challenge has a wrong size");
    let challenge: [u8; 32] = hello.challenge.as_ref().try_into().map_err(bad)?;
    let bytes = login_bytes(&RelayId::new(relay), &challenge, &DeviceId::new(account.device_id().0));
    Ok(account.device_signing().sign_raw(&bytes).as_bytes().to_vec())
}

/// Proves the person to this relay, for a device that replaces others.
pub(crate) fn sign_recovery(account: &Account, relay: [u8; 32], hello: &v1::Hello) -> Result<Vec<u8>> {
    let bad = |_| ClientError::RelayFault("its challenge has a wrong size");
    let challenge: [u8; 32] = hello.challenge.as_ref().try_into().map_err(bad)?;
    let (device, key) = (DeviceId::new(account.device_id().0), account.device_signing().public());
    let bytes = recover_bytes(&RelayId::new(relay), &challenge, &device, key.as_bytes());
    Ok(account.sign_raw_as_person(&bytes)?.as_bytes().to_vec())
}

/// As the relay takes it.
pub(crate) fn published(publication: Publication) -> v1::PublishedKeys {
    let all = |keys: Vec<Vec<u8>>| keys.into_iter().map(Into::into).collect();
    v1::PublishedKeys {
        bundle: publication.bundle.unwrap_or_default().into(),
        last_resort_join_key: publication.last_resort_join_key.unwrap_or_default().into(),
        one_time_prekeys: all(publication.one_time_prekeys),
        join_keys: all(publication.join_keys),
    }
}
