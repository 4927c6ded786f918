//! The client's own bounds on one page, as `docs/limits.md` gives them. Each stands where it is kept; here it is only named.

use crate::engine::limits as engine;
use crate::store::limits as store;
use crate::transport::limits as transport;

/// A bound: what is bounded, how much, of what.
pub type Limit = (&'static str, u64, &'static str);

/// All of them.
pub const ALL: &[Limit] = &[
    ("messages and changes that wait to be sent", store::OUTBOX as u64, "rows"),
    ("events kept for the next report", store::EVENTS as u64, "events"),
    ("memory of the passphrase's Argon2id", store::ARGON2_KIB as u64, "KiB"),
    ("passes of the passphrase's Argon2id", store::ARGON2_PASSES as u64, "passes"),
    ("memory that a store may ask for", store::MOST_ARGON2_KIB as u64, "KiB"),
    ("a step waits for those of other processes", store::BUSY.as_secs(), "seconds"),
    ("devices that one change adds to a group", crate::client::DEVICES_AT_ONCE as u64, "devices"),
    ("entries taken in by one transaction", engine::ENTRIES_AT_ONCE as u64, "entries"),
    ("requests of unknown people that wait", engine::REQUESTS as u64, "requests"),
    ("the longest pause between two tries to connect", engine::LONGEST_PAUSE.as_secs(), "seconds"),
    ("people's devices are looked up every", engine::PEOPLE_LOOKED_UP / 3_600_000, "hours"),
    ("a device of theirs is waited for to say so in a group", engine::SIBLING_TIME / 60_000, "minutes"),
    ("an own heal that does not get through is told after", engine::HEAL_LATE / 60_000, "minutes"),
    ("a relay's answer is waited for", transport::PATIENCE.as_secs(), "seconds"),
    ("a relay may be silent", transport::SILENCE.as_secs(), "seconds"),
    ("pushes that wait to be taken in", transport::WAITING as u64, "bytes"),
];
