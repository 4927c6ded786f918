//! What a relay says that cannot be. It is told, and nothing of it is taken; the seat is tried again later. Where the
//! contradiction stays, this device's own view may be what a lie has spoilt: then it asks to be let in again. A relay can
//! withhold all of this; it cannot make anything be forgotten.

use super::changes::named;
use super::outbox::is_leaving;
use crate::store::Tx;
use crate::store::channels::Channel;
use crate::store::conversations::State;
use crate::store::outbox::{What, WishState};
use crate::{ClientError, Event, Result};
use conclave_protocol::group::{Group, Joining, Standing};
use conclave_protocol::{Error as ProtocolError, GroupId, PeerFault, SeatId};
use conclave_wire::v1;

/// How long an invitation is tried that does not hold.
const TRIED_FOR: u64 = 7 * 24 * 60 * 60 * 1000;

/// The relay contradicts itself about a group.
pub(super) fn contradiction(tx: &Tx, group: &GroupId, cause: String) -> Result<()> {
    tx.tell_once(&Event::RelayFault { cause })?;
    let Some(channel) = tx.channel(group)? else { return Ok(()) };
    let place = tx.protocol(|cx| Ok(Group::load(group, cx)?.cursor()))? + 1;
    if tx.doubt(&channel.seat, place)? { tx.set_lost(group) } else { Ok(()) }
}

