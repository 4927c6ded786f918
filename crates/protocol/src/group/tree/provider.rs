//! The cryptography that mls-rs runs on: ours. X-Wing, ChaCha20-Poly1305, SHA-256, Ed25519 (suite 0x004D), with randomness
//! drawn from the step's own.

use super::path::Seen;
#[cfg(test)]
use super::short;
use crate::primitives::kem::XWingSecret;
use crate::primitives::secret::{DrawSeed, Secret};
use crate::primitives::sign::{SigningKey, VerifyingKey};
use crate::primitives::{aead, hpke, kdf};
use crate::{Context, PeerFault, labels};
use mls_rs::crypto::{
    HpkeCiphertext, HpkeContextR, HpkeContextS, HpkePsk, HpkePublicKey, HpkeSecretKey, SignaturePublicKey,
    SignatureSecretKey,
};
use mls_rs::error::IntoAnyError;
use mls_rs::{CipherSuite, CipherSuiteProvider, CryptoProvider};
use std::sync::{Arc, Mutex, PoisonError};
use zeroize::Zeroizing;

/// X-Wing, ChaCha20-Poly1305, SHA-256, Ed25519: the number that OpenMLS gives it.
const SUITE: CipherSuite = CipherSuite::new(0x004d);

/// The suite of every group: [`SUITE`], unless a test asks for the plain one.
pub(super) fn suite() -> CipherSuite {
    #[cfg(test)]
    if plain::is_asked_for() {
        return CipherSuite::CURVE25519_AES128;
    }
    SUITE
}

/// The cipher suite, for one operation of the engine.
#[derive(Clone)]
pub(super) struct Provider {
    draws: Arc<Mutex<Draws>>,
    seen: Seen,
}

/// An endless draw from one seed: the engine needs randomness in places where a step's context does not reach.
struct Draws {
    seed: Secret<DrawSeed>,
    drawn: u64,
}

/// Why a primitive failed; the engine passes it on without looking.
#[derive(Debug)]
pub(super) struct Failed;

/// HPKE contexts serve external commits only, which are off.
pub(super) enum Never {}

type Result<T> = std::result::Result<T, Failed>;

impl Provider {
    /// What the engine has checked is shown to `seen`.
    pub(super) fn new(seen: Seen, cx: &mut Context) -> Self {
        let draws = Draws { seed: Secret::random(cx), drawn: 0 };
        Self { draws: Arc::new(Mutex::new(draws)), seen }
    }

    fn draw<const N: usize>(&self) -> Zeroizing<[u8; N]> {
        let mut drawn = Zeroizing::new([0; N]);
        self.draws.lock().unwrap_or_else(PoisonError::into_inner).fill(drawn.as_mut());
        drawn
    }
}

impl Draws {
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block: Secret<DrawSeed> =
                kdf::derive(self.seed.expose(), &[], labels::MLS_RANDOM, &[&self.drawn.to_be_bytes()]);
            chunk.iter_mut().zip(block.expose()).for_each(|(to, from)| *to = *from);
            self.drawn += 1;
        }
    }
}

impl CryptoProvider for Provider {
    type CipherSuiteProvider = Self;

    fn supported_cipher_suites(&self) -> Vec<CipherSuite> {
        vec![suite()]
    }

    fn cipher_suite_provider(&self, suite: CipherSuite) -> Option<Self> {
        (suite == self::suite()).then(|| self.clone())
    }
}

impl CipherSuiteProvider for Provider {
    type Error = Failed;
    type HpkeContextS = Never;
    type HpkeContextR = Never;

    fn cipher_suite(&self) -> CipherSuite {
        suite()
    }

    fn hash(&self, data: &[u8]) -> Result<Vec<u8>> {
        #[cfg(test)]
        if let Some(data) = short::hashed(data) {
            return Ok(kdf::sha256(&data).to_vec());
        }
        Ok(kdf::sha256(data).to_vec())
    }

    fn mac(&self, key: &[u8], data: &[u8]) -> Result<Vec<u8>> {
        Ok(kdf::mac_raw(key, data).ok_or(Failed)?.to_vec())
    }

    fn aead_seal(&self, key: &[u8], data: &[u8], aad: Option<&[u8]>, nonce: &[u8]) -> Result<Vec<u8>> {
        #[cfg(test)]
        if plain::is_asked_for() {
            return Ok(plain::seal_at(key.try_into()?, nonce.try_into()?, aad.unwrap_or_default(), data)?);
        }
        #[cfg(test)]
        let cut = short::cut(data);
        #[cfg(test)]
        let data = cut.as_deref().unwrap_or(data);
        Ok(aead::seal_at(key.try_into()?, nonce.try_into()?, aad.unwrap_or_default(), data)?)
    }

