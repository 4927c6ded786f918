//! The data directory: its lock, the relay's signing key, where the database
//! lies. Not here: what is in the database.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use conclave_wire::RelayId;
use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};

use crate::RelayError;
use crate::backup::begin_from_copy;

/// The relay's signing key: 32 bytes, its seed.
pub(crate) const KEY: &str = "relay.key";
/// The key of the key log, which turns names into places: 32 bytes.
pub(crate) const LOG_KEY: &str = "log.key";
/// Everything else.
pub(crate) const DATABASE: &str = "relay.db";

/// A data directory that this process holds, or none (all in memory).
pub(crate) struct Data {
    pub(crate) relay: RelayId,
    /// What the id is the hash of.
    pub(crate) key: SigningKey,
    pub(crate) database: Option<PathBuf>,
    /// Held as long as the relay runs; the system frees it when it dies.
    _lock: Option<File>,
}

impl Data {
    /// Opens, and makes what is missing.
    pub(crate) fn open(dir: Option<&Path>) -> Result<Self, RelayError> {
        let Some(dir) = dir else {
            let key = SigningKey::from_bytes(&random()?);
            return Ok(Self { relay: relay_id(&key), key, database: None, _lock: None });
        };
        make_private(dir).map_err(|cause| RelayError::Data { path: dir.into(), cause })?;
        let lock = lock(dir)?;
        begin_from_copy(dir)?;
        let (key, database) = (dir.join(KEY), dir.join(DATABASE));
        if database.exists() && !key.exists() {
            // A fresh key would be a new identity over the old one's accounts.
            return Err(RelayError::BadKey(key));
        }
        let key = SigningKey::from_bytes(&secret(&key)?);
        Ok(Self { relay: relay_id(&key), key, database: Some(database), _lock: Some(lock) })
    }
}

impl Data {
    /// The key of the key log. A log that was begun has one; for another it is made.
    pub(crate) fn log_key(&self, begun: bool) -> Result<[u8; 32], RelayError> {
        let path = self.log_key_path();
        if self.database.is_none() {
            return random();
        }
        if begun && !path.exists() {
            return Err(RelayError::BadKey(path));
        }
        secret(&path)
    }

    /// Where that key lies.
    pub(crate) fn log_key_path(&self) -> PathBuf {
        self.database.as_deref().unwrap_or(Path::new(LOG_KEY)).with_file_name(LOG_KEY)
    }
}

/// Fresh random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], RelayError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| RelayError::Randomness)?;
    Ok(bytes)
}

pub(crate) fn relay_id(key: &SigningKey) -> RelayId {
    let digest: [u8; 32] = Sha256::digest(key.verifying_key().as_bytes()).into();
    RelayId::new(digest)
}

fn lock(dir: &Path) -> Result<File, RelayError> {
    let path = dir.join("lock");
    let failed = |cause| RelayError::Data { path: path.clone(), cause };
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RelayError::InUse(dir.into())),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}

/// The 32 secret bytes of a file, which is made where there is none.
pub(crate) fn secret(path: &Path) -> Result<[u8; 32], RelayError> {
    let failed = |cause| RelayError::Data { path: path.into(), cause };
    match fs::read(path) {
        Ok(secret) => <[u8; 32]>::try_from(secret).map_err(|_| RelayError::BadKey(path.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = random()?;
            write_private(path, &secret).map_err(failed)?;
            Ok(secret)
        }
        Err(cause) => Err(failed(cause)),
    }
}

/// Whole or not at all, and for its owner only: a half-written key would be a lost identity.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

pub(crate) fn make_private(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_stays_and_two_relays_do_not_share_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let first = Data::open(Some(dir.path())).unwrap();
        assert!(matches!(Data::open(Some(dir.path())), Err(RelayError::InUse(_))));
        let relay = first.relay;
        drop(first);
        assert_eq!(Data::open(Some(dir.path())).unwrap().relay, relay);
    }

    #[test]
    fn a_damaged_key_is_said_and_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("relay.key"), b"short").unwrap();
        assert!(matches!(Data::open(Some(dir.path())), Err(RelayError::BadKey(_))));
        assert_eq!(fs::read(dir.path().join("relay.key")).unwrap(), b"short");
    }

    #[test]
    fn a_database_without_its_key_gets_no_new_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(DATABASE), b"").unwrap();
        assert!(matches!(Data::open(Some(dir.path())), Err(RelayError::BadKey(_))));
        assert!(!dir.path().join(KEY).exists());
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        drop(Data::open(Some(dir.path())).unwrap());
        let mode = fs::metadata(dir.path().join("relay.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
