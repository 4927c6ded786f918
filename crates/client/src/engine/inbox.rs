//! Taking in entries: in the order of the log, each in a savepoint of its own, what follows from it in the same
//! transaction; acknowledged only after that transaction is on disk.

use super::alarms::{after_commit, not_posted, number_twice, own_name};
use super::blobs::{Lacks, Waiting};
use super::calls::take_call;
use super::changes::{end, named, shown, take_over};
use super::doubts::{contradiction, no_group, void};
use super::forms::{closes, seat_changes, seen};
use super::healing::Allowed;
use super::joining::take_first;
use super::messages::take_message;
use super::session::Session;
use crate::alarm::Deed;
use crate::store::Tx;
use crate::store::conversations::State;
use crate::store::messages::{NewMessage, TEXT};
use crate::store::outbox::{What, WishState};
use crate::{ClientError, Event, Result};
use conclave_protocol::content::Content;
use conclave_protocol::group::{Blobs, Group, Happened, Intent, Joining, Received};
use conclave_protocol::identity::Account;
use conclave_protocol::{Digest, Error as ProtocolError, GroupId, PeerFault, PersonId, SeatId};
use conclave_wire::v1;
use conclave_wire::v1::client_frame::Request;
use tokio::time::Instant;

/// Entries in one transaction.
pub(crate) const AT_ONCE: usize = 256;
/// How long the second in rank waits for the first to act, and so on.
const RANK_DELAY: u64 = 2_000;

/// How far a batch got.
struct Progress {
    cursor: u64,
    joined: bool,
    /// The relay contradicts itself: nothing after this is taken.
    broken: bool,
    /// What is to be fetched before it goes on.
    lacks: Option<Lacks>,
}

/// Consecutive entries of one seat, on their way into the store.
struct Batch {
    seat: SeatId,
    group: GroupId,
    joined: bool,
    entries: Vec<v1::Entry>,
    pieces: Blobs,
}

impl Session<'_> {
    /// Takes in what was pushed: entries of many seats in one transaction, those of one seat in order.
    pub(super) async fn take_entries(&mut self, pushed: Vec<v1::Entries>) -> Result<()> {
        let mut waiting: Vec<Waiting> = Vec::new();
        for push in pushed {
            let id = SeatId::try_from(push.seat.as_ref())?;
            let Some(seat) = self.seats.get_mut(&id).filter(|seat| !seat.broken) else { continue };
            seat.head = seat.head.max(push.head);
            match waiting.iter_mut().find(|one| one.seat == id) {
                Some(one) => one.entries.extend(push.entries),
                None => {
                    let (entries, pieces) = (push.entries.into(), Blobs::default());
                    waiting.push(Waiting { seat: id, entries, pieces });
                }
            }
        }
        while !waiting.is_empty() {
            self.take_some(&mut waiting).await?;
        }
        Ok(())
    }

    /// One transaction.
    async fn take_some(&mut self, waiting: &mut Vec<Waiting>) -> Result<()> {
        let (mut batches, mut room) = (Vec::new(), AT_ONCE);
        for Waiting { seat: id, entries, pieces } in waiting.iter_mut() {
            let some: Vec<_> = entries.drain(..entries.len().min(room)).collect();
            room -= some.len();
            if let Some(seat) = self.seats.get_mut(id).filter(|seat| !seat.broken && !some.is_empty()) {
                let (seat, group, joined, pieces) = (*id, seat.group, seat.joined, std::mem::take(pieces));
                batches.push(Batch { seat, group, joined, entries: some, pieces });
            }
        }
        waiting.retain(|one| !one.entries.is_empty());
        if batches.is_empty() {
            return Ok(());
        }
        let incarnation = self.incarnation();
        let step = self.store.step(move |tx| {
            let account = tx.protocol(Account::load)?;
            let taken =
                batches.iter().map(|batch| Ok((batch.seat, take_batch(tx, &account, incarnation, batch)?)));
            taken.collect::<Result<Vec<_>>>()
        });
        for (id, mut progress) in step.await? {
            let lacks = progress.lacks.take();
            self.acknowledge(id, progress).await?;
            if let Some(lacks) = lacks {
                self.complete(id, lacks, waiting).await?;
            }
        }
        Ok(())
    }

    /// What was taken is on the disk.
    async fn acknowledge(&mut self, id: SeatId, progress: Progress) -> Result<()> {
        let Progress { cursor, joined, broken, .. } = progress;
        let Some(seat) = self.seats.get_mut(&id) else { return Ok(()) };
        if cursor > seat.cursor {
            seat.since = Instant::now();
        }
        (seat.cursor, seat.joined, seat.broken) = (cursor, joined, broken);
        let (channel, token) = (seat.channel.to_vec().into(), seat.token.to_vec().into());
        if joined {
            let ack = v1::Ack { channel, seat: id.0.to_vec().into(), token, cursor };
            self.link.say(Request::Ack(ack)).await?;
        }
        Ok(())
    }
}

