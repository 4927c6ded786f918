//! What this device shows its own relay: that it is this device, and the keys by which others reach it.
//!
//! New device keys are prepared, published with everything that they sign, and count once the relay has answered. If that
//! answer is lost the relay knows them already: then the login with the old key is refused, and the new one logs in.

use super::people::member_groups;
use super::session::Session;
use crate::directory::{answer_fault, look_at};
use crate::store::messages::signed;
use crate::store::meta::Fact;
use crate::store::outbox::What;
use crate::store::relays::RelayFacts;
use crate::store::{Store, Tx};
use crate::transport::Link;
use crate::{ClientError, Event, Result};
use conclave_protocol::GroupId;
use conclave_protocol::group::Intent;
use conclave_protocol::identity::{Account, ListedDevice};
use conclave_protocol::primitives::sign::VerifyingKey;
use conclave_protocol::session::{Publication, Stock, replenish, retire_all};
use conclave_wire::auth::{identity_bytes, login_bytes, recover_bytes};
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use conclave_wire::{Code, DeviceId, RelayId};

/// The relay's clock is behind: after so long it is asked again, in milliseconds.
const IDENTITY_LATER: u64 = 10 * 60 * 1000;

/// What is to be published, and what it fulfils.
struct Publishing {
    request: v1::Publish,
    /// The device list that the relay has then, by its version.
    version: i64,
    /// So many wishes to have all keys replaced.
    wanted: i64,
    /// So many changes of the own devices.
    devices: i64,
    /// The account with the announced identity key, if that is taken over by it.
    renewed: Option<Account>,
}

impl Session<'_> {
    /// Wished for new keys are published before anything more is said, so that heals can carry them. Whether a part of the
    /// history is to be told now.
    pub(super) async fn renew_keys(&mut self) -> Result<bool> {
        if !self.own {
            return Ok(false);
        }
        let wanted = |tx: &Tx| {
            let keys = tx.number(Fact::KeysWanted)? > tx.number(Fact::KeysReplaced)?;
            let devices = tx.number(Fact::DevicesWanted)? > tx.number(Fact::DevicesTold)?;
            Ok((keys || devices || identity_is_due(tx)?, super::history::is_due(tx)?))
        };
        let (keys, history) = self.store.view(wanted).await?;
        if keys {
            self.catch_up().await?;
        }
        Ok(history)
    }

    /// Publishes what the directory lacks.
    pub(super) async fn publish(&mut self, stock: v1::Stock) -> Result<()> {
        let have =
            Stock { one_time_prekeys: stock.one_time_prekeys as usize, join_keys: stock.join_keys as usize };
        let (relay, hello) = (self.relay.id, self.link.hello().clone());
        let step = self.store.step(move |tx| publishing(tx, have, relay, &hello));
        let Some(publishing) = step.await? else { return Ok(()) };
        let Publishing { request, version, wanted, devices, renewed } = publishing;
        let (renews, not_now) = (renewed.is_some(), [Code::NoRecovery, Code::NotAnnounced].map(Code::as_str));
        let announces = !request.next_identity_key.is_empty();
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
                    tx.set_number(Fact::VetoWanted, 0)?;
                    if announces {
                        tx.set_number(Fact::IdentityAnnounced, 1)?;
                    }
                    if let Some(account) = renewed {
                        tx.protocol(|cx| account.take_over_identity(cx))?;
                        tx.set_number(Fact::IdentityAnnounced, 0)?;
                        tx.tell(&Event::IdentityTakenOver)?;
                        tell_groups(tx)?;
                    }
                    if devices > tx.number(Fact::DevicesTold)? {
                        tx.set_number(Fact::DevicesTold, devices)?;
                        member_groups(tx)?.iter().try_for_each(|group| want_devices(tx, group))?;
                    }
                    Ok(())
                };
                self.store.step(note).await
            }
            Ok(_) => Err(answer_fault()),
            Err(ClientError::Refused { code, .. }) if renews && not_now.contains(&code.as_str()) => {
                self.identity_waits().await
            }
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

    /// The announced key is not taken: by its clock the relay has not announced it long enough, or somebody objected.
    async fn identity_waits(&mut self) -> Result<()> {
        let handle = self.store.view(|tx| tx.protocol(|cx| Ok(Account::load(cx)?.handle().clone()))).await?;
        let listing = look_at(&self.link, self.store, handle).await?;
        let announced = listing.and_then(|listing| listing.next_identity).map(|(key, _)| key);
        let step = move |tx: &Tx| {
            let own = tx.protocol(|cx| Account::next_identity(cx))?;
            if own.is_some_and(|own| announced.is_some_and(|key| own.as_bytes()[..] == key[..])) {
                return tx.set_number(Fact::IdentityLater, signed(tx.now.plus(IDENTITY_LATER).0));
            }
            tx.protocol(Account::withdraw_identity)?;
            tx.set_number(Fact::IdentityAnnounced, 0)?;
            tx.tell(&Event::IdentityWithdrawn)
        };
        self.store.step(step).await
    }
}

