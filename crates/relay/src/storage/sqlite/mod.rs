//! The storage in one SQLite file. One thread writes, and commits whatever
//! waits in one transaction; a few connections read.
//!
//! Not here: the rules (`storage::channel`, `storage::people`) and the SQL of
//! the tables (`blobs`, `channels`, `log`, `people`).

mod blobs;
mod channels;
mod log;
mod people;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use conclave_wire::{Code, DeviceId, PersonId, v1};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::tables::PeopleTables;
use super::{
    BlobAsk, EntriesAsk, Op, Outcome, SeatAsk, SeatStanding, Storage, StorageError, Waiting,
    blobs as blob_rules, channel, log as log_rules, people as rules, reading,
};
use crate::RelayError;
pub(crate) use schema::{check_version, mark_as_copy};

/// One commit takes at most so many operations and bytes.
const COMMIT_OPS: usize = 512;
const COMMIT_BYTES: usize = 1024 * 1024;
/// Reading connections at once.
const READERS: usize = 4;
/// Pages given back to the system after a sweep.
const VACUUM_PAGES: u32 = 512;

/// The storage.
pub(crate) struct SqliteStorage {
    path: PathBuf,
    incarnation: u64,
    /// None once closed.
    writer: Mutex<Option<mpsc::UnboundedSender<Batch>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    idle: Arc<Mutex<Vec<Connection>>>,
    readers: Arc<Semaphore>,
}

struct Batch {
    ops: Vec<Op>,
    answer: oneshot::Sender<Result<Vec<Outcome>, StorageError>>,
}

impl SqliteStorage {
    /// Opens the file, and makes it where there is none.
    pub(crate) fn open(path: &Path, restored: bool, most_bytes: Option<u64>) -> Result<Self, RelayError> {
        let mut connection = Connection::open(path).map_err(Failure::relay)?;
        schema::configure(&connection).map_err(Failure::relay)?;
        schema::migrate(&mut connection)?;
        let incarnation = schema::incarnation(&mut connection, path, restored)?;
        if let Some(bytes) = most_bytes {
            let pages = i64::try_from(bytes / 8192).unwrap_or(i64::MAX).max(1);
            connection.pragma_update(None, "max_page_count", pages).map_err(Failure::relay)?;
        }
        let (writer, waiting) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("relay-writer".into())
            .spawn(move || write(connection, waiting))
            .map_err(|error| RelayError::Storage(error.to_string()))?;
        Ok(Self {
            path: path.into(),
            incarnation,
            writer: Mutex::new(Some(writer)),
            thread: Mutex::new(Some(thread)),
            idle: Arc::default(),
            readers: Arc::new(Semaphore::new(READERS)),
        })
    }

    fn read<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut SqlTables<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Waiting<T> {
        let (path, idle, readers) = (self.path.clone(), self.idle.clone(), self.readers.clone());
        Box::pin(async move {
            let gone = |_| StorageError::Failed("the storage is closing".into());
            let permit = readers.acquire_owned().await.map_err(|_| closing())?;
            let work = move || {
                let _permit = permit;
                let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let connection = kept.map_or_else(|| reader(&path), Ok).map_err(Failure::storage)?;
                let result = in_one_view(&connection, act);
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                result
            };
            tokio::task::spawn_blocking(work).await.map_err(gone)?
        })
    }
}

impl Storage for SqliteStorage {
    fn apply(&self, ops: Vec<Op>) -> Waiting<Vec<Outcome>> {
        let (answer, outcomes) = oneshot::channel();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = writer.as_ref().map(|writer| writer.send(Batch { ops, answer }));
        if !matches!(sent, Some(Ok(()))) {
            return Box::pin(std::future::ready(Err(closing())));
        }
        Box::pin(async move { outcomes.await.unwrap_or_else(|_| Err(closing())) })
    }
    fn seats(&self, asks: Vec<SeatAsk>) -> Waiting<Vec<SeatStanding>> {
        self.read(move |tables| reading::seats(tables, &asks))
    }
    fn entries(&self, ask: EntriesAsk) -> Waiting<Vec<v1::Entry>> {
        self.read(move |tables| reading::entries(tables, &ask))
    }
    fn blob(&self, ask: BlobAsk) -> Waiting<Result<Bytes, Code>> {
        self.read(move |tables| blob_rules::get(tables, &ask))
    }
    fn people(&self, names: Vec<String>, persons: Vec<PersonId>) -> Waiting<Vec<v1::Person>> {
        self.read(move |tables| rules::people(tables, &names, &persons))
    }
    fn device_key(&self, device: DeviceId) -> Waiting<Option<[u8; 32]>> {
        self.read(move |tables| Ok(tables.device(&device)?.map(|row| row.public)))
    }
    fn identity_key(&self, device: DeviceId) -> Waiting<Bytes> {
        self.read(move |tables| rules::identity_key(tables, &device))
    }
    fn letters(&self, device: DeviceId, after: u64) -> Waiting<Vec<v1::InboxLetter>> {
        self.read(move |tables| rules::letters(tables, &device, after))
    }
    fn stock(&self, device: DeviceId) -> Waiting<v1::Stock> {
        self.read(move |tables| rules::stock(tables, &device))
    }
    fn log(&self, read: log_rules::LogRead) -> Waiting<()> {
        self.read(move |tables| read(tables))
    }
    fn incarnation(&self) -> u64 {
        self.incarnation
    }
    fn close(&self) -> Waiting<()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let idle = self.idle.clone();
        Box::pin(async move {
            let join = move || {
                // Readers go first, so that the writer, closing last, empties the log file.
                idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                thread.map(JoinHandle::join)
            };
            tokio::task::spawn_blocking(join).await.map(|_| ()).map_err(|_| closing())
        })
    }
}

