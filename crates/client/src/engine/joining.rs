//! A seat that was offered, until its group is in hand: what comes before, and the commit that lets this device in.

use super::changes::{named, shown};
use super::forms::{seat_changes, seen};
use super::inbox::{Taken, drop_unsettled, tell_messages};
use crate::directory::pin_members;
use crate::store::Tx;
use crate::store::channels::Channel;
use crate::store::conversations::State;
use crate::store::membership::Membership;
use crate::store::meta::Fact;
use crate::store::outbox::What;
use crate::store::requests::{Offer, Wanted};
use crate::{Event, Result};
use conclave_protocol::group::{Blobs, Group, Intent, Joined, Joining, Received};
use conclave_protocol::identity::Account;
use conclave_protocol::{PersonId, SeatId};
use conclave_wire::v1;

/// An entry before the group is in hand, with the pieces that were fetched for it.
pub(super) fn take_first(
    tx: &Tx,
    account: &Account,
    (seat, incarnation): (SeatId, u32),
    (entry, pieces): (&v1::Entry, &Blobs),
) -> Result<Taken> {
    let joining = tx.protocol(|cx| Joining::load(seat, cx))?;
    let (Some(mut joining), Some(offer)) = (joining, tx.offer(&seat)?) else { return Ok(Taken::Over) };
    if entry.number <= joining.cursor() {
        return Ok(Taken::Known);
    }
    let seats = seat_changes(&entry.seats)?;
    let seen = seen(entry, &seats, None)?;
    let before = tx.channel(&offer.group)?.map(|_| tx.protocol(|cx| Group::load(&offer.group, cx)));
    let read = before.transpose()?.map(|before| before.cursor());
    let (mut group, received) = match tx.protocol(|cx| joining.receive(account, &seen, pieces, cx))? {
        Joined::In(joined) => *joined,
        Joined::Waits => return Ok(Taken::Known),
        Joined::Needs(pieces) => return Ok(Taken::Lacks(pieces)),
    };
    tx.protocol(|cx| group.attached(incarnation, entry.number, entry.turn, cx))?;
    let by = match &received {
        Received::Committed { author, .. } => *author,
        _ => *account.person(),
    };
    let accepted = offer.wanted == Wanted::Accepted && offer.inviter == by;
    let Offer { group: id, relay, channel, token, .. } = offer;
    tx.drop_offer(&seat)?;
    tx.add_channel(&Channel {
        group: id,
        relay,
        channel,
        seat,
        token,
        made: true,
        posts: 0,
        asked_at: 0,
        lost: 0,
        behind: false,
    })?;
    drop_unsettled(tx, &id)?;
    pin_members(tx, &group)?;
    // Let in again: what came since the old seat's last entry is not for the new one.
    tell_messages(tx, &id, 0, read.map_or(0, |read| entry.number.saturating_sub(read + 1)))?;
    note_begin(tx, &group, "joined", (by, entry.at))?;
    joined(tx, account, &group, by, accepted)?;
    super::healing::plan(tx, &group)?;
    // Its members are known by the word of whoever let this device in: the key log says whether they are who they seem.
    tx.set_number(Fact::PeopleSeen, 0)?;
    Ok(Taken::Joined)
}

/// How this device's knowledge of a group's membership begins.
pub(crate) fn note_begin(tx: &Tx, group: &Group, kind: &str, (by, at): (PersonId, u64)) -> Result<()> {
    let people: Vec<_> = group.people().map(|one| one.handle.to_string()).collect();
    tx.add_membership(
        group.id(),
        &Membership {
            epoch: group.epoch(),
            at,
            by,
            person: None,
            kind: kind.to_owned(),
            detail: people.join(" "),
            commit: *group.last_commit(),
        },
    )
}

/// A group is in hand: known people are trusted with inviting, others must be accepted first.
fn joined(tx: &Tx, account: &Account, group: &Group, by: PersonId, accepted: bool) -> Result<()> {
    if accepted && group.is_direct() {
        tx.befriend(&by)?;
    }
    let other = group.people().map(|one| one.person).find(|person| person != account.person());
    if let (true, true, Some(other)) = (by == *account.person(), group.is_direct(), other) {
        // A chat of the own other device.
        tx.befriend(&other)?;
    }
    let own = by == *account.person();
    let alone = own && super::history::is_own_chat(account, group);
    let contact = own || accepted || tx.person(&by)?.is_some_and(|known| known.contact);
    let blocked = tx.is_blocked(&by)?;
    let id = group.id();
    let before = tx.conversation(id)?;
    let was_in = before.as_ref().is_some_and(|known| known.state == State::Member);
    let state = match (was_in || contact, blocked) {
        (_, true) => State::Declined,
        (true, false) => State::Member,
        (false, false) => State::Request,
    };
    if before.is_some() {
        tx.set_state(id, state)?;
    } else {
        let direct = other.filter(|_| group.is_direct()).or(alone.then_some(by));
        let title = tx.protocol(|_| group.name())?;
        tx.add_conversation(id, &title, direct.as_ref(), Some(&by), state)?;
    }
    let Some(conversation) = tx.conversation(id)? else { return Ok(()) };
    let ((id, conversation), by) = (named(&conversation), shown(tx, &by)?);
    match state {
        State::Declined => tx.wish(group.id(), &What::Change(Intent::Leave), 0).map(drop),
        State::Member if was_in => Ok(()),
        State::Member => {
            let all: Vec<PersonId> = group.people().map(|one| one.person).collect();
            super::trust::greet(tx, group, &all)?;
            tx.tell(&Event::Joined { id, conversation, by })
        }
        _ => tx.tell(&Event::Request { id, conversation, by }),
    }
}
