//! The database's form and its version. Rowid tables with integer keys: an
//! entry's key is its channel's key and its number in one integer, so that a
//! channel's entries lie together and in order. Only the nodes of the key log's
//! tree, small and found by a key of bytes, lie in their index itself.

use std::path::Path;

use rusqlite::Connection;

use super::Failure;
use crate::RelayError;

/// The format this version writes.
const VERSION: u32 = 5;
/// What a copy's `meta` has, until a relay starts from it.
const COPY: &str = "copy";

/// From version 1, where what was posted lay in a table of its own.
const FROM_1: &str = "
ALTER TABLE entries ADD COLUMN shared BLOB;
UPDATE entries SET shared = (SELECT shared FROM bodies WHERE bodies.key = entries.key);
DROP TABLE bodies;
";

/// From version 2, which kept no blobs.
const FROM_2: &str = "
ALTER TABLE channels ADD COLUMN blob_bytes INTEGER NOT NULL DEFAULT 0;
CREATE TABLE blobs (
    key INTEGER PRIMARY KEY, channel INTEGER NOT NULL, hash BLOB NOT NULL, at INTEGER NOT NULL,
    bytes BLOB NOT NULL, UNIQUE (channel, hash));
CREATE INDEX blobs_by_age ON blobs (channel, at);
";

/// From version 3, which knew no identity keys.
const FROM_3: &str = "
ALTER TABLE people ADD COLUMN identity_key BLOB NOT NULL DEFAULT x'';
ALTER TABLE people ADD COLUMN next_identity BLOB NOT NULL DEFAULT x'';
ALTER TABLE people ADD COLUMN announced_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN first INTEGER NOT NULL DEFAULT 0;
UPDATE devices SET first = 1 WHERE key IN (SELECT min(key) FROM devices GROUP BY person);
";

