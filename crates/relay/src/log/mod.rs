//! The key log: an append-only tree (akd) of what is registered under each name, and a signed root for each of its epochs.
//! One publisher makes epochs, at the latest `EVERY` after something changed, and at once when somebody asks for a person
//! whose newest device list is not in the log yet: whoever is found is found with a proof.
//!
//! Tree, signed root and what no longer waits are written in one transaction, and a root is shown to nobody before it is
//! written. So after a crash the log goes on where it was, and there are never two roots for one epoch.
//!
//! Not here: what a proof is worth (`conclave_keylog`), who may ask how often (`connection::log`).

mod answers;
mod record;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use akd::ecvrf::{VRFKeyStorage, VrfError};
use akd::storage::StorageManager;
use akd::{AkdLabel, AkdValue, AzksParallelismConfig, Directory, EpochHash};
use bytes::Bytes;
use conclave_keylog::{KeyLog, Root, Statement, Value, VerifiedRoot, codec};
use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};
use tokio::sync::{RwLock, RwLockReadGuard, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Clock;
use crate::storage::log::{self, EpochOp, WaitingRow};
use crate::storage::{Op, Outcome, Storage, StorageError};
use store::{Draft, Store};

/// How long a change waits at most.
const EVERY: Duration = Duration::from_secs(30);
/// Changes of one epoch: what proves its growth fits into one frame.
const MOST_CHANGES: usize = 4096;
/// Nodes of the tree kept in memory, in bytes, and for how long.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
const CACHE_LIFE: Duration = Duration::from_secs(10 * 60);

type Result<T> = std::result::Result<T, StorageError>;

/// The log of one relay.
pub(crate) struct Log {
    storage: Arc<dyn Storage>,
    tree: Directory<KeyLog, Store, Vrf>,
    records: StorageManager<Store>,
    store: Store,
    key: SigningKey,
    clock: Arc<dyn Clock>,
    /// The newest root. Who reads it holds the tree still: an epoch is made by who may write it. None after a failure: what
    /// was written is to be read again.
    newest: RwLock<Option<VerifiedRoot>>,
}

/// The keys of a log: by the one roots are signed, by the other names are turned into places of the tree.
pub(crate) struct Keys {
    pub(crate) signing: SigningKey,
    pub(crate) vrf: [u8; 32],
}

/// The key that turns names into places. Losing it ends the log.
#[derive(Clone)]
struct Vrf(Arc<[u8; 32]>);

#[async_trait::async_trait]
impl VRFKeyStorage for Vrf {
    async fn retrieve(&self) -> std::result::Result<Vec<u8>, VrfError> {
        Ok(self.0.to_vec())
    }
}

impl Log {
    /// Opens the log, and begins it where there is none: with the signed root of the empty tree. In a new incarnation it
    /// signs the epoch that it goes on from once more. None if the log was begun with other keys.
    pub(crate) async fn open(
        storage: Arc<dyn Storage>,
        keys: Keys,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>> {
        let store = Store::new(storage.clone(), keys.signing.clone());
        let records = StorageManager::new(store.clone(), Some(CACHE_LIFE), Some(CACHE_BYTES), None);
        let vrf = Vrf(Arc::new(keys.vrf));
        // One part of the tree after the other: where one of two at once fails, akd leaves the other one writing, past the
        // epoch that is given up. Names are turned into places on all cores.
        let tree = Directory::new(records.clone(), vrf, AzksParallelismConfig::disabled());
        let tree = tree.await.map_err(broken)?;
        let EpochHash(epoch, hash) = tree.get_epoch_hash().await.map_err(broken)?;
        let public = tree.get_public_key().await.map_err(broken)?;
        let (vrf_key, incarnation, now) = (*public.as_bytes(), storage.incarnation(), clock.now());
        let newest = match log::root(&*storage, None).await? {
            Some(root) => Some(own(&root, &keys.signing)?),
            None => None,
        };
        let statement = match newest.as_ref().map(VerifiedRoot::statement) {
            None if epoch == 0 => Statement::first(vrf_key, incarnation, hash, now),
            Some(last) if last.vrf_key != vrf_key => return Ok(None),
            Some(last) if (last.epoch, last.hash) != (epoch, hash) => {
                return Err(StorageError::Failed("the key log and its signed root differ".into()));
            }
            Some(last) if last.incarnation < incarnation => last.next(incarnation, epoch, hash, now),
            Some(last) => last.clone(),
            None => return Err(StorageError::Failed("the key log has no signed root".into())),
        };
        let newest = match newest {
            Some(root) if *root.statement() == statement => root,
            _ => {
                let root = statement.sign(&keys.signing);
                let op =
                    EpochOp { root: Some((root.position(), root.encode().into())), ..EpochOp::default() };
                done(&*storage, Op::Epoch(Box::new(op))).await?;
                root
            }
        };
        let newest = RwLock::new(Some(newest));
        Ok(Some(Self { storage, tree, records, store, key: keys.signing, clock, newest }))
    }

    /// Makes epochs until told to stop.
    pub(crate) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = stop.changed() => return,
                _ = ticks.tick() => {}
            }
            if let Err(error) = self.publish().await {
                tracing::warn!(%error, "no epoch of the key log was made; it is tried again");
            }
        }
    }

    /// Brings everybody who waits into the log; gives its newest epoch. The work goes on if nobody waits for it: an epoch
    /// that is given up half-way would leave the tree's records in between.
    pub(crate) async fn publish(self: &Arc<Self>) -> Result<u64> {
        let log = self.clone();
        let work = tokio::spawn(async move {
            let mut newest = log.newest.write().await;
            let mut made = Vec::new();
            loop {
                // Taken out: whatever goes wrong from here on, it is read again.
                let last = match newest.take() {
                    Some(last) => last,
                    None => log.again().await?,
                };
                let waiting = log::waiting(&*log.storage, MOST_CHANGES).await?;
                if waiting.is_empty() {
                    let epoch = last.statement().epoch;
                    *newest = Some(last);
                    drop(newest);
                    tokio::spawn(log.note_growth(made));
                    return Ok(epoch);
                }
                let next = log.epoch(last, waiting).await?;
                made.push(next.statement().epoch);
                *newest = Some(next);
            }
        });
        work.await.unwrap_or_else(|_| Err(StorageError::Failed("the key log was cut off".into())))
    }

    /// Nobody waits for it. What is not noted, because the relay stops, is made when an auditor asks.
    async fn note_growth(self: Arc<Self>, epochs: Vec<u64>) {
        for epoch in epochs {
            let Ok(_still) = self.still().await else { return };
            if let Err(error) = self.grown(epoch).await {
                tracing::warn!(%error, epoch, "the growth of the key log is not noted yet");
            }
        }
    }

    /// The newest root; as long as it is held, the tree stays as it is.
    async fn still(&self) -> Result<RwLockReadGuard<'_, VerifiedRoot>> {
        loop {
            let newest = self.newest.read().await;
            if let Ok(newest) = RwLockReadGuard::try_map(newest, Option::as_ref) {
                return Ok(newest);
            }
            let mut newest = self.newest.write().await;
            if newest.is_none() {
                *newest = Some(self.again().await?);
            }
        }
    }

    /// The newest root as it is written, with nothing in memory that may be of an epoch that was not to be.
    async fn again(&self) -> Result<VerifiedRoot> {
        self.records.flush_cache().await;
        let root = log::root(&*self.storage, None).await?;
        own(&root.ok_or_else(|| StorageError::Failed("the key log has no signed root".into()))?, &self.key)
    }

    /// The epoch that brings these into the log.
    async fn epoch(&self, last: VerifiedRoot, waiting: Vec<WaitingRow>) -> Result<VerifiedRoot> {
        let entry = |row: &WaitingRow| {
            let value = Value::of(row.person, &row.device_list).encode();
            (AkdLabel(row.name.as_bytes().to_vec()), AkdValue(value))
        };
        let (entries, incarnation) = (waiting.iter().map(entry).collect(), self.storage.incarnation());
        let draft = Draft { after: last.statement().clone(), incarnation, at: self.clock.now(), waiting };
        self.store.draft(Some(draft.clone()));
        let made = self.tree.publish(entries).await;
        self.store.draft(None);
        let EpochHash(epoch, hash) = made.map_err(broken)?;
        if epoch == last.statement().epoch {
            let op = EpochOp { brought: draft.waiting, ..EpochOp::default() };
            done(&*self.storage, Op::Epoch(Box::new(op))).await?;
            return Ok(last);
        }
        let root = log::root(&*self.storage, None).await?;
        let root = own(&root.ok_or_else(|| StorageError::Failed("an epoch has no root".into()))?, &self.key)?;
        if (root.statement().epoch, root.statement().hash) != (epoch, hash) {
            return Err(StorageError::Failed("an epoch has another root than was signed".into()));
        }
        tracing::debug!(epoch, "an epoch of the key log");
        Ok(root)
    }

    /// How an epoch grew out of the one before; noted once.
    async fn grown(&self, epoch: u64) -> Result<Bytes> {
        if let Some(step) = log::step(&*self.storage, epoch).await? {
            return Ok(step);
        }
        let proof = self.tree.audit(epoch.saturating_sub(1), epoch).await.map_err(broken)?;
        let proof = proof.proofs.first().ok_or_else(|| StorageError::Failed("no growth".into()))?;
        let step = Bytes::from(codec::encode_growth(proof).map_err(unfit)?);
        done(&*self.storage, Op::Growth { epoch, step: step.clone() }).await?;
        Ok(step)
    }
}

/// A root out of the relay's own database.
fn own(root: &[u8], key: &SigningKey) -> Result<VerifiedRoot> {
    let relay = Sha256::digest(key.verifying_key().as_bytes()).into();
    Root::decode(root).and_then(|root| root.verify(&relay)).map_err(unfit)
}

async fn done(storage: &dyn Storage, op: Op) -> Result<()> {
    match storage.apply(vec![op]).await?.as_slice() {
        [Outcome::Done] => Ok(()),
        other => Err(StorageError::Failed(format!("the key log was not written: {other:?}"))),
    }
}

fn broken(error: akd::errors::AkdError) -> StorageError {
    StorageError::Failed(error.to_string())
}

fn unfit(error: conclave_keylog::KeyLogError) -> StorageError {
    StorageError::Failed(error.to_string())
}
