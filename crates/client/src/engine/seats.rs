//! The seats of this device: created, claimed and attached. How far each is lives here for one connection only; what
//! counts is the cursor in the store.

use super::doubts;
use super::session::Session;
use crate::directory::answer_fault;
use crate::store::channels::Channel;
use crate::store::requests::{Offer, Wanted};
use crate::store::{Store, Tx};
use crate::{ClientError, Result};
use conclave_protocol::group::{Group, Joining};
use conclave_protocol::{GroupId, SeatId};
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;

/// Seats attached in one request.
const AT_ONCE: usize = 500;
/// How long a seat rests that gets nowhere, before it is attached anew.
const REST: Duration = Duration::from_secs(30);

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
    /// The relay contradicts itself here, or refuses: nothing more for a while.
    pub(super) broken: bool,
    /// When it was last attached, or got on.
    pub(super) since: Instant,
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

    /// Whether the seat has every entry that there is said to be.
    pub(super) fn stands_at_head(&self, seat: &SeatId) -> bool {
        self.all.get(seat).is_some_and(Seat::is_caught_up)
    }

    fn is_broken(&self, seat: &SeatId) -> bool {
        self.all.get(seat).is_some_and(|seat| seat.broken)
    }

    /// Nothing more for this seat for a while.
    pub(super) fn give_rest(&mut self, seat: &SeatId) {
        if let Some(seat) = self.all.get_mut(seat) {
            seat.broken = true;
        }
    }

    /// Those that are attached, or rest.
    fn settled(&self) -> HashSet<SeatId> {
        let settled = self.all.iter().filter(|(_, seat)| seat.attached || seat.broken);
        settled.map(|(id, _)| *id).collect()
    }

    pub(super) fn forget_attachments(&mut self) {
        for seat in self.all.values_mut() {
            (seat.attached, seat.broken) = (false, false);
        }
    }

    /// Those that got nowhere for long are attached anew.
    fn wake_rested(&mut self) {
        let now = Instant::now();
        for seat in self.all.values_mut().filter(|seat| seat.is_stuck() && seat.since + REST <= now) {
            (seat.attached, seat.broken) = (false, false);
        }
    }

    /// When the next one has rested.
    pub(super) fn next_rested(&self) -> Option<Instant> {
        self.all.values().filter(|seat| seat.is_stuck()).map(|seat| seat.since + REST).min()
    }
}

impl Seat {
    fn is_caught_up(&self) -> bool {
        self.cursor >= self.head
    }

    fn is_stuck(&self) -> bool {
        self.broken || (self.attached && !self.is_caught_up())
    }
}

/// A seat as the store has it.
struct Known {
    id: SeatId,
    seat: Seat,
    made: bool,
    /// The claim that the relay has not taken yet.
    claim: Option<[u8; 32]>,
    /// The seat of the same group that can still be followed, where this is a newer one.
    instead_of: Option<SeatId>,
}

