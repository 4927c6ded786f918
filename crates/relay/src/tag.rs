//! Short tags for identifiers in logs: salted anew at each start, so that a
//! log tells which lines belong together and nothing beyond.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// The salt of this run.
pub(crate) struct Tags([u8; 16]);

impl Tags {
    pub(crate) fn new(salt: [u8; 16]) -> Self {
        Self(salt)
    }

    /// The tag of an identifier.
    pub(crate) fn of(&self, id: &[u8]) -> String {
        let digest = Sha256::new().chain_update(self.0).chain_update(id).finalize();
        digest.iter().take(3).fold(String::new(), |mut tag, byte| {
            let _ = write!(tag, "{byte:02x}");
            tag
        })
    }
}
