//! X25519 (RFC 7748). All-zero outputs and non-canonical public keys are refused.

use super::secret::{DhOutput, DhScalar, Secret};
use crate::{Context, PeerFault, Result};
use tls_codec::{TlsDeserialize, TlsDeserializeBytes, TlsSerialize, TlsSize};
use x25519_dalek::{PublicKey, StaticSecret};

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
pub struct DhPublic([u8; 32]);

/// A key pair; the public half is kept, so that sending costs no multiplication.
#[derive(TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct DhSecret {
    scalar: Secret<DhScalar>,
    public: DhPublic,
}

impl DhPublic {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl DhSecret {
    /// Draws a new one.
    pub fn generate(cx: &mut Context) -> Self {
        let scalar = Secret::random(cx);
        let public = PublicKey::from(&StaticSecret::from(*scalar.expose()));
        Self { scalar, public: DhPublic(public.to_bytes()) }
    }

    /// The public half.
    pub fn public(&self) -> &DhPublic {
        &self.public
    }

    /// The shared secret with `their` key.
    ///
    /// # Errors
    /// `BadKey` for a non-canonical key (high bit set, or not below the field's prime) or an all-zero output.
    pub(crate) fn agree(&self, their: &DhPublic) -> Result<Secret<DhOutput>> {
        if !is_canonical(&their.0) {
            return Err(PeerFault::BadKey.into());
        }
        let shared = StaticSecret::from(*self.scalar.expose()).diffie_hellman(&PublicKey::from(their.0));
        if !shared.was_contributory() {
            return Err(PeerFault::BadKey.into());
        }
        Ok(Secret::new(shared.to_bytes()))
    }
}

/// Below 2^255 − 19, little-endian.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    *high < 0x7f || (*high == 0x7f && (middle.iter().any(|byte| *byte != 0xff) || *low < 0xed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn non_canonical_and_small_order_keys_are_refused() {
        let mut bench = Bench::new(1);
        let mine = DhSecret::generate(&mut bench.cx());
        let mut high_bit = *mine.public().as_bytes();
        high_bit[31] |= 0x80;
        let mut prime = [0xff; 32];
        prime[0] = 0xed;
        prime[31] = 0x7f;
        let mut one = [0; 32];
        one[0] = 1;
        for bad in [high_bit, prime, one, [0; 32]] {
            assert_eq!(mine.agree(&DhPublic(bad)).err(), Some(PeerFault::BadKey.into()));
        }
    }

    #[test]
    fn both_sides_agree() {
        let mut bench = Bench::new(2);
        let (a, b) = (DhSecret::generate(&mut bench.cx()), DhSecret::generate(&mut bench.cx()));
        assert!(a.agree(b.public()).unwrap().same(&b.agree(a.public()).unwrap()));
    }
}
