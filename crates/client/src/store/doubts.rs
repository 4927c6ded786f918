//! What speaks against a relay's word, seat by seat. A contradiction can be a fault that passes; one that is still there
//! at the same place the next time is not, and only a new seat helps. Which contradictions there are is the engine's
//! concern.

use super::Tx;
use super::messages::signed;
use crate::Result;
use conclave_protocol::SeatId;
use rusqlite::{OptionalExtension, params};

impl Tx<'_> {
    /// Notes that the relay contradicted itself about a seat at the entry `place`; `true` if it did so there before.
    pub(crate) fn doubt(&self, seat: &SeatId, place: u64) -> Result<bool> {
        let mut query = self.db.prepare_cached("SELECT place FROM doubts WHERE seat = ?1")?;
        let before: Option<i64> = query.query_row([seat.as_bytes()], |row| row.get(0)).optional()?.flatten();
        let sql = "INSERT INTO doubts (seat, since, place) VALUES (?1, ?2, ?3)
                   ON CONFLICT (seat) DO UPDATE SET place = ?3";
        self.db.prepare_cached(sql)?.execute(params![seat.as_bytes(), signed(self.now.0), signed(place)])?;
        Ok(before == Some(signed(place)))
    }

    /// When the first doubt about a seat came up that is still there.
    pub(crate) fn in_doubt_since(&self, seat: &SeatId) -> Result<Option<u64>> {
        let mut query = self.db.prepare_cached("SELECT since FROM doubts WHERE seat = ?1")?;
        let since: Option<i64> = query.query_row([seat.as_bytes()], |row| row.get(0)).optional()?;
        Ok(since.map(i64::unsigned_abs))
    }

    /// Whether there is an open seat about which the relay contradicts itself. Where the device has asked to be let in
    /// again, nothing is waited for.
    pub(crate) fn is_in_doubt(&self) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM channels JOIN doubts USING (seat)
                                  WHERE open = 1 AND lost = 0 AND place IS NOT NULL)";
        Ok(self.db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// Notes that an entry of `author` did not open; `true` if one of somebody else did not either, and none has opened
    /// since.
    pub(crate) fn unopened(&self, seat: &SeatId, author: &SeatId) -> Result<bool> {
        let mut query = self.db.prepare_cached("SELECT author FROM doubts WHERE seat = ?1")?;
        let before: Option<[u8; 16]> =
            query.query_row([seat.as_bytes()], |row| row.get(0)).optional()?.flatten();
        let sql = "INSERT INTO doubts (seat, since, author) VALUES (?1, ?2, ?3)
                   ON CONFLICT (seat) DO UPDATE SET author = ?3";
        self.db.prepare_cached(sql)?.execute(params![
            seat.as_bytes(),
            signed(self.now.0),
            author.as_bytes()
        ])?;
        Ok(before.is_some_and(|before| before != author.0))
    }

    /// The relay has got past the place at which it contradicted itself.
    pub(crate) fn got_past(&self, seat: &SeatId) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE doubts SET place = NULL WHERE seat = ?1")?;
        Ok(write.execute([seat.as_bytes()]).map(drop)?)
    }

    /// The relay's word about a seat holds again.
    pub(crate) fn believe(&self, seat: &SeatId) -> Result<()> {
        let mut write = self.db.prepare_cached("DELETE FROM doubts WHERE seat = ?1")?;
        Ok(write.execute([seat.as_bytes()]).map(drop)?)
    }
}
