//! Whether people still have the devices that groups have of them: their newest lists are looked up once a day, and whoever
//! sees first that a group lags behind brings it up to date, unless a device of that person can.

use super::healing::heal_all;
use super::keys::want_devices;
use super::session::Session;
use crate::Event;
use crate::alarm::{AlarmCause, Deed};
use crate::directory::{Listing, look_at, was_restored};
use crate::store::Tx;
use crate::store::conversations::State;
use crate::store::meta::Fact;
use crate::store::outbox::What;
use crate::store::people::Person;
use crate::{ClientError, Result};
use conclave_protocol::group::{Group, Intent, Lag};
use conclave_protocol::identity::{Account, DeviceList, IDENTITY_NOTICE};
use conclave_protocol::{GroupId, PersonId, Timestamp};
use std::time::Duration;
use tokio::time::Instant;

/// How often people are looked up.
pub(crate) const LOOK_AFTER: u64 = Timestamp::DAY;
/// A connection looks so often whether it is time.
const LOOK_WHETHER: Duration = Duration::from_secs(10 * 60);
/// How long a device of that person is waited for.
pub(crate) const SIBLING_TIME: u64 = 60 * 60 * 1000;
/// How long the second in rank waits for the first to act, and so on.
const RANK_DELAY: u64 = 2_000;

