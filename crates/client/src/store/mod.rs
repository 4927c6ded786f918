//! The store: one encrypted database and the thread that owns it. A step is a transaction; an `Err` rolls it back.
//!
//! Several processes may use one store: nothing is kept in memory from one step to the next. What the rows mean stands
//! in the files beside this one.

pub(crate) mod alarms;
mod backup;
pub(crate) mod blobs;
pub(crate) mod census;
pub(crate) mod channels;
pub(crate) mod conversations;
mod copy;
mod doubts;
pub(crate) mod frozen;
pub(crate) mod heals;
pub(crate) mod history;
pub(crate) mod journal;
pub(crate) mod lease;
pub(crate) mod letters;
pub(crate) mod links;
pub(crate) mod log;
pub(crate) mod membership;
pub(crate) mod messages;
pub(crate) mod meta;
mod migrations;
pub(crate) mod outbox;
pub(crate) mod people;
pub(crate) mod posts;
pub(crate) mod relays;
pub(crate) mod requests;
mod schema;
mod sidecar;
mod thread;
pub(crate) mod trust;
mod tx;
mod vault;
pub(crate) mod views;

#[cfg(any(test, fuzzing))]
pub(crate) use backup::fuzz as backup_fuzz;
#[cfg(test)]
pub(crate) use backup::fuzz_seed as backup_seed;
pub(crate) use sidecar::VERSION;
#[cfg(any(test, fuzzing))]
pub(crate) use sidecar::fuzz as sidecar_fuzz;
pub(crate) use thread::{Store, Watch};
pub(crate) use tx::{Names, Tx};

use crate::clock::Clock;
use crate::{ClientError, Result};
use std::path::Path;
use std::sync::Arc;

/// This layer's bounds, for the page of all of them.
pub(crate) mod limits {
    pub(crate) use super::journal::KEPT as EVENTS;
    pub(crate) use super::outbox::MOST as OUTBOX;
    pub(crate) use super::schema::BUSY;
    pub(crate) use super::sidecar::{
        MEMORY_KIB as ARGON2_KIB, MOST_MEMORY_KIB as MOST_ARGON2_KIB, PASSES as ARGON2_PASSES,
    };
}

/// Whether the directory holds a store.
pub(crate) fn exists(dir: &Path) -> bool {
    sidecar::path(dir).exists()
}

/// Writes the store of a directory to a new, encrypted file, while whoever uses it goes on.
///
/// # Errors
/// `NoAccount`, `WrongPassphrase`; `Store` if the file is there already or cannot be written.
pub async fn backup(dir: &Path, passphrase: &str, to: &Path) -> Result<()> {
    let (dir, to, passphrase) =
        (dir.to_owned(), to.to_owned(), zeroize::Zeroizing::new(passphrase.to_owned()));
    blocking(move || backup::write(&dir, &passphrase, &to)).await
}

/// Makes the store of a directory from a backup. That it is an older copy shows when it meets its relay again: what was
/// said since then and is still there arrives, and where its keys are behind it is let in again.
///
/// # Errors
/// `AccountExists`; `BadBackup`; `WrongPassphrase`; `StoreTooNew`.
pub async fn restore(dir: &Path, passphrase: &str, from: &Path) -> Result<()> {
    let (dir, from, passphrase) =
        (dir.to_owned(), from.to_owned(), zeroize::Zeroizing::new(passphrase.to_owned()));
    blocking(move || backup::restore(&dir, &passphrase, &from)).await
}

/// Removes a store that nobody knows of.
pub(crate) fn remove(dir: &Path) {
    for name in ["store.json", "store.db", "store.db-wal", "store.db-shm"] {
        // What is not there need not be removed.
        let _ = std::fs::remove_file(dir.join(name));
    }
}

impl Store {
    /// Makes the store of a directory that has none, or opens the one that it has.
    pub(crate) async fn create(dir: &Path, passphrase: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        if !exists(dir) {
            let (dir, passphrase) = (dir.to_owned(), zeroize::Zeroizing::new(passphrase.to_owned()));
            blocking(move || sidecar::create(&dir, &passphrase)).await?;
        }
        Self::open(dir, passphrase, clock).await
    }

    /// Opens the store of a directory.
    ///
    /// # Errors
    /// `NoAccount`, `WrongPassphrase`, `StoreTooNew`, `StoreDamaged`.
    pub(crate) async fn open(dir: &Path, passphrase: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        if !exists(dir) {
            return Err(ClientError::NoAccount);
        }
        let (dir, passphrase) = (dir.to_owned(), zeroize::Zeroizing::new(passphrase.to_owned()));
        blocking(move || {
            let sidecar::Opened { key, version } = sidecar::open(&dir, &passphrase)?;
            let db = schema::open(&dir, &key)?;
            if version < sidecar::VERSION {
                // The database is of this version by now: a crash before this line only means that it is written later.
                sidecar::write(&dir, &passphrase, &key)?;
            }
            Store::start(dir, db, clock)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ClientError::Store(error.to_string()))?
}

#[cfg(test)]
mod tests;
