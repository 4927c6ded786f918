//! Copies of the database: whole, as of one instant, under the same key, whoever else uses the store meanwhile.

use super::schema::connect;
use super::sidecar::StoreKey;
use crate::{ClientError, Result};
use rusqlite::backup::{Backup, StepResult};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Pages copied at once: 4 MiB.
const PAGES: i32 = 1024;
/// How long to wait for a writer.
const PAUSE: Duration = Duration::from_millis(5);

/// Copies the database at `from` to `to`, in the place of what is there.
///
/// # Errors
/// `Store` if it cannot be read or written; then there is no file at `to`.
pub(super) fn copy(from: &Path, to: &Path, key: &StoreKey) -> Result<()> {
    let beside = to.with_extension("new");
    let done = pages(from, &beside, key).and_then(|()| Ok(fs::rename(&beside, to)?));
    if done.is_err() {
        // A copy cut short is worse than none.
        let _ = fs::remove_file(&beside);
    }
    done
}

fn pages(from: &Path, to: &Path, key: &StoreKey) -> Result<()> {
    // What an earlier attempt left.
    let _ = fs::remove_file(to);
    let source = connect(from, key)?;
    let mut copy = connect(to, key)?;
    // One file: no log beside it.
    copy.execute_batch("PRAGMA journal_mode = DELETE;")?;
    let backup = Backup::new(&source, &mut copy)?;
    loop {
        match backup.step(PAGES)? {
            StepResult::Done => break,
            StepResult::More => {}
            StepResult::Busy | StepResult::Locked => std::thread::sleep(PAUSE),
            _ => return Err(ClientError::Store("the database cannot be copied".into())),
        }
    }
    drop(backup);
    drop(copy);
    Ok(fs::File::open(to)?.sync_all()?)
}
