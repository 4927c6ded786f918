//! Many devices and the relay's own rules in one process, in virtual time, with seeded randomness: any run comes again from
//! its seed.
//!
//! ```text
//! agenda ──► device ── request ──► weather ──► relay ──► tape        everything posted, for thieves
//!               ▲                                │
//!               └────── answer ◄── weather ◄─────┘
//! ```
//! Devices are the protocol core on a vault in memory, driven with the discipline of the client's engine. Sockets, disks and
//! the engine itself are not simulated; asking for keys in the directory never fails here.

mod agenda;
mod device;
mod intake;
mod sealing;
mod tape;
mod weather;
mod world;

pub use agenda::Agenda;
pub use device::{Device, Disk, Wish};
pub use tape::{Kept, Tape, What};
pub use weather::Weather;
pub use world::{Deed, Loot, World};

/// When every simulation begins, in Unix milliseconds.
pub const START: u64 = 1_790_000_000_000;
