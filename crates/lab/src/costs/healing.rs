//! What heals and large groups cost: time in memory, bytes up and down, rows written. No relay here, no disk.

use crate::measure::{Extent, Spread, Stopwatch};
use crate::people::Person;
use crate::room::Room;
use crate::{LabError, Result};
use conclave_protocol::group::{BareTree, Bundles, Intent, Scheme};

/// A heal in a group of so many.
#[derive(Clone, Copy, Debug)]
pub struct Heal {
    /// The group's devices.
    pub people: usize,
    /// Microseconds to make it, from what is kept to the post.
    pub made: Spread,
    /// Microseconds to follow it.
    pub followed: Spread,
    /// Bytes uploaded.
    pub up: usize,
    /// Bytes that each of the others gets.
    pub down: usize,
    /// Bytes of rows, by its author and by who follows it.
    pub rows: (usize, usize),
    /// Of a tree: microseconds to make and to follow the same with the engine alone, on the same state.
    pub bare: Option<(Spread, Spread)>,
}

/// Measures heals.
pub fn heals(room: &mut Room, people: usize, extent: Extent) -> Result<Heal> {
    let (mut made, mut followed) = (Stopwatch::default(), Stopwatch::default());
    let (mut bare_made, mut bare_followed) = (Stopwatch::default(), Stopwatch::default());
    let (mut up, mut down, mut rows) = (0, 0, (0, 0));
    let none = Bundles::default();
    let is_tree = room.speaks()?.scheme()? == Scheme::Tree;
    for _ in 0..extent.pick(5, 1) {
        if is_tree {
            bare(room, &mut bare_made, &mut bare_followed)?;
        }
        let before = (room.speaker.vault.written, room.listener.vault.written);
        let taken = made.time(|| room.change(&Intent::Heal, &none))?;
        room.settle(&taken)?;
        let mut group = room.listens()?;
        followed.time(|| room.hear(&mut group, &taken))?;
        (up, down) = (taken.bytes(), taken.down(room));
        rows = (room.speaker.vault.written - before.0, room.listener.vault.written - before.1);
    }
    let bare = is_tree.then(|| (bare_made.spread(), bare_followed.spread()));
    Ok(Heal { people, made: made.spread(), followed: followed.spread(), up, down, rows, bare })
}

fn bare(room: &mut Room, making: &mut Stopwatch, following: &mut Stopwatch) -> Result<()> {
    let (id, author) = (room.group(), *room.speaker.account.device_id());
    let speaks = room.speaker.step(|_, cx| BareTree::of(&id, cx))?;
    let listens = room.listener.step(|_, cx| BareTree::of(&id, cx))?;
    let message = room.speaker.step(|_, cx| Ok(making.time(|| speaks.heal(author, cx))))??;
    room.listener.step(|_, cx| Ok(following.time(|| listens.follow(author, &message, cx))))??;
    Ok(())
}

/// A removal: bytes uploaded, and bytes that each who stays gets.
pub fn removal(room: &mut Room) -> Result<(usize, usize)> {
    let person = room.others.first().map(|other| *other.account.person());
    let person = person.ok_or_else(|| LabError::unexpected("nobody to remove"))?;
    let taken = room.change(&Intent::Remove(vec![person]), &Bundles::default())?;
    room.settle(&taken)?;
    room.listen(&taken)?;
    Ok((taken.bytes(), taken.down(room)))
}

/// A group made at once.
#[derive(Clone, Copy, Debug)]
pub struct Creation {
    /// Its devices.
    pub people: usize,
    /// Seconds that the founder computes.
    pub seconds: f64,
    /// Bytes that the founder uploads, letters and all.
    pub up: usize,
    /// Bytes that the last to be added downloads: its welcome, and what all of them need.
    pub down: usize,
    /// Seconds that it takes to join.
    pub join: f64,
}

/// A founder adds everybody, so many in a commit; the last joins.
pub fn creation(scheme: Scheme, people: usize, at_once: usize) -> Result<Creation> {
    let mut room = Room::founded(scheme, false)?;
    let mut others = (2..people).map(|n| Person::new(&format!("other{n}"))).collect::<Result<Vec<_>>>()?;
    let mut bundles = Bundles::default();
    others.iter_mut().try_for_each(|other| other.publish_to(&mut bundles))?;
    room.listener.publish_to(&mut bundles)?;
    let mut ids: Vec<_> = others.iter().map(|other| *other.account.person()).collect();
    ids.push(*room.listener.account.person());
    let (mut making, mut up) = (Stopwatch::default(), 0);
    let mut last = None;
    for some in ids.chunks(at_once) {
        let taken = making.time(|| room.change(&Intent::Add(some.to_vec()), &bundles))?;
        room.settle(&taken)?;
        let letters = taken.post.letters.iter().map(|letter| letter.body.len()).sum::<usize>();
        up += taken.bytes() + taken.apart() + letters;
        last = Some(taken);
    }
    let last = last.ok_or_else(|| LabError::unexpected("nobody was added"))?;
    let mut joining = Stopwatch::default();
    joining.time(|| room.join_last(&last))?;
    let down = taken_by(&room, &last);
    Ok(Creation { people, seconds: making.total() / 1e6, up, down, join: joining.total() / 1e6 })
}

fn taken_by(room: &Room, taken: &crate::room::Taken) -> usize {
    taken.down(room) - taken.post.shared.len() + taken.apart()
}
