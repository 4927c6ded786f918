//! The tables of the store and how the database is opened. How an older store becomes one of this version stands in
//! `migrations`.

use super::migrations::migrate;
use super::sidecar::{StoreKey, VERSION};
use crate::{ClientError, Result};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a step waits for the steps of other processes.
pub(crate) const BUSY: Duration = Duration::from_secs(30);

/// Opens the database of a directory: makes its tables if it is new, brings it up to this version if it is older.
///
/// # Errors
/// `StoreTooNew`; `StoreDamaged`, `Store`.
pub(super) fn open(dir: &Path, key: &StoreKey) -> Result<Connection> {
    let mut db = connect(&dir.join("store.db"), key)?;
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let tables: i64 = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let version: u32 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    match (tables, version) {
        (0, _) => tx.execute_batch(TABLES)?,
        (_, VERSION) => return tx.rollback().map(|()| db).map_err(ClientError::from),
        (_, version) if version > VERSION => return Err(ClientError::StoreTooNew { needs: version }),
        // The first version did not write its number into the database.
        (_, version) => migrate(&tx, version.max(1), dir, key)?,
    }
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()?;
    Ok(db)
}

/// Opens a database file under its key, and makes it if there is none.
pub(super) fn connect(path: &Path, key: &StoreKey) -> Result<Connection> {
    // Made here, so that it is never readable for others; the database makes its own files beside it alike.
    std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    let digits = Zeroizing::new(hex::encode(&key[..]));
    let pragma = Zeroizing::new(format!("PRAGMA key = \"x'{}'\";", *digits));
    db.execute_batch(&pragma)?;
    // A page that is not in memory is decrypted and checked anew: with hundreds of groups the usual 2 MB are too few.
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -16384;",
    )?;
    db.set_prepared_statement_cache_capacity(128);
    Ok(db)
}

