//! A transaction: the database for the client's own rows, and the protocol's [`Context`] over the same transaction.

use super::vault::{Rows, SqlVault};
use crate::{ClientError, Result};
use conclave_protocol::{Context, Error as ProtocolError, GroupId, Timestamp};
use getrandom::SysRng;
use rand_core::UnwrapErr;
use rusqlite::Connection;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

/// An open transaction.
pub(crate) struct Tx<'c> {
    /// The client's own rows.
    pub(crate) db: &'c Connection,
    /// The instant of this step.
    pub(crate) now: Timestamp,
    /// The protocol's.
    rows: Rows,
    /// Worked out once a step: how the groups at hand are named to the members of one.
    pub(crate) names: RefCell<HashMap<GroupId, Names>>,
}

/// Groups, by how they are named elsewhere.
pub(crate) type Names = Rc<HashMap<[u8; 8], GroupId>>;

impl<'c> Tx<'c> {
    pub(super) fn new(db: &'c Connection, now: Timestamp) -> Self {
        Self { db, now, rows: Rows::default(), names: RefCell::default() }
    }

    /// Writes what is still kept back; nothing is done in this transaction afterwards.
    pub(super) fn finish(self) -> Result<()> {
        Ok(self.rows.write(self.db)?)
    }

    /// Runs a step of the protocol in this transaction.
    pub(crate) fn protocol<T>(
        &self,
        step: impl FnOnce(&mut Context) -> conclave_protocol::Result<T>,
    ) -> Result<T> {
        let mut vault = SqlVault { db: self.db, rows: &self.rows, failure: Cell::default() };
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
        self.run("SAVEPOINT step")?;
        let mark = self.rows.mark();
        let outcome = step(self);
        let ended = if outcome.is_ok() {
            self.rows.keep(mark);
            self.run("RELEASE step")
        } else {
            self.rows.take_back(mark);
            self.run("ROLLBACK TO step").and_then(|()| self.run("RELEASE step"))
        };
        match (ended, &outcome) {
            // Without room the database may have taken back the whole transaction, this step included.
            (Err(_), Err(ClientError::StoreFull(_) | ClientError::Store(_))) | (Ok(()), _) => outcome,
            (Err(error), _) => Err(error.into()),
        }
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(sql)?.execute([]).map(drop)
    }
}
