//! A thief: has full copies of disks, gets everything that was ever posted, and tries what copies can do, alone and together.
//!
//! What a copy holds falls into two parts. The *room* is what a group's members share: epoch keys, roster, chains. The *kit* is
//! what is one device's own: account, sessions, leaf, what it had pending. The thief follows the log from every room that was
//! stolen, at every step with the kit of any of the devices that it has a copy of: a seed that was wrapped to one stolen leaf
//! key moves the room of another, by putting the one's rows into the other's vault.
//!
//! The state of a tree's MLS engine is both in one row. So the private node keys of all copies are put together, with those that
//! come up on the way, and at every step the room's state gets those that fit its tree and the seat that is tried.
//!
//! It only reads. A thief that posts is a matter of its own (`docs/threat-model.md`). What each device has on disk as plain text
//! is the thief's as well, whatever the scheme; it is told apart.

use crate::simulator::{Disk, Kept, Loot, Tape, What};
mod bound;

pub use bound::bound;

use crate::Result;
use conclave_protocol::content::Content;
use conclave_protocol::group::{
    Blobs, Body, Entry, Group, Joined, Joining, Letter, NodeKeys, Received, Scheme, open_letter,
};
use conclave_protocol::identity::Account;
use conclave_protocol::{
    Context, DeviceId, Error, GroupId, MemoryVault, SeatId, Timestamp, Vault, VaultError,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::{BTreeMap, BTreeSet};

/// Kinds of rows that are a device's own: accounts, prekeys and sessions below, and the leaf with what was pending.
/// `protocol/src/vault.rs` lists them.
const LAST_OF_DEVICE: u8 = 19;
const LEAF: u8 = 22;
const PENDING: u8 = 23;
const JOINING: u8 = 26;
/// The secrets behind a join key's key package.
const KEY_PACKAGE: u8 = 36;
/// Keys that the device will have, and had.
const NEXT_DEVICE: u8 = 37;
const FORMER_DEVICE: u8 = 38;
/// The row with a group's epoch keys, and the seat and device that they are used by.
const GROUP: u8 = 20;

/// What a thief came to read. Entries are named by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Haul {
    /// Messages opened with keys.
    pub opened: BTreeSet<u64>,
    /// Messages that lay open in the plaintext stores.
    pub stored: BTreeSet<u64>,
    /// The last entry up to which some room could be followed.
    pub followed: u64,
}

/// Everything that these copies open of the tape.
pub fn attack(loot: &[Loot], tape: &Tape) -> Result<Haul> {
    let kits: Vec<Kit> = loot.iter().map(|loot| Kit::of(&loot.disk)).collect::<Result<_>>()?;
    let mut keys = NodeKeys::default();
    for loot in loot {
        if let Some(group) = loot.disk.group {
            learn(&mut keys, &group, &mut loot.disk.vault.clone())?;
        }
    }
    let mut haul = Haul::default();
    for loot in loot {
        haul.stored.extend(loot.disk.history.iter().map(|(number, _)| *number));
        for start in Thief::starts(loot, (&kits, &keys), tape)? {
            let place = start.room.cursor;
            let (before, after) = tape.entries.split_at(tape.entries.len() - tape.after(place).len());
            // What came before, backwards: so nothing that opens moves a chain past what is tried next. And in order.
            let found = haul.opened.len();
            start.clone().follow(before.iter().rev(), &mut haul)?;
            if haul.opened.len() > found {
                start.clone().follow(before.iter(), &mut haul)?;
            }
            // What came after, as the owner follows it.
            start.clone().follow(after.iter(), &mut haul)?;
        }
    }
    haul.opened.retain(|number| tape.text(*number).is_some());
    Ok(haul)
}

/// One room, and the kits to try on it.
#[derive(Clone)]
struct Thief {
    room: Room,
    kits: Vec<Kit>,
    /// Of a tree: every private key that is known.
    keys: NodeKeys,
    /// The room as it is, taken by each kit.
    taken: BTreeMap<usize, MemoryVault>,
    rng: ChaCha20Rng,
}

#[derive(Clone)]
struct Room {
    rows: Vec<(Vec<u8>, Vec<u8>)>,
    group: GroupId,
    seat: SeatId,
    device: DeviceId,
    scheme: Scheme,
    cursor: u64,
}

#[derive(Clone)]
struct Kit {
    vault: MemoryVault,
    seat: SeatId,
    device: DeviceId,
}

impl Kit {
    fn of(disk: &Disk) -> Result<Self> {
        let mut rows = disk.vault.clone();
        let account = Account::load(&mut context(&mut rows, &mut ChaCha20Rng::seed_from_u64(0)))?;
        let device = *account.device_id();
        let mut vault = MemoryVault::default();
        for (key, value) in rows_of(&disk.vault, is_own)? {
            vault.put(&key, &value).map_err(Error::from)?;
        }
        let seat = match disk.group {
            Some(group) => {
                *Group::load(&group, &mut context(&mut rows, &mut ChaCha20Rng::seed_from_u64(0)))?.seat()
            }
            None => SeatId([0; 16]),
        };
        Ok(Self { vault, seat, device })
    }
}

