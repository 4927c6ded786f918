//! The SQL of channels, seats and entries.

use bytes::Bytes;
use conclave_wire::{ChannelId, SeatId, slices};
use rusqlite::{OptionalExtension, Row, params};

use super::super::tables::{ChannelRow, ChannelTables, EntryRow, LastPost, Result, SeatRow};
use super::{Failure, SqlTables, StorageError, bytes_at, int, uint_at};

/// An entry's key: its channel's above, its number below.
const NUMBER_BITS: u32 = 32;
/// Slices lie in blocks of about this size; one large slice has its own.
const BLOCK_BYTES: usize = 64 * 1024;

const CHANNEL: &str = "SELECT key, channel, head, turn, open_seats, floor, dropped, blob_bytes
    FROM channels";
const SEAT: &str = "SELECT seat, token, claim, opened, after, closed, cursor,
    last_number, last_hash, last_entry, last_turn, last_at FROM seats WHERE channel = ?1 AND seat = ?2";
const SET_CHANNEL: &str =
    "UPDATE channels SET head = ?2, turn = ?3, open_seats = ?4, floor = ?5, dropped = ?6, blob_bytes = ?7
    WHERE key = ?1";
const ADD_SEAT: &str = "INSERT INTO seats (channel, seat, token, claim, opened, after, closed, cursor)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const SET_SEAT: &str = "UPDATE seats SET token = ?3, closed = ?4, cursor = ?5, last_number = ?6,
    last_hash = ?7, last_entry = ?8, last_turn = ?9, last_at = ?10 WHERE channel = ?1 AND seat = ?2";
const ADD_ENTRY: &str =
    "INSERT INTO entries (key, turn, seat, seat_number, at, hash, sliced, changes, shared)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const ENTRIES: &str = "SELECT key, turn, seat, seat_number, at, hash, sliced, changes FROM entries
    WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT ?3";
const BLOCK: &str = "SELECT packed FROM slices WHERE entry = ?1 AND first_seat <= ?2
    ORDER BY first_seat DESC LIMIT 1";

