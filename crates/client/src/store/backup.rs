//! A backup: the whole store in one encrypted file, made while the store is in use, opened by its passphrase.
//!
//! ```text
//! "conclave backup\n" ‖ version (1) ‖ u32 length ‖ sidecar ‖ u64 length ‖ database, encrypted as on disk ‖ HMAC-SHA-256 (32)
//! ```
//! The MAC, under a key derived from the store's, covers everything before it: a file that was cut or altered is refused
//! whole. Integers are big-endian. That a restored store is an older copy is found out at the relay, not here.

use super::copy::copy;
use super::meta::Fact;
use super::schema::connect;
use super::sidecar::{self, Opened, StoreKey};
use crate::{ClientError, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

const MAGIC: &[u8; 16] = b"conclave backup\n";
const VERSION: u8 = 1;
const LABEL: &[u8] = b"conclave store backup mac";
const CHUNK: usize = 1 << 20;
/// Far more than a sidecar is.
const MOST_SIDECAR: u32 = 64 << 10;

/// Writes the store of `dir` to a new file.
///
/// # Errors
/// `NoAccount`, `WrongPassphrase`; `Store` if the file is there already or cannot be written: then nothing is left of it.
pub(super) fn write(dir: &Path, passphrase: &str, to: &Path) -> Result<()> {
    if !super::exists(dir) {
        return Err(ClientError::NoAccount);
    }
    let Opened { key, .. } = sidecar::open(dir, passphrase)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let file = file.map_err(|error| ClientError::Store(format!("{}: {error}", to.display())))?;
    let written = fill(dir, &key, file);
    if written.is_err() {
        // Half a backup is none.
        let _ = fs::remove_file(to);
    }
    written
}

fn fill(dir: &Path, key: &StoreKey, file: File) -> Result<()> {
    let beside = tempfile::Builder::new().prefix(".backup").tempdir_in(dir)?;
    let database = beside.path().join("store.db");
    copy(&dir.join("store.db"), &database, key)?;
    let sidecar = fs::read(sidecar::path(dir))?;
    let mut out = Marked { file: BufWriter::new(file), mac: mac(key)? };
    out.put(MAGIC)?;
    out.put(&[VERSION])?;
    out.put(&u32::try_from(sidecar.len()).unwrap_or(u32::MAX).to_be_bytes())?;
    out.put(&sidecar)?;
    out.put(&fs::metadata(&database)?.len().to_be_bytes())?;
    let mut database = File::open(&database)?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = database.read(&mut chunk)?;
        match chunk.get(..read) {
            Some(some) if !some.is_empty() => out.put(some)?,
            _ => break,
        }
    }
    let Marked { mut file, mac } = out;
    file.write_all(&mac.finalize().into_bytes())?;
    let file = file.into_inner().map_err(|error| ClientError::Store(error.to_string()))?;
    Ok(file.sync_all()?)
}

/// Makes the store of `dir`, which has none, from a backup.
///
/// # Errors
/// `AccountExists`; `BadBackup`; `WrongPassphrase`; `StoreTooNew`. Then there is no store in `dir`.
pub(super) fn restore(dir: &Path, passphrase: &str, from: &Path) -> Result<()> {
    if super::exists(dir) {
        return Err(ClientError::AccountExists);
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let beside = tempfile::Builder::new().prefix(".restore").tempdir_in(dir)?;
    unpack(beside.path(), passphrase, from)?;
    // The sidecar last: a directory without one has no store.
    for name in ["store.db", "store.json"] {
        fs::rename(beside.path().join(name), dir.join(name))?;
    }
    Ok(File::open(dir)?.sync_all()?)
}

fn unpack(to: &Path, passphrase: &str, from: &Path) -> Result<()> {
    let file =
        File::open(from).map_err(|error| ClientError::Store(format!("{}: {error}", from.display())))?;
    let mut file = BufReader::new(file);
    let Head { read, sidecar } = Head::read(&mut file)?;
    private(&sidecar::path(to))?.write_all(&sidecar)?;
    let Opened { key, .. } = sidecar::open(to, passphrase)?;
    let database = to.join("store.db");
    let mut out = private(&database)?;
    unpack_database(&mut file, read, &key, &mut out)?;
    out.sync_all()?;
    // It opens: what was backed up was sound.
    let database = connect(&database, &key)?;
    database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    // Every version has this table.
    database.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, 1)", [Fact::Restored.key()])?;
    // Nothing may be left beside the file that is put in its place.
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    database.close().map_err(|(_, error)| error.into())
}

