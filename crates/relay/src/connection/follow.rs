//! Which entries a connection gets next: its attached seats with their
//! cursors, served in turn, those behind only as far as the client gives
//! credit. Not here: where the entries come from.

use std::collections::{HashMap, VecDeque};

use conclave_wire::v1::{self, seat_change::Change};
use conclave_wire::{SeatId, limits};

use crate::hub::Place;
use crate::storage::{EntriesAsk, Hash, SeatView};

/// One push holds about so much.
const PUSH_BYTES: usize = 256 * 1024;
const PUSH_ENTRIES: usize = 512;
/// A seat further behind than this is catching up, and needs credit.
const LIVE_ENTRIES: u64 = 64;

/// The seats of one connection.
pub(super) struct Follow {
    seats: HashMap<Place, Seat>,
    /// Seats at the head, with news.
    live: VecDeque<Place>,
    /// Seats catching up.
    behind: VecDeque<Place>,
    credit: u64,
    live_last: bool,
}

struct Seat {
    token: Hash,
    view: SeatView,
    /// The last entry pushed.
    cursor: u64,
    head: u64,
    catching_up: bool,
    queued: bool,
}

impl Default for Follow {
    fn default() -> Self {
        Self {
            seats: HashMap::new(),
            live: VecDeque::new(),
            behind: VecDeque::new(),
            credit: limits::FIRST_CREDIT,
            live_last: false,
        }
    }
}

impl Follow {
    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    pub(super) fn places(&self) -> Vec<Place> {
        self.seats.keys().copied().collect()
    }

    pub(super) fn contains(&self, place: &Place) -> bool {
        self.seats.contains_key(place)
    }

    /// Attaches a seat; one that is attached already starts again at `cursor`.
    pub(super) fn attach(&mut self, place: Place, token: Hash, view: SeatView, cursor: u64, head: u64) {
        self.live.retain(|queued| *queued != place);
        self.behind.retain(|queued| *queued != place);
        let seat = Seat { token, view, cursor, head: cursor, catching_up: cursor < head, queued: false };
        self.seats.insert(place, seat);
        self.note(place, head);
    }

    /// The token's hash and the last entry pushed or known, where attached.
    pub(super) fn seat(&self, place: &Place) -> Option<(&Hash, u64)> {
        self.seats.get(place).map(|seat| (&seat.token, seat.head))
    }

    /// The channel reaches up to `head`.
    pub(super) fn note(&mut self, place: Place, head: u64) {
        let Some(seat) = self.seats.get_mut(&place) else { return };
        seat.head = seat.head.max(head);
        if seat.queued || seat.cursor >= seat.head {
            return;
        }
        seat.queued = true;
        seat.catching_up |= seat.head - seat.cursor > LIVE_ENTRIES;
        let queue = if seat.catching_up { &mut self.behind } else { &mut self.live };
        queue.push_back(place);
    }

    pub(super) fn add_credit(&mut self, bytes: u64) {
        self.credit = self.credit.saturating_add(bytes).min(limits::MOST_CREDIT);
    }

    /// Whether there is something to push.
    pub(super) fn ready(&self) -> bool {
        !self.live.is_empty() || (self.credit > 0 && !self.behind.is_empty())
    }

    /// What to read next; live seats and those catching up take turns.
    pub(super) fn next(&mut self, cutoff: u64) -> Option<EntriesAsk> {
        let may_catch_up = self.credit > 0 && !self.behind.is_empty();
        self.live_last = !self.live.is_empty() && (!may_catch_up || !self.live_last);
        let queue = match self.live_last {
            true => &mut self.live,
            false if may_catch_up => &mut self.behind,
            false => return None,
        };
        let place = queue.pop_front()?;
        let seat = self.seats.get_mut(&place)?;
        seat.queued = false;
        Some(EntriesAsk {
            channel: place.0,
            view: seat.view,
            after: seat.cursor,
            cutoff,
            most_entries: PUSH_ENTRIES,
            most_bytes: PUSH_BYTES,
        })
    }

    /// Takes what was read: gives the push, and whether the seat is over with
    /// (it was closed by the last of these entries).
    pub(super) fn advance(
        &mut self,
        place: Place,
        mut entries: Vec<v1::Entry>,
    ) -> (Option<v1::Entries>, bool) {
        let Some(seat) = self.seats.get_mut(&place) else { return (None, false) };
        let closing = entries.iter().position(|entry| closes(entry, &place.1));
        if let Some(at) = closing {
            entries.truncate(at + 1);
        }
        let Some(last) = entries.last() else {
            // Nothing there although something was heard of: the seat is closed.
            self.seats.remove(&place);
            return (None, true);
        };
        seat.cursor = last.number;
        seat.head = seat.head.max(seat.cursor);
        if seat.catching_up {
            let bytes: usize = entries.iter().map(|entry| entry.shared.len() + entry.slice.len()).sum();
            self.credit = self.credit.saturating_sub(bytes as u64);
            seat.catching_up = seat.cursor < seat.head;
        }
        let head = seat.head;
        let (channel, seat) = (place.0.to_bytes(), place.1.to_bytes());
        let push = v1::Entries { channel, seat, entries, head };
        match closing {
            Some(_) => drop(self.seats.remove(&place)),
            None => self.note(place, head),
        }
        (Some(push), closing.is_some())
    }
}

fn closes(entry: &v1::Entry, seat: &SeatId) -> bool {
    let is_own = |change: &v1::SeatChange| matches!(&change.change, Some(Change::Close(closed)) if closed.as_ref() == seat.as_bytes());
    entry.seats.iter().any(is_own)
}
