//! Who has met whom: said in every group that both are in, and taken in where it holds.

use super::changes::{named, shown};
use super::people::member_groups;
use crate::store::Tx;
use crate::store::outbox::{What, Wish};
use crate::store::people::Person;
use crate::{Event, Result};
use conclave_protocol::content::Content;
use conclave_protocol::group::Group;
use conclave_protocol::identity::{
    Account, Attestation, Grade, Identity, MAX_ATTESTATIONS, UnverifiedAttestation, grades,
};
use conclave_protocol::{Error as ProtocolError, GroupId, MessageId, PeerFault, PersonId};
use std::collections::{BTreeMap, BTreeSet};

/// A message that waits for somebody to be checked is looked at again after so long, in milliseconds.
const UNCHECKED_LATER: u64 = 10_000;

/// Notes that people were compared, and says so in the groups that both are in, with all that is known there: somebody who
/// is new has heard none of it.
pub(crate) fn met(tx: &Tx, people: &[Person]) -> Result<()> {
    let account = tx.protocol(Account::load)?;
    let mut met = Vec::new();
    for person in people.iter().filter(|one| one.person != *account.person()) {
        tx.set_verified(&person.person)?;
        let list = person.device_list()?;
        let of = Identity { person: *list.person(), key: *list.identity() };
        tx.add_attestation(&tx.protocol(|cx| Attestation::sign(&account, of, cx))?)?;
        met.push(of);
    }
    for id in member_groups(tx)? {
        let group = tx.protocol(|cx| Group::load(&id, cx))?;
        let here = people_of(&group);
        if !group.is_direct() && met.iter().any(|of| here.contains(of)) {
            say(tx, &group, |_| true)?;
        }
    }
    Ok(())
}

/// Says whom this person has met of those who came into a group, or of all where this device itself came in.
pub(super) fn greet(tx: &Tx, group: &Group, came: &[PersonId]) -> Result<()> {
    let own = *tx.protocol(Account::load)?.person();
    let here = people_of(group);
    let persons: BTreeSet<PersonId> = here.iter().map(|one| one.person).collect();
    let met =
        |(by, of): &(Identity, Identity)| by.person == own && here.contains(of) && came.contains(&of.person);
    let known = tx.attestations(&persons)?.into_iter().map(|(by, of, _)| (by, of));
    match !group.is_direct() && known.into_iter().any(|pair| met(&pair)) {
        true => say(tx, group, |by| by.person == own),
        false => Ok(()),
    }
}

/// Says what is known of who has met whom in a group, as far as certain people say so.
fn say(tx: &Tx, group: &Group, by_whom: impl Fn(&Identity) -> bool) -> Result<()> {
    let here = people_of(group);
    let persons: BTreeSet<PersonId> = here.iter().map(|one| one.person).collect();
    let known = tx.attestations(&persons)?.into_iter();
    let known = known.filter(|(by, of, _)| here.contains(by) && here.contains(of) && by_whom(by));
    let known: Vec<UnverifiedAttestation> = known.map(|(.., signed)| signed).collect();
    for some in known.chunks(MAX_ATTESTATIONS) {
        let (id, content) = (MessageId(tx.random()?), Content::Attestations(some.to_vec()).encode()?);
        tx.wish(group.id(), &What::Tell { id, content }, 0)?;
    }
    Ok(())
}

/// How well the others in a group are known, by its roster's order.
pub(crate) fn grades_in(tx: &Tx, group: &Group) -> Result<BTreeMap<PersonId, Grade>> {
    let own = *tx.protocol(Account::load)?.person();
    let others: Vec<Identity> = people_of(group).into_iter().filter(|one| one.person != own).collect();
    let persons: BTreeSet<PersonId> = others.iter().map(|one| one.person).chain([own]).collect();
    let attested: Vec<_> = tx.attestations(&persons)?.into_iter().map(|(by, of, _)| (by, of)).collect();
    // What another device of this person has compared counts as well.
    let mut met: BTreeSet<Identity> =
        attested.iter().filter(|(by, _)| by.person == own).map(|(_, of)| *of).collect();
    for one in &others {
        let known = tx.person(&one.person)?.filter(|known| known.verified);
        if known.map(|known| known.device_list()).transpose()?.is_some_and(|list| *list.identity() == one.key)
        {
            met.insert(*one);
        }
    }
    Ok(grades(&others, &met, &attested))
}

/// Who keeps this person from speaking in a group: the unchecked, where its policy is *verified only*. Everywhere else
/// no member is loaded for it.
pub(crate) fn unchecked(tx: &Tx, id: &GroupId) -> Result<Vec<PersonId>> {
    if !tx.protocol(|cx| Group::policy_of(id, cx))?.verified_only {
        return Ok(Vec::new());
    }
    let group = tx.protocol(|cx| Group::load(id, cx))?;
    let grades = grades_in(tx, &group)?.into_iter();
    Ok(grades.filter(|(_, grade)| *grade == Grade::Unchecked).map(|(person, _)| person).collect())
}

/// Whether a group's policy lets this person speak now. What waits, waits until those in the way are checked, or out.
pub(super) fn may_speak(tx: &Tx, wish: &Wish) -> Result<bool> {
    let unchecked = unchecked(tx, &wish.group)?;
    let (Some(first), Some(conversation)) = (unchecked.first(), tx.conversation(&wish.group)?) else {
        return Ok(true);
    };
    tx.postpone_wish(wish.seq, tx.now.plus(UNCHECKED_LATER).0)?;
    let (id, conversation) = named(&conversation);
    tx.tell_once(&Event::Paused { id, conversation, who: shown(tx, first)? })?;
    Ok(false)
}

/// The people of a group, with their identity keys.
pub(crate) fn people_of(group: &Group) -> BTreeSet<Identity> {
    group.people().map(|one| Identity { person: one.person, key: *one.identity }).collect()
}

/// Takes in what somebody told in a group. What does not hold, or is about or by somebody who is not in the group, is
/// named with who told it.
pub(super) fn take_attestations(
    tx: &Tx,
    group: &Group,
    told_by: &str,
    all: &[UnverifiedAttestation],
) -> Result<()> {
    let people = people_of(group);
    for attestation in all {
        let list = group.people().find(|one| one.person == attestation.by()).map(|one| one.list.clone());
        let held = list.ok_or(ProtocolError::from(PeerFault::RosterMismatch));
        let held = held.and_then(|list| attestation.clone().verify(&list));
        match held {
            Ok(held) if people.contains(&held.of()) => {
                if tx.add_attestation(&held)? {
                    tell(tx, group, &held)?;
                }
            }
            Ok(_) => doubt(tx, group, told_by, PeerFault::RosterMismatch)?,
            Err(ProtocolError::Peer(fault)) => doubt(tx, group, told_by, fault)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn tell(tx: &Tx, group: &Group, attestation: &Attestation) -> Result<()> {
    let Some(conversation) = tx.conversation(group.id())? else { return Ok(()) };
    let (id, conversation) = named(&conversation);
    let (by, of) = (shown(tx, &attestation.by().person)?, shown(tx, &attestation.of().person)?);
    tx.tell(&Event::Attested { id, conversation, by, of })
}

fn doubt(tx: &Tx, group: &Group, told_by: &str, fault: PeerFault) -> Result<()> {
    let Some(conversation) = tx.conversation(group.id())? else { return Ok(()) };
    let (id, conversation) = named(&conversation);
    let cause = format!("{told_by} told of people who have met what does not hold: {fault}");
    tx.tell(&Event::Ignored { id, conversation, cause })
}
