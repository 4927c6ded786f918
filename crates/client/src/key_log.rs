//! What auditing a relay's key log takes beside a connection: the words of `conclave-keylog`.

pub use crate::log_reader::LogReader;
pub use conclave_keylog::{FORK_MAGIC, Fork, KeyLogError, Link, Root, VerifiedRoot};