impl ChannelTables for SqlTables<'_> {
    fn channel(&mut self, channel: &ChannelId) -> Result<Option<ChannelRow>> {
        let query = format!("{CHANNEL} WHERE channel = ?1");
        let mut statement = self.0.prepare_cached(&query).map_err(Failure::storage)?;
        let row = statement.query_row([channel.as_bytes()], channel_row).optional();
        row.map_err(Failure::storage)
    }

    fn add_channel(&mut self, channel: &ChannelId) -> Result<ChannelRow> {
        self.run("INSERT INTO channels (channel) VALUES (?1)", [channel.as_bytes()])?;
        let key = self.0.last_insert_rowid();
        if key >= 1 << (63 - NUMBER_BITS) {
            return Err(StorageError::Full);
        }
        Ok(ChannelRow::new(key, channel))
    }

    fn set_channel(&mut self, row: &ChannelRow) -> Result<()> {
        let (head, turn, open_seats) = (int(row.head)?, int(row.turn)?, int(row.open_seats)?);
        let (floor, dropped, blob_bytes) = (int(row.floor)?, int(row.dropped)?, int(row.blob_bytes)?);
        self.run(SET_CHANNEL, params![row.key, head, turn, open_seats, floor, dropped, blob_bytes])
    }

    fn channels_after(&mut self, after: i64, most: usize) -> Result<Vec<ChannelRow>> {
        let query = format!("{CHANNEL} WHERE key > ?1 ORDER BY key LIMIT ?2");
        let mut statement = self.0.prepare_cached(&query).map_err(Failure::storage)?;
        let rows = statement.query_map(params![after, int(most as u64)?], channel_row);
        rows.and_then(Iterator::collect).map_err(Failure::storage)
    }

    fn seat(&mut self, channel: i64, seat: &SeatId) -> Result<Option<SeatRow>> {
        let mut statement = self.0.prepare_cached(SEAT).map_err(Failure::storage)?;
        let row = statement.query_row(params![channel, seat.as_bytes()], seat_row).optional();
        row.map_err(Failure::storage)
    }

    fn add_seat(&mut self, channel: i64, row: &SeatRow) -> Result<()> {
        let (opened, after, cursor) = (int(row.opened)?, int(row.after)?, int(row.cursor)?);
        let closed = row.closed.map(int).transpose()?;
        let seat = row.seat.as_bytes();
        self.run(ADD_SEAT, params![channel, seat, row.token, row.claim, opened, after, closed, cursor])
    }

    fn set_seat(&mut self, channel: i64, row: &SeatRow) -> Result<()> {
        let last = row.last.as_ref();
        let number = |pick: fn(&LastPost) -> u64| last.map(pick).map(int).transpose();
        let (seat, closed, cursor) =
            (row.seat.as_bytes(), row.closed.map(int).transpose()?, int(row.cursor)?);
        let hash = last.map(|last| last.hash);
        let (sent, entry) = (number(|last| last.number)?, number(|last| last.entry)?);
        let (turn, at) = (number(|last| last.turn)?, number(|last| last.at)?);
        self.run(SET_SEAT, params![channel, seat, row.token, closed, cursor, sent, hash, entry, turn, at])
    }

    fn least_cursor(&mut self, channel: i64) -> Result<Option<u64>> {
        let query = "SELECT min(cursor) FROM seats
            WHERE channel = ?1 AND (closed IS NULL OR (token IS NOT NULL AND cursor < closed))";
        let mut statement = self.0.prepare_cached(query).map_err(Failure::storage)?;
        let least: Option<i64> =
            statement.query_row([channel], |row| row.get(0)).map_err(Failure::storage)?;
        Ok(least.map(i64::unsigned_abs))
    }

    fn add_entry(&mut self, channel: i64, row: &EntryRow, shared: &Bytes, slices: &Bytes) -> Result<()> {
        let key = entry_key(channel, row.number)?;
        self.put_entry(key, row, Some(shared))?;
        for (first, block) in blocks(slices)? {
            self.run(
                "INSERT INTO slices (entry, first_seat, packed) VALUES (?1, ?2, ?3)",
                params![key, first.as_bytes(), block.as_ref()],
            )?;
        }
        Ok(())
    }

    fn entries(&mut self, channel: i64, after: u64, most: usize) -> Result<Vec<EntryRow>> {
        let last = entry_key(channel, (1 << NUMBER_BITS) - 1)?;
        let from = entry_key(channel, after.min((1 << NUMBER_BITS) - 1))?;
        let mut statement = self.0.prepare_cached(ENTRIES).map_err(Failure::storage)?;
        let rows = statement.query_map(params![from, last, int(most as u64)?], entry_row);
        rows.and_then(Iterator::collect).map_err(Failure::storage)
    }

    fn shared(&mut self, channel: i64, number: u64) -> Result<Option<Bytes>> {
        let query = "SELECT shared FROM entries WHERE key = ?1 AND shared IS NOT NULL";
        let mut statement = self.0.prepare_cached(query).map_err(Failure::storage)?;
        let key = entry_key(channel, number)?;
        statement.query_row([key], |row| bytes_at(row, 0)).optional().map_err(Failure::storage)
    }

    fn slice(&mut self, channel: i64, number: u64, seat: &SeatId) -> Result<Option<Bytes>> {
        let mut statement = self.0.prepare_cached(BLOCK).map_err(Failure::storage)?;
        let key = entry_key(channel, number)?;
        let block = statement.query_row(params![key, seat.as_bytes()], |row| bytes_at(row, 0)).optional();
        let Some(block) = block.map_err(Failure::storage)? else { return Ok(None) };
        let found = slices::iter(&block).flatten().find(|(owner, _)| owner == seat);
        // A copy, so that one small slice does not keep its whole block in memory.
        Ok(found.map(|(_, body)| Bytes::copy_from_slice(&body)))
    }

    fn drop_bodies(&mut self, channel: i64, after: u64, up_to: u64) -> Result<()> {
        let (from, to) = (entry_key(channel, after)?, entry_key(channel, up_to)?);
        self.run("DELETE FROM slices WHERE entry > ?1 AND entry <= ?2", [from, to])?;
        let mut stubs =
            self.entries(channel, after, usize::try_from(up_to.saturating_sub(after)).unwrap_or(usize::MAX))?;
        stubs.retain(|stub| stub.number <= up_to);
        // A row that only shrinks leaves its page half empty for good; pages of deleted rows are given back.
        self.run("DELETE FROM entries WHERE key > ?1 AND key <= ?2", [from, to])?;
        for stub in &stubs {
            self.put_entry(entry_key(channel, stub.number)?, stub, None)?;
        }
        Ok(())
    }
}

impl SqlTables<'_> {
    fn put_entry(&mut self, key: i64, row: &EntryRow, shared: Option<&Bytes>) -> Result<()> {
        let (turn, seat_number, at) = (int(row.turn)?, int(row.seat_number)?, int(row.at)?);
        let (seat, changes, shared) = (row.seat.as_bytes(), row.changes.as_ref(), shared.map(Bytes::as_ref));
        self.run(ADD_ENTRY, params![key, turn, seat, seat_number, at, row.hash, row.sliced, changes, shared])
    }

    pub(super) fn run(&mut self, sql: &str, params: impl rusqlite::Params) -> Result<()> {
        let mut statement = self.0.prepare_cached(sql).map_err(Failure::storage)?;
        statement.execute(params).map(|_| ()).map_err(Failure::storage)
    }
}

fn entry_key(channel: i64, number: u64) -> Result<i64> {
    if number >= 1 << NUMBER_BITS {
        return Err(StorageError::Full);
    }
    Ok((channel << NUMBER_BITS) | int(number)?)
}

