//! Conclave's protocol core: who is in a group, and with which keys they speak.
//!
//! Synchronous and pure: the only door is [`Context`], and the vault in it is a database transaction. A step that returns
//! `Err` has changed nothing once the caller rolls the transaction back. Transport, storage engines, clocks and what a
//! face shows are not this crate's concern.

pub mod codec;
pub mod content;
mod context;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod gossip;
pub mod group;
pub mod history;
pub mod identity;
mod ids;
pub mod labels;
pub mod limits;
pub mod primitives;
pub mod roster;
pub mod session;
#[cfg(any(test, fuzzing))]
pub(crate) mod testing;
mod vault;

pub use context::{Context, Timestamp};
pub use error::{Error, Misuse, PeerFault, Result};
pub use ids::{DeviceId, Digest, GroupId, MessageId, PersonId, SeatId};
pub use vault::{Found, MemoryVault, Vault, VaultError};
