//! Everything that was ever posted in a channel, with every slice and letter, and what it really was.
//!
//! A thief gets the bytes; what it was is for the judge alone.

use conclave_protocol::group::{Body, Entry, SeatChange};
use conclave_protocol::primitives::kdf::sha256;
use conclave_protocol::{DeviceId, SeatId, Timestamp};
use std::collections::BTreeMap;

/// What an entry was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody said this.
    Said(String),
    /// Somebody brought fresh secrets.
    Healed,
    /// A commit with a fresh seed that is no heal of its author: a removal, or letting somebody in again.
    Seeded,
    /// Any other post.
    Moved,
}

/// An entry as the relay took it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its number.
    pub number: u64,
    /// The turn after it.
    pub turn: u64,
    /// Whose seat.
    pub seat: SeatId,
    /// Which device, by its place in the world.
    pub who: usize,
    /// What it was.
    pub what: What,
    /// The shared part.
    pub shared: Vec<u8>,
    /// Every slice.
    pub slices: BTreeMap<SeatId, Vec<u8>>,
    /// Seats opened and closed.
    pub seats: Vec<SeatChange>,
    /// The relay's clock.
    pub at: u64,
}

/// All traffic.
#[derive(Clone, Debug, Default)]
pub struct Tape {
    /// The log.
    pub entries: Vec<Kept>,
    /// Letters to inboxes.
    pub letters: Vec<(DeviceId, Vec<u8>)>,
}

impl Tape {
    /// The entries after a number.
    pub fn after(&self, number: u64) -> &[Kept] {
        let from = usize::try_from(number).unwrap_or(usize::MAX);
        self.entries.get(from..).unwrap_or_default()
    }

    /// The text of an entry, if it is a message.
    pub fn text(&self, number: u64) -> Option<&str> {
        let before = number.checked_sub(1)?;
        match &self.after(before).first()?.what {
            What::Said(text) => Some(text),
            _ => None,
        }
    }

    /// The messages whose texts begin so.
    pub fn said(&self, prefix: &str) -> std::collections::BTreeSet<u64> {
        let said = self
            .entries
            .iter()
            .filter(|kept| matches!(&kept.what, What::Said(text) if text.starts_with(prefix)));
        said.map(|kept| kept.number).collect()
    }
}

impl Kept {
    /// As one seat could be given it, with its whole body, at a place of the reader's choice.
    pub fn entry(&self, number: u64, turn: u64, for_seat: SeatId) -> Entry<'_> {
        Entry {
            number,
            turn,
            seat: self.seat,
            hash: sha256(&self.shared),
            body: Body::Whole(&self.shared),
            slice: self.slices.get(&for_seat).map_or(&[], Vec::as_slice),
            at: Timestamp(self.at),
            seats: &self.seats,
        }
    }
}
