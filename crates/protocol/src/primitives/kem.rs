//! Key encapsulation: ML-KEM-768 (FIPS 203) and X-Wing (draft-connolly-cfrg-xwing-kem), and sealing to an X-Wing key.

use super::secret::{AeadKey, KemSeed, KemShared, Secret};
use super::{aead, kdf};
use crate::codec::VLBytes;
use crate::labels::{self, Label};
use crate::{Context, PeerFault, Result};
use libcrux_ml_kem::mlkem768;
use sha3::{Digest as _, Sha3_256};
use shake::{ExtendableOutput, Shake256, Update, XofReader};
use tls_codec::{TlsDeserialize, TlsDeserializeBytes, TlsSerialize, TlsSize};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

const ML_KEM_PUBLIC: usize = 1184;
const ML_KEM_CIPHERTEXT: usize = 1088;
const X_WING_PUBLIC: usize = ML_KEM_PUBLIC + 32;
const X_WING_CIPHERTEXT: usize = ML_KEM_CIPHERTEXT + 32;
const X_WING_LABEL: &[u8; 6] = br"\.//^\";

/// An ML-KEM-768 encapsulation key, 1184 bytes.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct MlKemPublic([u8; ML_KEM_PUBLIC]);

/// An ML-KEM-768 ciphertext, 1088 bytes.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct MlKemCiphertext([u8; ML_KEM_CIPHERTEXT]);

/// An ML-KEM-768 key pair, kept as its two 32-byte seeds (d, z).
#[derive(TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct MlKemSecret {
    d: Secret<KemSeed>,
    z: Secret<KemSeed>,
}

/// An X-Wing encapsulation key, 1216 bytes: ML-KEM-768, then X25519.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct XWingPublic([u8; X_WING_PUBLIC]);

/// An X-Wing ciphertext, 1120 bytes.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct XWingCiphertext([u8; X_WING_CIPHERTEXT]);

/// An X-Wing decapsulation key: its 32-byte seed.
#[derive(TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct XWingSecret(Secret<KemSeed>);

macro_rules! from_bytes {
    ($($name:ident: $length:expr;)*) => { $(impl TryFrom<&[u8]> for $name {
        type Error = crate::Error;
        fn try_from(bytes: &[u8]) -> Result<Self> {
            Ok(Self(bytes.try_into().map_err(|_| PeerFault::Malformed)?))
        }
    })* };
}

from_bytes! {
    XWingPublic: X_WING_PUBLIC;
    XWingCiphertext: X_WING_CIPHERTEXT;
}

/// Something sealed to an X-Wing key: 1120 + 16 bytes more than the plaintext, and a length.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct SealedTo {
    kem: XWingCiphertext,
    sealed: VLBytes,
}

/// Seals `plaintext` to the holder of `to`.
pub(crate) fn seal_to(
    to: &XWingPublic,
    label: Label,
    aad: &[u8],
    plaintext: &[u8],
    cx: &mut Context,
) -> Result<SealedTo> {
    seal_under(to.encapsulate(cx)?, label, aad, plaintext)
}

/// As [`seal_to`], with randomness at hand.
pub(crate) fn seal_to_with(
    to: &XWingPublic,
    label: Label,
    aad: &[u8],
    plaintext: &[u8],
    seed: Zeroizing<[u8; 64]>,
) -> Result<SealedTo> {
    seal_under(to.encapsulate_with(seed)?, label, aad, plaintext)
}

fn seal_under(
    (kem, shared): (XWingCiphertext, Secret<KemShared>),
    label: Label,
    aad: &[u8],
    plaintext: &[u8],
) -> Result<SealedTo> {
    let key = seal_key(&shared, label, &kem);
    Ok(SealedTo { kem, sealed: aead::seal(key, aad, plaintext)?.into() })
}

/// Opens what [`seal_to`] made.
pub(crate) fn open_sealed(
    secret: &XWingSecret,
    label: Label,
    aad: &[u8],
    sealed: &SealedTo,
) -> Result<Zeroizing<Vec<u8>>> {
    let shared = secret.decapsulate(&sealed.kem)?;
    aead::open(&seal_key(&shared, label, &sealed.kem), aad, sealed.sealed.as_slice())
}

