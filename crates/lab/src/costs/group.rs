//! A group: sealing and opening whole messages, what they weigh, what steps write.

use super::session::MESSAGE;
use crate::measure::{Extent, Stopwatch};
use crate::room::Room;
use crate::{LabError, Result};
use conclave_protocol::content::Content;
use conclave_protocol::group::{Bundles, Intent, Received, Scheme};

/// Microseconds of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct GroupRun {
    /// To seal a message, the group in hand.
    pub seal: f64,
    /// To open it.
    pub open: f64,
    /// To load the group from its vault.
    pub load: f64,
    /// To make a heal commit.
    pub heal: f64,
    /// To follow it.
    pub follow: f64,
}

/// Bytes of rows, keys included.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// The group's devices.
    pub people: usize,
    /// By the sender of a message, its entry's return included.
    pub sent: usize,
    /// By a receiver.
    pub received: usize,
    /// By the author of a heal commit, its entry's return included.
    pub committed: usize,
    /// By who follows it.
    pub followed: usize,
}

/// A group under measurement.
pub struct GroupBench {
    room: Room,
    people: usize,
    extent: Extent,
}

impl GroupBench {
    /// Founds a group of so many.
    pub fn new(scheme: Scheme, people: usize, direct: bool, extent: Extent) -> Result<Self> {
        Ok(Self { room: Room::open(scheme, people, direct)?, people, extent })
    }

    /// Of a group that is there.
    pub fn of(room: Room, people: usize, extent: Extent) -> Self {
        Self { room, people, extent }
    }

    /// Measures once.
    pub fn run(&mut self) -> Result<GroupRun> {
        let messages = self.extent.pick(if self.people > 2 { 60 } else { 200 }, 2);
        let (seal, open) = talk(&mut self.room, messages)?;
        let mut loading = Stopwatch::default();
        for _ in 0..messages {
            loading.time(|| self.room.listens())?;
        }
        let (heal, follow) = heal(&mut self.room)?;
        Ok(GroupRun { seal, open, load: loading.micros(), heal, follow })
    }

    /// Bytes that a message of 1 KiB gains before padding, slices included: of the lengths about it, the one that needs no
    /// padding shows what everything else weighs. Padmé steps are 64 bytes at this size.
    pub fn added(&mut self) -> Result<usize> {
        let mut least = usize::MAX;
        for length in MESSAGE..MESSAGE + self.extent.pick(64, 2) {
            let bytes = self.room.exchange(&"x".repeat(length))?;
            least = least.min(bytes - length);
        }
        Ok(least)
    }

    /// Counts what steps write.
    pub fn written(&mut self) -> Result<Written> {
        let (room, people) = (&mut self.room, self.people);
        let count = |room: &Room| (room.speaker.vault.written, room.listener.vault.written);
        let before = count(room);
        let taken = room.say(&"x".repeat(MESSAGE))?;
        room.settle(&taken)?;
        room.listen(&taken)?;
        let between = count(room);
        let taken = room.change(&Intent::Heal, &Bundles::default())?;
        room.settle(&taken)?;
        room.listen(&taken)?;
        let after = count(room);
        let (sent, received) = (between.0 - before.0, between.1 - before.1);
        let (committed, followed) = (after.0 - between.0, after.1 - between.1);
        Ok(Written { people, sent, received, committed, followed })
    }
}

/// Microseconds to seal and to open a message: all are sealed, then all opened with the group in hand, as a client takes
/// in what was said.
fn talk(room: &mut Room, count: usize) -> Result<(f64, f64)> {
    let (mut sealing, mut opening) = (Stopwatch::default(), Stopwatch::default());
    let content = Content::text("x".repeat(MESSAGE))?;
    let none = Bundles::default();
    let mut said = Vec::new();
    for _ in 0..count {
        let (mut group, id) = (room.speaks()?, room.message_id());
        let post = sealing.time(|| room.seal(&mut group, id, &content, &none))?;
        let taken = room.take(post);
        room.settle(&taken)?;
        said.push(taken);
    }
    let mut group = room.listens()?;
    for taken in &said {
        match opening.time(|| room.hear(&mut group, taken))? {
            Received::Message(message) if message.content == content => {}
            other => return Err(LabError::unexpected(format!("a message gave {other:?}"))),
        }
    }
    Ok((sealing.micros(), opening.micros()))
}

/// Microseconds to make a heal, and to follow it.
fn heal(room: &mut Room) -> Result<(f64, f64)> {
    let (mut making, mut following) = (Stopwatch::default(), Stopwatch::default());
    let taken = making.time(|| room.change(&Intent::Heal, &Bundles::default()))?;
    room.settle(&taken)?;
    let mut group = room.listens()?;
    following.time(|| room.hear(&mut group, &taken))?;
    Ok((making.micros(), following.micros()))
}
