//! The rules of the directory and of inboxes. Checks stand before writes.

use std::collections::HashMap;

use bytes::Bytes;
use conclave_wire::{Code, DeviceId, PersonId, limits, v1};

use super::channel::refused;
use super::tables::{DeviceRow, IdentityRow, Kind, LetterRow, PersonRow, Result, Tables};
use super::{KeysOp, NextIdentity, Op, Outcome, PublishOp, RecoverOp, RegisterOp, StorageError, Take};

/// So long the next identity key is announced, in milliseconds.
const NOTICE: u64 = 24 * 60 * 60 * 1000;

pub(super) fn apply(t: &mut dyn Tables, op: &Op) -> Result<Outcome> {
    match op {
        Op::Register(register) => self::register(t, register),
        Op::Publish(publish) => self::publish(t, publish),
        Op::Recover(recover) => self::recover(t, recover),
        Op::TakeKeys(takes) => take_keys(t, takes),
        Op::SendLetter { device, body, at, most } => send_letter(t, device, body, *at, *most),
        Op::AckLetters { device, up_to } => ack_letters(t, device, *up_to),
        _ => Err(StorageError::Failed("not an operation of people".into())),
    }
}

/// A name belongs to its first owner for ever; nothing deletes one. The same
/// registration again (an answer was lost) is answered as the first time.
fn register(t: &mut dyn Tables, op: &RegisterOp) -> Result<Outcome> {
    let named = t.person_named(&op.name)?;
    let known = t.device(&op.device)?;
    if let (Some(person), Some(device)) = (&named, &known)
        && person.person == op.person
        && device.person == person.key
        && device.public == op.device_key
    {
        return Ok(Outcome::Stock(stock_of(t, device.key)?));
    }
    if named.is_some() {
        return refused(Code::NameTaken);
    }
    if known.is_some() {
        return refused(Code::DeviceTaken);
    }
    if t.person(&op.person)?.is_some() {
        return refused(Code::PersonTaken);
    }
    let person = t.add_person(&op.name, &op.person)?;
    set_device_list(t, person.key, &op.device_list)?;
    let key = op.identity_key.clone();
    t.set_identity(person.key, &IdentityRow { key, ..IdentityRow::default() })?;
    let mut device = t.add_device(person.key, &op.device, &op.device_key)?;
    device.first = true;
    store_keys(t, device, &op.keys).map(Outcome::Stock)
}

fn publish(t: &mut dyn Tables, op: &PublishOp) -> Result<Outcome> {
    let Some(mut row) = t.device(&op.device)? else {
        return refused(Code::UnknownDevice);
    };
    let speaks_for_all = !op.device_list.is_empty() || !op.devices.is_empty() || !op.identity_key.is_empty();
    if speaks_for_all && !row.first {
        return refused(Code::NotFirst);
    }
    let is_taken = |t: &mut dyn Tables, (device, _): &(DeviceId, [u8; 32])| {
        Ok(t.device(device)?.is_some_and(|known| known.person != row.person))
    };
    for listed in &op.devices {
        if is_taken(t, listed)? {
            return refused(Code::DeviceTaken);
        }
    }
    if let Some(code) = identity(t, row.person, op)? {
        return refused(code);
    }
    if !op.device_list.is_empty() {
        set_device_list(t, row.person, &op.device_list)?;
    }
    let mut ended = set_devices(t, &row, &op.devices)?;
    if let Some(public) = op.device_key.filter(|public| *public != row.public) {
        ended.push(op.device);
        row = new_key(t, row, public)?;
    }
    Ok(Outcome::Published { stock: store_keys(t, row, &op.keys)?, ended })
}

/// From now on the person waits for the next epoch of the key log.
fn set_device_list(t: &mut dyn Tables, person: i64, list: &Bytes) -> Result<()> {
    t.set_device_list(person, list)?;
    t.set_waiting(person, true)
}

/// The key by which a device logs in is another one: what the one before has signed is worth nothing beside it.
fn new_key(t: &mut dyn Tables, mut row: DeviceRow, public: [u8; 32]) -> Result<DeviceRow> {
    (row.public, row.bundle, row.last_resort) = (public, Bytes::new(), Bytes::new());
    for kind in [Kind::Prekey, Kind::JoinKey] {
        while t.take_one_time(row.key, kind)?.is_some() {}
    }
    Ok(row)
}

