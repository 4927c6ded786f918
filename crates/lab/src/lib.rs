//! The laboratory: what the schemes cost, what a relay and a client carry, measured beside peers in one run; and what a thief
//! of keys reads, in a simulation.
//!
//! Nothing imports it. It measures through the doors that everybody uses; what is faster inside is no concern of its own.

pub mod attacks;
pub mod costs;
pub mod error;
pub mod figures;
pub mod gossip;
pub mod heals;
pub mod load;
pub mod measure;
pub mod peers;
pub mod people;
pub mod report;
pub mod room;
pub mod simulator;
pub mod thief;

pub use error::{LabError, Result};
