//! Where protocol state lives: a transaction over small rows.
//!
//! A vault maps byte keys to byte values. The protocol decides keys (see [`Row`]) and values; how rows reach a disk, and
//! under which key the disk is encrypted, is the store's concern. A row is small (≤ 4 kB in the steady state).

use crate::codec::{self, Decode, Encode};
use crate::{Context, Error, PeerFault, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The store failed; the transaction must be rolled back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct VaultError(pub String);

/// Key and value of a row found by [`Vault::scan`].
pub struct Found {
    /// The whole key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Zeroizing<Vec<u8>>,
}

/// An open transaction over rows.
pub trait Vault {
    /// The value at `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError>;
    /// Writes or replaces the value at `key`.
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), VaultError>;
    /// Removes the row at `key`, if any.
    fn delete(&mut self, key: &[u8]) -> Result<(), VaultError>;
    /// All rows whose key starts with `prefix`, in key order.
    fn scan(&self, prefix: &[u8]) -> Result<Vec<Found>, VaultError>;
}

/// The kinds of rows: the first byte of every key. A kind is never reused for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Row {
    /// This device's own account: one row.
    Account = 1,
    /// A signed prekey, by id.
    SignedPrekey = 2,
    /// A one-time prekey, by id.
    OneTimePrekey = 3,
    /// A join key, by id.
    JoinKey = 4,
    /// Accepted base keys of a last-resort prekey, against replays.
    AcceptedBase = 5,
    /// A session, by peer device and session id.
    Session = 10,
    /// The active session, by peer device.
    ActiveSession = 11,
    /// A skipped message key, by session, ratchet key and number.
    Skipped = 12,
    /// A skipped message key's place in line, by session and age.
    SkippedOrder = 13,
    /// What an unanswered session sends with each message, by peer device and session id.
    FirstHeader = 14,
    /// A group's state: epoch keys, counters, view.
    Group = 20,
    /// A group's roster in one row, as stores had it first.
    Roster = 21,
    /// A group's own leaf secrets, current and pending.
    Leaf = 22,
    /// A pending own post of a group.
    Pending = 23,
    /// A joining under way, by seat.
    Joining = 26,
    /// What is known of the incarnations of a group's relay.
    Incarnation = 27,
    /// Running hashes of a group's log, by entry number.
    View = 24,
    /// The entry number of the last message of a sender.
    Counted = 25,
    /// A group's roster without its members.
    RosterHead = 28,
    /// A member of a group's roster, by person.
    Member = 29,
    /// Sender keys: a chain, by group and sender.
    Chain = 30,
    /// Sender keys: to whom the own chain was handed out.
    HandedOut = 31,
    /// When a device healed last, by group and device; when this device came in, by group.
    Healed = 32,
    /// Tree: a group's MLS state without the ratchet tree.
    Tree = 33,
    /// Tree: a node of a group's ratchet tree, by index.
    TreeNode = 34,
    /// Tree: a node of an epoch's secret tree, by level and index.
    SecretTree = 35,
    /// Tree: the secrets behind the key package of a join key, by its id.
    KeyPackage = 36,
    /// Keys that this device will have once they are published: one row.
    NextDevice = 37,
    /// A key that this device had, by the version of the list that replaced it.
    FormerDevice = 38,
    /// Sender keys: the commit in whose roster everybody has the own chain.
    HandedToAll = 39,
    /// The keys of a device that is not listed yet: one row.
    NewDevice = 40,
    /// The next identity key, announced: one row.
    NextIdentity = 41,
    /// A comparison of words in a call: one row per group.
    Call = 42,
    /// Where the kept history of a group's membership begins: one row per group.
    ProofBase = 43,
    /// A commit of that history, by its epoch.
    ProofStep = 44,
    /// Hashes of own posts of a group that were wiped before their fate was known: one row per group.
    Wiped = 45,
    /// The hash of a message by a number of its sender's chain in this epoch, by group, device and number.
    Numbered = 46,
}

/// Builds the key of a row.
pub(crate) fn key(row: Row, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![row as u8];
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// Reads and decodes a row.
pub(crate) fn load<T: Decode>(vault: &dyn Vault, key: &[u8]) -> Result<Option<T>> {
    match vault.get(key)? {
        None => Ok(None),
        Some(bytes) => codec::decode(&bytes).map(Some).map_err(|_| Error::CorruptStore),
    }
}

/// Encodes and writes a row.
pub(crate) fn save<T: Encode>(vault: &mut dyn Vault, key: &[u8], value: &T) -> Result<()> {
    let bytes = Zeroizing::new(codec::encode(value)?);
    Ok(vault.put(key, &bytes)?)
}

/// Deletes every row under `prefix`.
pub(crate) fn delete_all(vault: &mut dyn Vault, prefix: &[u8]) -> Result<()> {
    for found in vault.scan(prefix)? {
        vault.delete(&found.key)?;
    }
    Ok(())
}

/// A vault in memory, for tests and simulations. `Clone` is a snapshot: restoring one is restoring a backup.
#[derive(Clone, Default)]
pub struct MemoryVault {
    /// Snapshots share values: a value is replaced, never changed.
    rows: BTreeMap<Vec<u8>, Arc<Zeroizing<Vec<u8>>>>,
}

impl Vault for MemoryVault {
    fn get(&self, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        Ok(self.rows.get(key).map(|value| value.as_ref().clone()))
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), VaultError> {
        self.rows.insert(key.to_vec(), Arc::new(Zeroizing::new(value.to_vec())));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), VaultError> {
        self.rows.remove(key);
        Ok(())
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Found>, VaultError> {
        let rows = self.rows.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(rows.map(|(key, value)| Found { key: key.clone(), value: value.as_ref().clone() }).collect())
    }
}

/// Changes on top of a vault, kept back until they are known to be good.
///
/// A peer's fault must leave no trace even where the step as a whole goes on (a void entry is passed over, but counted).
struct Overlay<'a> {
    base: &'a mut dyn Vault,
    changes: BTreeMap<Vec<u8>, Option<Zeroizing<Vec<u8>>>>,
}

/// Runs a part of a step; on a peer's fault its writes are dropped and the fault is returned as a value.
pub(crate) fn attempt<T>(
    cx: &mut Context,
    part: impl FnOnce(&mut Context) -> Result<T>,
) -> Result<Result<T, PeerFault>> {
    let mut overlay = Overlay { base: &mut *cx.vault, changes: BTreeMap::new() };
    let outcome = part(&mut Context { vault: &mut overlay, rng: &mut *cx.rng, now: cx.now });
    match outcome {
        Ok(value) => {
            let Overlay { base, changes } = overlay;
            for (key, change) in changes {
                match change {
                    Some(value) => base.put(&key, &value)?,
                    None => base.delete(&key)?,
                }
            }
            Ok(Ok(value))
        }
        Err(Error::Peer(fault)) => Ok(Err(fault)),
        Err(error) => Err(error),
    }
}

impl Vault for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get(key),
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), VaultError> {
        self.changes.insert(key.to_vec(), Some(Zeroizing::new(value.to_vec())));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), VaultError> {
        self.changes.insert(key.to_vec(), None);
        Ok(())
    }

    fn scan(&self, prefix: &[u8]) -> Result<Vec<Found>, VaultError> {
        let mut rows: BTreeMap<_, _> =
            self.base.scan(prefix)?.into_iter().map(|found| (found.key, found.value)).collect();
        for (key, change) in
            self.changes.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix))
        {
            match change {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(rows.into_iter().map(|(key, value)| Found { key, value }).collect())
    }
}
