//! The SQL of people, devices, one-time keys and letters.

use bytes::Bytes;
use conclave_wire::{DeviceId, PersonId};
use rusqlite::{OptionalExtension, Row, params};

use super::super::tables::{DeviceRow, IdentityRow, Kind, LetterRow, PeopleTables, PersonRow, Result};
use super::{Failure, SqlTables, bytes_at, int, uint_at};

const PERSON: &str =
    "SELECT key, name, person, device_list, identity_key, next_identity, announced_at FROM people";
const DEVICE: &str =
    "SELECT key, device, person, public, bundle, last_resort, last_letter, first FROM devices";
const TAKE: &str = "DELETE FROM one_time WHERE key =
    (SELECT min(key) FROM one_time WHERE device = ?1 AND kind = ?2) RETURNING body";

impl PeopleTables for SqlTables<'_> {
    fn person_named(&mut self, name: &str) -> Result<Option<PersonRow>> {
        self.one(&format!("{PERSON} WHERE name = ?1"), [name], person_row)
    }

    fn person(&mut self, person: &PersonId) -> Result<Option<PersonRow>> {
        self.one(&format!("{PERSON} WHERE person = ?1"), [person.as_bytes()], person_row)
    }

    fn add_person(&mut self, name: &str, person: &PersonId) -> Result<PersonRow> {
        self.run("INSERT INTO people (name, person) VALUES (?1, ?2)", params![name, person.as_bytes()])?;
        let key = self.0.last_insert_rowid();
        let (device_list, identity) = (Bytes::new(), IdentityRow::default());
        Ok(PersonRow { key, name: name.into(), person: *person, device_list, identity })
    }

    fn set_device_list(&mut self, person: i64, list: &Bytes) -> Result<()> {
        self.run("UPDATE people SET device_list = ?2 WHERE key = ?1", params![person, list.as_ref()])
    }

    fn identity(&mut self, person: i64) -> Result<IdentityRow> {
        let query = "SELECT identity_key, next_identity, announced_at FROM people WHERE key = ?1";
        Ok(self.one(query, [person], |row| identity_row(row, 0))?.unwrap_or_default())
    }

    fn set_identity(&mut self, person: i64, row: &IdentityRow) -> Result<()> {
        let IdentityRow { key, next, announced_at } = row;
        self.run(
            "UPDATE people SET identity_key = ?2, next_identity = ?3, announced_at = ?4 WHERE key = ?1",
            params![person, key.as_ref(), next.as_ref(), int(*announced_at)?],
        )
    }

    fn device_list(&mut self, person: i64) -> Result<Bytes> {
        let list =
            self.one("SELECT device_list FROM people WHERE key = ?1", [person], |row| bytes_at(row, 0))?;
        Ok(list.unwrap_or_default())
    }

    fn name(&mut self, person: i64) -> Result<Option<String>> {
        self.one("SELECT name FROM people WHERE key = ?1", [person], |row| row.get(0))
    }

    fn device(&mut self, device: &DeviceId) -> Result<Option<DeviceRow>> {
        self.one(&format!("{DEVICE} WHERE device = ?1"), [device.as_bytes()], device_row)
    }

    fn devices_of(&mut self, person: i64) -> Result<Vec<DeviceRow>> {
        self.many(&format!("{DEVICE} WHERE person = ?1 ORDER BY key"), [person], device_row)
    }

    fn add_device(&mut self, person: i64, device: &DeviceId, public: &[u8; 32]) -> Result<DeviceRow> {
        self.run(
            "INSERT INTO devices (device, person, public) VALUES (?1, ?2, ?3)",
            params![device.as_bytes(), person, public],
        )?;
        let (key, bundle, last_resort) = (self.0.last_insert_rowid(), Bytes::new(), Bytes::new());
        Ok(DeviceRow {
            key,
            device: *device,
            person,
            public: *public,
            bundle,
            last_resort,
            last_letter: 0,
            first: false,
        })
    }

    fn remove_device(&mut self, device: i64) -> Result<()> {
        self.run("DELETE FROM one_time WHERE device = ?1", [device])?;
        self.run("DELETE FROM letters WHERE device = ?1", [device])?;
        self.run("DELETE FROM devices WHERE key = ?1", [device])
    }

    fn set_device(&mut self, row: &DeviceRow) -> Result<()> {
        self.run(
            "UPDATE devices SET bundle = ?2, last_resort = ?3, last_letter = ?4, public = ?5, first = ?6
             WHERE key = ?1",
            params![
                row.key,
                row.bundle.as_ref(),
                row.last_resort.as_ref(),
                int(row.last_letter)?,
                row.public,
                row.first
            ],
        )
    }

    fn add_one_time(&mut self, device: i64, kind: Kind, key: &Bytes) -> Result<()> {
        self.run(
            "INSERT INTO one_time (device, kind, body) VALUES (?1, ?2, ?3)",
            params![device, kind as i64, key.as_ref()],
        )
    }

    fn take_one_time(&mut self, device: i64, kind: Kind) -> Result<Option<Bytes>> {
        self.one(TAKE, params![device, kind as i64], |row| bytes_at(row, 0))
    }

    fn count_one_time(&mut self, device: i64, kind: Kind) -> Result<u32> {
        let query = "SELECT count(*) FROM one_time WHERE device = ?1 AND kind = ?2";
        let count = self.one(query, params![device, kind as i64], |row| row.get(0))?;
        Ok(count.unwrap_or(0))
    }

    fn add_letter(&mut self, device: i64, row: &LetterRow) -> Result<()> {
        self.run(
            "INSERT INTO letters (device, number, at, body) VALUES (?1, ?2, ?3, ?4)",
            params![device, int(row.number)?, int(row.at)?, row.body.as_ref()],
        )
    }

    fn letters(&mut self, device: i64, after: u64) -> Result<Vec<LetterRow>> {
        let query = "SELECT number, at, body FROM letters WHERE device = ?1 AND number > ?2 ORDER BY number";
        let row = |row: &Row<'_>| {
            Ok(LetterRow { number: uint_at(row, 0)?, at: uint_at(row, 1)?, body: bytes_at(row, 2)? })
        };
        self.many(query, params![device, int(after)?], row)
    }

    fn count_letters(&mut self, device: i64) -> Result<usize> {
        let query = "SELECT count(*) FROM letters WHERE device = ?1";
        let count: Option<u32> = self.one(query, [device], |row| row.get(0))?;
        Ok(count.unwrap_or(0) as usize)
    }

    fn drop_letters(&mut self, device: i64, up_to: u64) -> Result<()> {
        // Any number a client sends is fine here.
        let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
        self.run("DELETE FROM letters WHERE device = ?1 AND number <= ?2", params![device, up_to])
    }
}

