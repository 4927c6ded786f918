//! `store.json`: the version of the store, and its key wrapped by the passphrase. The passphrase never touches the
//! database itself, so that it can change without writing everything anew.

use crate::{ClientError, Result};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The version of the store that this program writes.
pub(crate) const VERSION: u32 = 5;
/// 64 MiB.
pub(crate) const MEMORY_KIB: u32 = 64 << 10;
pub(crate) const PASSES: u32 = 3;
/// What a damaged or hostile sidecar may make this program spend.
pub(crate) const MOST_MEMORY_KIB: u32 = 1 << 20;
const MOST_PASSES: u32 = 32;
const MOST_LANES: u32 = 64;
const MOST_SALT: usize = 64;

/// The key of the database.
pub(super) type StoreKey = Zeroizing<[u8; 32]>;

#[derive(Serialize, Deserialize)]
struct Sidecar {
    version: u32,
    kdf: Kdf,
    wrapped: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kdf {
    name: String,
    salt: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// What opening gives.
pub(super) struct Opened {
    pub(super) key: StoreKey,
    /// The version that the store was written by.
    pub(super) version: u32,
}

/// Only what decides whether the rest can be read at all.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("store.json")
}

/// Makes the directory and a sidecar with a fresh key.
pub(super) fn create(dir: &Path, passphrase: &str) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    write(dir, passphrase, &Zeroizing::new(random()?))
}

/// Writes a sidecar of this version: the key wrapped anew under a fresh salt.
pub(super) fn write(dir: &Path, passphrase: &str, key: &StoreKey) -> Result<()> {
    let salt: [u8; 16] = random()?;
    let kdf = Kdf {
        name: "argon2id".into(),
        salt: hex::encode(salt),
        memory_kib: MEMORY_KIB,
        passes: PASSES,
        lanes: 1,
    };
    let cipher = kdf.cipher(passphrase)?;
    let aad = kdf.aad(VERSION);
    // The salt is fresh, so the key that wraps is, and seals this once.
    let wrapped = cipher.encrypt(&Nonce::default(), Payload { msg: &key[..], aad: &aad });
    let wrapped = hex::encode(wrapped.map_err(|_| ClientError::Store("the key cannot be wrapped".into()))?);
    place(dir, &Sidecar { version: VERSION, kdf, wrapped })
}

/// Unwraps the key.
pub(super) fn open(dir: &Path, passphrase: &str) -> Result<Opened> {
    let (sidecar, wrapped) = Sidecar::read(&fs::read(path(dir))?)?;
    let version = sidecar.version;
    let cipher = sidecar.kdf.cipher(passphrase)?;
    let aad = sidecar.kdf.aad(version);
    let key = cipher.decrypt(&Nonce::default(), Payload { msg: &wrapped, aad: &aad });
    let key = Zeroizing::new(key.map_err(|_| ClientError::WrongPassphrase)?);
    let damaged = |_| ClientError::StoreDamaged("store.json wraps no key".into());
    let key = key.as_slice().try_into().map(Zeroizing::new).map_err(damaged)?;
    Ok(Opened { key, version })
}

impl Sidecar {
    /// Reads a sidecar, and the wrapped key in it.
    ///
    /// # Errors
    /// `StoreTooNew`; `StoreDamaged` also where it asks for more than a passphrase is worth.
    fn read(text: &[u8]) -> Result<(Self, Vec<u8>)> {
        let damaged = || ClientError::StoreDamaged("store.json is not readable".into());
        let Versioned { version } = serde_json::from_slice(text).map_err(|_| damaged())?;
        if version > VERSION {
            return Err(ClientError::StoreTooNew { needs: version });
        }
        let sidecar: Self = serde_json::from_slice(text).map_err(|_| damaged())?;
        let wrapped = hex::decode(&sidecar.wrapped).map_err(|_| damaged())?;
        sidecar.kdf.params()?;
        Ok((sidecar, wrapped))
    }
}

impl Kdf {
    fn cipher(&self, passphrase: &str) -> Result<ChaCha20Poly1305> {
        let (params, salt) = self.params()?;
        let mut key = Zeroizing::new([0; 32]);
        let kdf = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hashed = kdf.hash_password_into(passphrase.as_bytes(), &salt, &mut key[..]);
        hashed.map_err(|error| ClientError::StoreDamaged(format!("store.json: {error}")))?;
        Ok(ChaCha20Poly1305::new(&Key::from(*key)))
    }

    /// The parameters and the salt, within their bounds.
    fn params(&self) -> Result<(Params, Vec<u8>)> {
        let damaged = || ClientError::StoreDamaged("store.json states parameters out of bounds".into());
        let bounded =
            self.memory_kib <= MOST_MEMORY_KIB && self.passes <= MOST_PASSES && self.lanes <= MOST_LANES;
        if self.name != "argon2id" || !bounded {
            return Err(damaged());
        }
        let salt = hex::decode(&self.salt).map_err(|_| damaged())?;
        if !(argon2::MIN_SALT_LEN..=MOST_SALT).contains(&salt.len()) {
            return Err(damaged());
        }
        let params =
            Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(|_| damaged())?;
        Ok((params, salt))
    }

    fn aad(&self, version: u32) -> Vec<u8> {
        let Self { name, salt, memory_kib, passes, lanes } = self;
        format!("conclave store {version} {name} {salt} {memory_kib} {passes} {lanes}").into_bytes()
    }
}

/// Whole or not at all: beside, to the disk, then in its place.
fn place(dir: &Path, sidecar: &Sidecar) -> Result<()> {
    let text = serde_json::to_vec_pretty(sidecar).map_err(|error| ClientError::Store(error.to_string()))?;
    let beside = dir.join("store.json.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&beside, path(dir))?;
    Ok(File::open(dir)?.sync_all()?)
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ClientError::Store(error.to_string()))?;
    Ok(bytes)
}

/// Any bytes as a sidecar: what is read asks for no more than its bounds.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) -> bool {
    let Ok((sidecar, _)) = Sidecar::read(bytes) else { return false };
    assert!(sidecar.version <= VERSION && sidecar.kdf.memory_kib <= MOST_MEMORY_KIB);
    let again = serde_json::to_vec(&sidecar).is_ok_and(|text| Sidecar::read(&text).is_ok());
    assert!(again, "what is read can be written, and read again");
    true
}
