//! The engine lease: of all processes that use a store, the one that holds it talks to the relay. The operating system
//! gives it back when the process dies, however it dies.

use crate::Result;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Held until it is dropped.
pub(crate) struct Lease {
    _file: File,
}

impl Lease {
    /// Takes the lease if it is free.
    pub(crate) fn take(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join("engine.lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_and_dropping_frees_it() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lease::take(dir.path()).unwrap();
        assert!(held.is_some());
        assert!(Lease::take(dir.path()).unwrap().is_none());
        drop(held);
        assert!(Lease::take(dir.path()).unwrap().is_some());
    }
}
