//! The one door to what a relay keeps. Writes come in batches of operations;
//! an operation happens whole or not at all, and is answered only once it
//! lasts. The rules of each operation are written once (`channel`, `blobs`,
//! `people`, `log`) over a few tables (`tables`), which each backend brings.
//!
//! Not here: connections, rates, who is told of what.

mod blobs;
mod channel;
#[cfg(test)]
mod contract;
pub(crate) mod log;
mod memory;
mod people;
mod reading;
mod sqlite;
mod tables;

use bytes::Bytes;
use conclave_wire::{ChannelId, Code, DeviceId, PersonId, SeatId, v1};
use futures_util::future::BoxFuture;

pub(crate) use blobs::{BlobAsk, BlobOp};
pub(crate) use memory::MemoryStorage;
pub(crate) use reading::{Recent, SeatView};
pub(crate) use sqlite::{SqliteStorage, check_version, mark_as_copy};

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// An answer to wait for. The work is under way whether or not anybody waits.
pub(crate) type Waiting<T> = BoxFuture<'static, Result<T, StorageError>>;

/// What every backend can do.
pub(crate) trait Storage: Send + Sync + 'static {
    /// Applies operations in order, each atomically. They are queued by the time
    /// this returns, so that calls from one place stay in order.
    fn apply(&self, ops: Vec<Op>) -> Waiting<Vec<Outcome>>;
    /// Where seats stand, for attaching them.
    fn seats(&self, asks: Vec<SeatAsk>) -> Waiting<Vec<SeatStanding>>;
    /// Entries of one channel as one seat may see them.
    fn entries(&self, ask: EntriesAsk) -> Waiting<Vec<v1::Entry>>;
    /// A blob, or why not.
    fn blob(&self, ask: BlobAsk) -> Waiting<Result<Bytes, Code>>;
    /// The people found, by name and by id.
    fn people(&self, names: Vec<String>, persons: Vec<PersonId>) -> Waiting<Vec<v1::Person>>;
    /// The signing key of a device.
    fn device_key(&self, device: DeviceId) -> Waiting<Option<[u8; 32]>>;
    /// The identity key of a device's person; empty: none.
    fn identity_key(&self, device: DeviceId) -> Waiting<Bytes>;
    /// What waits in an inbox, oldest first, after a number.
    fn letters(&self, device: DeviceId, after: u64) -> Waiting<Vec<v1::InboxLetter>>;
    /// How many one-time keys are left.
    fn stock(&self, device: DeviceId) -> Waiting<v1::Stock>;
    /// Reads of the key log, all at one moment; see [`log`].
    fn log(&self, read: log::LogRead) -> Waiting<()>;
    /// How often this storage was restored from a backup.
    fn incarnation(&self) -> u64;
    /// Finishes what is queued and closes.
    fn close(&self) -> Waiting<()>;
}

/// One write.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    CreateChannel {
        channel: ChannelId,
        seat: SeatId,
        token: Hash,
    },
    Post(Box<PostOp>),
    PutBlob(Box<BlobOp>),
    Claim {
        channel: ChannelId,
        seat: SeatId,
        claim: Hash,
        token: Hash,
    },
    /// Cursors of clients whose tokens were checked before.
    Acks(Vec<Cursor>),
    Register(Box<RegisterOp>),
    Publish(Box<PublishOp>),
    Recover(Box<RecoverOp>),
    TakeKeys(Vec<Take>),
    /// A new epoch of the key log.
    Epoch(Box<log::EpochOp>),
    /// How an epoch of the key log grew out of the one before.
    Growth {
        epoch: u64,
        step: Bytes,
    },
    /// A witness's word for a root, once for each of them.
    Cosign {
        at: log::Position,
        witness: Hash,
        cosignature: Bytes,
    },
    /// `most` letters may wait once it is there.
    SendLetter {
        device: DeviceId,
        body: Bytes,
        at: u64,
        most: usize,
    },
    AckLetters {
        device: DeviceId,
        up_to: u64,
    },
    /// Frees bodies that are read by all or older than `cutoff`, and blobs older
    /// than that, a bounded step at a time: `after` is where the last step ended.
    Sweep {
        cutoff: u64,
        after: i64,
    },
}

