//! For tests: what an OpenMLS member computes with. HPKE is that of the `hpke` crate, whose key schedule, X25519 KEM and X-Wing
//! (over another ML-KEM) are not ours.

use aes_gcm::Aes128Gcm;
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, Payload};
use ed25519_dalek::Signer as _;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use hpke::aead::{AesGcm128, ChaCha20Poly1305 as HpkeChaCha};
use hpke::kdf::HkdfSha256;
use hpke::kem::{X25519HkdfSha256, XWing};
use hpke::{Deserializable, OpModeR, OpModeS, Serializable};
use openmls_memory_storage::MemoryStorage;
use openmls_traits::OpenMlsProvider;
use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::random::OpenMlsRand;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeCiphertext, HpkeConfig, HpkeKemType,
    HpkeKeyPair, KemOutput, SignatureScheme,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use shake::{ExtendableOutput, Shake256, Update, XofReader};
use std::convert::Infallible;
use std::sync::Mutex;
use tls_codec::SecretVLBytes;

type Result<T> = std::result::Result<T, CryptoError>;

/// Everything that OpenMLS wants provided.
pub(crate) struct Foreign {
    rng: Mutex<ChaCha20Rng>,
    storage: MemoryStorage,
}

/// A member's signing key, by its seed.
pub(crate) struct ForeignSigner(pub(crate) [u8; 32]);

impl Foreign {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Mutex::new(ChaCha20Rng::seed_from_u64(seed)), storage: MemoryStorage::default() }
    }

    /// Seals under the suite of `kem` (0x004D or 0x0001): the encapsulated key, then the text.
    pub(crate) fn seal(
        &self,
        kem: HpkeKemType,
        to: &[u8],
        (info, aad): (&[u8], &[u8]),
        plaintext: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        let rng = &mut *self.rng.lock().unwrap();
        match kem {
            HpkeKemType::XWingKemDraft6 => seal::<XWing, HpkeChaCha>(to, (info, aad), plaintext, rng),
            HpkeKemType::DhKem25519 => seal::<X25519HkdfSha256, AesGcm128>(to, (info, aad), plaintext, rng),
            _ => Err(CryptoError::UnsupportedCiphersuite),
        }
    }

    pub(crate) fn open(
        &self,
        kem: HpkeKemType,
        secret: &[u8],
        (info, aad): (&[u8], &[u8]),
        (enc, text): (&[u8], &[u8]),
    ) -> Result<Vec<u8>> {
        match kem {
            HpkeKemType::XWingKemDraft6 => open::<XWing, HpkeChaCha>(secret, (info, aad), (enc, text)),
            HpkeKemType::DhKem25519 => open::<X25519HkdfSha256, AesGcm128>(secret, (info, aad), (enc, text)),
            _ => Err(CryptoError::UnsupportedCiphersuite),
        }
    }

    /// The secret key and the public key of `ikm`.
    pub(crate) fn derive(&self, kem: HpkeKemType, ikm: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
        match kem {
            // OpenMLS (hpke-rs 0.7) goes by draft-connolly-cfrg-xwing-kem §5.4, `hpke` by draft-ietf-hpke-pq.
            HpkeKemType::XWingKemDraft6 => {
                let mut seed = [0; 32];
                Shake256::default().chain(ikm).finalize_xof().read(&mut seed);
                let secret = <XWing as hpke::Kem>::PrivateKey::from_bytes(&seed).map_err(failed)?;
                Ok(pair::<XWing>((&secret, &<XWing as hpke::Kem>::sk_to_pk(&secret))))
            }
            HpkeKemType::DhKem25519 => {
                let (secret, public) = <X25519HkdfSha256 as hpke::Kem>::derive_keypair(ikm);
                Ok(pair::<X25519HkdfSha256>((&secret, &public)))
            }
            _ => Err(CryptoError::UnsupportedCiphersuite),
        }
    }

    fn draw(&self, out: &mut [u8]) {
        self.rng.lock().unwrap().fill_bytes(out);
    }
}

fn seal<K: hpke::Kem, A: hpke::aead::Aead>(
    to: &[u8],
    (info, aad): (&[u8], &[u8]),
    plaintext: &[u8],
    rng: &mut ChaCha20Rng,
) -> Result<(Vec<u8>, Vec<u8>)> {
    let to = K::PublicKey::from_bytes(to).map_err(failed)?;
    let sealed =
        hpke::single_shot_seal_with_rng::<A, HkdfSha256, K>(&OpModeS::Base, &to, info, plaintext, aad, rng);
    let (enc, text) = sealed.map_err(failed)?;
    Ok((enc.to_bytes().to_vec(), text))
}

fn open<K: hpke::Kem, A: hpke::aead::Aead>(
    secret: &[u8],
    (info, aad): (&[u8], &[u8]),
    (enc, text): (&[u8], &[u8]),
) -> Result<Vec<u8>> {
    let secret = K::PrivateKey::from_bytes(secret).map_err(failed)?;
    let enc = K::EncappedKey::from_bytes(enc).map_err(failed)?;
    hpke::single_shot_open::<A, HkdfSha256, K>(&OpModeR::Base, &secret, &enc, info, text, aad).map_err(failed)
}

fn pair<K: hpke::Kem>((secret, public): (&K::PrivateKey, &K::PublicKey)) -> (Vec<u8>, Vec<u8>) {
    (secret.to_bytes().to_vec(), public.to_bytes().to_vec())
}

fn failed<E>(_: E) -> CryptoError {
    CryptoError::CryptoLibraryError
}

