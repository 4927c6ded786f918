//! Who is here and wants to hear of what. It only wakes connections: what they
//! get they read from their own cursor, so that a slow one costs nobody
//! memory. Entries just posted are kept for a moment, shared by all readers.
//!
//! Not here: sockets, and what a seat may see (`storage::SeatView`).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_wire::{ChannelId, DeviceId, SeatId, v1};
use tokio::sync::Notify;

use crate::storage::{Recent, SeatView};

/// Entries kept of a channel that somebody follows: whoever is further behind reads them from the storage, each alone.
const RECENT_ENTRIES: usize = 512;
const RECENT_BYTES: usize = 1024 * 1024;
/// As many entries wait for one that precedes them: far more than are ever accepted at once in one channel.
const MOST_EARLY: usize = 256;

/// A seat in its channel.
pub(crate) type Place = (ChannelId, SeatId);

/// What waits for one connection. Bounded by the seats it follows.
#[derive(Default)]
pub(crate) struct Mailbox {
    pub(crate) notify: Notify,
    places: Mutex<HashSet<Place>>,
    letters: AtomicBool,
    stock: AtomicBool,
    ended: AtomicBool,
}

impl Mailbox {
    pub(crate) fn take_places(&self) -> HashSet<Place> {
        std::mem::take(&mut *locked(&self.places))
    }

    pub(crate) fn take_letters(&self) -> bool {
        self.letters.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn take_stock(&self) -> bool {
        self.stock.swap(false, Ordering::AcqRel)
    }

    /// Whether the login of this connection is worth nothing any more.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn wake_letters(&self) {
        self.letters.store(true, Ordering::Release);
        self.notify.notify_one();
    }
}

/// All connections' wishes.
#[derive(Default)]
pub(crate) struct Hub {
    channels: Mutex<HashMap<ChannelId, Line>>,
    devices: Mutex<HashMap<DeviceId, Vec<Arc<Mailbox>>>>,
}

/// A channel that somebody follows.
#[derive(Default)]
struct Line {
    /// Up to here everything was heard of.
    head: u64,
    /// Entries heard of beyond, before those that precede them.
    early: BTreeSet<u64>,
    recent: BTreeMap<u64, Arc<Recent>>,
    bytes: usize,
    followers: Vec<(SeatId, Arc<Mailbox>)>,
}

impl Hub {
    /// Wakes this mailbox for new entries of the channel. Call it before
    /// reading where the channel stands, so that nothing falls between.
    pub(crate) fn follow(&self, (channel, seat): Place, mailbox: &Arc<Mailbox>) {
        let mut channels = locked(&self.channels);
        let line = channels.entry(channel).or_default();
        let known = |(of, to): &(SeatId, Arc<Mailbox>)| *of == seat && Arc::ptr_eq(to, mailbox);
        if !line.followers.iter().any(known) {
            line.followers.push((seat, mailbox.clone()));
        }
    }

    pub(crate) fn unfollow(&self, (channel, seat): Place, mailbox: &Arc<Mailbox>) {
        let mut channels = locked(&self.channels);
        let Some(line) = channels.get_mut(&channel) else { return };
        line.followers.retain(|(of, to)| *of != seat || !Arc::ptr_eq(to, mailbox));
        if line.followers.is_empty() {
            channels.remove(&channel);
        }
    }

    /// Tells all followers of an entry that is stored. Entries may come here in
    /// another order than stored: nobody is woken for one before those that
    /// precede it are here, or each would have to read them from the storage.
    pub(crate) fn publish(&self, channel: ChannelId, entry: Recent) {
        let mut channels = locked(&self.channels);
        let Some(line) = channels.get_mut(&channel) else { return };
        let number = entry.number();
        line.bytes += entry.bytes();
        line.recent.insert(number, Arc::new(entry));
        let news = line.advance(number);
        while line.recent.len() > RECENT_ENTRIES || line.bytes > RECENT_BYTES {
            let Some((_, oldest)) = line.recent.pop_first() else { break };
            line.bytes -= oldest.bytes();
        }
        for (seat, mailbox) in line.followers.iter().filter(|_| news) {
            locked(&mailbox.places).insert((channel, *seat));
            mailbox.notify.notify_one();
        }
    }

    /// The last entry up to which all were heard of, 0 if none since somebody follows.
    pub(crate) fn head(&self, channel: &ChannelId) -> u64 {
        locked(&self.channels).get(channel).map_or(0, |line| line.head)
    }

    /// Entries right after `after` as this seat sees them, as far as they are
    /// still here.
    pub(crate) fn recent(
        &self,
        channel: &ChannelId,
        after: u64,
        view: &SeatView,
        cutoff: u64,
    ) -> Vec<v1::Entry> {
        let kept: Vec<Arc<Recent>> = {
            let channels = locked(&self.channels);
            let Some(line) = channels.get(channel) else { return Vec::new() };
            let following = line.recent.range(after.saturating_add(1)..);
            let consecutive =
                following.zip(after.saturating_add(1)..).take_while(|((is, _), want)| *is == want);
            consecutive.map(|((_, entry), _)| entry.clone()).collect()
        };
        kept.iter().map(|entry| entry.seen_by(view, cutoff)).collect()
    }

