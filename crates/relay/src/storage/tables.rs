//! The tables that a backend brings. Rows are plain; every rule about them is
//! in `channel`, `people` and `reading`. Keys (`i64`) are the backend's own.

use bytes::Bytes;
use conclave_wire::{ChannelId, DeviceId, PersonId, SeatId};

use super::log::{LoggedRow, Position, WaitingRow};
use super::{Hash, StorageError};

pub(crate) type Result<T> = std::result::Result<T, StorageError>;

/// All tables of one storage, inside one transaction or one reading.
pub(crate) trait Tables: ChannelTables + BlobTables + PeopleTables + LogTables {}
impl<T: ChannelTables + BlobTables + PeopleTables + LogTables> Tables for T {}

/// Channels, seats, entries.
pub(crate) trait ChannelTables {
    fn channel(&mut self, channel: &ChannelId) -> Result<Option<ChannelRow>>;
    fn add_channel(&mut self, channel: &ChannelId) -> Result<ChannelRow>;
    fn set_channel(&mut self, row: &ChannelRow) -> Result<()>;
    /// In the order of keys, those above `after`.
    fn channels_after(&mut self, after: i64, most: usize) -> Result<Vec<ChannelRow>>;

    fn seat(&mut self, channel: i64, seat: &SeatId) -> Result<Option<SeatRow>>;
    fn add_seat(&mut self, channel: i64, row: &SeatRow) -> Result<()>;
    fn set_seat(&mut self, channel: i64, row: &SeatRow) -> Result<()>;
    /// The least cursor of the seats that still read.
    fn least_cursor(&mut self, channel: i64) -> Result<Option<u64>>;

    fn add_entry(&mut self, channel: i64, row: &EntryRow, shared: &Bytes, slices: &Bytes) -> Result<()>;
    fn entries(&mut self, channel: i64, after: u64, most: usize) -> Result<Vec<EntryRow>>;
    /// `None` once it was dropped.
    fn shared(&mut self, channel: i64, number: u64) -> Result<Option<Bytes>>;
    fn slice(&mut self, channel: i64, number: u64, seat: &SeatId) -> Result<Option<Bytes>>;
    /// Drops shared parts and slices of the entries above `after` up to `up_to`.
    fn drop_bodies(&mut self, channel: i64, after: u64, up_to: u64) -> Result<()>;
}

/// Blobs, by channel and hash.
pub(crate) trait BlobTables {
    fn add_blob(&mut self, channel: i64, hash: &Hash, at: u64, bytes: &Bytes) -> Result<()>;
    /// Whether it is there; then it counts as put at `at`.
    fn renew_blob(&mut self, channel: i64, hash: &Hash, at: u64) -> Result<bool>;
    /// When it was put, and its bytes.
    fn blob(&mut self, channel: i64, hash: &Hash) -> Result<Option<(u64, Bytes)>>;
    /// Those put before `cutoff`, oldest first, with their sizes.
    fn old_blobs(&mut self, channel: i64, cutoff: u64, most: usize) -> Result<Vec<(Hash, u64)>>;
    fn drop_blob(&mut self, channel: i64, hash: &Hash) -> Result<()>;
}

/// People, devices, one-time keys, letters.
pub(crate) trait PeopleTables {
    fn person_named(&mut self, name: &str) -> Result<Option<PersonRow>>;
    fn person(&mut self, person: &PersonId) -> Result<Option<PersonRow>>;
    fn add_person(&mut self, name: &str, person: &PersonId) -> Result<PersonRow>;
    fn set_device_list(&mut self, person: i64, list: &Bytes) -> Result<()>;
    fn identity(&mut self, person: i64) -> Result<IdentityRow>;
    fn set_identity(&mut self, person: i64, row: &IdentityRow) -> Result<()>;
    fn device_list(&mut self, person: i64) -> Result<Bytes>;
    fn name(&mut self, person: i64) -> Result<Option<String>>;

    fn device(&mut self, device: &DeviceId) -> Result<Option<DeviceRow>>;
    fn devices_of(&mut self, person: i64) -> Result<Vec<DeviceRow>>;
    fn remove_device(&mut self, device: i64) -> Result<()>;
    fn add_device(&mut self, person: i64, device: &DeviceId, public: &[u8; 32]) -> Result<DeviceRow>;
    fn set_device(&mut self, row: &DeviceRow) -> Result<()>;

    fn add_one_time(&mut self, device: i64, kind: Kind, key: &Bytes) -> Result<()>;
    /// The oldest; it is gone from the table.
    fn take_one_time(&mut self, device: i64, kind: Kind) -> Result<Option<Bytes>>;
    fn count_one_time(&mut self, device: i64, kind: Kind) -> Result<u32>;

    fn add_letter(&mut self, device: i64, row: &LetterRow) -> Result<()>;
    fn letters(&mut self, device: i64, after: u64) -> Result<Vec<LetterRow>>;
    fn count_letters(&mut self, device: i64) -> Result<usize>;
    fn drop_letters(&mut self, device: i64, up_to: u64) -> Result<()>;
}