/// What is published of identity keys; why not, if so. One follows another a day after it was announced by it, if no device
/// objects: whoever has a device's key, or for a day the identity key, must not choose who recovers.
fn identity(t: &mut dyn Tables, person: i64, op: &PublishOp) -> Result<Option<Code>> {
    let known = t.identity(person)?;
    let mut row = known.clone();
    match &op.next_identity {
        NextIdentity::Nothing => {}
        NextIdentity::Vetoed => (row.next, row.announced_at) = (Bytes::new(), 0),
        NextIdentity::Announced { by, .. } if *by != row.key => return Ok(Some(Code::NotAnnounced)),
        // Announced anew it is not announced later.
        NextIdentity::Announced { next, .. } if *next == row.next => {}
        NextIdentity::Announced { next, .. } => (row.next, row.announced_at) = (next.clone(), op.at),
    }
    if !op.identity_key.is_empty() && op.identity_key != row.key {
        let announced = row.next == op.identity_key && op.at >= row.announced_at.saturating_add(NOTICE);
        match row.key.is_empty() {
            false if !announced && row.next.is_empty() => return Ok(Some(Code::NoRecovery)),
            false if !announced => return Ok(Some(Code::NotAnnounced)),
            _ => row = IdentityRow { key: op.identity_key.clone(), ..IdentityRow::default() },
        }
    }
    if row != known {
        t.set_identity(person, &row)?;
    }
    Ok(None)
}

/// The identity key of a device's person; empty: none.
pub(super) fn identity_key(t: &mut dyn Tables, device: &DeviceId) -> Result<Bytes> {
    match t.device(device)? {
        Some(row) => Ok(t.identity(row.person)?.key),
        None => Ok(Bytes::new()),
    }
}

fn recover(t: &mut dyn Tables, op: &RecoverOp) -> Result<Outcome> {
    let person = t.person_named(&op.name)?.filter(|person| person.identity.key == op.identity_key);
    let Some(person) = person else { return refused(Code::NoRecovery) };
    let Some((_, public)) = op.devices.iter().find(|(device, _)| *device == op.device) else {
        return refused(Code::Malformed);
    };
    for (device, key) in &op.devices {
        let known = t.device(device)?;
        let mine = known.as_ref().is_some_and(|row| row.person == person.key);
        if mine && known.as_ref().is_some_and(|row| row.first && row.device != op.device) {
            // It has the identity key as well: two would sign lists against each other.
            return refused(Code::NotFirst);
        }
        let kept = mine && known.is_some_and(|row| row.public == *key);
        if !(kept || *device == op.device && (mine || t.device(device)?.is_none())) {
            return refused(Code::DeviceTaken);
        }
    }
    set_device_list(t, person.key, &op.device_list)?;
    let mut row = match t.device(&op.device)? {
        Some(row) if row.public == *public => row,
        Some(row) => new_key(t, row, *public)?,
        None => t.add_device(person.key, &op.device, public)?,
    };
    for mut other in t.devices_of(person.key)?.into_iter().filter(|other| other.first) {
        other.first = false;
        t.set_device(&other)?;
    }
    row.first = true;
    let ended = set_devices(t, &row, &op.devices)?;
    Ok(Outcome::Published { stock: store_keys(t, row, &op.keys)?, ended })
}

/// The devices of a person, beside the one that says so; gives those that are gone. None: unchanged.
fn set_devices(t: &mut dyn Tables, by: &DeviceRow, listed: &[(DeviceId, [u8; 32])]) -> Result<Vec<DeviceId>> {
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    let mut ended = Vec::new();
    let known = t.devices_of(by.person)?;
    for gone in known.iter().filter(|row| row.key != by.key && listed.iter().all(|(id, _)| *id != row.device))
    {
        t.remove_device(gone.key)?;
        ended.push(gone.device);
    }
    for (device, public) in listed {
        if known.iter().all(|row| row.device != *device) {
            t.add_device(by.person, device, public)?;
        }
    }
    Ok(ended)
}

/// New one-time keys push out the oldest: those expire first, and must not
/// stand in the way of good ones.
fn store_keys(t: &mut dyn Tables, mut row: DeviceRow, keys: &KeysOp) -> Result<v1::Stock> {
    if !keys.bundle.is_empty() {
        row.bundle = keys.bundle.clone();
    }
    if !keys.last_resort.is_empty() {
        row.last_resort = keys.last_resort.clone();
    }
    t.set_device(&row)?;
    for (kind, added) in [(Kind::Prekey, &keys.prekeys), (Kind::JoinKey, &keys.join_keys)] {
        for key in added {
            t.add_one_time(row.key, kind, key)?;
        }
        let kept = t.count_one_time(row.key, kind)? as usize;
        for _ in limits::ONE_TIME_KEYS..kept {
            t.take_one_time(row.key, kind)?;
        }
    }
    stock_of(t, row.key)
}

fn stock_of(t: &mut dyn Tables, device: i64) -> Result<v1::Stock> {
    Ok(v1::Stock {
        one_time_prekeys: t.count_one_time(device, Kind::Prekey)?,
        join_keys: t.count_one_time(device, Kind::JoinKey)?,
    })
}