    /// Forgets entries that everybody has read.
    pub(crate) fn forget(&self, channel: &ChannelId, up_to: u64) {
        let mut channels = locked(&self.channels);
        let Some(line) = channels.get_mut(channel) else { return };
        line.recent = line.recent.split_off(&up_to.saturating_add(1));
        line.bytes = line.recent.values().map(|entry| entry.bytes()).sum();
    }

    pub(crate) fn login(&self, device: DeviceId, mailbox: &Arc<Mailbox>) {
        locked(&self.devices).entry(device).or_default().push(mailbox.clone());
    }

    pub(crate) fn logout(&self, device: &DeviceId, mailbox: &Arc<Mailbox>) {
        let mut devices = locked(&self.devices);
        let Some(here) = devices.get_mut(device) else { return };
        here.retain(|other| !Arc::ptr_eq(other, mailbox));
        if here.is_empty() {
            devices.remove(device);
        }
    }

    /// The device's key was replaced or taken away: its logins end, but for the one of this mailbox.
    pub(crate) fn end(&self, device: &DeviceId, but: &Arc<Mailbox>) {
        for mailbox in locked(&self.devices).get(device).into_iter().flatten() {
            if !Arc::ptr_eq(mailbox, but) {
                mailbox.ended.store(true, Ordering::Release);
                mailbox.notify.notify_one();
            }
        }
    }

    /// A letter has come for the device.
    pub(crate) fn letter(&self, device: &DeviceId) {
        for mailbox in locked(&self.devices).get(device).into_iter().flatten() {
            mailbox.wake_letters();
        }
    }

    /// The device's one-time keys run low.
    pub(crate) fn low_stock(&self, device: &DeviceId) {
        for mailbox in locked(&self.devices).get(device).into_iter().flatten() {
            mailbox.stock.store(true, Ordering::Release);
            mailbox.notify.notify_one();
        }
    }
}

impl Line {
    /// Whether an entry that came leads further.
    fn advance(&mut self, number: u64) -> bool {
        let before = self.head;
        if number > self.head {
            self.early.insert(number);
        }
        // The first that is heard of; or what is missing is not waited for any more.
        if self.head == 0 || self.early.len() > MOST_EARLY {
            self.head = self.early.pop_first().unwrap_or(self.head);
        }
        while self.early.first().is_some_and(|next| *next <= self.head + 1) {
            self.head = self.early.pop_first().unwrap_or(self.head);
        }
        self.head > before
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Acceptance, PostOp};
    use bytes::Bytes;

    const CHANNEL: ChannelId = ChannelId::new([1; 16]);
    const VIEW: SeatView = SeatView { seat: SeatId::new([2; 16]), opened: 0, closed: None };

    fn entry(number: u64, shared: &'static [u8]) -> Recent {
        let post = PostOp {
            channel: CHANNEL,
            seat: SeatId::new([3; 16]),
            token: [0; 32],
            number,
            at_turn: 0,
            takes_turn: false,
            hash: [0; 32],
            shared: Bytes::from_static(shared),
            slices: Bytes::new(),
            opens: Vec::new(),
            closes: Vec::new(),
            letters: Vec::new(),
            at: 5,
        };
        Recent::new(&post, &Acceptance { entry: number, turn: 0, at: 5, repeated: false })
    }

    #[test]
    fn nobody_is_woken_before_what_precedes_an_entry_is_here_but_for_what_never_comes() {
        let (hub, mailbox) = (Hub::default(), Arc::<Mailbox>::default());
        hub.follow((CHANNEL, VIEW.seat), &mailbox);
        let woken = |number| {
            hub.publish(CHANNEL, entry(number, b"sealed"));
            !mailbox.take_places().is_empty()
        };
        assert_eq!([7, 9, 10, 8].map(woken), [true, false, false, true]);
        assert_eq!(hub.head(&CHANNEL), 10);
        let read: Vec<_> = hub.recent(&CHANNEL, 7, &VIEW, 0).iter().map(|entry| entry.number).collect();
        assert_eq!(read, [8, 9, 10]);
        let last = 12 + MOST_EARLY as u64;
        assert_eq!((12..last).find(|number| woken(*number)), None);
        assert!(woken(last), "the eleventh never comes");
        assert_eq!(hub.head(&CHANNEL), last);
    }

    #[test]
    fn entries_too_large_to_be_kept_are_told_of_all_the_same() {
        const LARGE: &[u8] = &[7; RECENT_BYTES];
        let (hub, mailbox) = (Hub::default(), Arc::<Mailbox>::default());
        hub.follow((CHANNEL, VIEW.seat), &mailbox);
        for number in [7, 10, 9, 8] {
            mailbox.take_places();
            hub.publish(CHANNEL, entry(number, LARGE));
        }
        assert!(!mailbox.take_places().is_empty());
        assert_eq!(hub.head(&CHANNEL), 10);
    }
}
