//! Heals of groups in which this device says nothing. One that speaks heals before it does (`outbox`); one that is silent at
//! twice that time and a little more by chance, and who has come in, as soon as it is online.

use super::changes::{named, shown};
use super::session::Session;
use crate::store::Tx;
use crate::store::conversations::State;
use crate::store::heals::SPREAD;
use crate::store::meta::Fact;
use crate::store::outbox::{Heal, What};
use crate::{Event, LateHeal, Result};
use bytes::Bytes;
use conclave_protocol::group::{Group, Intent};
use conclave_protocol::identity::Account;
use conclave_protocol::{GroupId, SeatId, Timestamp};
use conclave_wire::v1;
use std::collections::{HashMap, HashSet};

/// A relay that answers for so long had time to take a heal.
const LONG_ENOUGH: u64 = 5 * 60_000;

impl Session<'_> {
    /// The groups where something waits, or is to be healed now.
    pub(super) async fn groups_with_work(&self) -> Result<HashSet<GroupId>> {
        let (relay, since) = (self.relay.id, self.since);
        let look = move |tx: &Tx| {
            let long = tx.now >= since.plus(LONG_ENOUGH);
            let late = if long { tx.heals_late(&relay)? } else { Vec::new() };
            Ok((tx.groups_with_wishes()?, tx.heals_now(&relay)?, late))
        };
        let (mut groups, due, late) = self.store.view(look).await?;
        if !late.is_empty() {
            self.store.step(move |tx| tell_late(tx, &late)).await?;
        }
        groups.extend(self.heal_in_silence(due).await?);
        Ok(groups)
    }

    /// Groups whose heal is due: those that are caught up get a wish for one. Gives these.
    async fn heal_in_silence(&self, due: Vec<GroupId>) -> Result<Vec<GroupId>> {
        let caught_up = self.seats.caught_up();
        let stands = |group: &GroupId| caught_up.iter().any(|(_, here)| here == group);
        let due: Vec<_> =
            due.into_iter().filter(|group| stands(group) && !self.held.contains_key(group)).collect();
        if due.is_empty() {
            return Ok(due);
        }
        let step = move |tx: &Tx| due.iter().try_for_each(|group| heal(tx, group)).map(|()| due);
        self.store.step(step).await
    }
}

/// Own heals that do not get through: the person is told once, until one does.
fn tell_late(tx: &Tx, late: &[GroupId]) -> Result<()> {
    for group in late {
        tx.set_heal_told(group)?;
        let Some(conversation) = tx.conversation(group)? else { continue };
        let who = tx.protocol(Account::load)?.handle().to_string();
        let (id, conversation) = named(&conversation);
        tx.tell(&Event::HealOverdue { id, conversation, who, cause: LateHeal::NotThrough })?;
    }
    Ok(())
}

/// Until when the devices of a group may speak after their last heals: good while nothing but messages is taken in.
#[derive(Default)]
pub(super) struct Allowed(HashMap<Bytes, Option<Timestamp>>);

impl Allowed {
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Somebody's device said something. That it should have healed before, the person is told once until it does.
    pub(super) fn look(&mut self, tx: &Tx, group: &Group, entry: &v1::Entry) -> Result<()> {
        let until = match self.0.get(&entry.seat) {
            Some(until) => *until,
            None => {
                let seat = SeatId::try_from(entry.seat.as_ref())?;
                let until = tx.protocol(|cx| group.may_speak_until(&seat, cx))?;
                self.0.insert(entry.seat.clone(), until);
                until
            }
        };
        if until.is_none_or(|until| entry.at <= until.0) {
            return Ok(());
        }
        self.0.insert(entry.seat.clone(), None);
        let seat = SeatId::try_from(entry.seat.as_ref())?;
        let (person, conversation) =
            (tx.protocol(|cx| group.note_late(&seat, cx))?, tx.conversation(group.id())?);
        let (Some(person), Some(conversation)) = (person, conversation) else { return Ok(()) };
        let (id, conversation) = named(&conversation);
        tx.tell(&Event::HealOverdue { id, conversation, who: shown(tx, &person)?, cause: LateHeal::NotMade })
    }
}