/// From version 4, which kept no key log. Everybody waits for its first epoch.
const FROM_4: &str = "
CREATE TABLE log_nodes (key BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE logged (
    key INTEGER PRIMARY KEY, name TEXT NOT NULL, epoch INTEGER NOT NULL, version INTEGER NOT NULL,
    value BLOB NOT NULL, place BLOB NOT NULL, device_list BLOB NOT NULL, UNIQUE (name, epoch));
CREATE TABLE log_roots (
    key INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL, epoch INTEGER NOT NULL, root BLOB NOT NULL,
    UNIQUE (incarnation, epoch));
CREATE TABLE log_steps (epoch INTEGER PRIMARY KEY, step BLOB NOT NULL);
CREATE TABLE log_cosigned (
    key INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL, epoch INTEGER NOT NULL, witness BLOB NOT NULL,
    cosignature BLOB NOT NULL, UNIQUE (incarnation, epoch, witness));
CREATE TABLE log_waiting (person INTEGER PRIMARY KEY);
INSERT INTO log_waiting SELECT key FROM people;
";

const SCHEMA: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
INSERT INTO meta VALUES ('incarnation', 1);

CREATE TABLE channels (
    key INTEGER PRIMARY KEY, channel BLOB NOT NULL UNIQUE,
    head INTEGER NOT NULL DEFAULT 0, turn INTEGER NOT NULL DEFAULT 0,
    open_seats INTEGER NOT NULL DEFAULT 0,
    floor INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0,
    blob_bytes INTEGER NOT NULL DEFAULT 0);

CREATE TABLE seats (
    key INTEGER PRIMARY KEY, channel INTEGER NOT NULL, seat BLOB NOT NULL,
    token BLOB, claim BLOB,
    opened INTEGER NOT NULL, after INTEGER NOT NULL, closed INTEGER, cursor INTEGER NOT NULL,
    last_number INTEGER, last_hash BLOB, last_entry INTEGER, last_turn INTEGER, last_at INTEGER,
    UNIQUE (channel, seat));
CREATE INDEX reading_cursors ON seats (channel, cursor)
    WHERE closed IS NULL OR (token IS NOT NULL AND cursor < closed);

CREATE TABLE entries (
    key INTEGER PRIMARY KEY, turn INTEGER NOT NULL, seat BLOB NOT NULL, seat_number INTEGER NOT NULL,
    at INTEGER NOT NULL, hash BLOB NOT NULL, sliced INTEGER NOT NULL, changes BLOB NOT NULL, shared BLOB);
CREATE TABLE slices (
    key INTEGER PRIMARY KEY, entry INTEGER NOT NULL, first_seat BLOB NOT NULL, packed BLOB NOT NULL);
CREATE INDEX slices_of ON slices (entry, first_seat);

CREATE TABLE blobs (
    key INTEGER PRIMARY KEY, channel INTEGER NOT NULL, hash BLOB NOT NULL, at INTEGER NOT NULL,
    bytes BLOB NOT NULL, UNIQUE (channel, hash));
CREATE INDEX blobs_by_age ON blobs (channel, at);

CREATE TABLE people (
    key INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, person BLOB NOT NULL UNIQUE,
    device_list BLOB NOT NULL DEFAULT x'', identity_key BLOB NOT NULL DEFAULT x'',
    next_identity BLOB NOT NULL DEFAULT x'', announced_at INTEGER NOT NULL DEFAULT 0);
CREATE TABLE devices (
    key INTEGER PRIMARY KEY, device BLOB NOT NULL UNIQUE, person INTEGER NOT NULL, public BLOB NOT NULL,
    bundle BLOB NOT NULL DEFAULT x'', last_resort BLOB NOT NULL DEFAULT x'',
    last_letter INTEGER NOT NULL DEFAULT 0, first INTEGER NOT NULL DEFAULT 0);
CREATE INDEX devices_of ON devices (person);
CREATE TABLE one_time (
    key INTEGER PRIMARY KEY AUTOINCREMENT, device INTEGER NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX one_time_of ON one_time (device, kind);
CREATE TABLE letters (
    key INTEGER PRIMARY KEY, device INTEGER NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
    body BLOB NOT NULL);
CREATE INDEX letters_of ON letters (device, number);

CREATE TABLE log_nodes (key BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE logged (
    key INTEGER PRIMARY KEY, name TEXT NOT NULL, epoch INTEGER NOT NULL, version INTEGER NOT NULL,
    value BLOB NOT NULL, place BLOB NOT NULL, device_list BLOB NOT NULL, UNIQUE (name, epoch));
CREATE TABLE log_roots (
    key INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL, epoch INTEGER NOT NULL, root BLOB NOT NULL,
    UNIQUE (incarnation, epoch));
CREATE TABLE log_steps (epoch INTEGER PRIMARY KEY, step BLOB NOT NULL);
CREATE TABLE log_cosigned (
    key INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL, epoch INTEGER NOT NULL, witness BLOB NOT NULL,
    cosignature BLOB NOT NULL, UNIQUE (incarnation, epoch, witness));
CREATE TABLE log_waiting (person INTEGER PRIMARY KEY);
";

/// Settings of every connection. Full synchronisation: what is acknowledged
/// survives the power going off.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA temp_store = MEMORY; PRAGMA busy_timeout = 10000; PRAGMA cache_size = -8192;",
    )?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Makes the tables of a new database, brings those of an old one up to this version, all or nothing.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), RelayError> {
    let steps: &[&str] = match check_version(connection)? {
        0 => &[SCHEMA],
        1 => &[FROM_1, FROM_2, FROM_3, FROM_4],
        2 => &[FROM_2, FROM_3, FROM_4],
        3 => &[FROM_3, FROM_4],
        4 => &[FROM_4],
        _ => return Ok(()),
    };
    let transaction = connection.transaction().map_err(Failure::relay)?;
    steps.iter().try_for_each(|step| transaction.execute_batch(step)).map_err(Failure::relay)?;
    transaction.pragma_update(None, "user_version", VERSION).map_err(Failure::relay)?;
    transaction.commit().map_err(Failure::relay)
}

/// The version of a database: 0 for an empty one.
pub(crate) fn check_version(connection: &Connection) -> Result<u32, RelayError> {
    let found: u32 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(Failure::relay)?;
    if found > VERSION { Err(RelayError::TooNew { found, known: VERSION }) } else { Ok(found) }
}

/// The incarnation; raised first where the database is a copy: once, because
/// the mark of a copy goes in the same transaction.
pub(super) fn incarnation(
    connection: &mut Connection,
    path: &Path,
    restored: bool,
) -> Result<u64, RelayError> {
    let transaction = connection.transaction().map_err(Failure::relay)?;
    let marked = transaction.execute("DELETE FROM meta WHERE name = ?1", [COPY]).map_err(Failure::relay)? > 0;
    if marked {
        let said: String =
            transaction.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(Failure::relay)?;
        if said != "ok" {
            return Err(RelayError::BadBackup { path: path.into(), what: "relay.db is damaged".into() });
        }
    }
    if marked || restored {
        let raise = "UPDATE meta SET value = value + 1 WHERE name = 'incarnation'";
        transaction.execute(raise, []).map_err(Failure::relay)?;
    }
    let read = "SELECT value FROM meta WHERE name = 'incarnation'";
    let value: i64 = transaction.query_row(read, [], |row| row.get(0)).map_err(Failure::relay)?;
    transaction.commit().map_err(Failure::relay)?;
    Ok(value.unsigned_abs())
}

/// Marks a copy as one.
pub(crate) fn mark_as_copy(copy: &Connection) -> rusqlite::Result<()> {
    copy.execute("INSERT OR REPLACE INTO meta VALUES (?1, 1)", [COPY]).map(|_| ())
}
