//! The relay: directory, channels and inboxes of an end-to-end encrypted
//! group messenger. It stores and forwards bytes that it cannot read.
//!
//! Not its concern: what those bytes mean. It never imports the protocol.

mod admission;
pub mod audit;
mod backup;
pub mod bench;
mod config;
mod connection;
mod cursors;
mod data;
mod door;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hub;
mod limits;
mod log;
mod relay;
mod serve;
mod storage;
mod sweep;
mod tag;
mod tls;
mod witness;

pub use backup::{Backup, backup};
pub use conclave_wire::RelayId;
pub use config::{Clock, Config, Limits, Rate, Registration, SystemClock, Tls};
pub use connection::Direct;
pub use error::RelayError;
pub use serve::{Running, serve};
pub use witness::Witness;
