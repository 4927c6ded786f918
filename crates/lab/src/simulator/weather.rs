//! What a network does to requests and answers: some are lost, all are late, and as each is late by its own measure they
//! overtake each other. And how often devices crash.

use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

/// Chances are in a thousand, times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// How often a request is lost, and as often an answer.
    pub lost: u64,
    /// The shortest and the longest way, one direction.
    pub delay: (u64, u64),
    /// How often a step ends in a crash, half of them before it was committed, half after.
    pub crash: u64,
}

impl Weather {
    /// Nothing is lost, nothing crashes.
    pub const CALM: Self = Self { lost: 0, delay: (20, 60), crash: 0 };
    /// One in ten is lost, one step in fifty ends in a crash.
    pub const STORM: Self = Self { lost: 100, delay: (20, 9_000), crash: 20 };

    /// One in five is lost, and nine seconds are enough for anything to overtake anything.
    pub const LOSSY: Self = Self { lost: 200, delay: (20, 9_000), crash: 0 };

    /// How long a way takes; `None`: lost.
    pub(super) fn way(&self, rng: &mut ChaCha20Rng) -> Option<u64> {
        let (least, most) = self.delay;
        let delay = least + below(rng, most.saturating_sub(least) + 1);
        (below(rng, 1000) >= self.lost).then_some(delay)
    }
}

/// A number below `bound`; 0 if that is 0.
pub(super) fn below(rng: &mut ChaCha20Rng, bound: u64) -> u64 {
    rng.next_u64().checked_rem(bound).unwrap_or(0)
}