fn seal_key(shared: &Secret<KemShared>, label: Label, kem: &XWingCiphertext) -> Secret<AeadKey> {
    kdf::derive(shared.expose(), &[], labels::KEM_SEAL, &[label.0.as_bytes(), &kem.0])
}

impl MlKemPublic {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; ML_KEM_PUBLIC] {
        &self.0
    }

    /// A fresh shared secret and its ciphertext.
    ///
    /// # Errors
    /// `BadKey` for a key that FIPS 203 §7.2 refuses.
    pub(crate) fn encapsulate(&self, cx: &mut Context) -> Result<(MlKemCiphertext, Secret<KemShared>)> {
        encapsulate_with(&self.0, *Zeroizing::new(cx.random()))
    }
}

impl MlKemSecret {
    /// Draws a new one.
    pub fn generate(cx: &mut Context) -> Self {
        Self { d: Secret::random(cx), z: Secret::random(cx) }
    }

    /// The public half.
    pub fn public(&self) -> MlKemPublic {
        MlKemPublic(*self.pair().pk())
    }

    pub(crate) fn decapsulate(&self, ciphertext: &MlKemCiphertext) -> Secret<KemShared> {
        let shared = mlkem768::decapsulate(self.pair().private_key(), &ciphertext.0.into());
        Secret::new(shared)
    }

    fn pair(&self) -> mlkem768::MlKem768KeyPair {
        let mut seed = Zeroizing::new([0; 64]);
        let (d, z) = seed.split_at_mut(32);
        d.copy_from_slice(self.d.expose());
        z.copy_from_slice(self.z.expose());
        mlkem768::generate_key_pair(*seed)
    }
}

impl XWingCiphertext {
    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; X_WING_CIPHERTEXT] {
        &self.0
    }
}

impl XWingPublic {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8; X_WING_PUBLIC] {
        &self.0
    }

    /// A fresh shared secret and its ciphertext.
    ///
    /// # Errors
    /// `BadKey` for a key that FIPS 203 §7.2 refuses.
    pub(crate) fn encapsulate(&self, cx: &mut Context) -> Result<(XWingCiphertext, Secret<KemShared>)> {
        self.encapsulate_with(Zeroizing::new(cx.random()))
    }

    /// Whether it can be sealed to.
    ///
    /// # Errors
    /// `BadKey` for a key that FIPS 203 §7.2 refuses.
    pub(crate) fn check(&self) -> Result<()> {
        let (ml_kem, _) = halves::<X_WING_PUBLIC, ML_KEM_PUBLIC>(&self.0);
        let valid = mlkem768::validate_public_key(&ml_kem.into());
        if valid { Ok(()) } else { Err(PeerFault::BadKey.into()) }
    }

    /// As [`Self::encapsulate`], with randomness at hand.
    pub(crate) fn encapsulate_with(
        &self,
        seed: Zeroizing<[u8; 64]>,
    ) -> Result<(XWingCiphertext, Secret<KemShared>)> {
        let (ml_kem, x25519) = halves::<X_WING_PUBLIC, ML_KEM_PUBLIC>(&self.0);
        let (ml_seed, x_seed) = halves::<64, 32>(&seed);
        let (ml_ciphertext, ml_shared) = encapsulate_with(&ml_kem, ml_seed)?;
        let ephemeral = StaticSecret::from(x_seed);
        let x_ciphertext = PublicKey::from(&ephemeral).to_bytes();
        let x_shared = ephemeral.diffie_hellman(&PublicKey::from(x25519));
        let shared = combine(&ml_shared, x_shared.as_bytes(), &x_ciphertext, &x25519);
        let mut ciphertext = [0; X_WING_CIPHERTEXT];
        let (first, second) = ciphertext.split_at_mut(ML_KEM_CIPHERTEXT);
        first.copy_from_slice(&ml_ciphertext.0);
        second.copy_from_slice(&x_ciphertext);
        Ok((XWingCiphertext(ciphertext), shared))
    }
}

impl XWingSecret {
    /// Draws a new one.
    pub fn generate(cx: &mut Context) -> Self {
        Self(Secret::random(cx))
    }

