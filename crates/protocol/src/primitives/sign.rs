//! Ed25519 (RFC 8032) with strict verification; every signature covers a label.

use super::kdf;
use super::secret::{Secret, SigningSeed};
use crate::labels::Label;
use crate::{Context, PeerFault, Result};
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use sha2::Sha512;
use tls_codec::{TlsDeserialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

/// A public key, 32 bytes.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    TlsSize,
    TlsSerialize,
    TlsDeserialize,
    TlsDeserializeBytes,
)]
pub struct VerifyingKey([u8; 32]);

/// A signature, 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct Signature([u8; 64]);

/// A signing key; the public half is kept beside the seed.
#[derive(TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct SigningKey {
    seed: Secret<SigningSeed>,
    public: VerifyingKey,
}

impl SigningKey {
    /// Draws a new one.
    pub fn generate(cx: &mut Context) -> Self {
        let seed = Secret::random(cx);
        let public = ed25519_dalek::SigningKey::from_bytes(seed.expose()).verifying_key();
        Self { seed, public: VerifyingKey(public.to_bytes()) }
    }

    /// The public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// Signs `message` under `label`.
    pub(crate) fn sign(&self, label: Label, message: &[u8]) -> Signature {
        self.sign_raw(kdf::hash(label, &[message]).as_bytes())
    }

    /// Signs bytes framed by somebody else's protocol (the relay's login), without a label of ours.
    pub fn sign_raw(&self, message: &[u8]) -> Signature {
        // The usual call computes the public half anew: a third of the time. A half that does not belong to the seed would
        // give the seed away, so the two are never set apart: both are private, made at once and kept in one value.
        let seed = ExpandedSecretKey::from(self.seed.expose());
        match ed25519_dalek::VerifyingKey::from_bytes(&self.public.0) {
            Ok(public) => Signature(raw_sign::<Sha512>(&seed, message, &public).to_bytes()),
            // Nothing that was generated here is no point; were it one, this signature would verify nowhere.
            Err(_) => Signature([0; 64]),
        }
    }
}

impl Signature {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl VerifyingKey {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Checks a signature over `message` under `label`.
    ///
    /// # Errors
    /// `BadKey` if this is no point of full order; `BadSignature` otherwise.
    pub(crate) fn verify(&self, label: Label, message: &[u8], signature: &Signature) -> Result<()> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0).map_err(|_| PeerFault::BadKey)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(kdf::hash(label, &[message]).as_bytes(), &signature)
            .map_err(|_| PeerFault::BadSignature.into())
    }
}
