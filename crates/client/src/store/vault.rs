//! The protocol's rows within one transaction. Each is read once and written once, at the end: a step that takes in
//! hundreds of entries touches the same few rows with every one of them.
//!
//! What the rows mean is the protocol's concern; when a transaction ends, `tx`'s.

use conclave_protocol::{Found, Vault, VaultError};
use rusqlite::{Connection, OptionalExtension, params};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A row as this transaction has it; `None`: there is none.
#[derive(Clone)]
struct Row {
    value: Option<Zeroizing<Vec<u8>>>,
    /// Whether it differs from the database.
    changed: bool,
}

/// The rows that a transaction has seen or changed.
#[derive(Default)]
pub(super) struct Rows {
    seen: RefCell<BTreeMap<Vec<u8>, Row>>,
    /// What stood there before each change, since the outermost savepoint.
    before: RefCell<Vec<(Vec<u8>, Option<Row>)>>,
    savepoints: Cell<usize>,
}

/// A place to go back to.
pub(super) struct Mark(usize);

impl Rows {
    /// Begins a savepoint.
    pub(super) fn mark(&self) -> Mark {
        self.savepoints.set(self.savepoints.get() + 1);
        Mark(self.before.borrow().len())
    }

    /// Ends it: what changed since stays.
    pub(super) fn keep(&self, _: Mark) {
        self.savepoints.set(self.savepoints.get().saturating_sub(1));
        if self.savepoints.get() == 0 {
            self.before.borrow_mut().clear();
        }
    }

    /// Ends it: what changed since is taken back.
    pub(super) fn take_back(&self, mark: Mark) {
        let mut seen = self.seen.borrow_mut();
        for (key, row) in self.before.borrow_mut().drain(mark.0..).rev() {
            match row {
                Some(row) => seen.insert(key, row),
                None => seen.remove(&key),
            };
        }
        drop(seen);
        self.keep(mark);
    }

    /// Writes what changed.
    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        for (key, row) in self.seen.borrow_mut().iter_mut().filter(|(_, row)| row.changed) {
            row.changed = false;
            match &row.value {
                Some(value) => {
                    let sql = "INSERT INTO vault (key, value) VALUES (?1, ?2)
                        ON CONFLICT (key) DO UPDATE SET value = ?2";
                    db.prepare_cached(sql)?.execute(params![key, &value[..]])?
                }
                None => db.prepare_cached("DELETE FROM vault WHERE key = ?1")?.execute([key])?,
            };
        }
        Ok(())
    }

    fn change(&self, key: &[u8], value: Option<&[u8]>) {
        let value = value.map(|value| Zeroizing::new(value.to_vec()));
        let before = self.seen.borrow_mut().insert(key.to_vec(), Row { value, changed: true });
        if self.savepoints.get() > 0 {
            self.before.borrow_mut().push((key.to_vec(), before));
        }
    }
}

/// The vault over a transaction.
pub(super) struct SqlVault<'t> {
    pub(super) db: &'t Connection,
    pub(super) rows: &'t Rows,
    /// How the database failed last.
    pub(super) failure: Cell<Option<rusqlite::Error>>,
}

impl SqlVault<'_> {
    fn failed(&self, error: rusqlite::Error) -> VaultError {
        let told = VaultError(error.to_string());
        self.failure.set(Some(error));
        told
    }

    fn read(&self, key: &[u8]) -> rusqlite::Result<Option<Zeroizing<Vec<u8>>>> {
        let mut query = self.db.prepare_cached("SELECT value FROM vault WHERE key = ?1")?;
        let value = query.query_row([key], |row| row.get(0)).optional()?;
        Ok(value.map(Zeroizing::new))
    }

    fn read_all(&self, prefix: &[u8]) -> rusqlite::Result<BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>> {
        let sql = "SELECT key, value FROM vault WHERE key >= ?1 AND (?2 IS NULL OR key < ?2)";
        let mut query = self.db.prepare_cached(sql)?;
        let rows = query.query_map(params![prefix, after(prefix)], |row| {
            Ok((row.get(0)?, Zeroizing::new(row.get::<_, Vec<u8>>(1)?)))
        });
        rows?.collect()
    }
}

impl Vault for SqlVault<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        if let Some(row) = self.rows.seen.borrow().get(key) {
            return Ok(row.value.clone());
        }
        let value = self.read(key).map_err(|error| self.failed(error))?;
        let row = Row { value: value.clone(), changed: false };
        self.rows.seen.borrow_mut().insert(key.to_vec(), row);
        Ok(value)
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), VaultError> {
        self.rows.change(key, Some(value));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), VaultError> {
        self.rows.change(key, None);
        Ok(())
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Found>, VaultError> {
        let mut found = self.read_all(prefix).map_err(|error| self.failed(error))?;
        let seen = self.rows.seen.borrow();
        for (key, row) in seen.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix)) {
            match &row.value {
                Some(value) => found.insert(key.clone(), value.clone()),
                None => found.remove(key),
            };
        }
        Ok(found.into_iter().map(|(key, value)| Found { key, value }).collect())
    }
}

/// The first key that comes after everything under `prefix`; none if nothing does.
fn after(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut key = prefix.get(..=last)?.to_vec();
    if let Some(byte) = key.last_mut() {
        *byte += 1;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE vault (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL)").unwrap();
        db
    }

    fn listed(vault: &SqlVault) -> Vec<(Vec<u8>, Vec<u8>)> {
        let found = vault.scan(b"k").unwrap();
        found.into_iter().map(|found| (found.key, found.value.to_vec())).collect()
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
        of.iter().map(|(key, value)| (key.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_a_savepoint_changed_is_taken_back_alone_and_the_rest_is_written_once() {
        let (db, rows) = (database(), Rows::default());
        db.execute("INSERT INTO vault VALUES (?1, ?2)", params![b"k1", b"old"]).unwrap();
        let mut vault = SqlVault { db: &db, rows: &rows, failure: Cell::default() };
        vault.put(b"k2", b"kept").unwrap();
        let outer = rows.mark();
        vault.put(b"k1", b"new").unwrap();
        let inner = rows.mark();
        vault.delete(b"k1").unwrap();
        vault.put(b"k3", b"never").unwrap();
        vault.put(b"k2", b"never").unwrap();
        assert_eq!(listed(&vault), pairs(&[("k2", "never"), ("k3", "never")]));
        rows.take_back(inner);
        assert_eq!(listed(&vault), pairs(&[("k1", "new"), ("k2", "kept")]));
        assert_eq!(vault.get(b"k3").unwrap(), None);
        rows.take_back(outer);
        assert_eq!(listed(&vault), pairs(&[("k1", "old"), ("k2", "kept")]));
        let last = rows.mark();
        vault.delete(b"k1").unwrap();
        rows.keep(last);
        let before: i64 = db.query_row("SELECT count(*) FROM vault", [], |row| row.get(0)).unwrap();
        assert_eq!(before, 1, "nothing was written yet");
        rows.write(&db).unwrap();
        let fresh = Rows::default();
        let again = SqlVault { db: &db, rows: &fresh, failure: Cell::default() };
        assert_eq!(listed(&again), pairs(&[("k2", "kept")]));
    }
}
