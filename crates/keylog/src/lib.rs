//! The key log, verifying side. A relay keeps an append-only map from each name to a person and the hash of the person's
//! device list, makes an *epoch* of it now and then, and signs each epoch's *root*. Here: what a root says and who signed
//! it, what a proof shows under a root, whether one root follows another, and when two of them contradict each other.
//!
//! Not its concern: the network, the clock, which roots a client remembers, and making proofs (the relay does, with `akd`).
//! Whoever compares roots with others sees a split view; nobody sees it alone.

pub mod codec;
mod error;
mod fork;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod label;
mod read;
mod root;
#[cfg(test)]
mod tests;
mod trail;
mod verify;
mod witness;

pub use error::KeyLogError;
pub use fork::{FORK_BYTES, FORK_MAGIC, Fork};
pub use label::KeyLog;
pub use root::{MOST_EPOCHS, ROOT_BYTES, Root, Statement, VerifiedRoot};
pub use trail::{LINK_BYTES, Link, follow};
pub use verify::{Logged, MOST_VERSIONS, Span, VALUE_BYTES, Value};
pub use witness::COSIGNATURE_BYTES;
