//! Ed25519 (RFC 8032) with strict verification; every signature covers a label.

use super::kdf;
use super::secret::{Secret, SigningSeed};
use crate::labels::Label;
use crate::{Context, PeerFault, Result};
use ed25519_dalek::Signer;
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
        let key = ed25519_dalek::SigningKey::from_bytes(self.seed.expose());
        Signature(key.sign(kdf::hash(label, &[message]).as_bytes()).to_bytes())
    }

    /// Signs bytes framed by somebody else's protocol (the relay's login), without a label of ours.
    pub fn sign_raw(&self, message: &[u8]) -> Signature {
        let key = ed25519_dalek::SigningKey::from_bytes(self.seed.expose());
        Signature(key.sign(message).to_bytes())
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
