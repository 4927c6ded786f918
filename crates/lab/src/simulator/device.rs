//! A device: what it has on disk, and what it asks the relay next. The discipline is the engine's: follow to the head, heal
//! before speaking, seal at the head, keep what was sealed before it leaves, seal again what came too late.
//!
//! How it seals stands in `sealing`, what it does with answers in `intake`.

use super::START;
use super::sealing::Town;
use super::tape::What;
use super::weather::below;
use crate::people::enrol;
use crate::{LabError, Result};
use bytes::Bytes;
use conclave_protocol::gossip::Gossip;
use conclave_protocol::group::{Group, Home, Intent, Post, Scheme, ViewCheck};
use conclave_protocol::identity::{Account, Handle};
use conclave_protocol::session::Publication;
use conclave_protocol::{Context, DeviceId, GroupId, MemoryVault, MessageId, PersonId, SeatId, Timestamp};
use conclave_wire::v1;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::VecDeque;

/// The one channel.
pub(super) const CHANNEL: [u8; 16] = [9; 16];
/// What a person wants.
#[derive(Clone, Debug)]
pub enum Wish {
    /// To say something.
    Say(MessageId, String),
    /// To change the group.
    Change(Intent),
}

/// A post that was sealed and may be on its way.
#[derive(Clone)]
pub(super) struct Outgoing {
    pub(super) seat: SeatId,
    pub(super) token: [u8; 32],
    pub(super) number: u64,
    pub(super) post: Post,
    pub(super) what: What,
    /// Whether it fulfils the first wish.
    pub(super) wished: bool,
}

/// All that survives a crash, and all that a thief can copy.
#[derive(Clone)]
pub struct Disk {
    /// The protocol's rows.
    pub vault: MemoryVault,
    /// The group, once in.
    pub group: Option<GroupId>,
    /// What rode beside messages that were read, with who said it: whether their own view of this log was another one.
    pub heard: Vec<(PersonId, Gossip, ViewCheck)>,
    /// What was read: the plaintext store. A thief of it reads it; no scheme changes that.
    pub history: Vec<(u64, String)>,
    pub(super) seat: SeatId,
    pub(super) token: [u8; 32],
    pub(super) posts: u64,
    pub(super) outgoing: Option<Outgoing>,
    /// The shared part of the last post.
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) wishes: VecDeque<Wish>,
    pub(super) mail: VecDeque<(DeviceId, Vec<u8>)>,
    pub(super) letters: u64,
    pub(super) asked: Option<u64>,
    pub(super) joining: Option<Joining>,
}

/// A seat about to be taken.
#[derive(Clone)]
pub(super) struct Joining {
    pub(super) seat: SeatId,
    pub(super) claim: [u8; 32],
    pub(super) token: [u8; 32],
    pub(super) claimed: bool,
}

/// What a device asks of the relay.
#[derive(Clone)]
pub(super) enum Ask {
    /// Where the seat stands, what is new in the log and in the inbox.
    Look {
        seat: Option<v1::SeatCursor>,
        device: DeviceId,
        letters: u64,
    },
    Claim(v1::Claim),
    Post(Box<Outgoing>),
    Letter(DeviceId, Vec<u8>),
}

/// A device at work.
#[derive(Clone)]
pub struct Device {
    /// What it has on disk.
    pub disk: Disk,
    /// Whether it heals when a heal is due. Switched off as a control only.
    pub heals: bool,
    /// What rides beside the next message that is sealed.
    pub gossip: Gossip,
    /// Up to where the relay said last that the log goes, and when that was asked.
    pub stated: Option<(u64, u64)>,
    pub(super) asked_at: u64,
    pub(super) rng: ChaCha20Rng,
    /// How often a step ends in a crash, in a thousand.
    pub(super) crash: u64,
    /// The request that an answer is awaited of: memory, gone with a crash.
    pub(super) awaited: Option<u64>,
    /// Whether all of the log was taken in, as far as is known: memory.
    pub(super) caught_up: bool,
    /// The instant of the one wake-up that counts: memory.
    pub(super) wakes: u64,
}

impl Disk {
    /// Runs protocol code on the vault, outside any transaction of the simulator.
    pub fn run<T>(
        &mut self,
        rng: &mut ChaCha20Rng,
        now: u64,
        run: impl FnOnce(&Account, &mut Context) -> conclave_protocol::Result<T>,
    ) -> conclave_protocol::Result<T> {
        let mut cx = Context { vault: &mut self.vault, rng, now: Timestamp(START + now) };
        let account = Account::load(&mut cx)?;
        run(&account, &mut cx)
    }

    /// Whether this is the last post that was sealed: unless its entry was taken in, its keys are pending here.
    pub fn sealed_last(&self, shared: &[u8]) -> bool {
        self.sealed.as_deref() == Some(shared)
    }

    /// Runs it with the group in hand.
    pub fn in_group<T>(
        &mut self,
        rng: &mut ChaCha20Rng,
        now: u64,
        run: impl FnOnce(&Account, &mut Group, &mut Context) -> conclave_protocol::Result<T>,
    ) -> Result<T> {
        let id = self.group.ok_or_else(|| LabError::unexpected("in no group"))?;
        Ok(self.run(rng, now, |account, cx| run(account, &mut Group::load(&id, cx)?, cx))?)
    }
}

