//! Read cursors wait here and reach the storage about once a second: one that
//! is lost means that entries come again, which clients drop. Not here: what
//! a cursor frees (`storage`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use conclave_wire::{ChannelId, SeatId};

use crate::storage::Cursor;

/// Cursors not yet stored.
#[derive(Default)]
pub(crate) struct Cursors(Mutex<HashMap<(ChannelId, SeatId), u64>>);

impl Cursors {
    /// Notes one; cursors never go back.
    pub(crate) fn note(&self, channel: ChannelId, seat: SeatId, cursor: u64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = waiting.entry((channel, seat)).or_default();
        *slot = cursor.max(*slot);
    }

    /// Takes all, to be stored.
    pub(crate) fn take(&self) -> Vec<Cursor> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.drain().map(|((channel, seat), cursor)| Cursor { channel, seat, cursor }).collect()
    }
}
