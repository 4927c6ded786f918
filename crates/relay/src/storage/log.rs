//! What the key log keeps: the records of its tree, the roots that were signed, how each epoch grew, and whose entry waits
//! for the next one. One epoch is one operation: tree, root and what no longer waits change together or not at all.
//!
//! Not here: what a record means, and who signs (`crate::log`).

use bytes::Bytes;
use conclave_wire::{Code, DeviceId};
use tokio::sync::oneshot;

use super::channel::refused;
use super::tables::{Result, Tables};
use super::{Op, Outcome, Storage, StorageError};

/// A reading, as it is handed to a backend.
pub(crate) type LogRead = Box<dyn FnOnce(&mut dyn Tables) -> Result<()> + Send>;

/// Incarnation and epoch.
pub(crate) type Position = (u64, u64);

/// Everything that one epoch changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct EpochOp {
    /// Records of the tree by their keys.
    pub(crate) nodes: Vec<(Bytes, Bytes)>,
    pub(crate) logged: Vec<LoggedRow>,
    /// Its signed root. None while the tree is made, and where nothing is new.
    pub(crate) root: Option<(Position, Bytes)>,
    /// Those whose entries it brings up to date.
    pub(crate) brought: Vec<WaitingRow>,
}

/// One version of what is logged under a name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoggedRow {
    pub(crate) name: String,
    pub(crate) epoch: u64,
    pub(crate) version: u64,
    pub(crate) value: Bytes,
    /// Where it is in the tree.
    pub(crate) place: [u8; 32],
    pub(crate) device_list: Bytes,
}

/// A person whose newest device list is not in the log yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WaitingRow {
    pub(crate) key: i64,
    pub(crate) name: String,
    pub(crate) person: [u8; 32],
    pub(crate) device_list: Bytes,
}

pub(super) fn apply(t: &mut dyn Tables, op: &Op) -> Result<Outcome> {
    match op {
        Op::Epoch(epoch) => self::epoch(t, epoch),
        Op::Growth { epoch, step } => t.set_step(*epoch, step).map(|()| Outcome::Done),
        Op::Cosign { at, witness, cosignature } => match t.root(*at)? {
            Some(_) => t.set_cosignature(*at, witness, cosignature).map(|()| Outcome::Done),
            None => refused(Code::UnknownEpoch),
        },
        _ => Err(StorageError::Failed("not an operation of the key log".into())),
    }
}

/// A root is only ever added behind all others.
fn epoch(t: &mut dyn Tables, op: &EpochOp) -> Result<Outcome> {
    if let Some((position, root)) = &op.root {
        if !t.roots_after(before(*position), 1)?.is_empty() {
            return refused(Code::Unavailable);
        }
        t.add_root(*position, root)?;
    }
    for (key, body) in &op.nodes {
        t.set_node(key, body)?;
    }
    for row in &op.logged {
        t.add_logged(row)?;
    }
    for row in &op.brought {
        if t.device_list(row.key)? == row.device_list {
            t.set_waiting(row.key, false)?;
        }
    }
    Ok(Outcome::Done)
}

/// The position right before, so that what comes after it includes this one.
fn before((incarnation, epoch): Position) -> Position {
    match epoch.checked_sub(1) {
        Some(before) => (incarnation, before),
        None => (incarnation.saturating_sub(1), u64::MAX >> 1),
    }
}

/// Reads of the log; all tables are seen at one moment.
pub(crate) async fn read<T: Send + 'static>(
    storage: &dyn Storage,
    act: impl FnOnce(&mut dyn Tables) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (give, given) = oneshot::channel();
    let reading: LogRead = Box::new(move |t| {
        let _ = give.send(act(t)?);
        Ok(())
    });
    storage.log(reading).await?;
    given.await.map_err(|_| StorageError::Failed("the storage read nothing".into()))
}

/// Those who wait for the next epoch, at most so many.
pub(crate) async fn waiting(storage: &dyn Storage, most: usize) -> Result<Vec<WaitingRow>> {
    read(storage, move |t| t.waiting(most)).await
}

/// Whether one of these names waits for the next epoch.
pub(crate) async fn is_waiting(storage: &dyn Storage, names: Vec<String>) -> Result<bool> {
    let one = |t: &mut dyn Tables, name: &String| match t.person_named(name)? {
        Some(row) => t.is_waiting(row.key),
        None => Ok(false),
    };
    read(storage, move |t| {
        for name in &names {
            if one(t, name)? {
                return Ok(true);
            }
        }
        Ok(false)
    })
    .await
}

/// The name of a device's person.
pub(crate) async fn name_of(storage: &dyn Storage, device: DeviceId) -> Result<Option<String>> {
    read(storage, move |t| match t.device(&device)? {
        Some(row) => t.name(row.person),
        None => Ok(None),
    })
    .await
}

/// Records of the tree, in the order of the keys.
pub(crate) async fn nodes(storage: &dyn Storage, keys: Vec<Bytes>) -> Result<Vec<Option<Bytes>>> {
    read(storage, move |t| keys.iter().map(|key| t.node(key)).collect()).await
}

/// The newest version under each of these names up to an epoch; absent ones are missing.
pub(crate) async fn logged(storage: &dyn Storage, names: Vec<String>, up_to: u64) -> Result<Vec<LoggedRow>> {
    read(storage, move |t| {
        let rows = names.iter().map(|name| t.logged(name, up_to));
        rows.filter_map(Result::transpose).collect()
    })
    .await
}

/// All versions under a name, oldest first, and how many there are.
pub(crate) async fn history(storage: &dyn Storage, name: String) -> Result<Vec<LoggedRow>> {
    read(storage, move |t| t.history(&name)).await
}

/// The root at a position; the newest for none.
pub(crate) async fn root(storage: &dyn Storage, at: Option<Position>) -> Result<Option<Bytes>> {
    read(storage, move |t| match at {
        Some(position) => t.root(position),
        None => t.newest_root(),
    })
    .await
}

/// The roots after a position, in order.
pub(crate) async fn roots_after(storage: &dyn Storage, after: Position, most: usize) -> Result<Vec<Bytes>> {
    read(storage, move |t| t.roots_after(after, most)).await
}

/// How this epoch grew out of the one before, if that was noted.
pub(crate) async fn step(storage: &dyn Storage, epoch: u64) -> Result<Option<Bytes>> {
    read(storage, move |t| t.step(epoch)).await
}

/// What witnesses said of the root at a position.
pub(crate) async fn cosignatures(storage: &dyn Storage, at: Position) -> Result<Vec<Bytes>> {
    read(storage, move |t| t.cosignatures(at)).await
}
