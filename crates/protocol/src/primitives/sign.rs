//! Ed25519 (RFC 8032) with strict verification; every signature covers a label.

use super::kdf;
use super::secret::{Secret, SigningSeed};
use crate::labels::Label;
use crate::{Context, PeerFault, Result};
use ed25519_dalek::Signer;
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
        Self::from_seed(Secret::random(cx))
    }

    /// The key of a seed.
    pub(crate) fn from_seed(seed: Secret<SigningSeed>) -> Self {
        let public = ed25519_dalek::SigningKey::from_bytes(seed.expose()).verifying_key();
        Self { seed, public: VerifyingKey(public.to_bytes()) }
    }

    /// The public half.
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// The seed: for an engine that keeps keys of its own.
    pub(crate) fn seed(&self) -> &Secret<SigningSeed> {
        &self.seed
    }

    /// Signs `message` under `label`.
    pub(crate) fn sign(&self, label: Label, message: &[u8]) -> Signature {
        self.sign_raw(kdf::hash(label, &[message]).as_bytes())
    }

    /// Signs bytes framed by somebody else's protocol (the relay's login), without a label of ours.
    pub fn sign_raw(&self, message: &[u8]) -> Signature {
        // The usual call computes the public half anew: 12 µs of 42. A half that does not belong to the seed would give the
        // seed away, so the two are never set apart: made at once, private, one value, and in a store that is authenticated.
        let signature = match ed25519_dalek::VerifyingKey::from_bytes(&self.public.0) {
            Ok(public) => raw_sign::<Sha512>(&ExpandedSecretKey::from(self.seed.expose()), message, &public),
            Err(_) => ed25519_dalek::SigningKey::from_bytes(self.seed.expose()).sign(message),
        };
        Signature(signature.to_bytes())
    }
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
}

impl From<[u8; 32]> for VerifyingKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
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

    /// The key with its point worked out: for whoever checks many signatures by one key.
    ///
    /// # Errors
    /// `BadKey` if this is no point.
    pub(crate) fn prepare(&self) -> Result<PreparedKey> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(&self.0);
        key.map(PreparedKey).map_err(|_| PeerFault::BadKey.into())
    }

    /// Checks a signature over `message` under `label`.
    ///
    /// # Errors
    /// `BadKey` if this is no point; `BadSignature` otherwise.
    pub(crate) fn verify(&self, label: Label, message: &[u8], signature: &Signature) -> Result<()> {
        self.prepare()?.verify(label, message, signature)
    }
}

/// A public key with its point.
#[derive(Clone, Copy)]
pub(crate) struct PreparedKey(ed25519_dalek::VerifyingKey);

impl PreparedKey {
    /// Checks a signature over `message` under `label`, strictly: neither key nor signature may be of small order.
    ///
    /// # Errors
    /// `BadSignature`.
    pub(crate) fn verify(&self, label: Label, message: &[u8], signature: &Signature) -> Result<()> {
        self.verify_raw(kdf::hash(label, &[message]).as_bytes(), signature)
    }

    /// Checks a signature over bytes framed by somebody else's protocol, as strictly.
    ///
    /// # Errors
    /// `BadSignature`.
    pub(crate) fn verify_raw(&self, message: &[u8], signature: &Signature) -> Result<()> {
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        self.0.verify_strict(message, &signature).map_err(|_| PeerFault::BadSignature.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn signing_with_the_public_half_at_hand_gives_what_rfc_8032_says() {
        // RFC 8032 §7.1, test 2.
        let fixed = |digits: &str| hex::decode(digits).unwrap().try_into().unwrap();
        let key = SigningKey {
            seed: Secret::new(fixed("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")),
            public: VerifyingKey(fixed("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")),
        };
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                        085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(hex::encode(key.sign_raw(&[0x72]).as_bytes()), expected);
        for seed in 0..8 {
            let key = SigningKey::generate(&mut Bench::new(seed).cx());
            let usual = ed25519_dalek::SigningKey::from_bytes(key.seed.expose()).sign(b"x");
            assert_eq!(*key.sign_raw(b"x").as_bytes(), usual.to_bytes());
        }
    }
}