impl Room {
    fn of(vault: &MemoryVault, group: GroupId, kit: &Kit) -> Result<Self> {
        let mut vault = vault.clone();
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        let loaded = Group::load(&group, &mut context(&mut vault, &mut rng))?;
        let (cursor, scheme) = (loaded.cursor(), loaded.scheme()?);
        let rows = rows_of(&vault, |kind| !is_own(kind))?;
        Ok(Self { rows, group, seat: kit.seat, device: kit.device, scheme, cursor })
    }

    /// The room's rows beside the kit's, as if the room's owner sat in the kit's place.
    fn taken_by(&self, kit: &Kit, keys: &NodeKeys) -> Result<MemoryVault> {
        let mut vault = kit.vault.clone();
        for (key, value) in &self.rows {
            let mut value = value.clone();
            if key.first() == Some(&GROUP) {
                replace(&mut value, self.seat.as_bytes(), kit.seat.as_bytes());
                replace(&mut value, self.device.as_bytes(), kit.device.as_bytes());
            }
            vault.put(key, &value).map_err(Error::from)?;
        }
        if self.scheme == Scheme::Tree {
            let mut rng = ChaCha20Rng::seed_from_u64(0);
            keys.seat(&self.group, &kit.device, &mut context(&mut vault, &mut rng))?;
        }
        Ok(vault)
    }
}

impl Thief {
    /// Where this copy lets a thief begin: in its group, or in one that it was about to be let into.
    fn starts(loot: &Loot, (kits, keys): (&[Kit], &NodeKeys), tape: &Tape) -> Result<Vec<Self>> {
        let own = Kit::of(&loot.disk)?;
        let rng = ChaCha20Rng::seed_from_u64(0);
        let mut starts = Vec::new();
        if let Some(group) = loot.disk.group {
            let room = Room::of(&loot.disk.vault, group, &own)?;
            let (kits, keys) = (kits.to_vec(), keys.clone());
            starts.push(Self { room, kits, keys, taken: BTreeMap::new(), rng: rng.clone() });
        }
        for (_, letter) in &tape.letters {
            let Some((vault, group, seat)) = enter(&loot.disk, letter, tape)? else { continue };
            let mut disk = loot.disk.clone();
            (disk.vault, disk.group) = (vault, Some(group));
            let mut keys = keys.clone();
            learn(&mut keys, &group, &mut disk.vault)?;
            let kit = Kit { seat, ..Kit::of(&disk)? };
            let room = Room::of(&disk.vault, group, &kit)?;
            let kits = [&[kit], kits].concat();
            starts.push(Self { room, kits, keys, taken: BTreeMap::new(), rng: rng.clone() });
        }
        Ok(starts)
    }

    fn follow<'a>(&mut self, entries: impl Iterator<Item = &'a Kept>, haul: &mut Haul) -> Result<()> {
        for kept in entries {
            if let Some(()) = self.opens(kept)? {
                haul.opened.insert(kept.number);
            }
        }
        haul.followed = haul.followed.max(self.room.cursor);
        Ok(())
    }

    /// Tries an entry with every kit; the first with which it opens or leads on changes the room. Whether a message opened.
    fn opens(&mut self, kept: &Kept) -> Result<Option<()>> {
        let is_message = matches!(kept.what, What::Said(_));
        let mut led = None;
        for at in 0..self.kits.len() {
            let Some(kit) = self.kits.get(at).cloned() else { continue };
            for own in [false, true] {
                // What was pending leads on where the pending commit was taken; a message that was pending is no news.
                if own && (kit.seat != kept.seat || is_message) {
                    continue;
                }
                let Some((vault, message)) = self.tries(&kit, at, kept, own)? else { continue };
                self.keep(at, &vault)?;
                led = led.or_else(|| Some((vault, message, kit.clone())));
                // A tree's commit gives each seat keys of other nodes.
                if is_message || self.room.scheme != Scheme::Tree {
                    return self.enter(led, kept);
                }
            }
        }
        self.enter(led, kept)
    }

    /// What the kit at this place has become.
    fn keep(&mut self, at: usize, vault: &MemoryVault) -> Result<()> {
        learn(&mut self.keys, &self.room.group, &mut vault.clone())?;
        let Some(kit) = self.kits.get_mut(at) else { return Ok(()) };
        kit.vault = MemoryVault::default();
        for (key, value) in rows_of(vault, is_own)? {
            kit.vault.put(&key, &value).map_err(Error::from)?;
        }
        Ok(())
    }

    /// The room after an entry.
    fn enter(&mut self, led: Option<(MemoryVault, bool, Kit)>, kept: &Kept) -> Result<Option<()>> {
        let Some((vault, message, taker)) = led else { return Ok(None) };
        self.taken.clear();
        self.room = Room { cursor: kept.number, ..Room::of(&vault, self.room.group, &taker)? };
        Ok(message.then_some(()))
    }

    /// The rows after an entry that a kit takes in; whether it was a message.
    fn tries(&mut self, kit: &Kit, at: usize, kept: &Kept, own: bool) -> Result<Option<(MemoryVault, bool)>> {
        let mut vault = match self.taken.get(&at) {
            Some(vault) => vault.clone(),
            None => self.room.taken_by(kit, &self.keys)?,
        };
        self.taken.insert(at, vault.clone());
        let mut cx = context(&mut vault, &mut self.rng);
        let account = Account::load(&mut cx)?;
        let mut group = Group::load(&self.room.group, &mut cx)?;
        let (number, turn) = (group.cursor() + 1, group.turn());
        let rose = u64::from(!matches!(kept.what, What::Said(_)));
        let mut entry = kept.entry(number, turn + rose, kit.seat);
        if own {
            entry.body = Body::Own;
        }
        Ok(match received(&mut group, &account, &entry, &mut cx)? {
            Some(Received::Message(message)) => Some((vault, matches!(message.content, Content::Text(_)))),
            Some(Received::Committed { .. } | Received::Accepted { .. }) => Some((vault, false)),
            _ => None,
        })
    }
}

