//! A transaction: the database for the client's own rows, and the protocol's [`Context`] over the same transaction.

use crate::{ClientError, Result};
use conclave_protocol::{Context, Error as ProtocolError, Found, Timestamp, Vault, VaultError};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use rusqlite::{Connection, OptionalExtension, params};
use std::cell::Cell;
use zeroize::Zeroizing;

/// An open transaction.
pub(crate) struct Tx<'c> {
    /// The client's own rows.
    pub(crate) db: &'c Connection,
    /// The instant of this step.
    pub(crate) now: Timestamp,
}

impl<'c> Tx<'c> {
    /// Runs a step of the protocol in this transaction.
    pub(crate) fn protocol<T>(
        &self,
        step: impl FnOnce(&mut Context) -> conclave_protocol::Result<T>,
    ) -> Result<T> {
        let mut vault = SqlVault { db: self.db, failure: Cell::default() };
        // Without randomness from the system nothing here may go on.
        let mut rng = UnwrapErr(SysRng);
        let mut cx = Context { vault: &mut vault, rng: &mut rng, now: self.now };
        let outcome = step(&mut cx);
        match vault.failure.take() {
            // Told as what it is: the protocol knows no kinds of it.
            Some(cause) if matches!(outcome, Err(ProtocolError::Vault(_))) => Err(cause.into()),
            _ => Ok(outcome?),
        }
    }

    /// `N` random bytes.
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N]> {
        self.protocol(|cx| Ok(cx.random()))
    }

    /// A step inside this one: an `Err` takes back only what it did itself.
    pub(crate) fn savepoint<T>(&self, step: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        self.db.execute_batch("SAVEPOINT entry")?;
        let outcome = step(self);
        let end = if outcome.is_ok() { "RELEASE entry" } else { "ROLLBACK TO entry; RELEASE entry" };
        match (self.db.execute_batch(end), &outcome) {
            // Without room the database may have taken back the whole transaction, this step included.
            (Err(_), Err(ClientError::StoreFull(_) | ClientError::Store(_))) | (Ok(()), _) => outcome,
            (Err(error), _) => Err(error.into()),
        }
    }
}

struct SqlVault<'c> {
    db: &'c Connection,
    /// How the database failed last.
    failure: Cell<Option<rusqlite::Error>>,
}

impl SqlVault<'_> {
    fn failed(&self, error: rusqlite::Error) -> VaultError {
        let told = VaultError(error.to_string());
        self.failure.set(Some(error));
        told
    }
}

impl Vault for SqlVault<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let mut query = self
            .db
            .prepare_cached("SELECT value FROM vault WHERE key = ?1")
            .map_err(|error| self.failed(error))?;
        query
            .query_row([key], |row| row.get(0))
            .optional()
            .map(|value| value.map(Zeroizing::new))
            .map_err(|error| self.failed(error))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), VaultError> {
        let sql = "INSERT INTO vault (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
        let mut write = self.db.prepare_cached(sql).map_err(|error| self.failed(error))?;
        write.execute(params![key, value]).map(drop).map_err(|error| self.failed(error))
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), VaultError> {
        let mut write =
            self.db.prepare_cached("DELETE FROM vault WHERE key = ?1").map_err(|error| self.failed(error))?;
        write.execute([key]).map(drop).map_err(|error| self.failed(error))
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Found>, VaultError> {
        let sql = "SELECT key, value FROM vault WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) ORDER BY key";
        let mut query = self.db.prepare_cached(sql).map_err(|error| self.failed(error))?;
        let rows = query.query_map(params![prefix, after(prefix)], |row| {
            Ok(Found { key: row.get(0)?, value: Zeroizing::new(row.get(1)?) })
        });
        rows.map_err(|error| self.failed(error))?
            .collect::<Result<_, _>>()
            .map_err(|error| self.failed(error))
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
