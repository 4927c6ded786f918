//! What a seat may see of an entry: the one place that leaves things out.
//! Used for what comes from the tables and for what is just posted.

use bytes::Bytes;
use conclave_wire::{SeatId, slices, v1};
use prost::Message;

use super::channel::check_token;
use super::tables::{EntryRow, Result, Tables};
use super::{Acceptance, EntriesAsk, PostOp, SeatAsk, SeatStanding, StorageError};
use conclave_wire::Code;

/// A seat as far as reading goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SeatView {
    pub(crate) seat: SeatId,
    /// The entry that opened it: earlier ones show their hash only.
    pub(crate) opened: u64,
    /// The entry that closed it: nothing after it is shown.
    pub(crate) closed: Option<u64>,
}

impl SeatView {
    fn shows_body(&self, row: &EntryRow) -> bool {
        row.number >= self.opened && row.seat != self.seat
    }
}

/// An entry just posted, kept whole for the seats that follow live.
#[derive(Debug)]
pub(crate) struct Recent {
    /// What every seat sees of it: the bytes in it are shared by all pushes.
    entry: v1::Entry,
    author: SeatId,
    shared: Bytes,
    slices: Bytes,
    /// Ascending: (seat, offset, length).
    index: Vec<(SeatId, u32, u32)>,
}

impl Recent {
    pub(crate) fn new(post: &PostOp, accepted: &Acceptance) -> Self {
        let entry = v1::Entry {
            number: accepted.entry,
            turn: accepted.turn,
            seat: post.seat.to_bytes(),
            seat_number: post.number,
            at: accepted.at,
            hash: Bytes::copy_from_slice(&post.hash),
            seats: changes(post),
            ..v1::Entry::default()
        };
        let index = slices::index(&post.slices).unwrap_or_default();
        Self { entry, author: post.seat, shared: post.shared.clone(), slices: post.slices.clone(), index }
    }

    pub(crate) fn number(&self) -> u64 {
        self.entry.number
    }

    pub(crate) fn bytes(&self) -> usize {
        self.shared.len() + self.slices.len() + 256
    }

    /// As a seat may see it.
    pub(crate) fn seen_by(&self, view: &SeatView, cutoff: u64) -> v1::Entry {
        let entry = self.entry.clone();
        if entry.number < view.opened {
            return entry;
        }
        let own = self.author == view.seat;
        if entry.at < cutoff {
            return v1::Entry { expired: !own, ..entry };
        }
        let shared = if own { Bytes::new() } else { self.shared.clone() };
        v1::Entry { shared, slice: self.slice(&view.seat), ..entry }
    }

    fn slice(&self, seat: &SeatId) -> Bytes {
        let found = self.index.binary_search_by_key(seat, |(seat, _, _)| *seat).ok();
        let found = found.and_then(|at| self.index.get(at));
        found.map_or_else(Bytes::new, |(_, offset, length)| {
            let start = *offset as usize;
            self.slices.slice(start..start + *length as usize)
        })
    }
}

/// Entries for one seat, as many as fit.
pub(super) fn entries(t: &mut dyn Tables, ask: &EntriesAsk) -> Result<Vec<v1::Entry>> {
    let Some(channel) = t.channel(&ask.channel)? else { return Ok(Vec::new()) };
    let last = ask.view.closed.unwrap_or(u64::MAX);
    let (mut found, mut bytes) = (Vec::new(), 0);
    for row in t.entries(channel.key, ask.after, ask.most_entries)? {
        if row.number > last || bytes >= ask.most_bytes {
            break;
        }
        let entry = seen(t, channel.key, channel.floor, &row, ask)?;
        bytes += entry.shared.len() + entry.slice.len();
        found.push(entry);
    }
    Ok(found)
}

fn seen(t: &mut dyn Tables, channel: i64, floor: u64, row: &EntryRow, ask: &EntriesAsk) -> Result<v1::Entry> {
    let view = &ask.view;
    let (mut shared, mut slice) = (Bytes::new(), Bytes::new());
    let mut expired = row.number <= floor || row.at < ask.cutoff;
    if view.shows_body(row) && !expired {
        match t.shared(channel, row.number)? {
            Some(body) => shared = body,
            None => expired = true,
        }
    }
    if row.number >= view.opened && row.sliced && !expired {
        slice = t.slice(channel, row.number, &view.seat)?.unwrap_or_default();
    }
    Ok(v1::Entry {
        number: row.number,
        turn: row.turn,
        seat: row.seat.to_bytes(),
        seat_number: row.seat_number,
        at: row.at,
        hash: Bytes::copy_from_slice(&row.hash),
        shared,
        slice,
        seats: decode_changes(&row.changes)?,
        expired: expired && view.shows_body(row),
    })
}

/// Where seats stand.
pub(super) fn seats(t: &mut dyn Tables, asks: &[SeatAsk]) -> Result<Vec<SeatStanding>> {
    asks.iter().map(|ask| standing(t, ask)).collect()
}

fn standing(t: &mut dyn Tables, ask: &SeatAsk) -> Result<SeatStanding> {
    let mut standing = SeatStanding {
        refused: Some(Code::UnknownChannel),
        head: 0,
        turn: 0,
        last: None,
        view: SeatView { seat: ask.seat, opened: 0, closed: None },
        after: 0,
    };
    let Some(channel) = t.channel(&ask.channel)? else { return Ok(standing) };
    standing.refused = Some(Code::UnknownSeat);
    let Some(seat) = t.seat(channel.key, &ask.seat)? else { return Ok(standing) };
    standing.refused = check_token(&seat, &ask.token);
    if standing.refused.is_some() {
        return Ok(standing);
    }
    standing.refused = match seat.closed {
        // What came up to its closing is the seat's still.
        Some(closed) if ask.cursor < closed => None,
        Some(_) => Some(Code::Closed),
        None if ask.cursor > channel.head => Some(Code::BadCursor),
        None => None,
    };
    (standing.head, standing.turn) = (seat.closed.unwrap_or(channel.head), channel.turn);
    standing.last = seat.last.map(|last| (last.number, last.hash, last.entry));
    standing.view = SeatView { seat: ask.seat, opened: seat.opened, closed: seat.closed };
    standing.after = seat.after;
    Ok(standing)
}

/// Seat changes as an entry row keeps them: an `Entry` with nothing else in it.
pub(super) fn encode_changes(post: &PostOp) -> Bytes {
    v1::Entry { seats: changes(post), ..v1::Entry::default() }.encode_to_vec().into()
}

/// The seats that a post opens and closes.
fn changes(post: &PostOp) -> Vec<v1::SeatChange> {
    use v1::seat_change::Change;
    let change = |change| v1::SeatChange { change: Some(change) };
    let opens = post.opens.iter().map(|open| {
        change(Change::Open(v1::OpenSeat {
            seat: open.seat.to_bytes(),
            claim_hash: Bytes::copy_from_slice(&open.claim),
            after: open.after,
        }))
    });
    let closes = post.closes.iter().map(|seat| change(Change::Close(seat.to_bytes())));
    opens.chain(closes).collect()
}

fn decode_changes(changes: &Bytes) -> Result<Vec<v1::SeatChange>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let decoded = v1::Entry::decode(changes.clone());
    decoded.map(|entry| entry.seats).map_err(|_| StorageError::Failed("damaged seat changes".into()))
}