impl Session<'_> {
    /// Looks everybody up that is known here, once a day, and when this device has come into a group: that its members are
    /// those who are logged under these names.
    pub(super) async fn look_people_up(&mut self) -> Result<()> {
        let people = self.store.view(|tx| tx.everybody()).await?;
        self.reach.newest((&self.link, &self.relay), people).await?;
        let seen = |tx: &Tx| tx.set_number(Fact::PeopleSeen, crate::store::messages::signed(tx.now.0));
        self.store.step(seen).await
    }

    /// What is to be looked at when there is nothing else to do: whether this relay's log was heard of, and whether it is time
    /// to look everybody up.
    pub(super) async fn leisure(&mut self) -> Result<(bool, bool)> {
        self.look_next = Instant::now() + LOOK_WHETHER;
        let (own, relay) = (self.own, self.relay.id);
        let look = move |tx: &Tx| {
            let seen = tx.number(Fact::PeopleSeen)?.unsigned_abs();
            let due = own && tx.now.0 >= seen.saturating_add(LOOK_AFTER);
            Ok((!tx.heard_roots(&relay)?.is_empty(), due))
        };
        self.store.view(look).await
    }

    /// Looks up what the own relay says of this person: another device may have signed a newer list. What is not this
    /// person's is told: whoever asks for this name is given it too.
    pub(super) async fn look_oneself_up(&mut self) -> Result<()> {
        let known = self.store.view(|tx| {
            tx.protocol(|cx| {
                let account = Account::load(cx)?;
                Ok((account.handle().clone(), account.device_list()))
            })
        });
        let (handle, list) = known.await?;
        let (who, name) = (handle.to_string(), handle.name().to_owned());
        let found = match look_at(&self.link, self.store, handle).await {
            Ok(Some(listing)) => {
                match self.watch_own_name((&name, *list.person()), listing.version).await {
                    // An alarm is raised, or it is tried again at the next login.
                    Ok(()) | Err(ClientError::KeyLog(_) | ClientError::Refused { .. }) => {}
                    Err(error) => return Err(error),
                }
                Ok(Some(listing))
            }
            found => found,
        };
        let listing = match found {
            Ok(Some(listing)) if listing.list.newer(&list).is_ok() => listing,
            Ok(_) | Err(ClientError::Protocol(_) | ClientError::RelayFault(_)) => {
                let restored = was_restored(&self.link);
                let tell = move |tx: &Tx| {
                    tx.set_number(Fact::ListPublished, 0)?;
                    if !restored {
                        return tx.alarm(&AlarmCause::ListRolledBack { who }, None).map(drop);
                    }
                    // It is told again.
                    let cause = "its directory does not give your own newest keys under your name".to_owned();
                    tx.tell_once(&Event::RelayFault { cause })
                };
                return self.store.step(tell).await;
            }
            // An alarm is raised.
            Err(ClientError::KeyLog(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let agreed = std::mem::replace(&mut self.agreed, listing.list == list);
        if listing.list == list && listing.next_identity.is_none() {
            return Ok(());
        }
        self.store
            .step(move |tx| {
                tell_announced(tx, &listing)?;
                match agreed && is_forged(tx, &list, &listing.list)? {
                    true => outdo(tx, &listing.list),
                    false => take_own_list(tx, listing.list),
                }
            })
            .await
    }
}

/// A next identity key that is not this device's is told of: somebody may have stolen the one before.
fn tell_announced(tx: &Tx, listing: &Listing) -> Result<()> {
    let Some((key, announced)) = &listing.next_identity else { return Ok(()) };
    let own = tx.protocol(|cx| Account::next_identity(cx))?;
    if own.is_some_and(|own| own.as_bytes()[..] == key[..]) {
        return Ok(());
    }
    tx.tell_once(&Event::IdentityAnnounced { at: announced.saturating_add(IDENTITY_NOTICE) })
}

/// Whether a list that has come up on one connection, where the directory had given the own one before, is one that only this
/// device could have signed, and did not. One without this device is a recovery, or a theft of the words.
fn is_forged(tx: &Tx, known: &DeviceList, list: &DeviceList) -> Result<bool> {
    let account = tx.protocol(Account::load)?;
    let unchanged = account.device_list() == *known && list.version() > known.version();
    Ok(account.is_primary() && unchanged && list.device(*account.device_id()).is_some())
}

/// Somebody has the identity key and signed a list: nothing of it is taken, and a newer one takes its place.
fn outdo(tx: &Tx, forged: &DeviceList) -> Result<()> {
    let cause = AlarmCause::OwnName { deed: Deed::Listed, id: String::new(), conversation: String::new() };
    tx.alarm(&cause, Some(forged.signed_bytes()))?;
    tx.protocol(|cx| Account::load(cx)?.outdo(forged, cx))?;
    heal_all(tx, true).map(drop)
}

/// A list of the own person that is newer, and has this device, is taken over.
fn take_own_list(tx: &Tx, list: DeviceList) -> Result<()> {
    let mut account = tx.protocol(Account::load)?;
    match tx.savepoint(|tx| tx.protocol(|cx| account.take_list(list, cx))) {
        Ok(false) | Err(ClientError::Protocol(_)) => Ok(()),
        Ok(true) => member_groups(tx)?.iter().try_for_each(|group| want_devices(tx, group)),
        Err(error) => Err(error),
    }
}

/// The groups that this device is in.
pub(super) fn member_groups(tx: &Tx) -> Result<Vec<GroupId>> {
    let mut groups = Vec::new();
    for known in tx.all_conversations()? {
        if known.state == State::Member && tx.channel(&known.group)?.is_some() {
            groups.push(known.group);
        }
    }
    Ok(groups)
}

/// Somebody's list is newer than the one known before: groups that have other devices of theirs are brought up to date.
pub(crate) fn list_changed(tx: &Tx, person: &Person) -> Result<()> {
    if tx.number(Fact::Registered)? == 0 {
        // A device that is only about to become one is in no group.
        return Ok(());
    }
    let (own, list) = (*tx.protocol(Account::load)?.person(), person.device_list()?);
    if *list.person() == own {
        return Ok(());
    }
    for id in member_groups(tx)? {
        let group = tx.protocol(|cx| Group::load(&id, cx))?;
        let due = match group.lags_behind(&list) {
            None => continue,
            Some(Lag::Nobody) => tx.now,
            Some(Lag::Sibling) => tx.now.plus(SIBLING_TIME),
        };
        let due = due.plus(RANK_DELAY.saturating_mul(group.rank() as u64));
        want_devices_of(tx, &id, person.person, due)?;
    }
    Ok(())
}

fn want_devices_of(tx: &Tx, group: &GroupId, person: PersonId, due: Timestamp) -> Result<()> {
    let waits = tx.wishes(group, usize::MAX)?;
    let same = |what: &What| matches!(what, What::Change(Intent::DevicesOf(known)) if *known == person);
    match waits.iter().any(|wish| same(&wish.what)) {
        true => Ok(()),
        false => tx.wish_beyond(group, &What::Change(Intent::DevicesOf(person)), due.0).map(drop),
    }
}
