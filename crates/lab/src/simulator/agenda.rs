//! A virtual clock and what is to happen when. What happens then is not its concern.

use std::collections::BTreeMap;

/// Events in the order of their time, those of one instant in the order in which they were noted.
#[derive(Clone)]
pub struct Agenda<T> {
    now: u64,
    noted: u64,
    events: BTreeMap<(u64, u64), T>,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { now: 0, noted: 0, events: BTreeMap::new() }
    }
}

impl<T> Agenda<T> {
    /// Milliseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Notes what is to happen at `at`, or at once if that is past.
    pub fn note(&mut self, at: u64, event: T) {
        self.noted += 1;
        self.events.insert((at.max(self.now), self.noted), event);
    }

    /// The next event up to and including `until`; the clock goes there.
    pub fn next(&mut self, until: u64) -> Option<T> {
        let first = self.events.first_entry().filter(|first| first.key().0 <= until)?;
        let ((at, _), event) = first.remove_entry();
        self.now = at;
        Some(event)
    }

    /// Lets time pass in which nothing happens.
    pub fn pass(&mut self, ms: u64) {
        self.now += ms;
    }
}
