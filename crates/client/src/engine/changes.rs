//! What a change of a group means for the person's own view of it: names, pins, events, and the end.

use crate::directory::pin_members;
use crate::store::Tx;
use crate::store::conversations::{Conversation, State};
use crate::store::membership::Membership;
use crate::{Event, Result};
use conclave_protocol::group::{AWAY_AFTER, Group, Happened, Role};
use conclave_protocol::identity::Account;
use conclave_protocol::{GroupId, PersonId};

/// Takes over what a commit changed, by whoever signed it, at the relay's time. By others, it is an event.
pub(super) fn take_over(
    tx: &Tx,
    group: &Group,
    changes: &[Happened],
    (author, at): (PersonId, u64),
) -> Result<()> {
    let own = *tx.protocol(Account::load)?.person();
    let by = Some(author).filter(|author| *author != own);
    super::history::tell_again(tx, group, changes)?;
    for change in changes {
        if let Some((kind, person, detail)) = kept(group, change) {
            let (epoch, commit) = (group.epoch(), *group.last_commit());
            let (kind, by) = (kind.to_owned(), author);
            tx.add_membership(group.id(), &Membership { epoch, at, by, person, kind, detail, commit })?;
        }
        match change {
            Happened::Renamed(title) => tx.rename_conversation(group.id(), title)?,
            Happened::Added(_)
            | Happened::AddedFor(..)
            | Happened::DeviceAdded(_)
            | Happened::DeviceRemoved(_)
            | Happened::NewKeys(_)
            | Happened::NewIdentity(_)
            | Happened::Recovered(_) => pin_members(tx, group)?,
            _ => {}
        }
    }
    let came: Vec<PersonId> = changes
        .iter()
        .filter_map(|change| match change {
            Happened::Added(person) | Happened::AddedFor(person, _) => Some(*person),
            _ => None,
        })
        .collect();
    if !came.is_empty() {
        super::trust::greet(tx, group, &came)?;
    }
    super::proposals::admit_in_time(tx, group)?;
    let (Some(by_whom), Some(conversation)) = (by, tx.conversation(group.id())?) else { return Ok(()) };
    let by = shown(tx, &by_whom)?;
    for change in changes {
        let (id, conversation) = named(&conversation);
        if let Happened::Proposed(person, handle, reason) = change {
            let missing = super::proposals::missing(group, person);
            let (who, reason) = (handle.to_string(), reason.clone());
            tx.tell(&Event::Proposed { id, conversation, by: by.clone(), who, reason, missing })?;
            continue;
        }
        let Some(what) = words(tx, group, (by_whom, at), change)? else { continue };
        tx.tell(&Event::Changed { id, conversation, by: by.clone(), what, epoch: group.epoch() })?;
    }
    Ok(())
}

/// How it stands in the history of the group's membership: kind, to whom, and a new name or role. Heals do not.
fn kept(group: &Group, change: &Happened) -> Option<(&'static str, Option<PersonId>, String)> {
    let (kind, person) = match change {
        Happened::Added(person) => ("added", *person),
        Happened::AddedFor(person, reason) => return Some(("added", Some(*person), reason.clone())),
        Happened::Proposed(person, _, reason) => return Some(("proposed", Some(*person), reason.clone())),
        Happened::Endorsed(person) => ("endorsed", *person),
        Happened::Objected(person) => ("objected", *person),
        Happened::Removed(person) => ("removed", *person),
        Happened::Left(person) => ("left", *person),
        Happened::Renamed(title) => return Some(("renamed", None, title.clone())),
        Happened::Role(person, role) => {
            let role = if *role == Role::Administrator { "administrator" } else { "member" };
            return Some(("role", Some(*person), role.to_owned()));
        }
        Happened::Policy(policy) => {
            return Some(("policy", None, super::proposals::policy_words(policy)));
        }
        Happened::Healed(_) => return None,
        Happened::Rejoined(device) => return Some(("rejoined", group.owner(*device), device.to_string())),
        Happened::DeviceAdded(person) => ("device-added", *person),
        Happened::DeviceRemoved(person) => ("device-removed", *person),
        Happened::NewKeys(person) => ("new-keys", *person),
        Happened::NewIdentity(person) => ("new-identity", *person),
        Happened::Recovered(person) => ("recovered", *person),
        Happened::Away(person, _) => ("away", *person),
    };
    Some((kind, Some(person), String::new()))
}

