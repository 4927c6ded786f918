//! The publisher, over a database on disk: what happens when it is cut off, and that it goes on.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use conclave_keylog::{Link, follow};
use conclave_wire::{Code, DeviceId, PersonId, limits, v1};

use super::*;
use crate::audit::grew;
use crate::storage::log::LogRead;
use crate::storage::{
    BlobAsk, EntriesAsk, KeysOp, NextIdentity, PublishOp, RegisterOp, SeatAsk, SeatStanding, SqliteStorage,
    Waiting,
};

struct Standing;

impl Clock for Standing {
    fn now(&self) -> u64 {
        1_790_000_000_000
    }
}

/// Where an operation of the log goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Nowhere,
    /// Nothing of the epoch is written.
    BeforeTheEpoch,
    /// It is written, and who made it never hears so.
    AfterTheEpoch,
    /// How it grew is not noted.
    BeforeTheGrowth,
}

/// A storage that fails once in one place.
struct Failing {
    storage: SqliteStorage,
    fault: Mutex<Fault>,
}

use std::sync::{Mutex, PoisonError};

impl Failing {
    fn open(dir: &Path, fault: Fault) -> Arc<Self> {
        let storage = SqliteStorage::open(&dir.join("relay.db"), false, None).unwrap();
        Arc::new(Self { storage, fault: Mutex::new(fault) })
    }

    /// Whether it goes wrong here; then no more.
    fn is_at(&self, fault: Fault) -> bool {
        let mut at = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let here = *at == fault;
        if here {
            *at = Fault::Nowhere;
        }
        here
    }
}

fn lost<T: Send + 'static>() -> Waiting<T> {
    Box::pin(std::future::ready(Err(StorageError::Failed("the power is off".into()))))
}

impl Storage for Failing {
    fn apply(&self, ops: Vec<Op>) -> Waiting<Vec<Outcome>> {
        let epoch = ops.iter().any(|op| matches!(op, Op::Epoch(epoch) if epoch.root.is_some()));
        let growth = ops.iter().any(|op| matches!(op, Op::Growth { .. }));
        if epoch && self.is_at(Fault::BeforeTheEpoch) || growth && self.is_at(Fault::BeforeTheGrowth) {
            return lost();
        }
        let applied = self.storage.apply(ops);
        if epoch && self.is_at(Fault::AfterTheEpoch) {
            return Box::pin(async move {
                applied.await?;
                lost().await
            });
        }
        applied
    }
    fn seats(&self, asks: Vec<SeatAsk>) -> Waiting<Vec<SeatStanding>> {
        self.storage.seats(asks)
    }
    fn entries(&self, ask: EntriesAsk) -> Waiting<Vec<v1::Entry>> {
        self.storage.entries(ask)
    }
    fn blob(&self, ask: BlobAsk) -> Waiting<std::result::Result<Bytes, Code>> {
        self.storage.blob(ask)
    }
    fn people(&self, names: Vec<String>, persons: Vec<PersonId>) -> Waiting<Vec<v1::Person>> {
        self.storage.people(names, persons)
    }
    fn device_key(&self, device: DeviceId) -> Waiting<Option<[u8; 32]>> {
        self.storage.device_key(device)
    }
    fn identity_key(&self, device: DeviceId) -> Waiting<Bytes> {
        self.storage.identity_key(device)
    }
    fn letters(&self, device: DeviceId, after: u64) -> Waiting<Vec<v1::InboxLetter>> {
        self.storage.letters(device, after)
    }
    fn stock(&self, device: DeviceId) -> Waiting<v1::Stock> {
        self.storage.stock(device)
    }
    fn log(&self, read: LogRead) -> Waiting<()> {
        self.storage.log(read)
    }
    fn incarnation(&self) -> u64 {
        self.storage.incarnation()
    }
    fn close(&self) -> Waiting<()> {
        self.storage.close()
    }
}

fn keys() -> Keys {
    Keys { signing: SigningKey::from_bytes(&[5; 32]), vrf: [6; 32] }
}

async fn open(storage: &Arc<Failing>) -> Arc<Log> {
    Arc::new(Log::open(storage.clone(), keys(), Arc::new(Standing)).await.unwrap().unwrap())
}

async fn register(storage: &Failing, n: u8) {
    let op = RegisterOp {
        name: format!("name{n}"),
        person: PersonId::new([n; 32]),
        device: DeviceId::new([n; 16]),
        device_key: [n; 32],
        device_list: vec![n; 3].into(),
        identity_key: Bytes::new(),
        keys: KeysOp::default(),
    };
    storage.apply(vec![Op::Register(Box::new(op))]).await.unwrap();
}

async fn list(storage: &Failing, n: u8, list: &str) {
    let op = PublishOp {
        device: DeviceId::new([n; 16]),
        device_list: list.to_owned().into(),
        device_key: None,
        devices: Vec::new(),
        identity_key: Bytes::new(),
        next_identity: NextIdentity::Nothing,
        at: 0,
        keys: KeysOp::default(),
    };
    storage.apply(vec![Op::Publish(Box::new(op))]).await.unwrap();
}

fn relay() -> [u8; 32] {
    Sha256::digest(keys().signing.verifying_key().as_bytes()).into()
}

fn verified(root: &[u8]) -> VerifiedRoot {
    Root::decode(root).unwrap().verify(&relay()).unwrap()
}

/// Looks a name up and verifies what comes; gives version and list.
async fn look(log: &Arc<Log>, n: u8) -> (u64, Bytes) {
    let found = log.lookup(vec![format!("name{n}")], vec![]).await.unwrap();
    let person = &found.persons[0];
    let logged = verified(&found.root).lookup(&person.name, &person.log_proof).unwrap();
    assert_eq!(logged.value, Value::of([n; 32], &person.device_list));
    (logged.version, person.device_list.clone())
}