/// Ordinary tables with row ids: those without take several times the space for rows of this size.
const TABLES: &str = "
-- The protocol's own rows.
CREATE TABLE vault (key BLOB PRIMARY KEY NOT NULL, value BLOB NOT NULL);
-- Single facts: the relay, its id, counters.
CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL);
-- Relays, pinned by id. `host`: whose handles it answers for. `away`: it could not be reached the last time.
CREATE TABLE relays (
    id BLOB PRIMARY KEY NOT NULL,
    url TEXT NOT NULL,
    host TEXT UNIQUE,
    synced INTEGER NOT NULL DEFAULT 0,
    away INTEGER NOT NULL DEFAULT 0
);
-- Everybody whose keys were seen: pinned by the newest device list.
CREATE TABLE people (
    person BLOB PRIMARY KEY NOT NULL,
    handle TEXT NOT NULL,
    name TEXT UNIQUE,
    list BLOB NOT NULL,
    contact INTEGER NOT NULL DEFAULT 0,
    verified INTEGER NOT NULL DEFAULT 0
);
-- People who are heard of no more, whether or not their keys were ever seen.
CREATE TABLE blocked (person BLOB PRIMARY KEY NOT NULL);
-- Groups as the person knows them. `direct`: the other person of a chat of two.
CREATE TABLE conversations (
    grp BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    direct BLOB,
    inviter BLOB,
    state TEXT NOT NULL,
    read_up_to INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX conversations_direct ON conversations (direct) WHERE direct IS NOT NULL;
-- Where a group lives: relay and channel. `posts`: the number of the seat's last post known to be accepted. `behind`: the
-- relay had more posts of it than this store knew of when it was attached.
CREATE TABLE channels (
    grp BLOB PRIMARY KEY NOT NULL,
    relay BLOB NOT NULL,
    channel BLOB NOT NULL,
    seat BLOB NOT NULL UNIQUE,
    token BLOB NOT NULL,
    made INTEGER NOT NULL,
    posts INTEGER NOT NULL DEFAULT 0,
    asked_at INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,
    open INTEGER NOT NULL DEFAULT 1,
    behind INTEGER NOT NULL DEFAULT 0
);
-- Seats offered by letters, not yet joined. `wanted`: an unknown inviter's group at a relay that one has nothing to do
-- with is not even looked at before the person wants it.
CREATE TABLE invitations (
    seat BLOB PRIMARY KEY NOT NULL,
    grp BLOB NOT NULL,
    inviter BLOB NOT NULL,
    inviter_handle TEXT NOT NULL,
    wanted INTEGER NOT NULL,
    relay BLOB NOT NULL,
    channel BLOB NOT NULL,
    claim BLOB NOT NULL,
    token BLOB NOT NULL,
    claimed INTEGER NOT NULL DEFAULT 0
);
-- What was said, in the order of the channels. `entry`, `device`: where in its log, and from which device; 0 and none for
-- what another device told of the time before.
CREATE TABLE messages (
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
    entry INTEGER NOT NULL DEFAULT 0,
    device BLOB,
    UNIQUE (grp, id)
);
CREATE INDEX messages_in_order ON messages (grp, seq);
-- What the person wants said and done, in order; sealed only when its group is caught up.
CREATE TABLE outbox (
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
CREATE INDEX outbox_waiting ON outbox (grp, seq) WHERE state IN ('queued', 'sealed', 'sent');
-- The one post of a group that waits for its fate: sealed bytes, stored before they leave.
CREATE TABLE posts (
    grp BLOB PRIMARY KEY NOT NULL,
    intent INTEGER NOT NULL,
    number INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    sealed_at INTEGER NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0
);
-- What a post needs to be at the relay before it: sealed pieces, gone with their post.
CREATE TABLE blobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    grp BLOB NOT NULL REFERENCES posts (grp) ON DELETE CASCADE,
    bytes BLOB NOT NULL
);
CREATE INDEX blobs_of ON blobs (grp, seq);
-- Letters to inboxes elsewhere, sealed. `held`: the outbox row whose post must be accepted first.
CREATE TABLE letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    relay BLOB NOT NULL,
    device BLOB NOT NULL,
    grp BLOB,
    body BLOB NOT NULL,
    held INTEGER,
    not_before INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0
);
-- Links that were handed out, by their ids; who used them. `grp`: the group that one leads into.
CREATE TABLE links (
    id BLOB PRIMARY KEY NOT NULL,
    grp BLOB,
    expires INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    asks INTEGER NOT NULL
);
CREATE TABLE link_uses (link BLOB NOT NULL, person BLOB NOT NULL, UNIQUE (link, person));
-- Those who want in by a link. `state`: 0 new, 1 the person is asked, 2 declined.
CREATE TABLE knocks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    link BLOB NOT NULL,
    handle TEXT NOT NULL,
    knock BLOB NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    UNIQUE (link, handle)
);
-- Others' links that this person brought.
CREATE TABLE knocked (link BLOB PRIMARY KEY NOT NULL, handle TEXT NOT NULL);
-- What speaks against a relay's word about a seat. `place`: the entry at which it contradicted itself; `author`: whose
-- entry did not open last, none having opened since.
CREATE TABLE doubts (
    seat BLOB PRIMARY KEY NOT NULL,
    since INTEGER NOT NULL,
    place INTEGER,
    author BLOB
);
-- When a group is healed though nothing is said there. `every`: the time between two heals of who speaks. `spread`: it was
-- overdue when this device came online, and put off a little. `first`: before anything is said. `tried`: since when it
-- does not get through. `told`: the person knows.
CREATE TABLE heals (
    grp BLOB PRIMARY KEY NOT NULL,
    due INTEGER NOT NULL,
    every INTEGER NOT NULL,
    spread INTEGER NOT NULL DEFAULT 0,
    first INTEGER NOT NULL DEFAULT 0,
    tried INTEGER,
    told INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX heals_due ON heals (due);
CREATE INDEX heals_tried ON heals (tried) WHERE tried IS NOT NULL;
-- Who has met whom, as they signed it; the newest word of one of another.
CREATE TABLE attestations (
    by_person BLOB NOT NULL,
    of_person BLOB NOT NULL,
    by_key BLOB NOT NULL,
    of_key BLOB NOT NULL,
    signed BLOB NOT NULL,
    UNIQUE (by_person, of_person)
);
-- What happened to who is in a group, since this device is.
CREATE TABLE membership (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    grp BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    at INTEGER NOT NULL,
    by BLOB NOT NULL,
    person BLOB,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    commit_hash BLOB NOT NULL
);
CREATE INDEX membership_of ON membership (grp, epoch);
-- The group code that was last shown, and the epoch it was of.
CREATE TABLE codes (grp BLOB PRIMARY KEY NOT NULL, code TEXT NOT NULL, epoch INTEGER NOT NULL);
-- What is loud: one banner for each cause and subject, counted until it is acknowledged. `proof`: what shows it to others.
CREATE TABLE alarms (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL,
    cause TEXT NOT NULL,
    proof BLOB,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL DEFAULT 1,
    acknowledged INTEGER
);
CREATE UNIQUE INDEX alarms_open ON alarms (subject) WHERE acknowledged IS NULL;
-- Devices of whose entries in a group it is in doubt who made them, from one entry on and up to another. `signed`: who says
-- so; none: two messages under one key.
CREATE TABLE frozen (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    grp BLOB NOT NULL,
    device BLOB NOT NULL,
    person BLOB NOT NULL,
    signing BLOB NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    signed BLOB
);
CREATE UNIQUE INDEX frozen_open ON frozen (grp, device) WHERE until IS NULL;
-- What the members of a group were last told of another one's log.
CREATE TABLE views_told (
    grp BLOB NOT NULL,
    about BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    UNIQUE (grp, about)
);
-- What somebody has seen of a log beyond what this device has. `via`: the group in which they said so.
CREATE TABLE views_heard (
    about BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    hash BLOB NOT NULL,
    via BLOB NOT NULL,
    person BLOB NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (about, incarnation, entry, hash)
);
-- Relays' key logs: the chain at each position where this device has been; `root`: signed, where it was the newest here.
CREATE TABLE log_roots (
    relay BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    chain BLOB NOT NULL,
    root BLOB,
    UNIQUE (relay, incarnation, epoch)
);
-- Roots that members have seen and this device could not compare yet.
CREATE TABLE log_heard (
    relay BLOB NOT NULL,
    root BLOB NOT NULL,
    person BLOB NOT NULL,
    via BLOB NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (relay, root)
);
-- Which root this device has told of last in a group.
CREATE TABLE log_told (
    grp BLOB NOT NULL,
    relay BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    UNIQUE (grp, relay)
);
-- Events for the person.
CREATE TABLE journal (seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL);
";
