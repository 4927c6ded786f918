//! Everything in memory, for trying things out and for tests: gone when the
//! relay stops. Same rules as on disk.

mod key_log;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use conclave_wire::{ChannelId, Code, DeviceId, PersonId, SeatId, slices, v1};

use super::log::{self, LoggedRow, Position};
use super::tables::{
    BlobTables, ChannelRow, ChannelTables, DeviceRow, EntryRow, IdentityRow, Kind, LetterRow, PeopleTables,
    PersonRow, Result, SeatRow,
};
use super::{
    BlobAsk, EntriesAsk, Hash, Op, Outcome, SeatAsk, SeatStanding, Storage, Waiting, blobs, channel, people,
    reading,
};

/// The storage.
#[derive(Clone, Default)]
pub(crate) struct MemoryStorage(Arc<Mutex<Maps>>);

impl MemoryStorage {
    /// A copy that goes its own way.
    pub(crate) fn snapshot(&self) -> Self {
        let maps = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self(Arc::new(Mutex::new(maps)))
    }

    fn with<T: Send + 'static>(&self, act: impl FnOnce(&mut Maps) -> Result<T>) -> Waiting<T> {
        let result = act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Box::pin(std::future::ready(result))
    }
}

impl Storage for MemoryStorage {
    fn apply(&self, ops: Vec<Op>) -> Waiting<Vec<Outcome>> {
        self.with(|maps| ops.iter().map(|op| channel::apply(maps, op)).collect())
    }
    fn seats(&self, asks: Vec<SeatAsk>) -> Waiting<Vec<SeatStanding>> {
        self.with(|maps| reading::seats(maps, &asks))
    }
    fn entries(&self, ask: EntriesAsk) -> Waiting<Vec<v1::Entry>> {
        self.with(|maps| reading::entries(maps, &ask))
    }
    fn blob(&self, ask: BlobAsk) -> Waiting<std::result::Result<Bytes, Code>> {
        self.with(|maps| blobs::get(maps, &ask))
    }
    fn people(&self, names: Vec<String>, persons: Vec<PersonId>) -> Waiting<Vec<v1::Person>> {
        self.with(|maps| people::people(maps, &names, &persons))
    }
    fn device_key(&self, device: DeviceId) -> Waiting<Option<[u8; 32]>> {
        self.with(|maps| Ok(maps.device(&device)?.map(|row| row.public)))
    }
    fn identity_key(&self, device: DeviceId) -> Waiting<Bytes> {
        self.with(|maps| people::identity_key(maps, &device))
    }
    fn letters(&self, device: DeviceId, after: u64) -> Waiting<Vec<v1::InboxLetter>> {
        self.with(|maps| people::letters(maps, &device, after))
    }
    fn stock(&self, device: DeviceId) -> Waiting<v1::Stock> {
        self.with(|maps| people::stock(maps, &device))
    }
    fn log(&self, read: log::LogRead) -> Waiting<()> {
        self.with(|maps| read(maps))
    }
    fn incarnation(&self) -> u64 {
        1
    }
    fn close(&self) -> Waiting<()> {
        self.with(|_| Ok(()))
    }
}

#[derive(Clone, Default)]
struct Maps {
    channels: BTreeMap<i64, ChannelRow>,
    channel_keys: HashMap<ChannelId, i64>,
    seats: HashMap<(i64, SeatId), SeatRow>,
    seats_of: HashMap<i64, Vec<SeatId>>,
    entries: BTreeMap<(i64, u64), EntryRow>,
    bodies: BTreeMap<(i64, u64), (Bytes, Bytes)>,
    blobs: BTreeMap<(i64, Hash), (u64, Bytes)>,
    people: BTreeMap<i64, PersonRow>,
    devices: BTreeMap<i64, DeviceRow>,
    device_keys: HashMap<DeviceId, i64>,
    one_time: BTreeMap<(i64, Kind, u64), Bytes>,
    given: u64,
    letters: BTreeMap<(i64, u64), LetterRow>,
    nodes: HashMap<Vec<u8>, Bytes>,
    logged: BTreeMap<(String, u64), LoggedRow>,
    roots: BTreeMap<Position, Bytes>,
    cosignatures: BTreeMap<(Position, Hash), Bytes>,
    steps: BTreeMap<u64, Bytes>,
    waiting: BTreeSet<i64>,
}

fn next_key<T>(map: &BTreeMap<i64, T>) -> i64 {
    map.last_key_value().map_or(1, |(key, _)| key + 1)
}

