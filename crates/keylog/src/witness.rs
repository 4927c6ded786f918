//! A root that somebody else has seen too. Whoever cosigns a relay's roots has followed and audited them and cosigns no two
//! for one epoch: who trusts a witness needs nobody else to compare roots with. That it has done so is its own word.
//!
//! Encoding, 96 bytes: the witness's Ed25519 key (32) ‖ signature (64) over the label and the first 153 bytes of the root.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::label;
use crate::read::Reader;
use crate::{KeyLogError, VerifiedRoot};

/// The size of a cosignature.
pub const COSIGNATURE_BYTES: usize = 96;

impl VerifiedRoot {
    /// Signs the root as a witness; gives [`COSIGNATURE_BYTES`].
    #[must_use]
    pub fn cosign(&self, key: &SigningKey) -> Vec<u8> {
        let signature = key.sign(&self.witnessed());
        [&key.verifying_key().to_bytes()[..], &signature.to_bytes()].concat()
    }

    /// The id of the witness, SHA-256 of its key, if the cosignature is for this root.
    ///
    /// # Errors
    /// [`KeyLogError::Malformed`], [`KeyLogError::BadSignature`].
    pub fn cosigned_by(&self, cosignature: &[u8]) -> Result<[u8; 32], KeyLogError> {
        let mut reader = Reader::new(cosignature);
        let (key, signature) = (reader.array()?, Signature::from_bytes(&reader.array()?));
        reader.end()?;
        let witness = VerifyingKey::from_bytes(&key).map_err(|_| KeyLogError::BadSignature)?;
        let verified = witness.verify_strict(&self.witnessed(), &signature);
        verified.map_err(|_| KeyLogError::BadSignature)?;
        Ok(Sha256::digest(key).into())
    }

    fn witnessed(&self) -> Vec<u8> {
        [label::WITNESS, &self.said()].concat()
    }
}
