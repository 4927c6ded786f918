//! The SQL of the key log.

use bytes::Bytes;
use rusqlite::{Row, params};

use super::super::Hash;
use super::super::log::{LoggedRow, Position, WaitingRow};
use super::super::tables::{LogTables, Result};
use super::{SqlTables, bytes_at, int, uint_at};

/// Positions in order; both parts of the bound are inside SQLite's integers.
const AFTER: &str = "SELECT root FROM log_roots WHERE (incarnation, epoch) > (?1, ?2)
    ORDER BY incarnation, epoch LIMIT ?3";
const LOGGED: &str = "SELECT name, epoch, version, value, place, x'' FROM logged
    WHERE name = ?1 AND epoch <= ?2 ORDER BY epoch DESC LIMIT 1";
const HISTORY: &str = "SELECT name, epoch, version, value, place, device_list FROM logged
    WHERE name = ?1 ORDER BY epoch";
const WAITING: &str = "SELECT people.key, name, people.person, device_list FROM log_waiting
    JOIN people ON people.key = log_waiting.person ORDER BY log_waiting.person LIMIT ?1";

impl LogTables for SqlTables<'_> {
    fn node(&mut self, key: &[u8]) -> Result<Option<Bytes>> {
        self.one("SELECT body FROM log_nodes WHERE key = ?1", [key], |row| bytes_at(row, 0))
    }

    fn set_node(&mut self, key: &[u8], body: &Bytes) -> Result<()> {
        self.run("INSERT OR REPLACE INTO log_nodes (key, body) VALUES (?1, ?2)", params![key, body.as_ref()])
    }

    fn logged(&mut self, name: &str, up_to: u64) -> Result<Option<LoggedRow>> {
        self.one(LOGGED, params![name, clamped(up_to)], logged_row)
    }

    fn history(&mut self, name: &str) -> Result<Vec<LoggedRow>> {
        self.many(HISTORY, [name], logged_row)
    }

    fn add_logged(&mut self, row: &LoggedRow) -> Result<()> {
        self.run(
            "INSERT INTO logged (name, epoch, version, value, place, device_list) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                row.name,
                int(row.epoch)?,
                int(row.version)?,
                row.value.as_ref(),
                row.place,
                row.device_list.as_ref()
            ],
        )
    }

    fn root(&mut self, (incarnation, epoch): Position) -> Result<Option<Bytes>> {
        let query = "SELECT root FROM log_roots WHERE incarnation = ?1 AND epoch = ?2";
        self.one(query, [clamped(incarnation), clamped(epoch)], |row| bytes_at(row, 0))
    }

    fn newest_root(&mut self) -> Result<Option<Bytes>> {
        let query = "SELECT root FROM log_roots ORDER BY incarnation DESC, epoch DESC LIMIT 1";
        self.one(query, [], |row| bytes_at(row, 0))
    }

    fn roots_after(&mut self, (incarnation, epoch): Position, most: usize) -> Result<Vec<Bytes>> {
        let bounds = [clamped(incarnation), clamped(epoch), clamped(most as u64)];
        self.many(AFTER, bounds, |row| bytes_at(row, 0))
    }

    fn add_root(&mut self, (incarnation, epoch): Position, root: &Bytes) -> Result<()> {
        self.run(
            "INSERT INTO log_roots (incarnation, epoch, root) VALUES (?1, ?2, ?3)",
            params![int(incarnation)?, int(epoch)?, root.as_ref()],
        )
    }

    fn cosignatures(&mut self, (incarnation, epoch): Position) -> Result<Vec<Bytes>> {
        let query =
            "SELECT cosignature FROM log_cosigned WHERE incarnation = ?1 AND epoch = ?2 ORDER BY witness";
        self.many(query, [clamped(incarnation), clamped(epoch)], |row| bytes_at(row, 0))
    }

    fn set_cosignature(
        &mut self,
        (incarnation, epoch): Position,
        witness: &Hash,
        cosignature: &Bytes,
    ) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO log_cosigned (incarnation, epoch, witness, cosignature)
             VALUES (?1, ?2, ?3, ?4)",
            params![int(incarnation)?, int(epoch)?, witness, cosignature.as_ref()],
        )
    }

    fn step(&mut self, epoch: u64) -> Result<Option<Bytes>> {
        self.one("SELECT step FROM log_steps WHERE epoch = ?1", [clamped(epoch)], |row| bytes_at(row, 0))
    }

    fn set_step(&mut self, epoch: u64, step: &Bytes) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO log_steps (epoch, step) VALUES (?1, ?2)",
            params![int(epoch)?, step.as_ref()],
        )
    }

    fn waiting(&mut self, most: usize) -> Result<Vec<WaitingRow>> {
        self.many(WAITING, [clamped(most as u64)], |row| {
            Ok(WaitingRow {
                key: row.get(0)?,
                name: row.get(1)?,
                person: row.get(2)?,
                device_list: bytes_at(row, 3)?,
            })
        })
    }

    fn is_waiting(&mut self, person: i64) -> Result<bool> {
        Ok(self.one("SELECT 1 FROM log_waiting WHERE person = ?1", [person], |_| Ok(()))?.is_some())
    }

    fn set_waiting(&mut self, person: i64, waits: bool) -> Result<()> {
        match waits {
            true => self.run("INSERT OR IGNORE INTO log_waiting (person) VALUES (?1)", [person]),
            false => self.run("DELETE FROM log_waiting WHERE person = ?1", [person]),
        }
    }
}

/// Any number a client sends is fine where it is only compared.
fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn logged_row(row: &Row<'_>) -> rusqlite::Result<LoggedRow> {
    Ok(LoggedRow {
        name: row.get(0)?,
        epoch: uint_at(row, 1)?,
        version: uint_at(row, 2)?,
        value: bytes_at(row, 3)?,
        place: row.get(4)?,
        device_list: bytes_at(row, 5)?,
    })
}
