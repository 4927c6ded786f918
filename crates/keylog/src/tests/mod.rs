//! A log to test with: a tree in memory, as a relay keeps one on disk, and the roots that it signed.

mod proofs;
mod roots;

use akd::append_only_zks::AzksParallelismConfig;
use akd::directory::Directory;
use akd::ecvrf::{VRFKeyStorage, VrfError};
use akd::storage::StorageManager;
use akd::storage::memory::AsyncInMemoryDatabase;
use akd::{AkdLabel, AkdValue, EpochHash, HistoryParams};
use ed25519_dalek::SigningKey;

use crate::{KeyLog, Statement, Value, VerifiedRoot, codec};

#[derive(Clone)]
struct Vrf;

#[async_trait::async_trait]
impl VRFKeyStorage for Vrf {
    async fn retrieve(&self) -> Result<Vec<u8>, VrfError> {
        Ok(vec![9; 32])
    }
}

pub(crate) struct Log {
    tree: Directory<KeyLog, AsyncInMemoryDatabase, Vrf>,
    pub(crate) key: SigningKey,
    pub(crate) roots: Vec<VerifiedRoot>,
}

impl Log {
    pub(crate) async fn new() -> Self {
        let storage = StorageManager::new_no_cache(AsyncInMemoryDatabase::new());
        let tree = Directory::new(storage, Vrf, AzksParallelismConfig::disabled()).await.unwrap();
        let vrf_key: [u8; 32] = tree.get_public_key().await.unwrap().as_bytes().to_owned();
        let EpochHash(epoch, hash) = tree.get_epoch_hash().await.unwrap();
        assert_eq!(epoch, 0);
        let key = SigningKey::from_bytes(&[7; 32]);
        let first = Statement::first(vrf_key, 1, hash, 1_790_000_000_000).sign(&key);
        Self { tree, key, roots: vec![first] }
    }

    /// Three names, `mike` with five versions, over five epochs.
    pub(crate) async fn of_three() -> Self {
        let mut log = Self::new().await;
        log.publish(&[("mike", 1), ("sean", 1), ("steve", 1)]).await;
        for version in 2..=5 {
            log.publish(&[("mike", version)]).await;
        }
        log
    }

    pub(crate) async fn publish(&mut self, entries: &[(&str, u8)]) {
        let one = |(name, list): &(&str, u8)| (AkdLabel::from(*name), AkdValue(value(name, *list).encode()));
        let EpochHash(epoch, hash) = self.tree.publish(entries.iter().map(one).collect()).await.unwrap();
        let next = self.newest().statement().next(1, epoch, hash, 1_790_000_000_000 + epoch);
        self.roots.push(next.sign(&self.key));
    }

    pub(crate) fn newest(&self) -> &VerifiedRoot {
        self.roots.last().unwrap()
    }

    pub(crate) async fn lookup(&self, name: &str) -> Vec<u8> {
        codec::encode_lookup(&self.tree.lookup(AkdLabel::from(name)).await.unwrap().0).unwrap()
    }

    pub(crate) async fn history(&self, name: &str, most: Option<usize>) -> Vec<u8> {
        let params = most.map_or(HistoryParams::Complete, HistoryParams::MostRecent);
        let (proof, _) = self.tree.key_history(&AkdLabel::from(name), params).await.unwrap();
        codec::encode_history(&proof).unwrap()
    }

    pub(crate) async fn growth(&self, to: u64) -> Vec<u8> {
        let proof = self.tree.audit(to - 1, to).await.unwrap();
        codec::encode_growth(&proof.proofs[0]).unwrap()
    }
}

/// What the person of this name has logged, with one of its device lists.
pub(crate) fn value(name: &str, list: u8) -> Value {
    Value::of([name.len() as u8; 32], &[list; 40])
}