    /// DeriveKeyPair (draft-connolly-cfrg-xwing-kem-10 §5.4): the seed is SHAKE-256 of `ikm`.
    pub(crate) fn derive(ikm: &[u8]) -> Self {
        let mut shake = Shake256::default();
        shake.update(ikm);
        let mut seed = Zeroizing::new([0; 32]);
        shake.finalize_xof().read(seed.as_mut());
        Self(Secret::new(*seed))
    }

    /// The key of a seed.
    pub(crate) fn from_seed(seed: Secret<KemSeed>) -> Self {
        Self(seed)
    }

    /// The seed: for an engine that keeps keys of its own.
    pub(crate) fn seed(&self) -> &Secret<KemSeed> {
        &self.0
    }

    /// The public half.
    pub fn public(&self) -> XWingPublic {
        let (ml_kem, x25519) = self.expand();
        let mut public = [0; X_WING_PUBLIC];
        let (first, second) = public.split_at_mut(ML_KEM_PUBLIC);
        first.copy_from_slice(ml_kem.pk());
        second.copy_from_slice(PublicKey::from(&x25519).as_bytes());
        XWingPublic(public)
    }

    /// The shared secret in `ciphertext`.
    ///
    /// # Errors
    /// `BadKey` when the X25519 output is all zero.
    pub(crate) fn decapsulate(&self, ciphertext: &XWingCiphertext) -> Result<Secret<KemShared>> {
        let (ml_kem, x25519) = self.expand();
        let (ml_ciphertext, x_ciphertext) = halves::<X_WING_CIPHERTEXT, ML_KEM_CIPHERTEXT>(&ciphertext.0);
        let ml_shared = Secret::new(mlkem768::decapsulate(ml_kem.private_key(), &ml_ciphertext.into()));
        let x_shared = x25519.diffie_hellman(&PublicKey::from(x_ciphertext));
        if !x_shared.was_contributory() {
            return Err(PeerFault::BadKey.into());
        }
        Ok(combine(&ml_shared, x_shared.as_bytes(), &x_ciphertext, PublicKey::from(&x25519).as_bytes()))
    }

    fn expand(&self) -> (mlkem768::MlKem768KeyPair, StaticSecret) {
        let mut shake = Shake256::default();
        shake.update(self.0.expose());
        let mut reader = shake.finalize_xof();
        let mut ml_kem = Zeroizing::new([0; 64]);
        let mut x25519 = Zeroizing::new([0; 32]);
        reader.read(ml_kem.as_mut());
        reader.read(x25519.as_mut());
        (mlkem768::generate_key_pair(*ml_kem), StaticSecret::from(*x25519))
    }
}

fn encapsulate_with(
    public: &[u8; ML_KEM_PUBLIC],
    seed: [u8; 32],
) -> Result<(MlKemCiphertext, Secret<KemShared>)> {
    let public = public.into();
    if !mlkem768::validate_public_key(&public) {
        return Err(PeerFault::BadKey.into());
    }
    let (ciphertext, shared) = mlkem768::encapsulate(&public, seed);
    Ok((MlKemCiphertext(*ciphertext.as_slice()), Secret::new(shared)))
}

fn combine(
    ml_shared: &Secret<KemShared>,
    x_shared: &[u8; 32],
    x_ciphertext: &[u8; 32],
    x_public: &[u8; 32],
) -> Secret<KemShared> {
    let mut hasher = Sha3_256::new();
    for part in [ml_shared.expose(), x_shared, x_ciphertext, x_public] {
        sha3::Digest::update(&mut hasher, part);
    }
    sha3::Digest::update(&mut hasher, X_WING_LABEL);
    Secret::new(hasher.finalize().into())
}

/// Splits `bytes` at `A`; the second half is 32 bytes in every use here.
fn halves<const N: usize, const A: usize>(bytes: &[u8; N]) -> ([u8; A], [u8; 32]) {
    const { assert!(N == A + 32) };
    let (mut first, mut second) = ([0; A], [0; 32]);
    let (a, b) = bytes.split_at(A);
    first.copy_from_slice(a);
    second.copy_from_slice(b);
    (first, second)
}