fn take_batch(tx: &Tx, account: &Account, incarnation: u32, batch: &Batch) -> Result<Progress> {
    let (seat, group) = (batch.seat, batch.group);
    let mut progress = Progress { cursor: 0, joined: batch.joined, broken: false, lacks: None };
    let (mut messages, mut missing, mut opened, mut void) = (0, 0, false, false);
    // Between messages the group stays in hand: loading a large one costs more than opening a message.
    let (mut hand, mut allowed) = (None, Allowed::default());
    for (at, entry) in batch.entries.iter().enumerate() {
        let held = hand.take();
        let taken = tx.savepoint(|tx| match progress.joined {
            true => take_entry(tx, account, (&group, held), seat, entry),
            false => take_first(tx, account, (seat, incarnation), (entry, &batch.pieces))
                .map(|first| (first, None)),
        });
        match taken {
            Ok((Taken::Lacks(pieces), _)) => {
                let entries = batch.entries.iter().skip(at).cloned().collect();
                progress.lacks = Some(Lacks { pieces, entries });
                break;
            }
            Ok((taken, held)) => {
                hand = held.filter(|_| taken == Taken::Message);
                match &hand {
                    Some(group) => allowed.look(tx, group, entry)?,
                    None => allowed.forget(),
                }
                messages += u64::from(taken == Taken::Message);
                missing += u64::from(taken == Taken::Missing);
                void |= taken == Taken::Void;
                opened |= matches!(taken, Taken::Message | Taken::Joined | Taken::Other);
                progress.joined |= taken == Taken::Joined;
                if taken == Taken::Over {
                    break;
                }
                if closes(entry, &seat) {
                    // And yet, as far as can be read, nobody took this device out.
                    tx.set_lost(&group)?;
                    progress.broken = true;
                }
            }
            Err(ClientError::Protocol(ProtocolError::Peer(fault))) => {
                match progress.joined {
                    true => contradiction(tx, &group, format!("entry {}: {fault}", entry.number))?,
                    false => no_group(tx, seat, &fault.to_string())?,
                }
                progress.broken = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    match progress.broken {
        false if opened => tx.believe(&seat)?,
        false if void => tx.got_past(&seat)?,
        _ => {}
    }
    progress.cursor = cursor(tx, seat, &group, progress.joined)?;
    super::gossip::came_to(tx, &group)?;
    tell_messages(tx, &group, messages, missing)?;
    Ok(progress)
}

fn cursor(tx: &Tx, seat: SeatId, group: &GroupId, joined: bool) -> Result<u64> {
    if joined {
        return tx.protocol(|cx| Ok(Group::position(group, cx)?.cursor));
    }
    let joining = tx.protocol(|cx| Joining::load(seat, cx))?;
    Ok(joining.map_or(0, |joining| joining.cursor()))
}

pub(super) fn tell_messages(tx: &Tx, group: &GroupId, count: u64, missing: u64) -> Result<()> {
    let member = tx.conversation(group)?.filter(|known| known.state == State::Member);
    let Some(conversation) = member.filter(|_| count + missing > 0) else { return Ok(()) };
    let (id, conversation) = named(&conversation);
    tx.tell(&Event::Messages { id, conversation, count, missing })
}

/// What came of an entry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Taken {
    Message,
    /// An entry whose content is gone, or cannot be read here.
    Missing,
    Joined,
    /// Nothing yet: these pieces are to be fetched first.
    Lacks(Vec<Digest>),
    Over,
    /// Taken in before.
    Known,
    Void,
    Other,
}

/// Takes in an entry of a group that may be in hand; gives what came of it, and the group as it is now.
fn take_entry(
    tx: &Tx,
    account: &Account,
    (id, held): (&GroupId, Option<Group>),
    seat: SeatId,
    entry: &v1::Entry,
) -> Result<(Taken, Option<Group>)> {
    let mut group = match held {
        Some(group) => group,
        None => tx.protocol(|cx| Group::load(id, cx))?,
    };
    if group.is_out() || *group.seat() != seat {
        // The second: let in again meanwhile, at another seat.
        return Ok((Taken::Over, None));
    }
    if entry.number <= group.cursor() {
        return Ok((Taken::Known, None));
    }
    if entry.number > group.cursor() + 1 {
        return Err(PeerFault::RelayLied.into());
    }
    let seats = seat_changes(&entry.seats)?;
    let seen = seen(entry, &seats, Some(group.seat()))?;
    let received = tx.protocol(|cx| group.receive(account, &seen, cx))?;
    Ok((apply(tx, account, &group, received, entry)?, Some(group)))
}

fn apply(tx: &Tx, account: &Account, group: &Group, received: Received, entry: &v1::Entry) -> Result<Taken> {
    match received {
        Received::Message(message) => {
            super::gossip::take(tx, group, &message)?;
            take_message(tx, account, group, &message, entry)
        }
        Received::Accepted { changes, epoch, .. } => {
            settled(tx, account, group, entry, epoch)?;
            take_over(tx, group, &changes, (*account.person(), entry.at))?;
            after_commit(tx, group, None)?;
            if changes.iter().any(|change| matches!(change, Happened::Healed(_))) {
                super::healing::plan(tx, group)?;
            }
            let left = changes.contains(&Happened::Left(*account.person()));
            if left {
                end(tx, group.id(), State::Left, None)?;
            }
            Ok(if left { Taken::Over } else { Taken::Other })
        }
        Received::Committed { author, device, changes, seats_differ, .. } => {
            if seats_differ {
                ignored(tx, group, "the relay opened or closed other seats than the change says")?;
            }
            take_over(tx, group, &changes, (author, entry.at))?;
            after_commit(tx, group, Some(device))?;
            Ok(Taken::Other)
        }
        Received::LeaveRequested { person } => leaving(tx, group, &person),
        Received::Removed { by } => {
            end(tx, group.id(), State::Removed, Some(&by))?;
            Ok(Taken::Over)
        }
        Received::Void(fault) => {
            let author = SeatId::try_from(entry.seat.as_ref())?;
            void(tx, group, &author, fault).map(|()| Taken::Void)
        }
        Received::Unreadable { person, fault } => {
            if fault != PeerFault::Duplicate {
                // Whatever follows from that sender would be unreadable too: the keys come with a new seat.
                tx.set_lost(group.id())?;
            }
            let cause = format!("a message of {} cannot be read here: {fault}", shown(tx, &person)?);
            ignored(tx, group, &cause)?;
            Ok(if fault == PeerFault::Duplicate { Taken::Other } else { Taken::Missing })
        }
        Received::NumberTwice { person, device } => number_twice(tx, group, (person, device), entry),
        Received::Impersonated => own_name(tx, account, group, Deed::Changed, entry).map(|()| Taken::Void),
        Received::NotPosted => not_posted(tx, account, group, entry),
        Received::Stranded(fault) => {
            stranded(tx, group, fault)?;
            Ok(if entry.expired { Taken::Missing } else { Taken::Other })
        }
        Received::Unseen => Ok(if entry.expired { Taken::Missing } else { Taken::Other }),
    }
}

/// The own post is in the log: its wish is fulfilled, and what was said has its place.
fn settled(tx: &Tx, account: &Account, group: &Group, entry: &v1::Entry, epoch: u64) -> Result<()> {
    let Some(post) = tx.post(group.id())? else { return Ok(()) };
    tx.drop_post(group.id())?;
    tx.release_letters(post.intent)?;
    tx.set_posts(group.id(), post.number)?;
    let Some(wish) = tx.wish_at(post.intent)? else { return Ok(()) };
    if let What::Say { id, text } = &wish.what {
        tx.add_message(&NewMessage {
            group: group.id(),
            id: *id,
            person: *account.person(),
            handle: account.handle().as_str(),
            text,
            kind: TEXT,
            sent_at: post.sealed_at,
            received_at: entry.at,
            epoch,
            own: true,
            place: (entry.number, *account.device_id()),
        })?;
    }
    if let What::Tell { content, .. } = &wish.what
        && let Ok(Content::Call(step)) = Content::decode(content)
    {
        take_call(tx, account, group, (*account.person(), *account.device_id()), &step)?;
    }
    tx.set_wish(wish.seq, &WishState::Done)
}

/// The place of the own post in the log will not be known here: whether it was taken or not, it is said once more, under
/// the id that it has.
pub(super) fn drop_unsettled(tx: &Tx, group: &GroupId) -> Result<()> {
    let Some(post) = tx.post(group)? else { return Ok(()) };
    tx.drop_letters_of(post.intent)?;
    tx.drop_post(group)?;
    match tx.wish_at(post.intent)?.map(|wish| wish.state) {
        Some(WishState::Sent) => tx.set_wish(post.intent, &WishState::Queued),
        _ => Ok(()),
    }
}

/// Somebody leaves: one of those who stay takes them out, the others wait for that.
fn leaving(tx: &Tx, group: &Group, person: &PersonId) -> Result<Taken> {
    let due = tx.now.plus(RANK_DELAY.saturating_mul(group.rank() as u64));
    tx.wish(group.id(), &What::Change(Intent::Settle), due.0)?;
    if let Some(conversation) = tx.conversation(group.id())? {
        let (id, conversation) = named(&conversation);
        tx.tell(&Event::Leaving { id, conversation, who: shown(tx, person)? })?;
    }
    Ok(Taken::Other)
}

pub(super) fn stranded(tx: &Tx, group: &Group, fault: PeerFault) -> Result<Taken> {
    drop_unsettled(tx, group.id())?;
    let asked = tx.channel(group.id())?.is_some_and(|channel| channel.asked_at > 0);
    if asked && fault == PeerFault::RolledBack {
        // Let in again, as it asked: what follows comes at its new seat.
        return Ok(Taken::Other);
    }
    if let Some(conversation) = tx.conversation(group.id())? {
        let (id, conversation) = named(&conversation);
        if fault == PeerFault::RolledBack {
            tx.tell(&Event::Restored { id: id.clone(), conversation: conversation.clone() })?;
        }
        tx.tell(&Event::Stranded { id, conversation, cause: fault.to_string() })?;
    }
    Ok(Taken::Other)
}

pub(super) fn ignored(tx: &Tx, group: &Group, cause: &str) -> Result<Taken> {
    if let Some(conversation) = tx.conversation(group.id())? {
        let (id, conversation) = named(&conversation);
        tx.tell(&Event::Ignored { id, conversation, cause: cause.to_owned() })?;
    }
    Ok(Taken::Other)
}
