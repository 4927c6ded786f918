//! `akd` alone, its tree in memory: the least that an epoch of the key log costs. Nothing is durable, signed or looked up.

use crate::measure::seconds;
use crate::{LabError, Result};
use akd::ecvrf::{VRFKeyStorage, VrfError};
use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::{AkdLabel, AkdValue, AzksParallelismConfig, Directory};
use conclave_keylog::KeyLog;

/// A tree of its own.
pub struct Tree(Directory<KeyLog, AsyncInMemoryDatabase, Key>);

#[derive(Clone)]
struct Key;

#[async_trait::async_trait]
impl VRFKeyStorage for Key {
    async fn retrieve(&self) -> std::result::Result<Vec<u8>, VrfError> {
        Ok(vec![7; 32])
    }
}

impl Tree {
    /// An empty one.
    pub async fn new() -> Result<Self> {
        let storage = StorageManager::new_no_cache(AsyncInMemoryDatabase::new());
        let tree = Directory::new(storage, Key, AzksParallelismConfig::disabled()).await;
        tree.map(Self).map_err(broken)
    }

    /// Seconds of an epoch that brings these values under these names.
    pub async fn publish(&self, entries: impl Iterator<Item = (String, Vec<u8>)>) -> Result<f64> {
        let entries = entries.map(|(name, value)| (AkdLabel(name.into_bytes()), AkdValue(value))).collect();
        let (took, made) = seconds(self.0.publish(entries)).await;
        made.map(|_| took).map_err(broken)
    }
}

fn broken(error: akd::errors::AkdError) -> LabError {
    LabError::unexpected(error.to_string())
}
