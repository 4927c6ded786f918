//! The relay's API, version 1: messages, ids, limits and refusals, strict and
//! bounded. Both the relay and its clients speak through this crate.
//!
//! Not its concern: what the opaque protocol bytes mean, how either side acts
//! on a message, and the network itself.

pub mod auth;
mod debug;
pub mod error;
pub mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod ids;
pub mod limits;
pub mod refusal;
pub mod slices;

/// The generated messages of `proto/relay.proto`.
#[allow(missing_docs, clippy::all, rustdoc::all)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/conclave.v1.rs"));
}

pub use error::WireError;
pub use ids::{BlobId, ChannelId, DeviceId, PersonId, RelayId, SeatId};
pub use refusal::Code;

/// The version of this API, stated in `Hello`.
pub const VERSION: u32 = 1;
