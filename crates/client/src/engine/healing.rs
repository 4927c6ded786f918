//! Heals of groups in which this device says nothing. One that speaks heals before it does (`outbox`); one that is silent at
//! twice that time and a little more by chance, and who has come in, as soon as it is online.

use super::session::Session;
use crate::Result;
use crate::store::Tx;
use crate::store::conversations::State;
use crate::store::heals::SPREAD;
use crate::store::outbox::{Heal, What};
use conclave_protocol::GroupId;
use conclave_protocol::group::{Group, Intent};

impl Session<'_> {
    /// Groups whose heal is due: those that are caught up get a wish for one. Gives these.
    pub(super) async fn heal_in_silence(&self, due: Vec<GroupId>) -> Result<Vec<GroupId>> {
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
    tx.plan_heal(group.id(), from.plus(least + chance).0, every, !silent)
}
