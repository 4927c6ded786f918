//! The way to a relay: its address, and one connection with requests, answers and pushes. What is said over it is the
//! engine's concern.

mod address;
mod link;

pub(crate) use address::Address;
pub(crate) use link::{Link, Push};