/// A post, checked for its form.
#[derive(Debug, Clone)]
pub(crate) struct PostOp {
    pub(crate) channel: ChannelId,
    pub(crate) seat: SeatId,
    /// Tokens are only ever kept and compared as hashes.
    pub(crate) token: Hash,
    pub(crate) number: u64,
    pub(crate) at_turn: u64,
    pub(crate) takes_turn: bool,
    pub(crate) shared: Bytes,
    pub(crate) hash: Hash,
    /// Packed, and known to be well-formed.
    pub(crate) slices: Bytes,
    pub(crate) opens: Vec<Open>,
    pub(crate) closes: Vec<SeatId>,
    pub(crate) letters: Vec<(DeviceId, Bytes)>,
    pub(crate) at: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Open {
    pub(crate) seat: SeatId,
    pub(crate) claim: Hash,
    pub(crate) after: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    pub(crate) channel: ChannelId,
    pub(crate) seat: SeatId,
    pub(crate) cursor: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct RegisterOp {
    pub(crate) name: String,
    pub(crate) person: PersonId,
    pub(crate) device: DeviceId,
    pub(crate) device_key: [u8; 32],
    pub(crate) device_list: Bytes,
    /// Empty: none.
    pub(crate) identity_key: Bytes,
    pub(crate) keys: KeysOp,
}

/// New devices for a person, on the word of the identity key, which was checked.
#[derive(Debug, Clone)]
pub(crate) struct RecoverOp {
    pub(crate) name: String,
    pub(crate) identity_key: Bytes,
    pub(crate) device: DeviceId,
    pub(crate) device_list: Bytes,
    /// All devices that the person has from now on.
    pub(crate) devices: Vec<(DeviceId, [u8; 32])>,
    pub(crate) keys: KeysOp,
}

/// What a device publishes; empty means unchanged.
#[derive(Debug, Clone)]
pub(crate) struct PublishOp {
    pub(crate) device: DeviceId,
    pub(crate) device_list: Bytes,
    /// In the place of the key that logins were checked with.
    pub(crate) device_key: Option<[u8; 32]>,
    /// All devices that its person has from now on.
    pub(crate) devices: Vec<(DeviceId, [u8; 32])>,
    /// Empty: unchanged.
    pub(crate) identity_key: Bytes,
    pub(crate) next_identity: NextIdentity,
    /// The relay's clock.
    pub(crate) at: u64,
    pub(crate) keys: KeysOp,
}

/// What a device says of the next identity key of its person.
#[derive(Debug, Clone, Default)]
pub(crate) enum NextIdentity {
    #[default]
    Nothing,
    /// This one, as the key known signed: both were checked to be so.
    Announced {
        by: Bytes,
        next: Bytes,
    },
    Vetoed,
}

/// Published keys; empty means unchanged.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeysOp {
    pub(crate) bundle: Bytes,
    pub(crate) last_resort: Bytes,
    pub(crate) prekeys: Vec<Bytes>,
    pub(crate) join_keys: Vec<Bytes>,
}

#[derive(Debug, Clone)]
pub(crate) struct Take {
    pub(crate) device: DeviceId,
    pub(crate) prekey: bool,
    pub(crate) join_key: bool,
    /// Whether one-time join keys may be spent, or only the last-resort one.
    pub(crate) one_time: bool,
}

/// What became of an operation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Done,
    Refused(Refusal),
    Posted(Acceptance),
    Stale {
        turn: u64,
        head: u64,
    },
    /// After Register.
    Stock(v1::Stock),
    /// After Publish and Recover; with the devices whose logins it ended.
    Published {
        stock: v1::Stock,
        ended: Vec<DeviceId>,
    },
    Keys {
        keys: Vec<v1::DeviceKeys>,
        low: Vec<DeviceId>,
    },
    /// After Acks: up to where the bodies of these channels are read by all.
    Floors(Vec<(ChannelId, u64)>),
    /// After Sweep: where to go on, if there is more.
    Swept {
        next: Option<i64>,
        freed: u64,
    },
}

/// An accepted post. `repeated` is one accepted before.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Acceptance {
    pub(crate) entry: u64,
    pub(crate) turn: u64,
    pub(crate) at: u64,
    pub(crate) repeated: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) last: Option<(u64, Hash)>,
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self { code, last: None }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct SeatAsk {
    pub(crate) channel: ChannelId,
    pub(crate) seat: SeatId,
    pub(crate) token: Hash,
    pub(crate) cursor: u64,
}

/// The answer to [`SeatAsk`]. Where `refused` is set for a missing seat or a
/// wrong token, nothing else is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SeatStanding {
    pub(crate) refused: Option<Code>,
    pub(crate) head: u64,
    pub(crate) turn: u64,
    pub(crate) last: Option<(u64, Hash, u64)>,
    pub(crate) view: SeatView,
    pub(crate) after: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct EntriesAsk {
    pub(crate) channel: ChannelId,
    pub(crate) view: SeatView,
    pub(crate) after: u64,
    pub(crate) cutoff: u64,
    pub(crate) most_entries: usize,
    pub(crate) most_bytes: usize,
}

/// The storage did not do it; nothing of the operation was kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("no room is left on the disk or in the configured size")]
    Full,
    #[error("{0}")]
    Failed(String),
}

impl StorageError {
    pub(crate) fn code(&self) -> Code {
        match self {
            Self::Full => Code::StorageFull,
            Self::Failed(_) => Code::Unavailable,
        }
    }
}
