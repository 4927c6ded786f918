//! The seats of this device: created, claimed and attached. How far each is lives here for one connection only; what
//! counts is the cursor in the store.

use super::session::Session;
use crate::directory::answer_fault;
use crate::store::channels::Channel;
use crate::store::conversations::State;
use crate::store::outbox::WishState;
use crate::store::requests::{Offer, Wanted};
use crate::store::{Store, Tx};
use crate::{ClientError, Event, Result};
use conclave_protocol::group::{Group, Joining, Standing};
use conclave_protocol::{Error as ProtocolError, GroupId, SeatId};
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use std::collections::HashMap;

/// Seats attached in one request.
const AT_ONCE: usize = 500;

/// The seats known on this connection.
#[derive(Default)]
pub(super) struct Seats {
    all: HashMap<SeatId, Seat>,
}

/// One seat on this connection.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) group: GroupId,
    pub(super) channel: [u8; 16],
    pub(super) token: [u8; 32],
    /// The last entry stored.
    pub(super) cursor: u64,
    /// The last entry that there is.
    pub(super) head: u64,
    /// Whether the group is in hand.
    pub(super) joined: bool,
    attached: bool,
    /// The relay contradicts itself here, or refuses: nothing more on this connection.
    pub(super) broken: bool,
}

impl Seats {
    pub(super) fn get_mut(&mut self, seat: &SeatId) -> Option<&mut Seat> {
        self.all.get_mut(seat)
    }

    pub(super) fn remove(&mut self, seat: &SeatId) {
        self.all.remove(seat);
    }

    /// The groups that stand at the head of their channels.
    pub(super) fn caught_up(&self) -> Vec<(SeatId, GroupId)> {
        let ready = self
            .all
            .iter()
            .filter(|(_, seat)| seat.joined && seat.attached && seat.is_caught_up() && !seat.broken);
        ready.map(|(id, seat)| (*id, seat.group)).collect()
    }

    pub(super) fn all_caught_up(&self) -> bool {
        self.all.values().all(|seat| seat.broken || (seat.attached && seat.is_caught_up()))
    }

    /// The channel has grown up to `head`.
    pub(super) fn grown(&mut self, seat: &SeatId, head: u64) {
        if let Some(seat) = self.all.get_mut(seat) {
            seat.head = seat.head.max(head);
        }
    }

    pub(super) fn forget_attachments(&mut self) {
        self.all.values_mut().for_each(|seat| seat.attached = false);
    }
}

impl Seat {
    fn is_caught_up(&self) -> bool {
        self.cursor >= self.head
    }
}

/// A seat as the store has it.
struct Known {
    id: SeatId,
    seat: Seat,
    made: bool,
    /// The claim that the relay has not taken yet.
    claim: Option<[u8; 32]>,
}

