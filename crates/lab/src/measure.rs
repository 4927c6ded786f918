//! Measuring: repeated runs of an operation, told as median with the fastest and the slowest run.
//!
//! A run is told by its operation in the middle, as others share the machine; runs by their spread. What is measured is no
//! concern of this file.

use std::io::Write;
use std::time::Instant;

/// How much is measured: everything, or just enough to see that the measurement works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// For figures.
    Full,
    /// For tests.
    Quick,
}

impl Extent {
    /// `full`, or `quick` in a test.
    pub fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// Some measurements of one thing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub min: f64,
    /// The one in the middle.
    pub median: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of at least one value; of none it is all zeros.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or_default();
        Self { min: at(0), median: at(values.len() / 2), max: at(values.len().saturating_sub(1)) }
    }

    /// Every value by the same rule, which keeps their order.
    #[must_use]
    pub fn map(self, rule: impl Fn(f64) -> f64) -> Self {
        Self { min: rule(self.min), median: rule(self.median), max: rule(self.max) }
    }
}

/// Times the parts of a run that count, one by one.
#[derive(Default)]
pub struct Stopwatch {
    micros: Vec<f64>,
}

impl Stopwatch {
    /// Times one operation.
    pub fn time<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let outcome = operation();
        self.micros.push(start.elapsed().as_secs_f64() * 1e6);
        outcome
    }

    /// Microseconds of the operations.
    pub fn spread(self) -> Spread {
        Spread::of(self.micros)
    }

    /// Microseconds of all of them together.
    pub fn total(self) -> f64 {
        self.micros.iter().sum()
    }

    /// Microseconds of an operation: the one in the middle, so that interruptions do not count.
    pub fn micros(self) -> f64 {
        Spread::of(self.micros).median
    }
}

/// What some runs say about one thing.
pub fn spread<T>(runs: &[T], pick: impl Fn(&T) -> f64) -> Spread {
    Spread::of(runs.iter().map(pick).collect())
}

/// Seconds that an operation took, and what it gave.
pub async fn seconds<T>(operation: impl Future<Output = T>) -> (f64, T) {
    let start = Instant::now();
    let outcome = operation.await;
    (start.elapsed().as_secs_f64(), outcome)
}

/// Says on standard error what is measured now: a whole table takes minutes.
pub fn progress(what: &str, run: usize, of: usize) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(std::io::stderr(), "measuring: {what} ({run} of {of})");
}

/// Bytes that this process has made the system write to disks so far: whole pages, file systems' own bookkeeping not
/// counted. `None` where the system does not tell.
pub fn bytes_to_disk() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/self/io").ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("write_bytes: "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_told_by_its_order() {
        assert_eq!(Spread::of(vec![3.0, 1.0, 9.0]), Spread { min: 1.0, median: 3.0, max: 9.0 });
        assert_eq!(Spread::of(vec![2.0]).map(|value| value * 2.0).median, 4.0);
        assert_eq!(Spread::of(Vec::new()).max, 0.0);
    }

    #[test]
    fn a_stopwatch_counts_operations() {
        let mut watch = Stopwatch::default();
        let sum: u32 = (0..10).map(|n| watch.time(|| n)).sum();
        assert_eq!((sum, watch.micros.len()), (45, 10));
        assert!(watch.micros() >= 0.0);
    }
}
