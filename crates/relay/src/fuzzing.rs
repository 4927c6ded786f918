//! Fuzz targets: clients that say anything at all to a live relay in memory. Part of the crate only for its tests and under
//! a fuzzer.

use crate::connection::fuzzing::requests;

/// What a target does with any bytes.
pub type Run = fn(&[u8]) -> bool;

/// Every target: its name; what it does with any bytes (it returns whether they were a value, and panics if something does
/// not hold that must); and on how many mutations it runs in tests.
pub const TARGETS: &[(&str, Run, u64)] = &[("requests", requests, 2_000)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::fuzzing::seeds;

    #[test]
    fn fuzz_targets_of_the_relay_hold() {
        conclave_fuzzing::hold("relay", TARGETS, &seeds());
    }
}