impl Signer for ForeignSigner {
    fn sign(&self, payload: &[u8]) -> std::result::Result<Vec<u8>, SignerError> {
        Ok(ed25519_dalek::SigningKey::from_bytes(&self.0).sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl OpenMlsProvider for Foreign {
    type CryptoProvider = Self;
    type RandProvider = Self;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &MemoryStorage {
        &self.storage
    }

    fn crypto(&self) -> &Self {
        self
    }

    fn rand(&self) -> &Self {
        self
    }
}

impl OpenMlsRand for Foreign {
    type Error = Infallible;

    fn random_array<const N: usize>(&self) -> std::result::Result<[u8; N], Infallible> {
        let mut out = [0; N];
        self.draw(&mut out);
        Ok(out)
    }

    fn random_vec(&self, len: usize) -> std::result::Result<Vec<u8>, Infallible> {
        let mut out = vec![0; len];
        self.draw(&mut out);
        Ok(out)
    }
}

impl OpenMlsCrypto for Foreign {
    fn supports(&self, suite: Ciphersuite) -> Result<()> {
        let known = self.supported_ciphersuites().contains(&suite);
        known.then_some(()).ok_or(CryptoError::UnsupportedCiphersuite)
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        vec![
            Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519,
            Ciphersuite::MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519,
        ]
    }

    fn hkdf_extract(&self, _hash: HashType, salt: &[u8], ikm: &[u8]) -> Result<SecretVLBytes> {
        Ok(Hkdf::<Sha256>::extract(Some(salt), ikm).0.to_vec().into())
    }

    fn hmac(&self, _hash: HashType, key: &[u8], message: &[u8]) -> Result<SecretVLBytes> {
        let mac = Hmac::<Sha256>::new_from_slice(key).map_err(failed)?;
        Ok(mac.chain_update(message).finalize().into_bytes().to_vec().into())
    }

    fn hkdf_expand(&self, _hash: HashType, prk: &[u8], info: &[u8], len: usize) -> Result<SecretVLBytes> {
        let mut out = vec![0; len];
        Hkdf::<Sha256>::from_prk(prk).map_err(failed)?.expand(info, &mut out).map_err(failed)?;
        Ok(out.into())
    }

    fn hash(&self, _hash: HashType, data: &[u8]) -> Result<Vec<u8>> {
        Ok(Sha256::digest(data).to_vec())
    }

    fn aead_encrypt(
        &self,
        aead: AeadType,
        key: &[u8],
        msg: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>> {
        let nonce = nonce.try_into().map_err(failed)?;
        let sealed = match aead {
            AeadType::Aes128Gcm => {
                Aes128Gcm::new_from_slice(key).map_err(failed)?.encrypt(nonce, Payload { msg, aad })
            }
            _ => ChaCha20Poly1305::new_from_slice(key).map_err(failed)?.encrypt(nonce, Payload { msg, aad }),
        };
        sealed.map_err(failed)
    }

    fn aead_decrypt(
        &self,
        aead: AeadType,
        key: &[u8],
        msg: &[u8],
        nonce: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>> {
        let nonce = nonce.try_into().map_err(failed)?;
        let opened = match aead {
            AeadType::Aes128Gcm => {
                Aes128Gcm::new_from_slice(key).map_err(failed)?.decrypt(nonce, Payload { msg, aad })
            }
            _ => ChaCha20Poly1305::new_from_slice(key).map_err(failed)?.decrypt(nonce, Payload { msg, aad }),
        };
        opened.map_err(|_| CryptoError::AeadDecryptionError)
    }

    fn signature_key_gen(&self, _scheme: SignatureScheme) -> Result<(Vec<u8>, Vec<u8>)> {
        let seed = self.random_array().map_err(failed)?;
        let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
        Ok((seed.to_vec(), public.to_bytes().to_vec()))
    }

    fn verify_signature(
        &self,
        _scheme: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Result<()> {
        let key = key.try_into().map_err(failed)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(failed)?;
        let signature = ed25519_dalek::Signature::from_slice(signature).map_err(failed)?;
        key.verify_strict(data, &signature).map_err(|_| CryptoError::InvalidSignature)
    }

    fn sign(&self, _scheme: SignatureScheme, data: &[u8], key: &[u8]) -> Result<Vec<u8>> {
        ForeignSigner(key.try_into().map_err(failed)?).sign(data).map_err(failed)
    }

    fn hpke_seal(
        &self,
        HpkeConfig(kem, ..): HpkeConfig,
        to: &[u8],
        info: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<HpkeCiphertext> {
        let (enc, text) = self.seal(kem, to, (info, aad), plaintext)?;
        Ok(HpkeCiphertext { kem_output: enc.into(), ciphertext: text.into() })
    }

    fn hpke_open(
        &self,
        HpkeConfig(kem, ..): HpkeConfig,
        sealed: &HpkeCiphertext,
        secret: &[u8],
        info: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>> {
        let sealed = (sealed.kem_output.as_slice(), sealed.ciphertext.as_slice());
        self.open(kem, secret, (info, aad), sealed)
    }

    fn hpke_setup_sender_and_export(
        &self,
        _config: HpkeConfig,
        _to: &[u8],
        _info: &[u8],
        _context: &[u8],
        _length: usize,
    ) -> Result<(KemOutput, ExporterSecret)> {
        Err(CryptoError::SenderSetupError)
    }

    fn hpke_setup_receiver_and_export(
        &self,
        _config: HpkeConfig,
        _enc: &[u8],
        _secret: &[u8],
        _info: &[u8],
        _context: &[u8],
        _length: usize,
    ) -> Result<ExporterSecret> {
        Err(CryptoError::ReceiverSetupError)
    }

    fn derive_hpke_keypair(&self, HpkeConfig(kem, ..): HpkeConfig, ikm: &[u8]) -> Result<HpkeKeyPair> {
        let (secret, public) = self.derive(kem, ikm)?;
        Ok(HpkeKeyPair { private: secret.into(), public })
    }
}
