//! Token buckets: how often what may happen. Not here: sizes
//! (`conclave_wire::limits`) and which request draws from which bucket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::config::{Clock, Rate};

/// Buckets kept at once; when there are more, full ones are forgotten.
const MOST_BUCKETS: usize = 200_000;

/// One bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    tokens: f64,
    at: u64,
}

impl Bucket {
    pub(crate) fn full(rate: Rate, now: u64) -> Self {
        Self { tokens: rate.burst, at: now }
    }

    /// Takes `amount`, or says in how many milliseconds it will be there.
    pub(crate) fn take(&mut self, rate: Rate, amount: f64, now: u64) -> Result<(), u64> {
        self.refill(rate, now);
        if self.tokens >= amount {
            self.tokens -= amount;
            return Ok(());
        }
        let wait = (amount.min(rate.burst) - self.tokens) / rate.per_second.max(f64::MIN_POSITIVE) * 1000.0;
        // A cast of a float to an integer saturates.
        Err((wait.ceil() as u64).clamp(1, 24 * 60 * 60 * 1000))
    }

    fn refill(&mut self, rate: Rate, now: u64) {
        let passed = now.saturating_sub(self.at) as f64 / 1000.0;
        self.tokens = (self.tokens + passed * rate.per_second).min(rate.burst);
        self.at = now;
    }
}

/// Buckets by key, shared by all connections.
pub(crate) struct Limiter {
    clock: Arc<dyn Clock>,
    buckets: Mutex<HashMap<[u8; 16], (Bucket, Rate)>>,
}

impl Limiter {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, buckets: Mutex::default() }
    }

    /// Takes `amount` from the bucket named by `key`, or says when to retry.
    pub(crate) fn take(&self, rate: Rate, amount: f64, key: &[&[u8]]) -> Result<(), u64> {
        let now = self.clock.now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_BUCKETS {
            Self::forget_full(&mut buckets, now);
        }
        let (bucket, _) = buckets.entry(name(key)).or_insert_with(|| (Bucket::full(rate, now), rate));
        bucket.take(rate, amount, now)
    }

    /// A full bucket behaves as one that was never made. If all are in use, all
    /// go: memory stays bounded whatever comes.
    fn forget_full(buckets: &mut HashMap<[u8; 16], (Bucket, Rate)>, now: u64) {
        buckets.retain(|_, (bucket, rate)| {
            bucket.refill(*rate, now);
            bucket.tokens < rate.burst
        });
        if buckets.len() >= MOST_BUCKETS {
            buckets.clear();
        }
    }
}

fn name(key: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in key {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut name = [0; 16];
    name.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate_and_says_when() {
        let rate = Rate::new(2.0, 10.0);
        let mut bucket = Bucket::full(rate, 0);
        assert_eq!(bucket.take(rate, 1.0, 0), Ok(()));
        assert_eq!(bucket.take(rate, 1.0, 0), Ok(()));
        assert_eq!(bucket.take(rate, 1.0, 0), Err(100));
        assert_eq!(bucket.take(rate, 1.0, 100), Ok(()));
        assert_eq!(bucket.take(rate, 2.0, 10_000), Ok(()), "never more than the burst, never less");
        assert_eq!(bucket.take(rate, 1.0, 9_000), Err(100), "a clock that goes back gives nothing");
    }
}