    fn aead_open(
        &self,
        key: &[u8],
        sealed: &[u8],
        aad: Option<&[u8]>,
        nonce: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        #[cfg(test)]
        if plain::is_asked_for() {
            return Ok(plain::open_at(key.try_into()?, nonce.try_into()?, aad.unwrap_or_default(), sealed)?);
        }
        Ok(aead::open_at(key.try_into()?, nonce.try_into()?, aad.unwrap_or_default(), sealed)?)
    }

    fn aead_key_size(&self) -> usize {
        #[cfg(test)]
        if plain::is_asked_for() {
            return 16;
        }
        32
    }

    fn aead_nonce_size(&self) -> usize {
        12
    }

    fn kdf_extract(&self, salt: &[u8], ikm: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Ok(Zeroizing::new(kdf::extract(salt, ikm).to_vec()))
    }

    fn kdf_expand(&self, prk: &[u8], info: &[u8], length: usize) -> Result<Zeroizing<Vec<u8>>> {
        kdf::expand(prk, info, length).ok_or(Failed)
    }

    fn kdf_extract_size(&self) -> usize {
        32
    }

    fn hpke_seal(
        &self,
        to: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext> {
        #[cfg(test)]
        if plain::is_asked_for() {
            let sealed = plain::seal(to, (info, aad.unwrap_or_default()), plaintext, *self.draw())?;
            return Ok(HpkeCiphertext { kem_output: sealed.kem, ciphertext: sealed.text });
        }
        let sealed = hpke::seal(to, (info, aad.unwrap_or_default()), plaintext, self.draw())?;
        #[cfg(test)]
        let sealed = spoil::pass(sealed);
        Ok(HpkeCiphertext { kem_output: sealed.kem, ciphertext: sealed.text })
    }

    fn hpke_open(
        &self,
        sealed: &HpkeCiphertext,
        secret: &HpkeSecretKey,
        _public: &HpkePublicKey,
        info: &[u8],
        aad: Option<&[u8]>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        #[cfg(test)]
        if plain::is_asked_for() {
            let bound = (info, aad.unwrap_or_default());
            return Ok(plain::open(
                secret.as_ref().try_into()?,
                bound,
                &sealed.kem_output,
                &sealed.ciphertext,
            )?);
        }
        let secret = XWingSecret::from_seed(Secret::new(secret.as_ref().try_into()?));
        Ok(hpke::open(&secret, (info, aad.unwrap_or_default()), &sealed.kem_output, &sealed.ciphertext)?)
    }

    fn hpke_seal_psk(
        &self,
        _to: &HpkePublicKey,
        _info: &[u8],
        _aad: Option<&[u8]>,
        _plaintext: &[u8],
        _psk: HpkePsk<'_>,
    ) -> Result<HpkeCiphertext> {
        Err(Failed)
    }

    fn hpke_open_psk(
        &self,
        _sealed: &HpkeCiphertext,
        _secret: &HpkeSecretKey,
        _public: &HpkePublicKey,
        _info: &[u8],
        _aad: Option<&[u8]>,
        _psk: HpkePsk<'_>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        Err(Failed)
    }

    fn hpke_setup_s(&self, _to: &HpkePublicKey, _info: &[u8]) -> Result<(Vec<u8>, Never)> {
        Err(Failed)
    }

    fn hpke_setup_r(
        &self,
        _kem: &[u8],
        _secret: &HpkeSecretKey,
        _public: &HpkePublicKey,
        _info: &[u8],
    ) -> Result<Never> {
        Err(Failed)
    }

    fn kem_derive(&self, ikm: &[u8]) -> Result<(HpkeSecretKey, HpkePublicKey)> {
        #[cfg(test)]
        if plain::is_asked_for() {
            return plain::pair(ikm);
        }
        Ok(pair(&XWingSecret::derive(ikm)))
    }

    fn kem_generate(&self) -> Result<(HpkeSecretKey, HpkePublicKey)> {
        #[cfg(test)]
        if plain::is_asked_for() {
            return plain::pair(self.draw::<32>().as_slice());
        }
        Ok(pair(&XWingSecret::from_seed(Secret::new(*self.draw()))))
    }

    fn kem_public_key_validate(&self, key: &HpkePublicKey) -> Result<()> {
        #[cfg(test)]
        if plain::is_asked_for() {
            return Ok(plain::check_key(key)?);
        }
        Ok(hpke::check_key(key)?)
    }

    fn random_bytes(&self, out: &mut [u8]) -> Result<()> {
        self.draws.lock().unwrap_or_else(PoisonError::into_inner).fill(out);
        Ok(())
    }

    fn signature_key_generate(&self) -> Result<(SignatureSecretKey, SignaturePublicKey)> {
        let key = SigningKey::from_seed(Secret::new(*self.draw()));
        Ok((signer(&key), verifier(key.public())))
    }

    fn signature_key_derive_public(&self, secret: &SignatureSecretKey) -> Result<SignaturePublicKey> {
        Ok(verifier(signing_key(secret)?.public()))
    }

    fn sign(&self, secret: &SignatureSecretKey, data: &[u8]) -> Result<Vec<u8>> {
        #[cfg(test)]
        let cut = short::cut_signed(data);
        #[cfg(test)]
        let data = cut.as_deref().unwrap_or(data);
        Ok(signing_key(secret)?.sign_raw(data).as_bytes().to_vec())
    }

    fn verify(&self, public: &SignaturePublicKey, signature: &[u8], data: &[u8]) -> Result<()> {
        let signature: [u8; 64] = signature.try_into()?;
        verifying_key(public)?.prepare()?.verify_raw(data, &signature.into())?;
        self.seen.look(data);
        Ok(())
    }
}

/// A leaf's signing key as the engine keeps it: its seed.
pub(super) fn signer(key: &SigningKey) -> SignatureSecretKey {
    SignatureSecretKey::new_slice(key.seed().expose())
}

/// A leaf's signing key as a tree shows it.
pub(super) fn verifier(key: &VerifyingKey) -> SignaturePublicKey {
    SignaturePublicKey::new_slice(key.as_bytes())
}

/// The key that a tree shows.
pub(super) fn verifying_key(key: &SignaturePublicKey) -> Result<VerifyingKey> {
    let bytes: [u8; 32] = key.as_bytes().try_into()?;
    Ok(bytes.into())
}

fn signing_key(secret: &SignatureSecretKey) -> Result<SigningKey> {
    Ok(SigningKey::from_seed(Secret::new(secret.as_bytes().try_into()?)))
}

fn pair(secret: &XWingSecret) -> (HpkeSecretKey, HpkePublicKey) {
    (secret.seed().expose().to_vec().into(), secret.public().as_bytes().to_vec().into())
}

impl From<crate::Error> for Failed {
    fn from(_: crate::Error) -> Self {
        Self
    }
}

impl From<std::array::TryFromSliceError> for Failed {
    fn from(_: std::array::TryFromSliceError) -> Self {
        Self
    }
}

impl From<Failed> for PeerFault {
    fn from(_: Failed) -> Self {
        Self::Malformed
    }
}

impl IntoAnyError for Failed {}

impl HpkeContextS for Never {
    type Error = Failed;