impl Session<'_> {
    /// Creates, claims and attaches what the store knows and this connection does not.
    pub(super) async fn open_seats(&mut self) -> Result<()> {
        self.seats.wake_rested();
        let (all, unsettled) = known(self.store, self.relay.id, self.seats.settled()).await?;
        self.seats.all.retain(|id, _| all.contains(id));
        let mut new = Vec::new();
        for known in unsettled {
            // Let in again at a new seat: first everything is read that the old one still gets.
            if known.instead_of.is_some_and(|old| !self.seats.is_broken(&old)) {
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
        let Known { id, seat, made, claim, .. } = known;
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
        let mut stated = Vec::new();
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
            seat.head = state.head;
            stated.push((*id, seat, state, went_back));
        }
        self.believe_heads(stated).await
    }

    /// What the relay states about seats is held against what the store knows, in one step for all.
    async fn believe_heads(&mut self, stated: Vec<(SeatId, Seat, v1::SeatState, bool)>) -> Result<()> {
        let (incarnation, asked) = (self.incarnation(), self.asked);
        let step = self.store.step(move |tx| {
            let mut seats = Vec::new();
            for (id, mut seat, state, went_back) in stated {
                let believed = !seat.joined || doubts::attached(tx, &seat.group, incarnation, &state)?;
                if believed && seat.joined {
                    super::gossip::stands(tx, &seat.group, state.head, asked)?;
                }
                seat.broken = !believed;
                seat.attached = believed && !went_back;
                seats.push((id, seat));
            }
            Ok(seats)
        });
        let seats = step.await?;
        self.seats.all.extend(seats.into_iter().filter(|(_, seat)| seat.attached || seat.broken));
        Ok(())
    }

    /// As the relay stated it on this connection.
    pub(super) fn incarnation(&self) -> u32 {
        u32::try_from(self.link.hello().incarnation).unwrap_or(u32::MAX)
    }

    /// The relay does not let this device have the seat.
    async fn refused_seat(&mut self, id: SeatId, mut seat: Seat, code: &str, message: String) -> Result<()> {
        if super::refusals::is_transient(code) || code == "too_large" {
            return Err(ClientError::Refused { code: code.to_owned(), message });
        }
        let (group, joined, code) = (seat.group, seat.joined, code.to_owned());
        let step = move |tx: &Tx| match joined {
            true => doubts::refused_seat(tx, &group, &code),
            false => doubts::no_group(tx, id, &format!("its seat is refused ({code})")),
        };
        self.store.step(step).await?;
        seat.broken = true;
        self.seats.all.insert(id, seat);
        Ok(())
    }
}

/// The seats at a relay, but for those offered that nobody has said to want yet; and of those that are not `settled`
/// everything that the store knows.
async fn known(
    store: &Store,
    relay: [u8; 32],
    settled: HashSet<SeatId>,
) -> Result<(HashSet<SeatId>, Vec<Known>)> {
    store
        .view(move |tx| {
            let channels = tx.channels_at(&relay)?;
            let mut all: HashSet<_> = channels.iter().map(|channel| channel.seat).collect();
            let unsettled = channels.iter().filter(|channel| !settled.contains(&channel.seat));
            let mut known = unsettled.map(|channel| of_channel(tx, channel)).collect::<Result<Vec<_>>>()?;
            let offers = tx.offers()?.into_iter();
            for offer in offers.filter(|offer| offer.wanted != Wanted::Asks && offer.relay == relay) {
                // To a group in hand only who asked is let in again: where this store is a copy, the other one may have.
                if tx.channel(&offer.group)?.is_some_and(|channel| channel.asked_at == 0) {
                    continue;
                }
                all.insert(offer.seat);
                if !settled.contains(&offer.seat) {
                    let old = channels.iter().find(|channel| channel.group == offer.group);
                    known.push(of_offer(tx, &offer, old)?);
                }
            }
            Ok((all, known))
        })
        .await
}

fn of_channel(tx: &Tx, channel: &Channel) -> Result<Known> {
    let cursor = tx.protocol(|cx| Group::position(&channel.group, cx))?.cursor;
    let Channel { group, channel, seat: id, token, made, .. } = channel.clone();
    Ok(Known { id, seat: seat(group, channel, token, cursor, true), made, claim: None, instead_of: None })
}

fn of_offer(tx: &Tx, offer: &Offer, old: Option<&Channel>) -> Result<Known> {
    let joining = tx.protocol(|cx| Joining::load(offer.seat, cx))?;
    let cursor = joining.map_or(0, |joining| joining.cursor());
    let mut instead_of = None;
    if let Some(old) = old {
        let position = tx.protocol(|cx| Group::position(&old.group, cx))?;
        instead_of = (!position.stranded && !position.out).then_some(old.seat);
    }
    let Offer { seat: id, group, channel, claim, token, claimed, .. } = offer.clone();
    let claim = (!claimed).then_some(claim);
    Ok(Known { id, seat: seat(group, channel, token, cursor, false), made: true, claim, instead_of })
}

fn seat(group: GroupId, channel: [u8; 16], token: [u8; 32], cursor: u64, joined: bool) -> Seat {
    Seat {
        group,
        channel,
        token,
        cursor,
        head: cursor,
        joined,
        attached: false,
        broken: false,
        since: Instant::now(),
    }
}
