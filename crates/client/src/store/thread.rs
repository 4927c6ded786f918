//! The one thread that owns the database's connection, and how others hear that something changed.

use super::Tx;
use crate::clock::Clock;
use crate::{ClientError, Result};
use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};

/// How often the commits of other processes are looked for while somebody waits for them.
const POLL: Duration = Duration::from_millis(25);

type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// The store, cheap to clone. Its thread ends with the last clone, and before that clone is gone.
#[derive(Clone)]
pub(crate) struct Store {
    worker: Arc<Handle>,
    changed: watch::Sender<u64>,
    polled: Arc<Mutex<Option<Instant>>>,
    dir: Arc<PathBuf>,
    clock: Arc<dyn Clock>,
}

/// The thread, and the way to it.
struct Handle {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

struct Worker {
    db: Connection,
    data_version: i64,
}

impl Store {
    pub(super) fn start(dir: PathBuf, db: Connection, clock: Arc<dyn Clock>) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let mut worker = Worker { db, data_version: 0 };
        let run = move || queue.into_iter().for_each(|job| job(&mut worker));
        let thread = std::thread::Builder::new().name("conclave-store".into()).spawn(run)?;
        let worker = Arc::new(Handle { jobs: Some(jobs), thread: Some(thread) });
        Ok(Self { worker, changed: watch::Sender::new(0), polled: Arc::default(), dir: Arc::new(dir), clock })
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What time it is.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Runs a step: all of it is on disk when this returns `Ok`, nothing of it happened otherwise.
    pub(crate) async fn step<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (clock, changed) = (self.clock.clone(), self.changed.clone());
        self.run(move |worker| {
            let outcome = worker.transact(TransactionBehavior::Immediate, &*clock, step)?;
            changed.send_modify(|count| *count = count.wrapping_add(1));
            Ok(outcome)
        })
        .await
    }

    /// Looks, and changes nothing.
    pub(crate) async fn view<T: Send + 'static>(
        &self,
        view: impl FnOnce(&Tx) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let clock = self.clock.clone();
        self.run(move |worker| worker.transact(TransactionBehavior::Deferred, &*clock, view)).await
    }

    /// Starts to watch; what is committed from now on is noticed, by whichever process.
    pub(crate) fn watch(&self) -> Watch {
        Watch { store: self.clone(), changed: self.changed.subscribe() }
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Worker) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let ended = || ClientError::Store("the store's thread has ended".into());
        let (answer, answered) = oneshot::channel();
        // Whoever asked may have gone: then nobody wants the answer.
        let job = move |worker: &mut Worker| drop(answer.send(work(worker)));
        let jobs = self.worker.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(Box::new(job)).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }

    /// Looks for commits of other processes, at most once in a while.
    async fn poll(&self) -> Result<()> {
        {
            let mut polled = self.polled.lock().unwrap_or_else(PoisonError::into_inner);
            if polled.is_some_and(|at| at.elapsed() < POLL) {
                return Ok(());
            }
            *polled = Some(Instant::now());
        }
        let changed = self.changed.clone();
        self.run(move |worker| {
            let version = worker.db.query_row("PRAGMA data_version", [], |row| row.get(0))?;
            if version != worker.data_version {
                worker.data_version = version;
                changed.send_modify(|count| *count = count.wrapping_add(1));
            }
            Ok(())
        })
        .await
    }
}

impl Drop for Handle {
    /// Waits for the thread. A process must not end while it works: the cryptographic library under the database tears
    /// itself down at exit, and a transaction still running then would crash in it.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // Nothing is lost with a thread that panicked: what it had committed is on disk.
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn transact<T>(
        &mut self,
        behavior: TransactionBehavior,
        clock: &dyn Clock,
        step: impl FnOnce(&Tx) -> Result<T>,
    ) -> Result<T> {
        let transaction = self.db.transaction_with_behavior(behavior)?;
        // Read once the transaction has begun: instants of steps are in the order of the steps.
        let tx = Tx::new(&transaction, clock.now());
        let outcome = step(&tx)?;
        tx.finish()?;
        transaction.commit()?;
        Ok(outcome)
    }
}

/// Waits for commits.
pub(crate) struct Watch {
    store: Store,
    changed: watch::Receiver<u64>,
}

impl Watch {
    /// Returns once something was committed since the last call.
    pub(crate) async fn changed(&mut self) -> Result<()> {
        loop {
            tokio::select! {
                // The sender lives in `self.store`.
                _ = self.changed.changed() => return Ok(()),
                () = tokio::time::sleep(POLL) => self.store.poll().await?,
            }
        }
    }
}