/// Adds the private keys in the state of a tree's engine.
fn learn(keys: &mut NodeKeys, group: &GroupId, vault: &mut MemoryVault) -> Result<()> {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    let mut cx = context(vault, &mut rng);
    let group = Group::load(group, &mut cx)?;
    if group.scheme()? == Scheme::Tree && !group.is_out() {
        keys.learn(group.id(), &cx)?;
    }
    Ok(())
}

fn received(
    group: &mut Group,
    account: &Account,
    entry: &Entry,
    cx: &mut Context,
) -> Result<Option<Received>> {
    match group.receive(account, entry, cx) {
        Ok(received) => Ok(Some(received)),
        // Rows that were put together from several copies need not fit: a copy from before its device came in has no leaf.
        Err(Error::Peer(_) | Error::Misuse(_) | Error::CorruptStore) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a copy makes of a letter: with the join keys in it, the group that the letter leads to.
fn enter(disk: &Disk, letter: &[u8], tape: &Tape) -> Result<Option<(MemoryVault, GroupId, SeatId)>> {
    let mut vault = disk.vault.clone();
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    let mut cx = context(&mut vault, &mut rng);
    let account = Account::load(&mut cx)?;
    let Ok(Letter::Invitation(invitation)) = open_letter(&account, letter, &mut cx) else { return Ok(None) };
    let seat = invitation.seat;
    let mut joining = Joining::begin(invitation, &mut cx)?;
    for kept in &tape.entries {
        let Some(after) = opens(tape, &seat) else { return Ok(None) };
        if kept.number <= after {
            continue;
        }
        let mut entry = kept.entry(kept.number, kept.turn, seat);
        if !kept.slices.contains_key(&seat) {
            entry.body = Body::Before;
        }
        match joining.receive(&account, &entry, &Blobs::default(), &mut cx) {
            Ok(Joined::In(entered)) => {
                let (group, _) = *entered;
                let id = *group.id();
                return Ok(Some((vault, id, seat)));
            }
            // Groups are too small here for anything to lie apart.
            Ok(Joined::Waits | Joined::Needs(_)) => {}
            Err(Error::Peer(_) | Error::Misuse(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// After which entry a seat's reader begins.
fn opens(tape: &Tape, wanted: &SeatId) -> Option<u64> {
    use conclave_protocol::group::SeatChange;
    tape.entries.iter().flat_map(|kept| &kept.seats).find_map(|change| match change {
        SeatChange::Open { seat, after, .. } if seat == wanted => Some(*after),
        _ => None,
    })
}

fn is_own(kind: u8) -> bool {
    let others = [LEAF, PENDING, JOINING, KEY_PACKAGE, NEXT_DEVICE, FORMER_DEVICE];
    kind <= LAST_OF_DEVICE || others.contains(&kind)
}

fn rows_of(vault: &MemoryVault, wanted: impl Fn(u8) -> bool) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let kinds = (0..=u8::MAX).filter(|kind| wanted(*kind));
    let found = kinds.map(|kind| vault.scan(&[kind])).collect::<std::result::Result<Vec<_>, VaultError>>();
    let found = found.map_err(Error::from)?.into_iter().flatten();
    Ok(found.map(|found| (found.key, found.value.to_vec())).collect())
}

/// Ids are random: that one is found by chance where it does not stand is out of the question.
fn replace(value: &mut [u8], old: &[u8], new: &[u8]) {
    let found = value.windows(old.len()).position(|window| window == old);
    let place = found.and_then(|at| value.get_mut(at..at + old.len()));
    if let Some(place) = place.filter(|place| place.len() == new.len()) {
        place.copy_from_slice(new);
    }
}

pub(crate) fn context<'a>(vault: &'a mut MemoryVault, rng: &'a mut ChaCha20Rng) -> Context<'a> {
    Context { vault, rng, now: Timestamp(crate::simulator::START) }
}

impl Haul {
    /// The texts of what was opened.
    pub fn texts<'a>(&self, tape: &'a Tape) -> Vec<&'a str> {
        self.opened.iter().filter_map(|number| tape.text(*number)).collect()
    }
}