fn heal(tx: &Tx, group: &GroupId) -> Result<()> {
    let member = tx.conversation(group)?.is_some_and(|known| known.state == State::Member);
    let lost = tx.channel(group)?.is_none_or(|channel| channel.lost > 0);
    let loaded = tx.protocol(|cx| Group::load(group, cx))?;
    // Alone there is nobody from whom anything could be kept.
    let able = member && !lost && !loaded.is_stranded() && !loaded.is_out() && loaded.people().count() > 1;
    if !able {
        return tx.put_heal_off(group);
    }
    if !tx.heals_first(group)? && tx.protocol(|cx| loaded.silent_heal_from(cx))? > tx.now {
        // The group has grown meanwhile, or this device has healed.
        return plan(tx, &loaded);
    }
    tx.put_heal_off(group)?;
    tx.heal_is_tried(group)?;
    match tx.heal_of(group)? {
        Heal::None => tx.wish_beyond(group, &What::Change(Intent::Heal), 0).map(drop),
        Heal::Waits(_) | Heal::Failed => Ok(()),
    }
}

/// Whether the group is to be healed before anything is said there.
pub(super) fn comes_first(tx: &Tx, group: &Group) -> Result<bool> {
    Ok(tx.protocol(|cx| group.heal_is_due(cx))? || tx.heals_first(group.id())?)
}

/// Plans the next heal of a group that was founded, joined or healed just now.
pub(crate) fn plan(tx: &Tx, group: &Group) -> Result<()> {
    let every = group.heal_every();
    let from = tx.protocol(|cx| group.silent_heal_from(cx))?;
    let silent = from > tx.now;
    let (least, most) = match silent {
        true => (0, every / 2),
        // Come in just now, and perhaps many others with it.
        false => (every / SPREAD / 2, every / SPREAD),
    };
    let chance = u64::from_be_bytes(tx.random()?) % (most - least + 1);
    tx.plan_heal(group.id(), from.plus(least + chance).0, every, !silent)?;
    match names_former_keys(tx, group)? {
        true => tx.heal_first(group.id()),
        false => Ok(()),
    }
}

/// Whether a group has keys of this device that it has replaced: sessions with the new ones do not fit it.
fn names_former_keys(tx: &Tx, group: &Group) -> Result<bool> {
    let own = tx.protocol(Account::load)?;
    let list = group.people().find(|one| one.person == *own.person()).map(|one| one.list);
    let listed = list.and_then(|list| list.device(*own.device_id()));
    Ok(listed.is_some_and(|listed| listed.signing != *own.device_signing().public()))
}

/// A group whose heal was wished for.
pub(crate) struct Wished {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) wish: i64,
}

/// Wishes for new keys of this device, and for a heal of every group that it is in: the number of the keys' wish, and the
/// groups with theirs. `beyond`: also where the outbox is full.
pub(crate) fn heal_all(tx: &Tx, beyond: bool) -> Result<(i64, Vec<Wished>)> {
    let keys = tx.number(Fact::KeysWanted)? + 1;
    tx.set_number(Fact::KeysWanted, keys)?;
    // Whoever is connected logs in again, and publishes what is missing.
    tx.set_number(Fact::SyncWanted, tx.number(Fact::SyncWanted)? + 1)?;
    let mut wishes = Vec::new();
    for known in tx.all_conversations()? {
        if known.state != State::Member || tx.channel(&known.group)?.is_none() {
            continue;
        }
        if tx.protocol(|cx| Group::position(&known.group, cx))?.out {
            continue;
        }
        let what = What::Change(Intent::Heal);
        let wish = match beyond {
            true => tx.wish_beyond(&known.group, &what, 0)?,
            false => tx.wish(&known.group, &what, 0)?,
        };
        wishes.push(Wished { id: known.group.to_string(), name: known.name, wish });
    }
    Ok((keys, wishes))
}
