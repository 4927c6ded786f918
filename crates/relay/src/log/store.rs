//! The tree's records in the relay's own storage. What akd writes of an epoch comes here in one piece; with it, in the same
//! operation, go its signed root, the device lists, and that nobody waits any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use akd::errors::StorageError as AkdStorageError;
use akd::storage::types::{
    DbRecord, KeyData, StorageType, ValueState, ValueStateKey, ValueStateRetrievalFlag as Flag,
};
use akd::storage::{Database, DbSetState, Storable};
use akd::tree_node::{NodeKey, TreeNodeWithPreviousValue};
use akd::{AkdLabel, AkdValue, NodeLabel};
use bytes::Bytes;
use conclave_keylog::Statement;
use ed25519_dalek::SigningKey;

use super::done;
use super::record::{STATE, decode_node, decode_state, encode_node, encode_state, key};
use crate::storage::log::{self, EpochOp, LoggedRow, WaitingRow};
use crate::storage::{Op, Storage, StorageError};

type Result<T> = std::result::Result<T, AkdStorageError>;

/// Where akd keeps its records.
#[derive(Clone)]
pub(super) struct Store {
    storage: Arc<dyn Storage>,
    key: Arc<SigningKey>,
    draft: Arc<Mutex<Option<Draft>>>,
}

/// What is known of an epoch before its tree is.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) after: Statement,
    pub(super) incarnation: u64,
    pub(super) at: u64,
    pub(super) waiting: Vec<WaitingRow>,
}

impl Store {
    pub(super) fn new(storage: Arc<dyn Storage>, key: SigningKey) -> Self {
        Self { storage, key: Arc::new(key), draft: Arc::default() }
    }

    /// The epoch that is being made; none any more.
    pub(super) fn draft(&self, draft: Option<Draft>) {
        *self.draft.lock().unwrap_or_else(PoisonError::into_inner) = draft;
    }

    fn op(&self, records: Vec<DbRecord>, state: &DbSetState) -> Result<EpochOp> {
        let mut op = EpochOp::default();
        let (mut epoch, mut hash) = (None, None);
        for record in records {
            match record {
                DbRecord::Azks(azks) => {
                    epoch = Some(azks.latest_epoch);
                    op.nodes.push((STATE, encode_state(&azks)));
                }
                DbRecord::TreeNode(node) => {
                    let node = node.latest_node;
                    if node.label == NodeLabel::root() {
                        hash = Some(node.hash.0);
                    }
                    let body = encode_node(&node).ok_or_else(|| other("a node of another form"))?;
                    op.nodes.push((key(&node.label), body));
                }
                DbRecord::ValueState(state) => op.logged.push(logged_row(state)?),
            }
        }
        // Nodes whose keys are neighbours lie on one page of a database, which is then touched once.
        op.nodes.sort_unstable();
        if matches!(state, DbSetState::TransactionCommit) {
            let draft = self.draft.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let draft = draft.ok_or_else(|| other("an epoch that nobody makes"))?;
            let (Some(epoch), Some(hash)) = (epoch, hash) else { return Err(other("an epoch without root")) };
            let root = draft.after.next(draft.incarnation, epoch, hash, draft.at).sign(&self.key);
            op.root = Some((root.position(), root.encode().into()));
            let lists: HashMap<&str, &Bytes> =
                draft.waiting.iter().map(|row| (row.name.as_str(), &row.device_list)).collect();
            for row in &mut op.logged {
                let list =
                    lists.get(row.name.as_str()).ok_or_else(|| other("a name that nobody waits for"))?;
                row.device_list = (*list).clone();
            }
            op.brought = draft.waiting;
        }
        Ok(op)
    }
}

#[async_trait::async_trait]
impl Database for Store {
    async fn set(&self, record: DbRecord) -> Result<()> {
        self.batch_set(vec![record], DbSetState::General).await
    }

    async fn batch_set(&self, records: Vec<DbRecord>, state: DbSetState) -> Result<()> {
        let op = self.op(records, &state)?;
        done(&*self.storage, Op::Epoch(Box::new(op))).await.map_err(failed)
    }

    async fn get<St: Storable>(&self, id: &St::StorageKey) -> Result<DbRecord> {
        let found = self.batch_get::<St>(std::slice::from_ref(id)).await?.into_iter().next();
        found.ok_or_else(|| AkdStorageError::NotFound(format!("{:?} {id:?}", St::data_type())))
    }