/// The key log.
pub(crate) trait LogTables {
    fn node(&mut self, key: &[u8]) -> Result<Option<Bytes>>;
    fn set_node(&mut self, key: &[u8], body: &Bytes) -> Result<()>;

    /// The newest version under a name up to an epoch, without its device list.
    fn logged(&mut self, name: &str, up_to: u64) -> Result<Option<LoggedRow>>;
    /// All of them, oldest first, with their device lists.
    fn history(&mut self, name: &str) -> Result<Vec<LoggedRow>>;
    fn add_logged(&mut self, row: &LoggedRow) -> Result<()>;

    fn root(&mut self, at: Position) -> Result<Option<Bytes>>;
    fn newest_root(&mut self) -> Result<Option<Bytes>>;
    /// In order.
    fn roots_after(&mut self, after: Position, most: usize) -> Result<Vec<Bytes>>;
    fn add_root(&mut self, at: Position, root: &Bytes) -> Result<()>;
    /// In the order of witnesses.
    fn cosignatures(&mut self, at: Position) -> Result<Vec<Bytes>>;
    fn set_cosignature(&mut self, at: Position, witness: &Hash, cosignature: &Bytes) -> Result<()>;
    fn step(&mut self, epoch: u64) -> Result<Option<Bytes>>;
    fn set_step(&mut self, epoch: u64, step: &Bytes) -> Result<()>;

    /// People whose newest device list is not in the log yet.
    fn waiting(&mut self, most: usize) -> Result<Vec<WaitingRow>>;
    fn is_waiting(&mut self, person: i64) -> Result<bool>;
    fn set_waiting(&mut self, person: i64, waits: bool) -> Result<()>;
}

#[derive(Debug, Clone)]
pub(crate) struct ChannelRow {
    pub(super) key: i64,
    pub(super) channel: ChannelId,
    pub(super) head: u64,
    pub(super) turn: u64,
    pub(super) open_seats: u64,
    /// Entries up to here are read by all or too old: served no more.
    pub(super) floor: u64,
    /// Bodies up to here are dropped.
    pub(super) dropped: u64,
    /// What its blobs weigh.
    pub(super) blob_bytes: u64,
}

impl ChannelRow {
    /// One without seats.
    pub(super) fn new(key: i64, channel: &ChannelId) -> Self {
        Self { key, channel: *channel, head: 0, turn: 0, open_seats: 0, floor: 0, dropped: 0, blob_bytes: 0 }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct SeatRow {
    pub(super) seat: SeatId,
    /// None until claimed.
    pub(super) token: Option<Hash>,
    pub(super) claim: Option<Hash>,
    /// The entry that opened it; 0 for a channel's first seat.
    pub(super) opened: u64,
    pub(super) after: u64,
    /// The entry that closed it.
    pub(super) closed: Option<u64>,
    pub(super) cursor: u64,
    pub(super) last: Option<LastPost>,
}

impl SeatRow {
    /// Open, or closed and not yet through with what came before.
    pub(super) fn still_reads(&self) -> bool {
        self.closed.is_none_or(|closed| self.token.is_some() && self.cursor < closed)
    }
}

#[derive(Debug, Clone)]
pub(crate) struct LastPost {
    pub(super) number: u64,
    pub(super) hash: Hash,
    pub(super) entry: u64,
    pub(super) turn: u64,
    pub(super) at: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct EntryRow {
    pub(super) number: u64,
    pub(super) turn: u64,
    pub(super) seat: SeatId,
    pub(super) seat_number: u64,
    pub(super) at: u64,
    pub(super) hash: Hash,
    pub(super) sliced: bool,
    /// Encoded seat changes, empty for none.
    pub(super) changes: Bytes,
}

#[derive(Debug, Clone)]
pub(crate) struct PersonRow {
    pub(super) key: i64,
    pub(super) name: String,
    pub(super) person: PersonId,
    pub(super) device_list: Bytes,
    pub(super) identity: IdentityRow,
}

/// The key by which a person recovers, and the one announced to follow it; empty: none.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct IdentityRow {
    pub(super) key: Bytes,
    pub(super) next: Bytes,
    pub(super) announced_at: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct DeviceRow {
    pub(super) key: i64,
    pub(super) device: DeviceId,
    pub(super) person: i64,
    pub(super) public: [u8; 32],
    pub(super) bundle: Bytes,
    pub(super) last_resort: Bytes,
    /// The number of the last letter it ever got.
    pub(super) last_letter: u64,
    /// Whether it registered or recovered the name, and so says which others there are.
    pub(super) first: bool,
}

/// Kinds of one-time keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Prekey = 1,
    JoinKey = 2,
}

#[derive(Debug, Clone)]
pub(crate) struct LetterRow {
    pub(super) number: u64,
    pub(super) at: u64,
    pub(super) body: Bytes,
}