    fn seal(&mut self, _aad: Option<&[u8]>, _data: &[u8]) -> Result<Vec<u8>> {
        match *self {}
    }

    fn export(&self, _context: &[u8], _length: usize) -> Result<Zeroizing<Vec<u8>>> {
        match *self {}
    }
}

impl HpkeContextR for Never {
    type Error = Failed;

    fn open(&mut self, _aad: Option<&[u8]>, _sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        match *self {}
    }

    fn export(&self, _context: &[u8], _length: usize) -> Result<Zeroizing<Vec<u8>>> {
        match *self {}
    }
}

/// A hostile member, for tests: what it seals next does not open for one of those it is for.
#[cfg(test)]
pub(crate) mod spoil {
    use super::hpke::Sealed;
    use std::cell::Cell;

    thread_local! {
        static AFTER: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// Spoils what is sealed after so many others.
    pub(crate) fn after(others: usize) {
        AFTER.set(Some(others));
    }

    pub(super) fn pass(mut sealed: Sealed) -> Sealed {
        if AFTER.get() == Some(0) {
            sealed.text.iter_mut().for_each(|byte| *byte ^= 1);
        }
        AFTER.set(AFTER.get().and_then(|left| left.checked_sub(1)));
        sealed
    }
}

/// For tests, the suite that every engine has (0x0001) instead of ours: it differs in KEM and AEAD.
#[cfg(test)]
pub(crate) mod plain {
    pub(super) use crate::primitives::plain::*;
    use std::cell::Cell;

    thread_local! {
        static ASKED: Cell<bool> = const { Cell::new(false) };
    }

    /// From here on this thread's engine has the plain suite.
    pub(crate) fn ask_for() {
        ASKED.set(true);
    }

    pub(super) fn is_asked_for() -> bool {
        ASKED.get()
    }

    pub(super) fn pair(ikm: &[u8]) -> super::Result<(super::HpkeSecretKey, super::HpkePublicKey)> {
        let (secret, public) = derive(ikm)?;
        Ok((secret.to_vec().into(), public.to_vec().into()))
    }
}