fn closing() -> StorageError {
    StorageError::Failed("the storage is closing".into())
}

fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA busy_timeout = 10000; PRAGMA cache_size = -4096;")?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// All statements of one reading see the same state.
fn in_one_view<T>(
    connection: &Connection,
    act: impl FnOnce(&mut SqlTables<'_>) -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    let view = connection.unchecked_transaction().map_err(Failure::storage)?;
    act(&mut SqlTables(&view))
}

/// The writer's thread: takes what waits, commits it at once, then answers.
fn write(mut connection: Connection, mut waiting: mpsc::UnboundedReceiver<Batch>) {
    while let Some(first) = waiting.blocking_recv() {
        let (mut ops, mut bytes) = (first.ops.len(), weight(&first.ops));
        let mut batches = vec![first];
        while ops < COMMIT_OPS && bytes < COMMIT_BYTES {
            let Ok(batch) = waiting.try_recv() else { break };
            ops += batch.ops.len();
            bytes += weight(&batch.ops);
            batches.push(batch);
        }
        match commit(&mut connection, &batches) {
            Ok(outcomes) => batches.into_iter().zip(outcomes).for_each(|(batch, outcomes)| {
                after_sweep(&connection, &outcomes);
                let _ = batch.answer.send(Ok(outcomes));
            }),
            Err(error) => {
                tracing::error!(%error, "a commit failed and left nothing behind");
                batches.into_iter().for_each(|batch| {
                    let _ = batch.answer.send(Err(error.clone()));
                });
            }
        }
    }
}

/// All batches or none. A transaction that is dropped rolls back.
fn commit(connection: &mut Connection, batches: &[Batch]) -> Result<Vec<Vec<Outcome>>, StorageError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Failure::storage)?;
    let mut outcomes = Vec::with_capacity(batches.len());
    for batch in batches {
        let mut tables = SqlTables(&transaction);
        let applied = batch.ops.iter().map(|op| channel::apply(&mut tables, op));
        outcomes.push(applied.collect::<Result<Vec<_>, _>>()?);
    }
    transaction.commit().map_err(Failure::storage)?;
    Ok(outcomes)
}

/// Gives freed pages back to the system, a few at a time.
fn after_sweep(connection: &Connection, outcomes: &[Outcome]) {
    let freed = |outcome: &Outcome| matches!(outcome, Outcome::Swept { freed, .. } if *freed > 0);
    if outcomes.iter().any(freed)
        && let Err(error) = give_back(connection)
    {
        tracing::warn!(%error, "freed pages stay in the file until the next try");
    }
}

/// Each step of the statement gives back one page.
fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    let mut vacuum = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(())
}

fn weight(ops: &[Op]) -> usize {
    let one = |op: &Op| match op {
        Op::Post(post) => post.shared.len() + post.slices.len() + 256,
        Op::PutBlob(put) => put.bytes.len() + 256,
        Op::Epoch(epoch) => epoch.nodes.len() * 256 + epoch.logged.len() * 4096,
        Op::Growth { step, .. } => step.len(),
        _ => 256,
    };
    ops.iter().map(one).sum()
}

/// The tables within one transaction.
pub(super) struct SqlTables<'c>(&'c Connection);

/// Where SQLite's errors become ours.
struct Failure;

impl Failure {
    fn storage(error: rusqlite::Error) -> StorageError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StorageError::Full,
            _ => StorageError::Failed(error.to_string()),
        }
    }

    fn relay(error: rusqlite::Error) -> RelayError {
        RelayError::Storage(error.to_string())
    }
}

/// SQLite's integers are signed.
fn int(value: u64) -> Result<i64, StorageError> {
    i64::try_from(value).map_err(|_| StorageError::Failed("a number is out of range".into()))
}

fn bytes_at(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Bytes> {
    row.get::<_, Vec<u8>>(at).map(Bytes::from)
}

fn uint_at(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(i64::unsigned_abs)
}