impl Session<'_> {
    /// Creates, claims and attaches what the store knows and this connection does not.
    pub(super) async fn open_seats(&mut self) -> Result<()> {
        let known = known(self.store, self.relay.id).await?;
        self.seats.all.retain(|id, _| known.iter().any(|known| known.id == *id));
        let mut new = Vec::new();
        for known in known {
            if self.seats.all.get(&known.id).is_some_and(|seat| seat.attached || seat.broken) {
                continue;
            }
            if let Some(seat) = self.prepare(known).await? {
                new.push(seat);
            }
        }
        for some in new.chunks(AT_ONCE) {
            self.attach(some).await?;
        }
        Ok(())
    }

    /// Makes the channel, or takes the seat, if that is still to be done.
    async fn prepare(&mut self, known: Known) -> Result<Option<(SeatId, Seat)>> {
        let Known { id, seat, made, claim } = known;
        let channel = seat.channel.to_vec().into();
        let token = seat.token.to_vec().into();
        let request = match claim {
            Some(claim) => {
                let claim = claim.to_vec().into();
                Request::Claim(v1::Claim { channel, seat: id.0.to_vec().into(), claim, token })
            }
            None if made => return Ok(Some((id, seat))),
            None => Request::CreateChannel(v1::CreateChannel { channel, seat: id.0.to_vec().into(), token }),
        };
        match self.link.ask(request).await {
            Ok(Body::Done(_)) => {}
            Ok(_) => return Err(answer_fault()),
            Err(ClientError::Refused { code, message }) => {
                self.refused_seat(id, seat, &code, message).await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let group = seat.group;
        let step = move |tx: &Tx| if claim.is_some() { tx.set_claimed(&id) } else { tx.set_made(&group) };
        self.store.step(step).await?;
        Ok(Some((id, seat)))
    }

    async fn attach(&mut self, some: &[(SeatId, Seat)]) -> Result<()> {
        let cursor = |(id, seat): &(SeatId, Seat)| v1::SeatCursor {
            channel: seat.channel.to_vec().into(),
            seat: id.0.to_vec().into(),
            token: seat.token.to_vec().into(),
            cursor: seat.cursor,
        };
        let attach = v1::Attach { seats: some.iter().map(cursor).collect() };
        let Body::Attached(attached) = self.link.ask(Request::Attach(attach)).await? else {
            return Err(answer_fault());
        };
        if attached.seats.len() != some.len() {
            return Err(answer_fault());
        }
        for ((id, seat), state) in some.iter().zip(attached.seats) {
            let mut seat = seat.clone();
            if state.seat.as_ref() != id.as_bytes() {
                return Err(answer_fault());
            }
            // A cursor beyond the head: the relay lost entries, and may say why.
            let went_back = state.refused == "bad_cursor" && seat.joined;
            if !state.refused.is_empty() && !went_back {
                let (code, message) = crate::advice::known(&state.refused);
                self.refused_seat(*id, seat, code, message.to_owned()).await?;
                continue;
            }
            let (group, joined, incarnation) = (seat.group, seat.joined, self.incarnation());
            seat.head = state.head;
            let step = self.store.step(move |tx| match joined {
                true => stand(tx, &group, incarnation, &state),
                false => Ok(true),
            });
            seat.broken = !step.await?;
            seat.attached = !seat.broken && !went_back;
            if seat.attached || seat.broken {
                self.seats.all.insert(*id, seat);
            }
        }
        Ok(())
    }

    /// As the relay stated it on this connection.
    pub(super) fn incarnation(&self) -> u32 {
        u32::try_from(self.link.hello().incarnation).unwrap_or(u32::MAX)
    }

    /// The relay does not let this device have the seat.
    async fn refused_seat(&mut self, id: SeatId, mut seat: Seat, code: &str, message: String) -> Result<()> {
        let transient = matches!(code, "rate_limited" | "unavailable" | "storage_full" | "too_large");
        if transient {
            return Err(ClientError::Refused { code: code.to_owned(), message });
        }
        let (group, joined, closed, code) = (seat.group, seat.joined, code == "closed", code.to_owned());
        self.store
            .step(move |tx| {
                if !joined {
                    tx.drop_offer(&id)?;
                    tx.protocol(|cx| Joining::forget(id, cx))?;
                    return tx.tell(&Event::LetterDropped { cause: format!("its seat is refused ({code})") });
                }
                if closed {
                    return closed_unseen(tx, &group);
                }
                if code == "unknown_seat" || code == "unknown_channel" {
                    // A relay that was restored may have lost the seat; members can give another one.
                    tx.set_lost(&group)?;
                }
                tx.tell_once(&Event::RelayFault {
                    cause: format!("it refuses a seat of this device ({code})"),
                })
            })
            .await?;
        seat.broken = true;
        self.seats.all.insert(id, seat);
        Ok(())
    }
}

/// A seat is attached: what the relay says of its channel is held against what is known here. `false`: it contradicts
/// itself, and nothing of it is taken on this connection.
fn stand(tx: &Tx, group: &GroupId, incarnation: u32, state: &v1::SeatState) -> Result<bool> {
    let (head, turn) = (state.head, state.turn);
    let standing =
        tx.savepoint(|tx| tx.protocol(|cx| Group::load(group, cx)?.attached(incarnation, head, turn, cx)));
    match standing {
        Ok(Standing::Same) => {}
        Ok(Standing::Restored) => unsettle(tx, group, state)?,
        Ok(Standing::Lost { entries, changes }) => {
            unsettle(tx, group, state)?;
            if let Some(conversation) = tx.conversation(group)? {
                let (id, conversation) = super::changes::named(&conversation);
                tx.tell(&Event::RelayRestored { id, conversation, lost: entries, changes })?;
            }
        }
        Err(ClientError::Protocol(ProtocolError::Peer(fault))) => {
            tx.tell_once(&Event::RelayFault { cause: format!("a channel: {fault}") })?;
            return Ok(false);
        }
        Err(error) => return Err(error),
    }
    count_posts(tx, group, state.last_post)?;
    Ok(true)
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

/// The relay says how many posts it has of this seat. What it has beyond those known here comes back as entries, which
/// show that this store is an older copy.
fn count_posts(tx: &Tx, group: &GroupId, posts: u64) -> Result<()> {
    let known = tx.channel(group)?.is_some_and(|channel| channel.posts == posts);
    if known || tx.post(group)?.is_some() { Ok(()) } else { tx.set_posts(group, posts) }
}

/// The seat was closed, and what closed it is not kept any more, or was the own leave.
fn closed_unseen(tx: &Tx, group: &GroupId) -> Result<()> {
    let left = super::outbox::is_leaving(tx, group)?;
    super::changes::end(tx, group, if left { State::Left } else { State::Removed }, None)
}

/// The seats at a relay, but for those offered that nobody has said to want yet.
async fn known(store: &Store, relay: [u8; 32]) -> Result<Vec<Known>> {
    store
        .view(move |tx| {
            let channels = tx.channels_at(&relay)?.into_iter().map(|channel| of_channel(tx, &channel));
            let offers =
                tx.offers()?.into_iter().filter(|offer| offer.wanted != Wanted::Asks && offer.relay == relay);
            let offers = offers.map(|offer| of_offer(tx, &offer));
            channels.chain(offers).collect()
        })
        .await
}

fn of_channel(tx: &Tx, channel: &Channel) -> Result<Known> {
    let cursor = tx.protocol(|cx| Ok(Group::load(&channel.group, cx)?.cursor()))?;
    let Channel { group, channel, seat: id, token, made, .. } = channel.clone();
    Ok(Known { id, seat: seat(group, channel, token, cursor, true), made, claim: None })
}

fn of_offer(tx: &Tx, offer: &Offer) -> Result<Known> {
    let joining = tx.protocol(|cx| Joining::load(offer.seat, cx))?;
    let cursor = joining.map_or(0, |joining| joining.cursor());
    let Offer { seat: id, group, channel, claim, token, claimed, .. } = offer.clone();
    let claim = (!claimed).then_some(claim);
    Ok(Known { id, seat: seat(group, channel, token, cursor, false), made: true, claim })
}

fn seat(group: GroupId, channel: [u8; 16], token: [u8; 32], cursor: u64, joined: bool) -> Seat {
    Seat { group, channel, token, cursor, head: cursor, joined, attached: false, broken: false }
}