impl SqlTables<'_> {
    pub(super) fn one<T>(
        &mut self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let mut statement = self.0.prepare_cached(sql).map_err(Failure::storage)?;
        statement.query_row(params, read).optional().map_err(Failure::storage)
    }

    pub(super) fn many<T>(
        &mut self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let mut statement = self.0.prepare_cached(sql).map_err(Failure::storage)?;
        statement.query_map(params, read).and_then(Iterator::collect).map_err(Failure::storage)
    }
}

fn person_row(row: &Row<'_>) -> rusqlite::Result<PersonRow> {
    Ok(PersonRow {
        key: row.get(0)?,
        name: row.get(1)?,
        person: PersonId::new(row.get(2)?),
        device_list: bytes_at(row, 3)?,
        identity: identity_row(row, 4)?,
    })
}

fn identity_row(row: &Row<'_>, at: usize) -> rusqlite::Result<IdentityRow> {
    Ok(IdentityRow {
        key: bytes_at(row, at)?,
        next: bytes_at(row, at + 1)?,
        announced_at: uint_at(row, at + 2)?,
    })
}

fn device_row(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    Ok(DeviceRow {
        key: row.get(0)?,
        device: DeviceId::new(row.get(1)?),
        person: row.get(2)?,
        public: row.get(3)?,
        bundle: bytes_at(row, 4)?,
        last_resort: bytes_at(row, 5)?,
        last_letter: uint_at(row, 6)?,
        first: row.get(7)?,
    })
}