impl ChannelTables for Maps {
    fn channel(&mut self, channel: &ChannelId) -> Result<Option<ChannelRow>> {
        Ok(self.channel_keys.get(channel).and_then(|key| self.channels.get(key)).cloned())
    }

    fn add_channel(&mut self, channel: &ChannelId) -> Result<ChannelRow> {
        let key = next_key(&self.channels);
        let row = ChannelRow::new(key, channel);
        self.channels.insert(key, row.clone());
        self.channel_keys.insert(*channel, key);
        Ok(row)
    }

    fn set_channel(&mut self, row: &ChannelRow) -> Result<()> {
        self.channels.insert(row.key, row.clone());
        Ok(())
    }

    fn channels_after(&mut self, after: i64, most: usize) -> Result<Vec<ChannelRow>> {
        let from = after.saturating_add(1);
        Ok(self.channels.range(from..).take(most).map(|(_, row)| row.clone()).collect())
    }

    fn seat(&mut self, channel: i64, seat: &SeatId) -> Result<Option<SeatRow>> {
        Ok(self.seats.get(&(channel, *seat)).cloned())
    }

    fn add_seat(&mut self, channel: i64, row: &SeatRow) -> Result<()> {
        self.seats_of.entry(channel).or_default().push(row.seat);
        self.set_seat(channel, row)
    }

    fn set_seat(&mut self, channel: i64, row: &SeatRow) -> Result<()> {
        self.seats.insert((channel, row.seat), row.clone());
        Ok(())
    }

    fn least_cursor(&mut self, channel: i64) -> Result<Option<u64>> {
        let seats = self.seats_of.get(&channel).into_iter().flatten();
        let rows = seats.filter_map(|seat| self.seats.get(&(channel, *seat)));
        Ok(rows.filter(|row| row.still_reads()).map(|row| row.cursor).min())
    }

    fn add_entry(&mut self, channel: i64, row: &EntryRow, shared: &Bytes, slices: &Bytes) -> Result<()> {
        self.entries.insert((channel, row.number), row.clone());
        self.bodies.insert((channel, row.number), (shared.clone(), slices.clone()));
        Ok(())
    }

    fn entries(&mut self, channel: i64, after: u64, most: usize) -> Result<Vec<EntryRow>> {
        let range = (channel, after.saturating_add(1))..=(channel, u64::MAX);
        Ok(self.entries.range(range).take(most).map(|(_, row)| row.clone()).collect())
    }

    fn shared(&mut self, channel: i64, number: u64) -> Result<Option<Bytes>> {
        Ok(self.bodies.get(&(channel, number)).map(|(shared, _)| shared.clone()))
    }

    fn slice(&mut self, channel: i64, number: u64, seat: &SeatId) -> Result<Option<Bytes>> {
        let Some((_, packed)) = self.bodies.get(&(channel, number)) else { return Ok(None) };
        let found = slices::iter(packed).flatten().find(|(owner, _)| owner == seat);
        Ok(found.map(|(_, body)| body))
    }

    fn drop_bodies(&mut self, channel: i64, after: u64, up_to: u64) -> Result<()> {
        self.bodies.retain(|(of, number), _| *of != channel || *number <= after || *number > up_to);
        Ok(())
    }
}

impl BlobTables for Maps {
    fn add_blob(&mut self, channel: i64, hash: &Hash, at: u64, bytes: &Bytes) -> Result<()> {
        self.blobs.insert((channel, *hash), (at, bytes.clone()));
        Ok(())
    }

    fn renew_blob(&mut self, channel: i64, hash: &Hash, at: u64) -> Result<bool> {
        let Some((put, _)) = self.blobs.get_mut(&(channel, *hash)) else { return Ok(false) };
        *put = at.max(*put);
        Ok(true)
    }

    fn blob(&mut self, channel: i64, hash: &Hash) -> Result<Option<(u64, Bytes)>> {
        Ok(self.blobs.get(&(channel, *hash)).cloned())
    }

    fn old_blobs(&mut self, channel: i64, cutoff: u64, most: usize) -> Result<Vec<(Hash, u64)>> {
        let all = self.blobs.range((channel, [0; 32])..=(channel, [u8::MAX; 32]));
        let old = all.filter(|(_, (at, _))| *at < cutoff);
        let mut old: Vec<_> = old.map(|((_, hash), (at, bytes))| (*at, *hash, bytes.len() as u64)).collect();
        old.sort_unstable();
        Ok(old.into_iter().take(most).map(|(_, hash, size)| (hash, size)).collect())
    }

    fn drop_blob(&mut self, channel: i64, hash: &Hash) -> Result<()> {
        self.blobs.remove(&(channel, *hash));
        Ok(())
    }
}

