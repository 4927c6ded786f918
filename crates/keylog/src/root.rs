//! The signed statement of one epoch, and how one statement follows another.
//!
//! Encoding, 217 bytes, numbers big-endian: version 1 (1) ‖ the relay's signing key (32) ‖ VRF key (32) ‖ incarnation (8) ‖
//! epoch (8) ‖ root hash (32) ‖ chain (32) ‖ Unix milliseconds (8) ‖ Ed25519 signature (64) over the label and all before it.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::KeyLogError;
use crate::label;
use crate::read::Reader;

/// The size of an encoded root.
pub const ROOT_BYTES: usize = SIGNED_BYTES + 64;
/// What the signature covers beside its label.
const SIGNED_BYTES: usize = 1 + 32 + 32 + 8 + 8 + 32 + 32 + 8;
/// Epochs and incarnations are below this, so that no count of versions can overflow.
pub const MOST_EPOCHS: u64 = 1 << 40;

/// What a relay says of one epoch of its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The public key that names are turned into places of the tree with (ECVRF, RFC 9381); 32 bytes.
    pub vrf_key: [u8; 32],
    /// How often the relay was restored from a backup, and once more.
    pub incarnation: u64,
    /// Counted from 0, the empty log.
    pub epoch: u64,
    /// The tree's root hash.
    pub hash: [u8; 32],
    /// What all roots up to this one hash to.
    pub chain: [u8; 32],
    /// The relay's clock, Unix milliseconds.
    pub at: u64,
}

impl Statement {
    /// The statement of a log's beginning: epoch 0, whose tree is empty.
    #[must_use]
    pub fn first(vrf_key: [u8; 32], incarnation: u64, hash: [u8; 32], at: u64) -> Self {
        let start: [u8; 32] =
            Sha256::new().chain_update(label::START).chain_update(vrf_key).finalize().into();
        let chain = step(&start, incarnation, 0, &hash);
        Self { vrf_key, incarnation, epoch: 0, hash, chain, at }
    }

    /// The statement that follows this one: the next epoch, or in a higher incarnation the same epoch once more.
    #[must_use]
    pub fn next(&self, incarnation: u64, epoch: u64, hash: [u8; 32], at: u64) -> Self {
        let chain = step(&self.chain, incarnation, epoch, &hash);
        Self { vrf_key: self.vrf_key, incarnation, epoch, hash, chain, at }
    }

    /// Signs it: for the relay, whose id is the SHA-256 of the public key.
    #[must_use]
    pub fn sign(self, key: &SigningKey) -> VerifiedRoot {
        let relay_key = key.verifying_key().to_bytes();
        let signature = key.sign(&signed(&relay_key, &self)).to_bytes();
        VerifiedRoot { relay_key, statement: self, signature }
    }
}

/// chain_e = SHA-256(label ‖ chain before ‖ incarnation ‖ epoch ‖ root hash).
pub(crate) fn step(before: &[u8; 32], incarnation: u64, epoch: u64, hash: &[u8; 32]) -> [u8; 32] {
    let hashed = Sha256::new().chain_update(label::STEP).chain_update(before);
    let hashed = hashed.chain_update(incarnation.to_be_bytes()).chain_update(epoch.to_be_bytes());
    hashed.chain_update(hash).finalize().into()
}

/// A root as it came: whose it is, is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    relay_key: [u8; 32],
    statement: Statement,
    signature: [u8; 64],
}

impl Root {
    /// Reads the [`ROOT_BYTES`] of an encoded root.
    ///
    /// # Errors
    /// [`KeyLogError::Malformed`], for any other length or version and for numbers from [`MOST_EPOCHS`] on.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyLogError> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != 1 {
            return Err(KeyLogError::Malformed);
        }
        let relay_key = reader.array()?;
        let statement = Statement {
            vrf_key: reader.array()?,
            incarnation: reader.u64()?,
            epoch: reader.u64()?,
            hash: reader.array()?,
            chain: reader.array()?,
            at: reader.u64()?,
        };
        let signature = reader.array()?;
        reader.end()?;
        if statement.epoch >= MOST_EPOCHS || statement.incarnation >= MOST_EPOCHS {
            return Err(KeyLogError::Malformed);
        }
        Ok(Self { relay_key, statement, signature })
    }

    /// The id of the relay whose it says it is.
    #[must_use]
    pub fn relay_id(&self) -> [u8; 32] {
        relay_id(&self.relay_key)
    }

    /// The root, if the relay with this id (the SHA-256 of its signing key) signed it.
    ///
    /// # Errors
    /// [`KeyLogError::OtherRelay`], [`KeyLogError::BadSignature`].
    pub fn verify(self, relay: &[u8; 32]) -> Result<VerifiedRoot, KeyLogError> {
        if relay_id(&self.relay_key) != *relay {
            return Err(KeyLogError::OtherRelay);
        }
        self.verify_by_its_key()
    }

    /// The root, if it is signed by the key that it names, whoever's that is.
    pub(crate) fn verify_by_its_key(self) -> Result<VerifiedRoot, KeyLogError> {
        let key = VerifyingKey::from_bytes(&self.relay_key).map_err(|_| KeyLogError::BadSignature)?;
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&signed(&self.relay_key, &self.statement), &signature)
            .map_err(|_| KeyLogError::BadSignature)?;
        let Self { relay_key, statement, signature } = self;
        Ok(VerifiedRoot { relay_key, statement, signature })
    }
}

/// A root that its relay signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRoot {
    relay_key: [u8; 32],
    statement: Statement,
    signature: [u8; 64],
}

impl VerifiedRoot {
    /// What it says.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The id of the relay that signed it.
    #[must_use]
    pub fn relay_id(&self) -> [u8; 32] {
        relay_id(&self.relay_key)
    }

    /// The key of the relay that signed it.
    pub(crate) fn relay_key(&self) -> &[u8; 32] {
        &self.relay_key
    }

    /// Incarnation and epoch, in the order of roots: a later root has a higher position.
    #[must_use]
    pub fn position(&self) -> (u64, u64) {
        (self.statement.incarnation, self.statement.epoch)
    }

    /// Its bytes without label and signature.
    pub(crate) fn said(&self) -> Vec<u8> {
        unlabelled(&self.relay_key, &self.statement)
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&unlabelled(&self.relay_key, &self.statement)[..], &self.signature].concat()
    }
}

fn relay_id(key: &[u8; 32]) -> [u8; 32] {
    Sha256::digest(key).into()
}

fn signed(relay_key: &[u8; 32], statement: &Statement) -> Vec<u8> {
    [label::ROOT, &unlabelled(relay_key, statement)].concat()
}

fn unlabelled(relay_key: &[u8; 32], statement: &Statement) -> Vec<u8> {
    let Statement { vrf_key, incarnation, epoch, hash, chain, at } = statement;
    let numbers = [incarnation, epoch, at].map(|number| number.to_be_bytes());
    let [incarnation, epoch, at] = &numbers;
    [&[1][..], relay_key, vrf_key, incarnation, epoch, hash, chain, at].concat()
}
