//! A backup: the whole store in one encrypted file, made while the store is in use, opened by its passphrase.
//!
//! ```text
//! "conclave backup\n" ‖ version (1) ‖ u32 length ‖ sidecar ‖ u64 length ‖ database, encrypted as on disk ‖ HMAC-SHA-256 (32)
//! ```
//! The MAC, under a key derived from the store's, covers everything before it: a file that was cut or altered is refused
//! whole. Integers are big-endian. That a restored store is an older copy is found out at the relay, not here.

use super::copy::copy;
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
    let mut head = Vec::new();
    let (magic, version) = (take::<16>(&mut file, &mut head)?, take::<1>(&mut file, &mut head)?);
    if magic != *MAGIC {
        return Err(ClientError::BadBackup("it is none"));
    }
    let [version] = version;
    if version != VERSION {
        return Err(ClientError::StoreTooNew { needs: u32::from(version) });
    }
    let length = u32::from_be_bytes(take(&mut file, &mut head)?);
    if length > MOST_SIDECAR {
        return Err(ClientError::BadBackup("it was altered"));
    }
    let mut sidecar = vec![0; length as usize];
    file.read_exact(&mut sidecar).map_err(cut)?;
    head.extend_from_slice(&sidecar);
    private(&sidecar::path(to))?.write_all(&sidecar)?;
    let Opened { key, .. } = sidecar::open(to, passphrase)?;
    let length = u64::from_be_bytes(take(&mut file, &mut head)?);
    let mut mac = mac(&key)?;
    mac.update(&head);
    pour(&mut file, &mut mac, length, &to.join("store.db"))?;
    let mut tag = Vec::new();
    // One byte more than a MAC shows that there are more.
    file.take(33).read_to_end(&mut tag)?;
    match tag.len() {
        ..32 => return Err(ClientError::BadBackup("it was cut short")),
        _ => mac.verify_slice(&tag).map_err(|_| ClientError::BadBackup("it was altered"))?,
    }
    // It opens: what was backed up was sound.
    let database = connect(&to.join("store.db"), &key)?;
    database.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    Ok(())
}

/// Copies `length` bytes into a file of its own.
fn pour(from: &mut impl Read, mac: &mut Hmac<Sha256>, length: u64, to: &Path) -> Result<()> {
    let mut file = private(to)?;
    let mut left = length;
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let some = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(some) = chunk.get_mut(..some) else { break };
        from.read_exact(some).map_err(cut)?;
        mac.update(some);
        file.write_all(some)?;
        left -= some.len() as u64;
    }
    Ok(file.sync_all()?)
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
