//! The way to a relay: its address, whom to take for it, and one connection with requests, answers and pushes. What is said over it is the
//! engine's concern.

mod address;
mod link;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use address::Address;
pub(crate) use link::{Link, Push};
