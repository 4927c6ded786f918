//! Being a witness of other relays' key logs: the key to cosign with, and which root of each was cosigned last, kept before
//! its cosignature is shown to anybody, so that there are never two for one epoch.
//!
//! Not here: following and auditing the log ([`crate::audit`]), and fetching it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use conclave_keylog::{Root, VerifiedRoot};
use conclave_wire::RelayId;
use ed25519_dalek::SigningKey;

use crate::RelayError;
use crate::data::{KEY, make_private, relay_id, secret, write_private};

/// Where the roots lie, under the data directory.
const DIRECTORY: &str = "witnessed";

/// A witness. Its id is that of the relay whose data directory it has.
pub struct Witness {
    key: SigningKey,
    dir: PathBuf,
}

impl Witness {
    /// The witness that has this data directory; a relay may run in it. What is missing is made.
    ///
    /// # Errors
    /// `Data`, `BadKey`, `Randomness`.
    pub fn open(data: &Path) -> Result<Self, RelayError> {
        let dir = data.join(DIRECTORY);
        make_private(&dir).map_err(|cause| RelayError::Data { path: dir.clone(), cause })?;
        let key = SigningKey::from_bytes(&secret(&data.join(KEY))?);
        Ok(Self { key, dir })
    }

    /// SHA-256 of its key.
    #[must_use]
    pub fn id(&self) -> RelayId {
        relay_id(&self.key)
    }

    /// The root of a relay's log that was cosigned last.
    ///
    /// # Errors
    /// `Data` if the file cannot be read, or is not such a root.
    pub fn last(&self, relay: &[u8; 32]) -> Result<Option<VerifiedRoot>, RelayError> {
        let path = self.path(relay);
        let failed = |cause| RelayError::Data { path: path.clone(), cause };
        match fs::read(&path) {
            Ok(bytes) => {
                let root = Root::decode(&bytes).and_then(|root| root.verify(relay));
                root.map(Some).map_err(|cause| failed(io::Error::new(io::ErrorKind::InvalidData, cause)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(failed(cause)),
        }
    }

    /// Cosigns a root that was followed and audited from the last one on; 96 bytes.
    ///
    /// # Errors
    /// `Data` if it cannot be kept: then there is no cosignature.
    pub fn cosign(&self, root: &VerifiedRoot) -> Result<Vec<u8>, RelayError> {
        let path = self.path(&root.relay_id());
        write_private(&path, &root.encode()).map_err(|cause| RelayError::Data { path, cause })?;
        Ok(root.cosign(&self.key))
    }

    /// Where the proof is to lie that a relay has forked its log.
    #[must_use]
    pub fn proof_path(&self, relay: &[u8; 32]) -> PathBuf {
        self.path(relay).with_extension("fork")
    }

    fn path(&self, relay: &[u8; 32]) -> PathBuf {
        self.dir.join(format!("{}.root", hex::encode(relay)))
    }
}

#[cfg(test)]
mod tests {
    use conclave_keylog::Statement;

    use super::*;

    #[test]
    fn what_was_cosigned_last_is_known_after_a_restart_and_nothing_else_passes_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let witness = Witness::open(dir.path()).unwrap();
        let key = SigningKey::from_bytes(&[7; 32]);
        let root = Statement::first([5; 32], 1, [0; 32], 1_790_000_000_000).sign(&key);
        assert_eq!(witness.last(&root.relay_id()).unwrap(), None);
        let cosignature = witness.cosign(&root).unwrap();
        assert_eq!(root.cosigned_by(&cosignature).unwrap(), *witness.id().as_bytes());
        let again = Witness::open(dir.path()).unwrap();
        assert_eq!((again.id(), again.last(&root.relay_id()).unwrap()), (witness.id(), Some(root.clone())));
        fs::write(again.path(&root.relay_id()), b"short").unwrap();
        assert!(again.last(&root.relay_id()).is_err());
    }
}
