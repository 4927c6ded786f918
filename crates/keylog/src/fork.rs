//! Two signed roots that cannot both be: the relay has shown two logs, and anybody can see it from these bytes alone.
//!
//! Encoding, 449 bytes: "conclave fork 1" (15) ‖ the two roots (217 each), the one with the lesser bytes first.

use crate::read::Reader;
use crate::{KeyLogError, ROOT_BYTES, Root, VerifiedRoot};

/// What the file of a fork begins with.
pub const FORK_MAGIC: &[u8; 15] = b"conclave fork 1";
/// The size of an encoded fork.
pub const FORK_BYTES: usize = FORK_MAGIC.len() + 2 * ROOT_BYTES;

/// A proof that a relay has signed two different roots for one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fork {
    one: VerifiedRoot,
    other: VerifiedRoot,
}

impl Fork {
    /// The proof, if these two are of the same relay, incarnation and epoch and say different things of the log. Times alone
    /// are no contradiction.
    #[must_use]
    pub fn between(one: &VerifiedRoot, other: &VerifiedRoot) -> Option<Self> {
        let said = |root: &VerifiedRoot| {
            let statement = root.statement();
            (statement.vrf_key, statement.hash, statement.chain)
        };
        let same = one.relay_key() == other.relay_key() && one.position() == other.position();
        if !same || said(one) == said(other) {
            return None;
        }
        let (one, other) = if one.encode() <= other.encode() { (one, other) } else { (other, one) };
        Some(Self { one: one.clone(), other: other.clone() })
    }

    /// The id of the relay that forked its log: SHA-256 of the key that signed both.
    #[must_use]
    pub fn relay_id(&self) -> [u8; 32] {
        self.one.relay_id()
    }

    /// The two roots.
    #[must_use]
    pub fn roots(&self) -> (&VerifiedRoot, &VerifiedRoot) {
        (&self.one, &self.other)
    }

    /// Its bytes, [`FORK_BYTES`] of them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&FORK_MAGIC[..], &self.one.encode(), &self.other.encode()].concat()
    }

    /// Reads and verifies a fork: both signatures, and that the roots contradict each other.
    ///
    /// # Errors
    /// [`KeyLogError::Malformed`], [`KeyLogError::BadSignature`], [`KeyLogError::NoFork`].
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyLogError> {
        let mut reader = Reader::new(bytes);
        if reader.slice(FORK_MAGIC.len())? != FORK_MAGIC {
            return Err(KeyLogError::Malformed);
        }
        let [first, second] = [reader.slice(ROOT_BYTES)?, reader.slice(ROOT_BYTES)?];
        reader.end()?;
        let one = Root::decode(first)?.verify_by_its_key()?;
        let other = Root::decode(second)?.verify_by_its_key()?;
        if first > second {
            return Err(KeyLogError::Malformed);
        }
        Self::between(&one, &other).ok_or(KeyLogError::NoFork)
    }
}