    async fn batch_get<St: Storable>(&self, ids: &[St::StorageKey]) -> Result<Vec<DbRecord>> {
        let keys = ids.iter().map(St::get_full_binary_key_id);
        match St::data_type() {
            StorageType::Azks => {
                let found = log::nodes(&*self.storage, vec![STATE]).await.map_err(failed)?;
                let read = |bytes: Bytes| decode_state(&bytes).ok_or_else(damaged);
                found.into_iter().flatten().map(read).collect()
            }
            StorageType::TreeNode => {
                let label = |key: Vec<u8>| {
                    let NodeKey(label) =
                        TreeNodeWithPreviousValue::key_from_full_binary(&key).map_err(other)?;
                    Ok(label)
                };
                let mut labels = keys.map(label).collect::<Result<Vec<_>>>()?;
                labels.sort_by_cached_key(key);
                let found = log::nodes(&*self.storage, labels.iter().map(key).collect());
                let found = found.await.map_err(failed)?;
                let read = |(label, bytes): (NodeLabel, Option<Bytes>)| {
                    Some(decode_node(label, &bytes?).ok_or_else(damaged))
                };
                labels.into_iter().zip(found).filter_map(read).collect()
            }
            StorageType::ValueState => {
                let mut found = Vec::new();
                for key in keys {
                    let ValueStateKey(name, epoch) = ValueState::key_from_full_binary(&key).map_err(other)?;
                    let state = self.get_user_state(&AkdLabel(name), Flag::SpecificEpoch(epoch)).await;
                    found.extend(state.ok().map(DbRecord::ValueState));
                }
                Ok(found)
            }
        }
    }

    async fn get_user_data(&self, username: &AkdLabel) -> Result<KeyData> {
        let rows = log::history(&*self.storage, name(username)?).await.map_err(failed)?;
        Ok(KeyData { states: rows.into_iter().map(value_state).collect() })
    }

    async fn get_user_state(&self, username: &AkdLabel, flag: Flag) -> Result<ValueState> {
        let up_to = match flag {
            Flag::LeqEpoch(epoch) => Some(epoch),
            Flag::MaxEpoch => Some(u64::MAX),
            Flag::SpecificVersion(_) | Flag::SpecificEpoch(_) | Flag::MinEpoch => None,
        };
        let found = match up_to {
            Some(up_to) => {
                let rows = log::logged(&*self.storage, vec![name(username)?], up_to).await;
                rows.map_err(failed)?.into_iter().map(value_state).next()
            }
            None => self.get_user_data(username).await?.states.into_iter().find(|state| match flag {
                Flag::SpecificVersion(version) => state.version == version,
                Flag::SpecificEpoch(epoch) => state.epoch == epoch,
                _ => true,
            }),
        };
        found.ok_or_else(|| AkdStorageError::NotFound(format!("{username:?}")))
    }

    async fn get_user_state_versions(
        &self,
        usernames: &[AkdLabel],
        flag: Flag,
    ) -> Result<HashMap<AkdLabel, (u64, AkdValue)>> {
        let Flag::LeqEpoch(up_to) = flag else { return Err(other("versions are asked by epoch")) };
        let names = usernames.iter().map(name).collect::<Result<Vec<_>>>()?;
        let rows = log::logged(&*self.storage, names, up_to).await.map_err(failed)?;
        let states = rows.into_iter().map(value_state);
        Ok(states.map(|state| (state.username, (state.version, state.value))).collect())
    }
}

fn logged_row(state: ValueState) -> Result<LoggedRow> {
    Ok(LoggedRow {
        name: name(&state.username)?,
        epoch: state.epoch,
        version: state.version,
        value: state.value.0.into(),
        place: state.label.label_val,
        device_list: Bytes::new(),
    })
}

fn value_state(row: LoggedRow) -> ValueState {
    let LoggedRow { name, epoch, version, value, place, .. } = row;
    DbRecord::build_user_state(name.into_bytes(), value.to_vec(), version, 256, place, epoch)
}

fn name(label: &AkdLabel) -> Result<String> {
    String::from_utf8(label.0.clone()).map_err(|_| other("a name of another form"))
}

fn failed(error: StorageError) -> AkdStorageError {
    AkdStorageError::Other(error.to_string())
}

fn damaged() -> AkdStorageError {
    other("a damaged record of the key log")
}

fn other(what: impl Into<String>) -> AkdStorageError {
    AkdStorageError::Other(what.into())
}
