//! What one step costs: time in memory, bytes on the wire, bytes on a disk. No relay under load here.

pub mod group;
pub mod healing;
pub mod session;
pub mod store;
