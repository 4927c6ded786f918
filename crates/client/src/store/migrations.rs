//! Older stores: a copy is kept, then everything changes in the one transaction that opens the store, or nothing does.
//!
//! A migration is never edited once it was released; a newer version adds one.

use super::copy::copy;
use super::sidecar::StoreKey;
use crate::{ClientError, Result};
use rusqlite::Connection;
use std::path::Path;

/// Version 2 knows more than one relay.
const TO_2: &str = "
CREATE TABLE relays (
    id BLOB PRIMARY KEY NOT NULL,
    url TEXT NOT NULL,
    host TEXT UNIQUE,
    synced INTEGER NOT NULL DEFAULT 0,
    away INTEGER NOT NULL DEFAULT 0
);
INSERT INTO relays (id, url, host)
    SELECT id.value, url.value, host.value FROM meta id, meta url, meta host
    WHERE id.key = 'relay_id' AND url.key = 'relay_url' AND host.key = 'relay_host';
DELETE FROM meta WHERE key IN ('relay_url', 'relay_host', 'sync_done');
CREATE TABLE blocked (person BLOB PRIMARY KEY NOT NULL);
INSERT INTO blocked SELECT person FROM people WHERE blocked = 1;
ALTER TABLE people DROP COLUMN blocked;
ALTER TABLE channels ADD COLUMN relay BLOB NOT NULL DEFAULT x'';
UPDATE channels SET relay = (SELECT value FROM meta WHERE key = 'relay_id');
ALTER TABLE invitations ADD COLUMN inviter BLOB NOT NULL DEFAULT x'';
ALTER TABLE invitations ADD COLUMN inviter_handle TEXT NOT NULL DEFAULT '';
ALTER TABLE invitations ADD COLUMN wanted INTEGER NOT NULL DEFAULT 1;
ALTER TABLE invitations ADD COLUMN relay BLOB NOT NULL DEFAULT x'';
UPDATE invitations SET relay = (SELECT value FROM meta WHERE key = 'relay_id'),
    inviter = zeroblob(32);
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
CREATE TABLE links (
    id BLOB PRIMARY KEY NOT NULL,
    grp BLOB,
    expires INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    asks INTEGER NOT NULL
);
CREATE TABLE link_uses (link BLOB NOT NULL, person BLOB NOT NULL, UNIQUE (link, person));
CREATE TABLE knocks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    link BLOB NOT NULL,
    handle TEXT NOT NULL,
    knock BLOB NOT NULL,
    state INTEGER NOT NULL DEFAULT 0,
    not_before INTEGER NOT NULL DEFAULT 0,
    UNIQUE (link, handle)
);
CREATE TABLE knocked (link BLOB PRIMARY KEY NOT NULL, handle TEXT NOT NULL);
CREATE TABLE doubts (
    seat BLOB PRIMARY KEY NOT NULL,
    since INTEGER NOT NULL,
    place INTEGER,
    author BLOB
);
";

/// Version 3 keeps what lies beside a post, and when a group is healed. Some stores of version 2 knew the latter already.
const TO_3: &str = "
CREATE TABLE blobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    grp BLOB NOT NULL REFERENCES posts (grp) ON DELETE CASCADE,
    bytes BLOB NOT NULL
);
CREATE INDEX blobs_of ON blobs (grp, seq);
CREATE TABLE IF NOT EXISTS heals (
    grp BLOB PRIMARY KEY NOT NULL,
    due INTEGER NOT NULL,
    every INTEGER NOT NULL,
    spread INTEGER NOT NULL DEFAULT 0,
    first INTEGER NOT NULL DEFAULT 0,
    tried INTEGER,
    told INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS heals_due ON heals (due);
CREATE INDEX IF NOT EXISTS heals_tried ON heals (tried) WHERE tried IS NOT NULL;
";

/// Version 4 knows who has met whom, and how a group's membership came about.
const TO_4: &str = "
CREATE TABLE attestations (
    by_person BLOB NOT NULL,
    of_person BLOB NOT NULL,
    by_key BLOB NOT NULL,
    of_key BLOB NOT NULL,
    signed BLOB NOT NULL,
    UNIQUE (by_person, of_person)
);
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
CREATE TABLE codes (grp BLOB PRIMARY KEY NOT NULL, code TEXT NOT NULL, epoch INTEGER NOT NULL);
";

/// Version 5 knows what is loud, whose entries are in doubt, and what was told and heard of other logs.
const TO_5: &str = "
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
CREATE TABLE views_told (
    grp BLOB NOT NULL,
    about BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    UNIQUE (grp, about)
);
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
CREATE TABLE log_roots (
    relay BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    chain BLOB NOT NULL,
    root BLOB,
    UNIQUE (relay, incarnation, epoch)
);
CREATE TABLE log_heard (
    relay BLOB NOT NULL,
    root BLOB NOT NULL,
    person BLOB NOT NULL,
    via BLOB NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (relay, root)
);
CREATE TABLE log_told (
    grp BLOB NOT NULL,
    relay BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    UNIQUE (grp, relay)
);
ALTER TABLE channels ADD COLUMN behind INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN entry INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN device BLOB;
";

/// Brings the database of a directory from `version` to this one's, inside the transaction `tx`.
///
/// # Errors
/// `StoreDamaged` for a version that never was; `Store` if there is no room for the copy.
pub(super) fn migrate(tx: &Connection, version: u32, dir: &Path, key: &StoreKey) -> Result<()> {
    let steps: &[&str] = match version {
        1 => &[TO_2, TO_3, TO_4, TO_5],
        2 => &[TO_3, TO_4, TO_5],
        3 => &[TO_4, TO_5],
        4 => &[TO_5],
        _ => return Err(ClientError::StoreDamaged("its version never was".into())),
    };
    copy(&dir.join("store.db"), &dir.join(format!("store.db.version-{version}")), key)?;
    Ok(steps.iter().try_for_each(|step| tx.execute_batch(step))?)
}
