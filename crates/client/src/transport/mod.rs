//! The way to a relay: its address, whom to take for it, and one connection with requests, answers and pushes. What is said over it is the
//! engine's concern.

mod address;
mod link;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use address::Address;
pub(crate) use link::{Link, Push};

/// This layer's bounds, for the page of all of them.
pub(crate) mod limits {
    pub(crate) use super::link::{MOST_WAITING as WAITING, PATIENCE, SILENCE};
}
