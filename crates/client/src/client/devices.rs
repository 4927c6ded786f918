//! Further devices of this person: linked by a link from here, taken away, or becoming one.

use super::Client;
use super::conversations::found;
use super::links::bad_link;
use crate::clock::{Clock, SystemClock, check_reach};
use crate::directory::{Reach, answer_fault, look_up};
use crate::engine::own_chat;
use crate::info::{DeviceInfo, Outcome};
use crate::meeting::relay_id;
use crate::store::meta::Fact;
use crate::store::relays::RelayFacts;
use crate::store::{Store, Tx};
use crate::transport::{Address, Link};
use crate::{ClientError, Result};
use conclave_protocol::group::{Bundles, Need, Scheme, UnverifiedLinking, ask_to_link};
use conclave_protocol::identity::{Account, Handle, NewDevice, UnverifiedLink, make_link};
use conclave_protocol::{DeviceId, Misuse};
use conclave_wire::RelayId;
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a link for a device is good.
const LINK_LIFETIME: u64 = 15 * 60_000;
/// A new device asks so often whether it is listed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Client {
    /// Makes a link by which one new device may ask, for 15 minutes; one made before is good no more.
    ///
    /// # Errors
    /// `NotPrimary`.
    pub async fn link_device(&self) -> Result<String> {
        self.store
            .step(move |tx| {
                let account = tx.protocol(Account::load)?;
                if !account.is_primary() {
                    return Err(Misuse::NotPrimary.into());
                }
                let (relay, expires) = (tx.relay()?, tx.now.plus(LINK_LIFETIME));
                let (text, id) = tx.protocol(|cx| make_link(&account, &relay.url, relay.id, expires, cx))?;
                tx.set_blob(Fact::DeviceLink, id.as_bytes())?;
                tx.set_blob(Fact::DeviceAsks, &[])?;
                tx.set_number(Fact::DeviceLinkUntil, crate::store::messages::signed(expires.0))?;
                Ok(text)
            })
            .await
    }

    /// Lists the device that asks, if its code is this one: what the new device shows. Its own relay and all groups hear of
    /// it; what is not done within `wait` is done later, by itself.
    ///
    /// # Errors
    /// `NoDeviceAsks`; `WrongCode`: then the link is good no more.
    pub async fn approve_device(&self, code: &str, wait: Duration) -> Result<Outcome> {
        let code: String = code.chars().filter(char::is_ascii_digit).collect();
        let asked = self.store.step(move |tx| approve(tx, &code)).await?;
        self.until_told(asked?, wait).await
    }

    /// Until the relay knows what was wished for.
    pub(super) async fn until_told(&self, wanted: i64, wait: Duration) -> Result<Outcome> {
        let told = self.wait_until(wait, move |tx| Ok(tx.number(Fact::DevicesTold)? >= wanted)).await?;
        Ok(if told { Outcome::Done } else { Outcome::Queued })
    }

    /// Takes a device of this person away, named by its id: it reads nothing any more, and is gone from its relay.
    ///
    /// # Errors
    /// `NotPrimary`; `NotAMember` for a device that is not listed, or this one.
    pub async fn revoke_device(&self, device: &str, wait: Duration) -> Result<Outcome> {
        let device = device.to_owned();
        let step = move |tx: &Tx| {
            let mut account = tx.protocol(Account::load)?;
            let list = account.device_list();
            let listed = list.devices().iter().find(|listed| listed.device.to_string() == device);
            let device = listed.ok_or(Misuse::NotAMember)?.device;
            tx.protocol(|cx| account.remove_device(device, cx))?;
            if tx.telling()?.is_some_and(|telling| telling.device() == device) {
                tx.set_telling(None)?;
            }
            want_devices(tx)
        };
        let wanted = self.store.step(step).await?;
        self.until_told(wanted, wait).await
    }

    /// The devices of this person.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>> {
        self.store
            .view(|tx| {
                let account = tx.protocol(Account::load)?;
                let list = account.device_list();
                let telling = tx.telling()?;
                let untold = telling.as_ref().map(|telling| tx.left_to_tell(telling)).transpose()?;
                let info = |device: DeviceId| DeviceInfo {
                    device: device.to_string(),
                    this: device == *account.device_id(),
                    untold: untold.filter(|_| telling.is_some_and(|telling| telling.device() == device)),
                };
                Ok(list.devices().iter().map(|listed| info(listed.device)).collect())
            })
            .await
    }

    /// Makes this directory a device of whoever made `link`. `shown` gets the code that is to be compared there. Returns once
    /// the device is listed; a try that ended is taken up by the same call.
    ///
    /// # Errors
    /// `AccountExists`, `BadLink`, `LinkExpired`; `NotListed` if nobody approved within `wait`; `Unreachable` and the like.
    pub async fn become_device(
        dir: &Path,
        passphrase: &str,
        link: &str,
        shown: impl FnOnce(&str),
        wait: Duration,
    ) -> Result<Self> {
        Self::become_device_at(dir, passphrase, link, shown, wait, Arc::new(SystemClock)).await
    }

    /// As [`Client::become_device`], with another clock.
    pub async fn become_device_at(
        dir: &Path,
        passphrase: &str,
        link: &str,
        shown: impl FnOnce(&str),
        wait: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let until = Instant::now() + wait;
        let link = UnverifiedLink::read(link).map_err(bad_link)?;
        let facts =
            RelayFacts { url: link.relay(), id: link.relay_id(), host: link.handle().host().to_owned() };
        let address = Address::parse(&facts.url)?.pinned(RelayId::new(facts.id));
        check_reach(&*clock, &address)?;
        let near = Link::connect(&address).await?;
        if relay_id(&near)? != facts.id {
            return Err(ClientError::RelayChanged);
        }
        let store = match super::exists(dir) {
            true => Store::open(dir, passphrase, clock).await?,
            false => Store::create(dir, passphrase, clock).await?,
        };
        let noted = facts.clone();
        store
            .step(move |tx| {
                super::account::refuse_second(tx)?;
                tx.set_relay(&noted)?;
                tx.protocol(NewDevice::make).map(drop)
            })
            .await?;
        let handle = link.handle().clone();
        let code = ask(&store, &near, &facts, link).await?;
        shown(&code);
        while !is_listed(&store, &near, &handle).await? {
            if Instant::now() >= until {
                return Err(ClientError::NotListed);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(Self::over(store))
    }
}

/// Lists the device that asks. A wrong code is kept too: whoever asked may be somebody else.
fn approve(tx: &Tx, code: &str) -> Result<Result<i64>> {
    let asks = tx.blob(Fact::DeviceAsks)?.filter(|asks| !asks.is_empty());
    let Some(asks) = asks else { return Ok(Err(ClientError::NoDeviceAsks)) };
    tx.set_blob(Fact::DeviceAsks, &[])?;
    tx.set_blob(Fact::DeviceLink, &[])?;
    let asks = UnverifiedLinking::read(&asks)?;
    if asks.code()? != code {
        return Ok(Err(ClientError::WrongCode));
    }
    let (account, device) = tx.protocol(|cx| {
        let mut account = Account::load(cx)?;
        let listed = asks.verify(account.person())?;
        account.add_device(listed, cx)?;
        Ok((account, listed.device))
    })?;
    if own_chat(tx, &account)?.is_none() {
        found(tx, Scheme::Pairwise, "", Some(account.person()))?;
    }
    tx.tell_all(device)?;
    want_devices(tx).map(Ok)
}

/// The relay and all groups are to know the list; the number of this wish.
pub(super) fn want_devices(tx: &Tx) -> Result<i64> {
    let wanted = tx.number(Fact::DevicesWanted)? + 1;
    tx.set_number(Fact::DevicesWanted, wanted)?;
    tx.set_number(Fact::SyncWanted, tx.number(Fact::SyncWanted)? + 1)?;
    Ok(wanted)
}

/// Sends the letter that asks; gives the code.
async fn ask(store: &Store, near: &Link, facts: &RelayFacts, link: UnverifiedLink) -> Result<String> {
    let handle = link.handle().clone();
    let person = look_up(near, store, handle.clone()).await?;
    let list = person.device_list()?;
    let now = store.view(|tx| Ok(tx.now)).await?;
    let link = link.verify(&list, now).map_err(bad_link)?;
    let need = Need { device: link.device(), handle: handle.clone(), prekey: false, join_key: false };
    let mut bundles = Bundles::default();
    Reach::new(store.clone()).keys((near, facts), &[need], &mut bundles).await?;
    let made = store.step(move |tx| {
        tx.protocol(|cx| ask_to_link(&NewDevice::make(cx)?, &link, &list, &handle, &bundles, cx))
    });
    let (letter, code) = made.await?;
    let letter = v1::Letter { device: letter.device.0.to_vec().into(), body: letter.body.into() };
    match near.ask(Request::SendLetter(v1::SendLetter { letter: Some(letter) })).await? {
        Body::Done(_) => Ok(code),
        _ => Err(answer_fault()),
    }
}

/// Whether the directory lists this device by now; then it is one.
async fn is_listed(store: &Store, near: &Link, handle: &Handle) -> Result<bool> {
    let list = look_up(near, store, handle.clone()).await?.device_list()?;
    let handle = handle.clone();
    let adopt = move |tx: &Tx| {
        let new = tx.protocol(NewDevice::make)?;
        if list.device(new.listed().device) != Some(&new.listed()) {
            return Ok(false);
        }
        tx.protocol(|cx| new.adopt(handle, list, cx))?;
        tx.set_registered()?;
        Ok(true)
    };
    store.step(adopt).await
}