impl PeopleTables for Maps {
    fn person_named(&mut self, name: &str) -> Result<Option<PersonRow>> {
        Ok(self.people.values().find(|row| row.name == name).cloned())
    }

    fn person(&mut self, person: &PersonId) -> Result<Option<PersonRow>> {
        Ok(self.people.values().find(|row| row.person == *person).cloned())
    }

    fn add_person(&mut self, name: &str, person: &PersonId) -> Result<PersonRow> {
        let key = next_key(&self.people);
        let (device_list, identity) = (Bytes::new(), IdentityRow::default());
        let row = PersonRow { key, name: name.into(), person: *person, device_list, identity };
        self.people.insert(key, row.clone());
        Ok(row)
    }

    fn set_device_list(&mut self, person: i64, list: &Bytes) -> Result<()> {
        if let Some(row) = self.people.get_mut(&person) {
            row.device_list = list.clone();
        }
        Ok(())
    }

    fn identity(&mut self, person: i64) -> Result<IdentityRow> {
        Ok(self.people.get(&person).map(|row| row.identity.clone()).unwrap_or_default())
    }

    fn set_identity(&mut self, person: i64, identity: &IdentityRow) -> Result<()> {
        if let Some(row) = self.people.get_mut(&person) {
            row.identity = identity.clone();
        }
        Ok(())
    }

    fn device_list(&mut self, person: i64) -> Result<Bytes> {
        Ok(self.people.get(&person).map(|row| row.device_list.clone()).unwrap_or_default())
    }

    fn name(&mut self, person: i64) -> Result<Option<String>> {
        Ok(self.people.get(&person).map(|row| row.name.clone()))
    }

    fn device(&mut self, device: &DeviceId) -> Result<Option<DeviceRow>> {
        Ok(self.device_keys.get(device).and_then(|key| self.devices.get(key)).cloned())
    }

    fn devices_of(&mut self, person: i64) -> Result<Vec<DeviceRow>> {
        Ok(self.devices.values().filter(|row| row.person == person).cloned().collect())
    }

    fn add_device(&mut self, person: i64, device: &DeviceId, public: &[u8; 32]) -> Result<DeviceRow> {
        let key = next_key(&self.devices);
        let (bundle, last_resort) = (Bytes::new(), Bytes::new());
        let row = DeviceRow {
            key,
            device: *device,
            person,
            public: *public,
            bundle,
            last_resort,
            last_letter: 0,
            first: false,
        };
        self.devices.insert(key, row.clone());
        self.device_keys.insert(*device, key);
        Ok(row)
    }

    fn remove_device(&mut self, device: i64) -> Result<()> {
        if let Some(row) = self.devices.remove(&device) {
            self.device_keys.remove(&row.device);
        }
        self.one_time.retain(|(of, ..), _| *of != device);
        self.letters.retain(|(of, _), _| *of != device);
        Ok(())
    }

    fn set_device(&mut self, row: &DeviceRow) -> Result<()> {
        self.devices.insert(row.key, row.clone());
        Ok(())
    }

    fn add_one_time(&mut self, device: i64, kind: Kind, key: &Bytes) -> Result<()> {
        self.given += 1;
        self.one_time.insert((device, kind, self.given), key.clone());
        Ok(())
    }

    fn take_one_time(&mut self, device: i64, kind: Kind) -> Result<Option<Bytes>> {
        let range = (device, kind, 0)..=(device, kind, u64::MAX);
        let first = self.one_time.range(range).next().map(|(key, _)| *key);
        Ok(first.and_then(|key| self.one_time.remove(&key)))
    }

    fn count_one_time(&mut self, device: i64, kind: Kind) -> Result<u32> {
        let range = (device, kind, 0)..=(device, kind, u64::MAX);
        Ok(u32::try_from(self.one_time.range(range).count()).unwrap_or(u32::MAX))
    }

    fn add_letter(&mut self, device: i64, row: &LetterRow) -> Result<()> {
        self.letters.insert((device, row.number), row.clone());
        Ok(())
    }

    fn letters(&mut self, device: i64, after: u64) -> Result<Vec<LetterRow>> {
        let range = (device, after.saturating_add(1))..=(device, u64::MAX);
        Ok(self.letters.range(range).map(|(_, row)| row.clone()).collect())
    }

    fn count_letters(&mut self, device: i64) -> Result<usize> {
        Ok(self.letters.range((device, 0)..=(device, u64::MAX)).count())
    }

    fn drop_letters(&mut self, device: i64, up_to: u64) -> Result<()> {
        self.letters.retain(|(of, number), _| *of != device || *number > up_to);
        Ok(())
    }
}