/// Cuts packed slices between slices: each block with its first seat.
fn blocks(packed: &Bytes) -> Result<Vec<(SeatId, Bytes)>> {
    let damaged = |_| StorageError::Failed("packed slices are damaged".into());
    let (mut blocks, mut first, mut start, mut at) = (Vec::new(), None, 0, 0);
    for slice in slices::iter(packed) {
        let (seat, body) = slice.map_err(damaged)?;
        let end = at + SeatId::LENGTH + 4 + body.len();
        if let Some(seat_of_block) = first
            && end - start > BLOCK_BYTES
        {
            blocks.push((seat_of_block, packed.slice(start..at)));
            (first, start) = (None, at);
        }
        first = first.or(Some(seat));
        at = end;
    }
    blocks.extend(first.map(|seat| (seat, packed.slice(start..at))));
    Ok(blocks)
}

fn channel_row(row: &Row<'_>) -> rusqlite::Result<ChannelRow> {
    Ok(ChannelRow {
        key: row.get(0)?,
        channel: ChannelId::new(row.get(1)?),
        head: uint_at(row, 2)?,
        turn: uint_at(row, 3)?,
        open_seats: uint_at(row, 4)?,
        floor: uint_at(row, 5)?,
        dropped: uint_at(row, 6)?,
        blob_bytes: uint_at(row, 7)?,
    })
}

fn seat_row(row: &Row<'_>) -> rusqlite::Result<SeatRow> {
    let last = match row.get::<_, Option<i64>>(7)? {
        Some(number) => Some(LastPost {
            number: number.unsigned_abs(),
            hash: row.get(8)?,
            entry: uint_at(row, 9)?,
            turn: uint_at(row, 10)?,
            at: uint_at(row, 11)?,
        }),
        None => None,
    };
    Ok(SeatRow {
        seat: SeatId::new(row.get(0)?),
        token: row.get(1)?,
        claim: row.get(2)?,
        opened: uint_at(row, 3)?,
        after: uint_at(row, 4)?,
        closed: row.get::<_, Option<i64>>(5)?.map(i64::unsigned_abs),
        cursor: uint_at(row, 6)?,
        last,
    })
}

fn entry_row(row: &Row<'_>) -> rusqlite::Result<EntryRow> {
    Ok(EntryRow {
        number: uint_at(row, 0)? & ((1 << NUMBER_BITS) - 1),
        turn: uint_at(row, 1)?,
        seat: SeatId::new(row.get(2)?),
        seat_number: uint_at(row, 3)?,
        at: uint_at(row, 4)?,
        hash: row.get(5)?,
        sliced: row.get(6)?,
        changes: bytes_at(row, 7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cut_between_slices_and_lose_nothing() {
        let sizes = [0, 10, 9_000, 9_000, 65_536, 1, 16_000, 400];
        let slices = sizes.iter().zip(1u8..).map(|(size, n)| (SeatId::new([n; 16]), vec![n; *size]));
        let packed = slices::pack(slices).unwrap();
        let blocks = blocks(&packed).unwrap();
        let joined: Vec<u8> = blocks.iter().flat_map(|(_, block)| block.to_vec()).collect();
        assert_eq!(joined, packed);
        assert_eq!(blocks.len(), 3);
        for (first, block) in blocks {
            assert_eq!(slices::iter(&block).next().unwrap().unwrap().0, first);
        }
        assert!(super::blocks(&Bytes::new()).unwrap().is_empty());
    }

    #[test]
    fn what_dropped_bodies_took_is_given_back_and_their_entries_stay() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL").unwrap();
        super::super::schema::migrate(&mut connection).unwrap();
        let pages = || connection.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0)).unwrap();
        let mut tables = SqlTables(&connection);
        let channel = tables.add_channel(&ChannelId::new([1; 16])).unwrap().key;
        let (empty, body) = (pages(), Bytes::from(vec![7; 1024]));
        for number in 1..=256 {
            let (seat, changes) = (SeatId::new([2; 16]), Bytes::new());
            let row = EntryRow {
                number,
                turn: 1,
                seat,
                seat_number: number,
                at: 5,
                hash: [3; 32],
                sliced: false,
                changes,
            };
            tables.add_entry(channel, &row, &body, &Bytes::new()).unwrap();
        }
        let full = pages() - empty;
        tables.drop_bodies(channel, 0, 250).unwrap();
        super::super::give_back(&connection).unwrap();
        assert!(pages() - empty < full / 4, "{full} pages, then {}", pages() - empty);
        let stubs = tables.entries(channel, 0, 1000).unwrap();
        assert!(stubs.len() == 256 && stubs.iter().all(|stub| stub.at == 5 && stub.hash == [3; 32]));
        let has = |number| tables.shared(channel, number).unwrap().is_some();
        assert_eq!([250, 251].map(has), [false, true]);
    }
}