/// The group is over for this device.
pub(super) fn end(tx: &Tx, group: &GroupId, state: State, by: Option<&PersonId>) -> Result<()> {
    tx.close_channel(group)?;
    tx.drop_post(group)?;
    tx.give_up_all(group, "not_in_group", "you are no longer in the group")?;
    let Some(conversation) = tx.conversation(group)? else { return Ok(()) };
    if conversation.state == State::Member || conversation.state == State::Request {
        tx.set_state(group, state)?;
    }
    if state == State::Removed {
        let by = by.map_or_else(|| Ok("somebody".to_owned()), |by| shown(tx, by))?;
        let (id, conversation) = named(&conversation);
        tx.tell(&Event::Removed { id, conversation, by })?;
    }
    Ok(())
}

/// Id and name of a conversation, for an event.
pub(super) fn named(conversation: &Conversation) -> (String, String) {
    (conversation.group.to_string(), conversation.name.clone())
}

/// What to call somebody.
pub(super) fn shown(tx: &Tx, person: &PersonId) -> Result<String> {
    Ok(tx.person(person)?.map_or_else(|| person.to_string(), |known| known.shown().to_owned()))
}

fn words(tx: &Tx, group: &Group, (by, at): (PersonId, u64), change: &Happened) -> Result<Option<String>> {
    Ok(Some(match change {
        Happened::Added(person) => {
            format!("added {}{}", shown(tx, person)?, super::proposals::in_haste(tx, group, person, at)?)
        }
        Happened::AddedFor(person, reason) => format!("added {}: {reason}", shown(tx, person)?),
        Happened::Endorsed(person) => {
            format!("endorses that {} be added", super::proposals::proposed_name(tx, group, person)?)
        }
        Happened::Objected(person) => format!("objects to adding {}", shown(tx, person)?),
        // An event of its own.
        Happened::Proposed(..) => return Ok(None),
        Happened::Removed(person) => format!("removed {}", shown(tx, person)?),
        Happened::Left(person) => format!("took out {}, who left", shown(tx, person)?),
        Happened::Renamed(title) => format!("renamed the group to {title}"),
        Happened::Role(person, Role::Administrator) => {
            format!("made {} an administrator", shown(tx, person)?)
        }
        Happened::Role(person, Role::Member) => format!("made {} a plain member", shown(tx, person)?),
        Happened::Policy(policy) => format!("set the policy: {}", super::proposals::policy_words(policy)),
        Happened::Rejoined(_) => "let a device in again".to_owned(),
        Happened::DeviceAdded(person) if *person == by => "added a device".to_owned(),
        Happened::DeviceRemoved(person) if *person == by => "took away a device".to_owned(),
        Happened::NewKeys(person) if *person == by => "has new device keys".to_owned(),
        // Others tell of devices what their person has signed.
        Happened::DeviceAdded(person) => format!("let in a device that {} added", shown(tx, person)?),
        Happened::DeviceRemoved(person) => format!("took out a device that {} took away", shown(tx, person)?),
        Happened::Recovered(person) if *person == by => "is back by the recovery key".to_owned(),
        Happened::Recovered(person) => {
            format!("let {} in on a new device: back by the recovery key", shown(tx, person)?)
        }
        Happened::NewIdentity(person) if *person == by => {
            "has a new identity key, signed by the one before".to_owned()
        }
        Happened::NewKeys(_) | Happened::NewIdentity(_) => return Ok(None),
        Happened::Away(person, _) => put_away(tx, group.id(), person)?,
        Happened::Healed(_) => return Ok(None),
    }))
}

/// That a device was put away, and whether it looks otherwise from here: how long one was away nobody can prove.
fn put_away(tx: &Tx, group: &GroupId, person: &PersonId) -> Result<String> {
    let who = shown(tx, person)?;
    let heard = tx.last_said(group)?.get(person).copied();
    Ok(match heard.filter(|heard| tx.now < heard.plus(AWAY_AFTER)) {
        Some(_) => {
            format!("put a device of {who} away, though {who} said something here less than 45 days ago")
        }
        None => format!("put a device of {who} away: not heard of for 45 days; it comes back by itself"),
    })
}