pub(super) fn stock(t: &mut dyn Tables, device: &DeviceId) -> Result<v1::Stock> {
    match t.device(device)? {
        Some(row) => stock_of(t, row.key),
        None => Ok(v1::Stock::default()),
    }
}

fn take_keys(t: &mut dyn Tables, takes: &[Take]) -> Result<Outcome> {
    let (mut keys, mut low) = (Vec::new(), Vec::new());
    for take in takes {
        let Some(row) = t.device(&take.device)? else { continue };
        let mut given = v1::DeviceKeys {
            device: row.device.to_bytes(),
            bundle: row.bundle.clone(),
            one_time_prekey: Bytes::new(),
            join_key: Bytes::new(),
            device_list: t.device_list(row.person)?,
        };
        if take.prekey && take.one_time {
            given.one_time_prekey = t.take_one_time(row.key, Kind::Prekey)?.unwrap_or_default();
        }
        if take.join_key {
            let one = if take.one_time { t.take_one_time(row.key, Kind::JoinKey)? } else { None };
            given.join_key = one.unwrap_or_else(|| row.last_resort.clone());
        }
        keys.push(given);
        let left = stock_of(t, row.key)?;
        if left.one_time_prekeys.min(left.join_keys) < limits::LOW_STOCK {
            low.push(row.device);
        }
    }
    Ok(Outcome::Keys { keys, low })
}

/// Whether all these letters find their inboxes and room in them.
pub(super) fn check_letters(t: &mut dyn Tables, letters: &[(DeviceId, Bytes)]) -> Result<Option<Code>> {
    let mut added: HashMap<DeviceId, usize> = HashMap::new();
    for (device, _) in letters {
        let Some(row) = t.device(device)? else {
            return Ok(Some(Code::UnknownDevice));
        };
        let more = added.entry(*device).or_default();
        *more += 1;
        if t.count_letters(row.key)? + *more > limits::LETTERS_PER_INBOX {
            return Ok(Some(Code::InboxFull));
        }
    }
    Ok(None)
}

/// Puts a checked letter into its inbox.
pub(super) fn deposit(t: &mut dyn Tables, device: &DeviceId, body: &Bytes, at: u64) -> Result<()> {
    let Some(mut row) = t.device(device)? else { return Ok(()) };
    row.last_letter += 1;
    t.set_device(&row)?;
    t.add_letter(row.key, &LetterRow { number: row.last_letter, at, body: body.clone() })
}

/// The same letter again, while it waits, is answered as the first time: a lost
/// answer costs no room.
fn send_letter(t: &mut dyn Tables, device: &DeviceId, body: &Bytes, at: u64, most: usize) -> Result<Outcome> {
    let Some(row) = t.device(device)? else {
        return refused(Code::UnknownDevice);
    };
    let waiting = t.letters(row.key, 0)?;
    if waiting.iter().any(|letter| letter.body == body) {
        return Ok(Outcome::Done);
    }
    if waiting.len() >= most {
        return refused(Code::InboxFull);
    }
    deposit(t, device, body, at)?;
    Ok(Outcome::Done)
}

fn ack_letters(t: &mut dyn Tables, device: &DeviceId, up_to: u64) -> Result<Outcome> {
    let Some(row) = t.device(device)? else {
        return refused(Code::UnknownDevice);
    };
    t.drop_letters(row.key, up_to)?;
    Ok(Outcome::Done)
}

pub(super) fn letters(t: &mut dyn Tables, device: &DeviceId, after: u64) -> Result<Vec<v1::InboxLetter>> {
    let Some(row) = t.device(device)? else { return Ok(Vec::new()) };
    let letters = t.letters(row.key, after)?.into_iter();
    Ok(letters.map(|LetterRow { number, at, body }| v1::InboxLetter { number, body, at }).collect())
}

/// Those found, each once.
pub(super) fn people(t: &mut dyn Tables, names: &[String], persons: &[PersonId]) -> Result<Vec<v1::Person>> {
    let mut rows: Vec<PersonRow> = Vec::new();
    for name in names {
        rows.extend(t.person_named(name)?);
    }
    for person in persons {
        rows.extend(t.person(person)?);
    }
    rows.sort_by_key(|row| row.key);
    rows.dedup_by_key(|row| row.key);
    rows.into_iter().map(|row| person_of(t, row)).collect()
}

fn person_of(t: &mut dyn Tables, row: PersonRow) -> Result<v1::Person> {
    let devices = t.devices_of(row.key)?.into_iter();
    let device = |row: DeviceRow| v1::Device { device: row.device.to_bytes(), bundle: row.bundle };
    Ok(v1::Person {
        name: row.name,
        person: row.person.to_bytes(),
        device_list: row.device_list,
        devices: devices.map(device).collect(),
        identity_key: row.identity.key,
        next_identity_key: row.identity.next,
        announced_at: row.identity.announced_at,
        log_proof: Bytes::new(),
    })
}
