//! The tables of the store and how the database is opened.

use super::sidecar::StoreKey;
use crate::Result;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a step waits for the steps of other processes.
const BUSY: Duration = Duration::from_secs(30);

/// Opens the database, and makes its tables if it is new.
pub(super) fn open(dir: &Path, key: &StoreKey) -> Result<Connection> {
    let path = dir.join("store.db");
    // Made here, so that it is never readable for others; the database makes its own files beside it alike.
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(&path, flags)?;
    db.busy_timeout(BUSY)?;
    let digits = Zeroizing::new(hex::encode(&key[..]));
    let pragma = Zeroizing::new(format!("PRAGMA key = \"x'{}'\";", *digits));
    db.execute_batch(&pragma)?;
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    db.set_prepared_statement_cache_capacity(128);
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(TABLES)?;
    tx.commit()?;
    Ok(db)
}

/// Ordinary tables with row ids: those without take several times the space for rows of this size.
const TABLES: &str = "
-- The protocol's own rows.
CREATE TABLE IF NOT EXISTS vault (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL);
-- Single facts: the relay, its id, counters.
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL);
-- Everybody whose keys were seen: pinned by the newest device list.
CREATE TABLE IF NOT EXISTS people (
    person BLOB PRIMARY KEY NOT NULL,
    handle TEXT NOT NULL,
    name TEXT UNIQUE,
    list BLOB NOT NULL,
    contact INTEGER NOT NULL DEFAULT 0,
    verified INTEGER NOT NULL DEFAULT 0,
    blocked INTEGER NOT NULL DEFAULT 0
);
-- Groups as the person knows them. `direct`: the other person of a chat of two.
CREATE TABLE IF NOT EXISTS conversations (
    grp BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    direct BLOB,
    inviter BLOB,
    state TEXT NOT NULL,
    read_up_to INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS conversations_direct ON conversations (direct) WHERE direct IS NOT NULL;
-- Where a group lives at the relay. `posts`: the number of the seat's last post known to be accepted.
CREATE TABLE IF NOT EXISTS channels (
    grp BLOB PRIMARY KEY NOT NULL,
    channel BLOB NOT NULL,
    seat BLOB NOT NULL UNIQUE,
    token BLOB NOT NULL,
    made INTEGER NOT NULL,
    posts INTEGER NOT NULL DEFAULT 0,
    asked_at INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,
    open INTEGER NOT NULL DEFAULT 1
);
-- Seats offered by letters, not yet joined.
CREATE TABLE IF NOT EXISTS invitations (
    seat BLOB PRIMARY KEY NOT NULL,
    grp BLOB NOT NULL,
    channel BLOB NOT NULL,
    claim BLOB NOT NULL,
    token BLOB NOT NULL,
    claimed INTEGER NOT NULL DEFAULT 0
);
-- What was said, in the order of the channels.
CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    grp BLOB NOT NULL,
    id BLOB NOT NULL,
    person BLOB NOT NULL,
    handle TEXT NOT NULL,
    text TEXT NOT NULL,
    kind INTEGER NOT NULL DEFAULT 1,
    sent_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    own INTEGER NOT NULL,
    UNIQUE (grp, id)
);
CREATE INDEX IF NOT EXISTS messages_in_order ON messages (grp, seq);
-- What the person wants said and done, in order; sealed only when its group is caught up.
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    grp BLOB NOT NULL,
    kind TEXT NOT NULL,
    message BLOB,
    body BLOB NOT NULL,
    composed_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL,
    code TEXT,
    error TEXT
);
CREATE INDEX IF NOT EXISTS outbox_waiting ON outbox (grp, seq) WHERE state IN ('queued', 'sealed', 'sent');
-- The one post of a group that waits for its fate: sealed bytes, stored before they leave.
CREATE TABLE IF NOT EXISTS posts (
    grp BLOB PRIMARY KEY NOT NULL,
    intent INTEGER NOT NULL,
    number INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    sealed_at INTEGER NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0
);
-- Events for the person.
CREATE TABLE IF NOT EXISTS journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
";