impl Device {
    pub(super) fn new(name: &str, rng: ChaCha20Rng) -> Result<(Self, Publication)> {
        let mut rng = rng;
        let mut vault = MemoryVault::default();
        let mut cx = Context { vault: &mut vault, rng: &mut rng, now: Timestamp(START) };
        let (_, published) = enrol(name, &mut cx)?;
        let (seat, token) = (SeatId(cx.random()), cx.random());
        let disk = Disk {
            vault,
            group: None,
            heard: Vec::new(),
            history: Vec::new(),
            seat,
            token,
            posts: 0,
            outgoing: None,
            sealed: None,
            wishes: VecDeque::new(),
            mail: VecDeque::new(),
            letters: 0,
            asked: None,
            joining: None,
        };
        let device = Self {
            disk,
            heals: true,
            gossip: Gossip::default(),
            stated: None,
            asked_at: 0,
            rng,
            crash: 0,
            awaited: None,
            caught_up: false,
            wakes: u64::MAX,
        };
        Ok((device, published))
    }

    /// What it registers at the relay.
    pub(super) fn register(
        &mut self,
        name: &str,
        published: Publication,
    ) -> Result<(PersonId, Handle, v1::Register)> {
        let all = |keys: Vec<Vec<u8>>| keys.into_iter().map(Bytes::from).collect();
        let keys = v1::PublishedKeys {
            bundle: published.bundle.unwrap_or_default().into(),
            last_resort_join_key: published.last_resort_join_key.unwrap_or_default().into(),
            one_time_prekeys: all(published.one_time_prekeys),
            join_keys: all(published.join_keys),
        };
        Ok(self.disk.run(&mut self.rng, 0, |account, _| {
            let register = v1::Register {
                name: name.into(),
                person: bytes(account.person().as_bytes()),
                device: bytes(account.device_id().as_bytes()),
                device_key: Bytes::from_static(&[0; 32]),
                device_list: bytes(account.device_list().signed_bytes()),
                keys: Some(keys),
                ..v1::Register::default()
            };
            Ok((*account.person(), account.handle().clone(), register))
        })?)
    }

    /// Founds the group.
    pub(super) fn found(&mut self, scheme: Scheme, now: u64) -> Result<()> {
        let (seat, home) = (self.disk.seat, Home::new("ws://lab", [7; 32], CHANNEL));
        self.disk.group = Some(self.step(|disk, rng| {
            Ok(disk.run(rng, now, |account, cx| {
                Group::create(account, scheme, "Lab", home, seat, false, cx).map(|group| *group.id())
            })?)
        })?);
        Ok(())
    }

    /// One transaction: it happens whole or not at all, and a crash may come before or after it.
    pub(super) fn step<T>(
        &mut self,
        run: impl FnOnce(&mut Disk, &mut ChaCha20Rng) -> Result<T>,
    ) -> Result<T> {
        let mut disk = self.disk.clone();
        let outcome = run(&mut disk, &mut self.rng)?;
        let crashes = self.crash > 0 && below(&mut self.rng, 1000) < self.crash;
        if !crashes || below(&mut self.rng, 2) == 1 {
            self.disk = disk;
        }
        if crashes { Err(LabError::Crashed) } else { Ok(outcome) }
    }

    /// The memory is gone; the disk stays.
    pub(super) fn crashed(&mut self) {
        (self.awaited, self.caught_up, self.wakes, self.stated) = (None, false, u64::MAX, None);
        // What a process draws after a crash has nothing to do with what it drew before.
        self.rng = ChaCha20Rng::seed_from_u64(self.rng.next_u64());
    }

    /// A person's wish: in the outbox, to be fulfilled in turn.
    pub(super) fn wish(&mut self, wish: Wish) {
        self.disk.wishes.push_back(wish);
    }

    /// The next request. Without anything to do it looks whether there is something new.
    pub(super) fn ask(&mut self, town: &Town, now: u64) -> Result<Ask> {
        if let Some(joining) = self.disk.joining.as_ref().filter(|joining| !joining.claimed) {
            return Ok(Ask::Claim(v1::Claim {
                channel: CHANNEL.to_vec().into(),
                seat: bytes(joining.seat.as_bytes()),
                claim: bytes(&joining.claim),
                token: bytes(&joining.token),
            }));
        }
        if !self.caught_up {
            return self.look(now);
        }
        if let Some((device, body)) = self.disk.mail.front() {
            return Ok(Ask::Letter(*device, body.clone()));
        }
        if self.disk.outgoing.is_none() && self.disk.group.is_some() {
            self.seal_next(town, now)?;
        }
        match &self.disk.outgoing {
            Some(outgoing) => Ok(Ask::Post(Box::new(outgoing.clone()))),
            None => self.look(now),
        }
    }

    fn look(&mut self, now: u64) -> Result<Ask> {
        self.asked_at = now;
        let (joining, in_group) = (self.disk.joining.clone(), self.disk.group.is_some());
        let (disk, rng) = (&mut self.disk, &mut self.rng);
        let device = disk.run(rng, now, |account, _| Ok(*account.device_id()))?;
        let place = match &joining {
            Some(joining) => {
                let seat = joining.seat;
                let under_way =
                    disk.run(rng, now, |_, cx| conclave_protocol::group::Joining::load(seat, cx))?;
                Some((joining.seat, joining.token, under_way.map_or(0, |joining| joining.cursor())))
            }
            None if in_group => {
                let cursor = disk.in_group(rng, now, |_, group, _| Ok((*group.seat(), group.cursor())))?;
                Some((cursor.0, disk.token, cursor.1))
            }
            None => None,
        };
        let seat = place.map(|(seat, token, cursor)| v1::SeatCursor {
            channel: CHANNEL.to_vec().into(),
            seat: bytes(seat.as_bytes()),
            token: bytes(&token),
            cursor,
        });
        Ok(Ask::Look { seat, device, letters: self.disk.letters })
    }
}

pub(super) fn bytes(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