/// The relay says how the channel stands of a seat at which a group is in hand, having attached it, or refused its cursor
/// as one beyond the head. `false`: it contradicts itself, and nothing more of it is taken until it is asked again.
pub(super) fn attached(tx: &Tx, group: &GroupId, incarnation: u32, state: &v1::SeatState) -> Result<bool> {
    let (head, turn) = (state.head, state.turn);
    let standing =
        tx.savepoint(|tx| tx.protocol(|cx| Group::load(group, cx)?.attached(incarnation, head, turn, cx)));
    match standing {
        Ok(Standing::Lost { entries, changes }) => {
            unsettle(tx, group, state)?;
            if let Some(conversation) = tx.conversation(group)? {
                let (id, conversation) = named(&conversation);
                tx.tell(&Event::RelayRestored { id, conversation, lost: entries, changes })?;
            }
        }
        Ok(_) if !state.refused.is_empty() => {
            contradiction(tx, group, "it refuses a cursor that is not beyond its head".into())?;
            return Ok(false);
        }
        Ok(Standing::Restored) => unsettle(tx, group, state)?,
        Ok(Standing::Same) => {}
        Err(ClientError::Protocol(ProtocolError::Peer(fault))) => {
            contradiction(tx, group, format!("a channel: {fault}"))?;
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    compare(tx, group, state).map(|()| true)
}

/// The relay was restored: a post that is not in its log is sealed again, whether or not it was accepted before.
fn unsettle(tx: &Tx, group: &GroupId, state: &v1::SeatState) -> Result<()> {
    let Some(post) = tx.post(group)? else { return Ok(()) };
    if state.last_post == post.number && post.shared_hash()?.as_slice() == state.last_hash.as_ref() {
        return Ok(());
    }
    super::outbox::drop_sealed(tx, group)?;
    match tx.wish_at(post.intent)? {
        Some(wish) if wish.state == WishState::Sent => tx.set_wish(wish.seq, &WishState::Queued),
        _ => Ok(()),
    }
}

/// Holds own posts and turn against what the relay says of them.
fn compare(tx: &Tx, group: &GroupId, state: &v1::SeatState) -> Result<()> {
    let Some(channel) = tx.channel(group)? else { return Ok(()) };
    let loaded = tx.protocol(|cx| Group::load(group, cx))?;
    if is_behind(tx, &channel, state)? {
        tx.set_behind(group)?;
    }
    let unsettled = tx.post(group)?.is_some_and(|post| post.number <= state.last_post);
    count_posts(tx, group, state.last_post)?;
    if unsettled && state.last_entry <= loaded.cursor() {
        // Nothing of it can be taken back; what was said is said again at a new seat.
        tx.set_lost(group)?;
        return contradiction(tx, group, "it showed the own post as another's".into());
    }
    match state.head == loaded.cursor() {
        true if state.turn != loaded.turn() => {
            contradiction(tx, group, "it counts turns otherwise than before".into())
        }
        true => tx.believe(&channel.seat),
        // The entries that come will tell.
        false => Ok(()),
    }
}

/// Whether the relay has posts of this seat that this store knows nothing of: it is an older copy, or somebody else posts.
fn is_behind(tx: &Tx, channel: &Channel, state: &v1::SeatState) -> Result<bool> {
    Ok(match tx.post(&channel.group)? {
        None => state.last_post > channel.posts,
        Some(post) if state.last_post == post.number => {
            post.shared_hash()?.as_slice() != state.last_hash.as_ref()
        }
        Some(post) => state.last_post > post.number,
    })
}

/// The relay says how many posts it has of this seat. What it has beyond those known here comes back as entries, which
/// show that this store is an older copy. What it lacks although it had taken it goes once more.
fn count_posts(tx: &Tx, group: &GroupId, posts: u64) -> Result<()> {
    let Some(post) = tx.post(group)? else {
        let known = tx.channel(group)?.map_or(0, |channel| channel.posts);
        if known < posts {
            tx.heal_first(group)?;
        }
        return if known == posts { Ok(()) } else { tx.set_posts(group, posts) };
    };
    if !post.accepted && posts < post.number {
        let said = tx.wish_at(post.intent)?.is_some_and(|wish| matches!(wish.what, What::Say { .. }));
        let loaded = tx.protocol(|cx| Group::load(group, cx))?;
        // Sealed before a pause, and never taken: what is overdue comes before it.
        if said && super::healing::comes_first(tx, &loaded)? {
            super::outbox::drop_sealed(tx, group)?;
        }
    }
    if post.accepted && posts < post.number {
        tx.set_accepted(group, false)?;
        tx.set_wish(post.intent, &WishState::Queued)?;
        tx.tell_once(&Event::RelayFault { cause: "it does not have a post that it had taken".into() })?;
    }
    Ok(())
}

/// The relay refuses a seat at which a group is in hand. That it was closed by a member shows only in the log.
pub(super) fn refused_seat(tx: &Tx, group: &GroupId, code: &str) -> Result<()> {
    if code == "closed" && is_leaving(tx, group)? {
        return super::changes::end(tx, group, State::Left, None);
    }
    contradiction(tx, group, format!("it refuses a seat of this device ({code})"))?;
    // A relay that was restored may have lost the seat, and one that lies may have closed it; members can give another.
    tx.set_lost(group)
}

/// What an offered seat leads to is no group, so far. The inviter may be at fault, or the relay.
pub(super) fn no_group(tx: &Tx, seat: SeatId, cause: &str) -> Result<()> {
    let since = tx.in_doubt_since(&seat)?;
    if since.is_some_and(|since| since.saturating_add(TRIED_FOR) <= tx.now.0) {
        tx.drop_offer(&seat)?;
        tx.believe(&seat)?;
        tx.protocol(|cx| Joining::forget(seat, cx))?;
        let cause = format!("its invitation did not hold for a week: {cause}");
        return tx.tell(&Event::LetterDropped { cause });
    }
    // From the first entry again: what came before may have been a lie.
    let joining = tx.protocol(|cx| Joining::load(seat, cx))?;
    if let Some(joining) = joining {
        tx.protocol(|cx| Joining::begin(joining.invitation().clone(), cx).map(drop))?;
    }
    tx.doubt(&seat, 0)?;
    match since {
        None => tx.tell(&Event::InvitationFails { cause: cause.to_owned() }),
        Some(_) => Ok(()),
    }
}

/// An entry of somebody's seat is void. If nothing opens that others say, it is this device that has lost track.
pub(super) fn void(tx: &Tx, group: &Group, author: &SeatId, fault: PeerFault) -> Result<()> {
    let lost = matches!(fault, PeerFault::DoesNotOpen | PeerFault::WrongEpoch)
        && (tx.unopened(group.seat(), author)? || group.people().count() < 3);
    if lost {
        tx.set_lost(group.id())?;
    }
    let Some(conversation) = tx.conversation(group.id())? else { return Ok(()) };
    let (id, conversation) = named(&conversation);
    tx.tell(&Event::Ignored { id, conversation, cause: fault.to_string() })
}
