//! A copy of a relay's directory, made while the relay runs, and starting from
//! one. A copy holds `relay.key`, `log.key`, `relay.db` and `backup.json`, which is written
//! last and says what the others must be. The database carries a mark, so that
//! the relay that starts from it raises its incarnation once, by itself.
//!
//! Not here: what is in the database.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup as Copying, StepResult};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::RelayError;
use crate::data::{DATABASE, KEY, LOG_KEY, make_private, write_private};
use crate::storage::{check_version, mark_as_copy};

/// What the copy of a directory says about itself.
const MANIFEST: &str = "backup.json";
/// Pages copied at once; the relay goes on between.
const PAGES: i32 = 1024;

/// A finished copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// Where it lies.
    pub path: PathBuf,
    /// The size of its database in bytes.
    pub bytes: u64,
}

/// `backup.json`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    key_sha256: String,
    /// None where no relay with a key log has run yet.
    #[serde(default)]
    log_key_sha256: Option<String>,
    database_bytes: u64,
    database_sha256: String,
}

/// Copies the relay's directory `data`, whether or not the relay runs, into the
/// new directory `to`. What was acknowledged before this is called is in the copy.
/// `progress` hears of pages done and pages in all. Nothing is at `to` until the
/// copy is whole and was checked.
pub fn backup(data: &Path, to: &Path, progress: impl FnMut(u64, u64)) -> Result<Backup, RelayError> {
    let failed = |path: &Path, cause| RelayError::Data { path: path.into(), cause };
    if to.exists() {
        return Err(failed(to, io::Error::new(io::ErrorKind::AlreadyExists, "it is there already")));
    }
    let key = data.join(KEY);
    let key = fs::read(&key).map_err(|cause| failed(&key, cause))?;
    let mut beside = to.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    let _ = fs::remove_dir_all(&beside);
    make_private(&beside).map_err(|cause| failed(&beside, cause))?;
    let made = fill(&beside, &key, data, progress);
    let made = made.and_then(|bytes| {
        fs::rename(&beside, to).map_err(|cause| failed(to, cause))?;
        sync_directory(to.parent()).map_err(|cause| failed(to, cause))?;
        Ok(Backup { path: to.into(), bytes })
    });
    if made.is_err() {
        // Half a copy is worse than none.
        let _ = fs::remove_dir_all(&beside);
    }
    made
}

fn fill(dir: &Path, key: &[u8], data: &Path, progress: impl FnMut(u64, u64)) -> Result<u64, RelayError> {
    let failed = |cause| RelayError::Data { path: dir.into(), cause };
    let database = dir.join(DATABASE);
    // Made first, so that it is never readable by others.
    write_private(&database, &[]).map_err(failed)?;
    copy(&data.join(DATABASE), &database, progress)?;
    write_private(&dir.join(KEY), key).map_err(failed)?;
    // Read after the database: a log that is in the copy had its key before.
    let log_key = match fs::read(data.join(LOG_KEY)) {
        Ok(key) => Some(key),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => return Err(RelayError::Data { path: data.join(LOG_KEY), cause }),
    };
    if let Some(key) = &log_key {
        write_private(&dir.join(LOG_KEY), key).map_err(failed)?;
    }
    let (database_bytes, database_sha256) = digest(&database).map_err(failed)?;
    let key_sha256 = hex::encode(Sha256::digest(key));
    let log_key_sha256 = log_key.map(|key| hex::encode(Sha256::digest(key)));
    let manifest = Manifest { format: 1, key_sha256, log_key_sha256, database_bytes, database_sha256 };
    let text = serde_json::to_vec_pretty(&manifest).map_err(|error| failed(error.into()))?;
    write_private(&dir.join(MANIFEST), &text).map_err(failed)?;
    Ok(database_bytes)
}

/// One reading of the source, from beginning to end: what is written meanwhile
/// is not in the copy, whole or in part.
fn copy(from: &Path, to: &Path, progress: impl FnMut(u64, u64)) -> Result<(), RelayError> {
    let failed = |error: rusqlite::Error| RelayError::Storage(error.to_string());
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    check_version(&source)?;
    let target = pages(&source, to, progress).map_err(failed)?;
    let said: String = target.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(failed)?;
    if said != "ok" {
        return Err(RelayError::BadBackup { path: to.into(), what: format!("the relay's database: {said}") });
    }
    mark_as_copy(&target).map_err(failed)?;
    target.close().map_err(|(_, error)| failed(error))
}

fn pages(source: &Connection, to: &Path, mut progress: impl FnMut(u64, u64)) -> rusqlite::Result<Connection> {
    source.execute_batch("PRAGMA busy_timeout = 10000")?;
    let view = source.unchecked_transaction()?;
    view.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0))?;
    let mut target = Connection::open(to)?;
    {
        let copying = Copying::new(&view, &mut target)?;
        let mut step = StepResult::More;
        while step != StepResult::Done {
            step = copying.step(PAGES)?;
            let state = copying.progress();
            let [all, left] = [state.pagecount, state.remaining].map(|pages| u64::from(pages.unsigned_abs()));
            progress(all.saturating_sub(left), all);
        }
    }
    // One file, that needs no other beside it.
    target.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL")?;
    Ok(target)
}

/// Looks whether a directory is a fresh copy and, if so, whether it is whole.
/// From then on it is an ordinary directory, but for the mark in its database.
pub(crate) fn begin_from_copy(dir: &Path) -> Result<(), RelayError> {
    let path = dir.join(MANIFEST);
    let failed = |path: &Path, cause| RelayError::Data { path: path.into(), cause };
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(failed(&path, cause)),
    };
    let bad = |what: &str| RelayError::BadBackup { path: dir.into(), what: what.into() };
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| bad("backup.json is damaged"))?;
    if manifest.format != 1 {
        return Err(bad("backup.json is of a newer version of conclave"));
    }
    let of = |name: &str| digest(&dir.join(name)).map_err(|_| bad(&format!("{name} is missing")));
    if of(KEY)?.1 != manifest.key_sha256 {
        return Err(bad("relay.key was altered"));
    }
    if let Some(known) = &manifest.log_key_sha256
        && of(LOG_KEY)?.1 != *known
    {
        return Err(bad("log.key was altered"));
    }
    let (bytes, sha256) = of(DATABASE)?;
    if bytes != manifest.database_bytes {
        return Err(bad("relay.db was cut short, or was in use"));
    }
    if sha256 != manifest.database_sha256 {
        return Err(bad("relay.db was altered, or was in use"));
    }
    // First this, then the mark: a crash in between repeats nothing.
    fs::remove_file(&path).and_then(|()| sync_directory(Some(dir))).map_err(|cause| failed(&path, cause))
}

fn digest(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let (mut buffer, mut bytes) = (vec![0; 1 << 20], 0);
    loop {
        let read = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
        bytes += part.len() as u64;
    }
    Ok((bytes, hex::encode(hash.finalize())))
}

fn sync_directory(dir: Option<&Path>) -> io::Result<()> {
    match dir {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