/// The whole chain of roots, which must hold together, with the log grown from epoch to epoch.
async fn audited(log: &Arc<Log>) -> Vec<VerifiedRoot> {
    let first = verified(&log.root((1, 0)).await.unwrap().unwrap().root);
    let trail = log.trail((1, 0), limits::LOG_LINKS).await.unwrap();
    let (links, newest) = (Link::decode_all(&trail.links).unwrap(), verified(&trail.root));
    follow(&first, &links, &newest).unwrap();
    let steps = log.growth(0, limits::LOG_STEPS).await.unwrap().unwrap().steps;
    grew(&first, &links, &newest, &steps).await.unwrap();
    let mut roots = vec![first];
    for link in links {
        let root = log.root((link.incarnation, link.epoch)).await.unwrap().unwrap().root;
        roots.push(verified(&root));
    }
    roots
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_looked_up_is_in_the_log_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Failing::open(dir.path(), Fault::Nowhere);
    let log = open(&storage).await;
    register(&storage, 1).await;
    register(&storage, 2).await;
    assert_eq!(look(&log, 1).await, (1, vec![1; 3].into()));
    list(&storage, 1, "second").await;
    assert_eq!(look(&log, 2).await.0, 1, "who did not change makes nobody wait");
    assert_eq!(audited(&log).await.len(), 2);
    assert_eq!(look(&log, 1).await, (2, "second".into()));
    // The same list again is no version and no epoch.
    list(&storage, 1, "second").await;
    assert_eq!(look(&log, 1).await, (2, "second".into()));
    assert_eq!(log.publish().await, Ok(2));
    assert_eq!(audited(&log).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_that_is_cut_off_is_made_once_and_the_log_goes_on() {
    for fault in [Fault::BeforeTheEpoch, Fault::AfterTheEpoch, Fault::BeforeTheGrowth] {
        for restart in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let storage = Failing::open(dir.path(), Fault::Nowhere);
            let mut log = open(&storage).await;
            register(&storage, 1).await;
            assert_eq!(log.publish().await, Ok(1));
            list(&storage, 1, "second").await;
            register(&storage, 2).await;
            *storage.fault.lock().unwrap() = fault;
            let made = log.publish().await;
            assert_eq!(made.is_ok(), fault == Fault::BeforeTheGrowth, "{fault:?}");
            let storage = match restart {
                false => storage,
                true => {
                    storage.close().await.unwrap();
                    drop((log, storage));
                    let storage = Failing::open(dir.path(), Fault::Nowhere);
                    log = open(&storage).await;
                    storage
                }
            };
            assert_eq!(look(&log, 1).await, (2, "second".into()), "{fault:?}");
            assert_eq!(look(&log, 2).await.0, 1);
            list(&storage, 2, "third").await;
            assert_eq!(look(&log, 2).await, (2, "third".into()));
            let positions: Vec<_> = audited(&log).await.iter().map(VerifiedRoot::position).collect();
            assert_eq!(positions, [(1, 0), (1, 1), (1, 2), (1, 3)], "{fault:?}, restart: {restart}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_at_once_are_one_epoch_whoever_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Failing::open(dir.path(), Fault::Nowhere);
    let log = open(&storage).await;
    for n in 0..100 {
        register(&storage, n).await;
    }
    let asked = (0..8).map(|n| {
        let log = log.clone();
        tokio::spawn(async move { look(&log, n).await.0 })
    });
    for version in futures_util::future::join_all(asked).await {
        assert_eq!(version.unwrap(), 1);
    }
    let roots = audited(&log).await;
    assert_eq!(roots.len(), 2);
    let found = log.lookup((0..100).map(|n| format!("name{n}")).collect(), vec![]).await.unwrap();
    for person in &found.persons {
        assert_eq!(roots[1].lookup(&person.name, &person.log_proof).unwrap().epoch, 1);
    }
    assert_eq!(found.persons.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_another_key_it_is_another_log() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Failing::open(dir.path(), Fault::Nowhere);
    drop(open(&storage).await);
    let other = Keys { vrf: [7; 32], ..keys() };
    assert!(Log::open(storage.clone(), other, Arc::new(Standing)).await.unwrap().is_none());
    let other = Keys { signing: SigningKey::from_bytes(&[8; 32]), ..keys() };
    assert!(Log::open(storage, other, Arc::new(Standing)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_complete_and_has_its_lists() {
    let dir = tempfile::tempdir().unwrap();
    let storage = Failing::open(dir.path(), Fault::Nowhere);
    let log = open(&storage).await;
    register(&storage, 1).await;
    let counted = AtomicU64::new(1);
    for text in ["second", "third", "fourth"] {
        assert_eq!(log.publish().await, Ok(counted.fetch_add(1, Ordering::SeqCst)));
        list(&storage, 1, text).await;
    }
    let history = log.history(DeviceId::new([1; 16])).await.unwrap().unwrap();
    let root = verified(&history.root);
    let shown = root.history("name1", &history.proof, conclave_keylog::Span::Complete).unwrap();
    assert_eq!(shown.iter().map(|logged| logged.version).collect::<Vec<_>>(), [4, 3, 2, 1]);
    for (logged, list) in shown.iter().zip(&history.device_lists) {
        assert_eq!(logged.value, Value::of([1; 32], list));
    }
    assert_eq!(history.device_lists.len(), 4);
    assert_eq!(log.history(DeviceId::new([9; 16])).await.unwrap(), Err(Code::UnknownDevice));
}
