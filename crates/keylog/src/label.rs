//! What separates this log's hashes from all others: every label on one page.

use akd_core::configuration::{DomainLabel, ExperimentalConfiguration};

/// The hashing of the tree (BLAKE3 under our own label), for the relay and its auditors.
pub type KeyLog = ExperimentalConfiguration<TreeLabel>;

/// In front of everything that the tree hashes.
#[derive(Debug, Clone)]
pub struct TreeLabel;

impl DomainLabel for TreeLabel {
    fn domain_label() -> &'static [u8] {
        b"conclave key log tree v1"
    }
}

/// In front of what a relay signs.
pub(crate) const ROOT: &[u8] = b"conclave key log root v1";
/// In front of what a witness signs.
pub(crate) const WITNESS: &[u8] = b"conclave key log witness v1";
/// Where the chain of roots begins.
pub(crate) const START: &[u8] = b"conclave key log start v1";
/// One step of that chain.
pub(crate) const STEP: &[u8] = b"conclave key log step v1";
