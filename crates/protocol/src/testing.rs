//! A bench for unit tests and fuzz targets: a vault in memory, seeded randomness, a clock that is set by hand.

use crate::{Context, MemoryVault, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) vault: MemoryVault,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) now: Timestamp,
}

impl Bench {
    pub(crate) fn new(seed: u64) -> Self {
        let now = Timestamp(1_790_000_000_000);
        Self { vault: MemoryVault::default(), rng: ChaCha20Rng::seed_from_u64(seed), now }
    }

    pub(crate) fn cx(&mut self) -> Context<'_> {
        Context { vault: &mut self.vault, rng: &mut self.rng, now: self.now }
    }

    /// Runs a step as the client does: all or nothing.
    pub(crate) fn step<T>(
        &mut self,
        step: impl FnOnce(&mut Context) -> crate::Result<T>,
    ) -> crate::Result<T> {
        let before = self.vault.clone();
        let outcome = step(&mut self.cx());
        if outcome.is_err() {
            self.vault = before;
        }
        outcome
    }
}