/// Whether the announced identity key is to be taken over now.
fn identity_is_due(tx: &Tx) -> Result<bool> {
    let ready = tx.protocol(|cx| Account::identity_ready(cx))?;
    let later = tx.number(Fact::IdentityLater)?.unsigned_abs();
    Ok(ready.is_some_and(|ready| tx.now >= ready && tx.now.0 >= later))
}

/// The groups are to know the new keys before anything else is said there, those that were healed while they were on their
/// way as well: sessions that start with them are no others' to what is known before.
fn tell_groups(tx: &Tx) -> Result<()> {
    member_groups(tx)?.iter().try_for_each(|group| tx.heal_first(group))
}

/// The group is to have the own devices as the list does.
pub(crate) fn want_devices(tx: &Tx, group: &GroupId) -> Result<()> {
    tx.wish_beyond(group, &What::Change(Intent::Devices), 0).map(drop)
}

fn publishing(tx: &Tx, have: Stock, relay: [u8; 32], hello: &v1::Hello) -> Result<Option<Publishing>> {
    let wanted = tx.number(Fact::KeysWanted)?;
    let replace = wanted > tx.number(Fact::KeysReplaced)?;
    let takes_over = !replace && identity_is_due(tx)?;
    let (account, keys, renewed) = tx.protocol(|cx| {
        let mut account = Account::load(cx)?;
        let renewed = if takes_over { Account::with_next_identity(cx)? } else { None };
        if replace {
            // Anew at each try: of one whose answer is lost nobody knows what came through.
            retire_all(cx)?;
            account.prepare_keys(cx)?;
            account = Account::with_next_keys(cx)?.unwrap_or(account);
        }
        if renewed.is_none() {
            account.renew_list(cx)?;
        }
        let keys = replenish(&account, have, cx)?;
        Ok((account, keys, renewed))
    })?;
    let shown = renewed.as_ref().unwrap_or(&account);
    let list = shown.device_list();
    let version = crate::store::messages::signed(list.version());
    let newer = tx.number(Fact::ListPublished)? < version && account.is_primary();
    let untold = account.is_primary() && tx.number(Fact::IdentityTold)? == 0;
    let next = match tx.number(Fact::IdentityAnnounced)? {
        0 if renewed.is_none() => tx.protocol(|cx| Account::next_identity(cx))?,
        _ => None,
    };
    let veto = tx.number(Fact::VetoWanted)? > 0;
    if !newer && !untold && !veto && next.is_none() && keys.is_none() {
        // What was wished for is known to the relay already; unsaid, it would be looked for again and again.
        let devices = tx.number(Fact::DevicesWanted)?;
        if devices > tx.number(Fact::DevicesTold)? {
            tx.set_number(Fact::DevicesTold, devices)?;
        }
        return Ok(None);
    }
    // Only the first device signs lists, and knows of whom they speak.
    let devices = if newer && account.is_primary() { list.devices() } else { &[] };
    let request = v1::Publish {
        devices: devices.iter().map(listed).collect(),
        device_list: if newer { list.signed_bytes().to_vec().into() } else { Default::default() },
        device_key: if replace { device_key(&account) } else { Default::default() },
        identity_key: if untold || renewed.is_some() { identity_key(shown) } else { Default::default() },
        next_identity_key: next.map_or_else(Default::default, |next| next.as_bytes().to_vec().into()),
        next_identity_signature: match next {
            Some(next) => sign_next_identity(&account, &next, relay, hello)?.into(),
            None => Default::default(),
        },
        veto_identity_key: veto,
        keys: keys.map(published),
    };
    Ok(Some(Publishing { request, version, wanted, devices: tx.number(Fact::DevicesWanted)?, renewed }))
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
    let challenge = challenge(hello)?;
    let bytes = login_bytes(&RelayId::new(relay), &challenge, &DeviceId::new(account.device_id().0));
    Ok(account.device_signing().sign_raw(&bytes).as_bytes().to_vec())
}

/// Proves the person to this relay, for a device that replaces others.
pub(crate) fn sign_recovery(account: &Account, relay: [u8; 32], hello: &v1::Hello) -> Result<Vec<u8>> {
    let challenge = challenge(hello)?;
    let (device, key) = (DeviceId::new(account.device_id().0), account.device_signing().public());
    let bytes = recover_bytes(&RelayId::new(relay), &challenge, &device, key.as_bytes());
    Ok(account.sign_raw_as_person(&bytes)?.as_bytes().to_vec())
}

/// Announces the next identity key to this relay.
fn sign_next_identity(
    account: &Account,
    next: &VerifyingKey,
    relay: [u8; 32],
    hello: &v1::Hello,
) -> Result<Vec<u8>> {
    let bytes = identity_bytes(&RelayId::new(relay), &challenge(hello)?, next.as_bytes());
    Ok(account.sign_raw_as_person(&bytes)?.as_bytes().to_vec())
}

fn challenge(hello: &v1::Hello) -> Result<[u8; 32]> {
    let bad = |_| ClientError::RelayFault("its challenge has a wrong size");
    hello.challenge.as_ref().try_into().map_err(bad)
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
