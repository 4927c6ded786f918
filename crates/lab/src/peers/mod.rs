//! Peers measured in the same run, so that ratios hold on any machine: Olm and Megolm for the ciphers, a raw fan-out for the
//! relay, bare inserts for the client's store, `akd` in memory for the key log.

pub mod argon;
pub mod fanout;
pub mod inserts;
pub mod olm;
pub mod tree;
