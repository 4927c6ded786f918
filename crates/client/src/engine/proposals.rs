//! Who is proposed in a group: that what is endorsed comes true in time, and that haste is told.

use super::changes::shown;
use crate::Result;
use crate::store::Tx;
use crate::store::outbox::What;
use conclave_protocol::group::{Endorsers, Group, Intent, Policy, Right};
use conclave_protocol::identity::Account;
use conclave_protocol::{PersonId, Timestamp};

/// How long the second in rank waits for the first to act, and so on.
const RANK_DELAY: u64 = 2_000;
const MINUTE: u64 = 60 * 1000;

/// Whoever proposed or endorsed somebody lets them in once nothing but time is missing, and it is over.
pub(super) fn admit_in_time(tx: &Tx, group: &Group) -> Result<()> {
    let proposed = group.proposed();
    if proposed.is_empty() {
        return Ok(());
    }
    let me = *tx.protocol(Account::load)?.person();
    for proposed in proposed {
        let mine = proposed.by == me || proposed.endorsers.contains(&me);
        if !mine || proposed.missing > 0 {
            continue;
        }
        let since = proposed_at(tx, group, &proposed.person)?.unwrap_or(tx.now.0);
        let due = Timestamp(since).plus(cooling_off(&group.policy()));
        let due = due.plus(RANK_DELAY.saturating_mul(group.rank() as u64));
        let admit = What::Change(Intent::Admit(vec![proposed.person]));
        let waits = tx.wishes(group.id(), usize::MAX)?;
        let same =
            |what: &What| matches!(what, What::Change(Intent::Admit(them)) if them[..] == [proposed.person]);
        if !waits.iter().any(|wish| same(&wish.what)) {
            tx.wish_beyond(group.id(), &admit, due.0)?;
        }
    }
    Ok(())
}

/// How many endorsements somebody who is proposed still needs.
pub(super) fn missing(group: &Group, person: &PersonId) -> usize {
    group.proposed().iter().find(|one| one.person == *person).map_or(0, |one| one.missing)
}

/// Whether somebody who was proposed came in before the time to object was over, in words.
pub(super) fn in_haste(tx: &Tx, group: &Group, person: &PersonId, at: u64) -> Result<&'static str> {
    let since = proposed_at(tx, group, person)?;
    let early = since.is_some_and(|since| at < since.saturating_add(cooling_off(&group.policy())));
    Ok(if early { " before the time to object was over" } else { "" })
}

/// What to call somebody who is proposed, and perhaps unknown here.
pub(super) fn proposed_name(tx: &Tx, group: &Group, person: &PersonId) -> Result<String> {
    let handle = group.proposed().into_iter().find(|one| one.person == *person).map(|one| one.handle);
    match (tx.person(person)?, handle) {
        (None, Some(handle)) => Ok(handle.to_string()),
        _ => shown(tx, person),
    }
}

/// A policy in words.
pub(crate) fn policy_words(policy: &Policy) -> String {
    let add = if policy.add == Right::Members { "everybody adds" } else { "administrators add" };
    let remove = if policy.remove == Right::Members { "everybody removes" } else { "administrators remove" };
    let mut words = format!("{add}, {remove}");
    if let Some(Endorsers { count, above }) = policy.endorsers {
        let members = if count.get() == 1 { "member agrees" } else { "members agree" };
        words.push_str(&format!("; {count} more {members} to an addition"));
        if above > 0 {
            words.push_str(&format!(" to more than {above} people"));
        }
    }
    match policy.cooling_off {
        0 => {}
        1 => words.push_str("; a minute to object to an addition"),
        minutes => words.push_str(&format!("; {minutes} minutes to object to an addition")),
    }
    if policy.verified_only {
        words.push_str("; verified members only");
    }
    words
}

fn cooling_off(policy: &Policy) -> u64 {
    u64::from(policy.cooling_off) * MINUTE
}

/// When somebody was proposed the last time, by the relay's clock.
fn proposed_at(tx: &Tx, group: &Group, person: &PersonId) -> Result<Option<u64>> {
    let known = tx.membership(group.id(), None)?;
    let proposed = |one: &&_| is_proposal(one, person);
    Ok(known.iter().rev().find(proposed).map(|one| one.at))
}

fn is_proposal(one: &crate::store::membership::Membership, person: &PersonId) -> bool {
    one.kind == "proposed" && one.person == Some(*person)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU8;

    #[test]
    fn a_policy_is_said_as_people_say_it() {
        let policy = Policy::default();
        assert_eq!(policy_words(&policy), "everybody adds, administrators remove");
        let endorsers = |count, above| NonZeroU8::new(count).map(|count| Endorsers { count, above });
        let watched = Policy { endorsers: endorsers(1, 0), cooling_off: 1, ..policy };
        let said = "everybody adds, administrators remove; 1 more member agrees to an addition; a minute to object to an addition";
        assert_eq!(policy_words(&watched), said);
        let strict =
            Policy { endorsers: endorsers(2, 10), add: Right::Administrators, verified_only: true, ..policy };
        let said = "administrators add, administrators remove; 2 more members agree to an addition to more than 10 people; verified members only";
        assert_eq!(policy_words(&strict), said);
    }
}