/// What stands before the database.
struct Head {
    /// All of it, as it was read.
    read: Vec<u8>,
    sidecar: Vec<u8>,
}

impl Head {
    fn read(from: &mut impl Read) -> Result<Self> {
        let mut read = Vec::new();
        let (magic, [version]) = (take::<16>(from, &mut read)?, take::<1>(from, &mut read)?);
        if magic != *MAGIC {
            return Err(ClientError::BadBackup("it is none"));
        }
        if version != VERSION {
            return Err(ClientError::StoreTooNew { needs: u32::from(version) });
        }
        let length = u32::from_be_bytes(take(from, &mut read)?);
        if length > MOST_SIDECAR {
            return Err(ClientError::BadBackup("it was altered"));
        }
        let mut sidecar = vec![0; length as usize];
        from.read_exact(&mut sidecar).map_err(cut)?;
        read.extend_from_slice(&sidecar);
        Ok(Self { read, sidecar })
    }
}

/// Copies the database, which is good only if this returns `Ok`: the MAC over everything comes last.
fn unpack_database(from: &mut impl Read, head: Vec<u8>, key: &StoreKey, to: &mut impl Write) -> Result<()> {
    let mut read = head;
    let mut left = u64::from_be_bytes(take(from, &mut read)?);
    let mut mac = mac(key)?;
    mac.update(&read);
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let some = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(some) = chunk.get_mut(..some) else { break };
        from.read_exact(some).map_err(cut)?;
        mac.update(some);
        to.write_all(some)?;
        left -= some.len() as u64;
    }
    let mut tag = Vec::new();
    // One byte more than a MAC shows that there are more.
    from.take(33).read_to_end(&mut tag)?;
    match tag.len() {
        ..32 => Err(ClientError::BadBackup("it was cut short")),
        _ => mac.verify_slice(&tag).map_err(|_| ClientError::BadBackup("it was altered")),
    }
}

fn private(path: &Path) -> Result<File> {
    Ok(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?)
}

fn take<const N: usize>(from: &mut impl Read, head: &mut Vec<u8>) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(cut)?;
    head.extend_from_slice(&bytes);
    Ok(bytes)
}

fn cut(error: std::io::Error) -> ClientError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => ClientError::BadBackup("it was cut short"),
        _ => error.into(),
    }
}

fn mac(key: &StoreKey) -> Result<Hmac<Sha256>> {
    // A key of its own: the store's encrypts the database.
    keyed(&keyed(&key[..])?.chain_update(LABEL).finalize().into_bytes())
}

fn keyed(key: &[u8]) -> Result<Hmac<Sha256>> {
    KeyInit::new_from_slice(key).map_err(|_| ClientError::Store("no MAC has a key of this length".into()))
}

/// A file whose bytes are covered by a MAC as they are written.
struct Marked {
    file: BufWriter<File>,
    mac: Hmac<Sha256>,
}

impl Marked {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.mac.update(bytes);
        Ok(self.file.write_all(bytes)?)
    }
}

/// A backup under a known key: the way to the key is slow on purpose, and fuzzed apart (`store_json`).
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) -> bool {
    let (mut from, mut database) = (bytes, Vec::new());
    let unpacked = Head::read(&mut from)
        .and_then(|head| unpack_database(&mut from, head.read, &fuzz_key(), &mut database));
    assert!(database.len() <= bytes.len(), "no more comes out than is in");
    let refused = matches!(unpacked, Err(ClientError::BadBackup(_) | ClientError::StoreTooNew { .. }));
    assert!(refused || unpacked.is_ok(), "what is no backup is refused as such: {unpacked:?}");
    !refused
}

#[cfg(any(test, fuzzing))]
fn fuzz_key() -> StoreKey {
    StoreKey::new([7; 32])
}

/// A sound backup of these bytes under that key.
#[cfg(test)]
pub(crate) fn fuzz_seed(sidecar: &[u8], database: &[u8]) -> Vec<u8> {
    let (sidecar_length, length) =
        ((sidecar.len() as u32).to_be_bytes(), (database.len() as u64).to_be_bytes());
    let mut bytes = [&MAGIC[..], &[VERSION], &sidecar_length, sidecar, &length, database].concat();
    let tag = mac(&fuzz_key()).unwrap().chain_update(&bytes).finalize().into_bytes();
    bytes.extend_from_slice(&tag);
    bytes
}
