//! Gossip between groups raises no alarm where the relay is honest, whatever is lost or late, and finds a relay that is not.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use conclave_lab::gossip::tally;

/// `conclave-lab gossip` runs ten thousand.
const RUNS: u64 = 12;

#[test]
fn honest_talks_in_lossy_weather_raise_no_alarm_and_forks_are_found() {
    let tally = tally(1, RUNS, 4).unwrap();
    assert!(tally.honest.compared > RUNS * 10, "{tally:?}");
    assert_eq!((tally.honest.forks, tally.honest.withheld), (0, 0), "{tally:?}");
    assert_eq!((tally.caught + tally.later, tally.forked), (RUNS / 4, RUNS / 4), "{tally:?}");
}
