//! Which certificate the relay shows, and how TLS is set up: version 1.3, the
//! hybrid key exchange first. Not here: sockets and the handshake (`door`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use conclave_wire::RelayId;
use ed25519_dalek::{Signer, SigningKey};
use rcgen::{CertificateParams, DnType, PKCS_ED25519, PublicKeyData, SerialNumber, SignatureAlgorithm};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::RelayError;
use crate::config::Tls;

/// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// The relay's side of TLS.
pub(crate) struct Secured {
    pub(crate) acceptor: TlsAcceptor,
    shown: Arc<Shown>,
    /// Certificate and key, where they lie in files.
    files: Option<(PathBuf, PathBuf)>,
}

impl Secured {
    /// `None` where this relay speaks plain HTTP.
    pub(crate) fn open(tls: &Tls, key: &SigningKey, id: RelayId) -> Result<Option<Self>, RelayError> {
        let (shown, files) = match tls {
            Tls::Off | Tls::Elsewhere => return Ok(None),
            Tls::SelfSigned => (self_signed(key, id)?, None),
            Tls::Files { certificate, key } => {
                (from_files(certificate, key)?, Some((certificate.clone(), key.clone())))
            }
        };
        let shown = Arc::new(Shown(RwLock::new(Arc::new(shown))));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| RelayError::Certificate { path: PathBuf::new(), cause: error.to_string() })?
            .with_no_client_auth()
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A client has one long connection: nothing is gained by resuming one.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Some(Self { acceptor: TlsAcceptor::from(Arc::new(config)), shown, files }))
    }

    /// Reads the files again; new connections get what they hold now. What is
    /// wrong with them changes nothing.
    pub(crate) fn reload(&self) -> Result<(), RelayError> {
        let Some((certificate, key)) = &self.files else { return Ok(()) };
        let fresh = Arc::new(from_files(certificate, key)?);
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

/// The certificate shown now.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn from_files(certificate: &Path, key: &Path) -> Result<CertifiedKey, RelayError> {
    let wrong = |path: &Path, cause: String| RelayError::Certificate { path: path.into(), cause };
    let unreadable = |path: &Path, error: rustls::pki_types::pem::Error| wrong(path, error.to_string());
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(certificate, error))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "it holds no certificate in PEM".into()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|error| wrong(key, error.to_string()))
}

/// Whoever knows the relay's id needs nobody's word for this certificate: its
/// key hashes to the id. It is made anew at each start and never expires.
fn self_signed(key: &SigningKey, id: RelayId) -> Result<CertifiedKey, RelayError> {
    let wrong = |cause: String| RelayError::Certificate { path: PathBuf::new(), cause };
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("conclave relay {id}"));
    params.serial_number = Some(SerialNumber::from_slice(&[1]));
    let signer = Issuer { public: key.verifying_key().to_bytes(), key };
    let certificate = params.self_signed(&signer).map_err(|error| wrong(error.to_string()))?;
    let mut pkcs8 = PKCS8_PREFIX.to_vec();
    pkcs8.extend_from_slice(key.as_bytes());
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8));
    CertifiedKey::from_der(vec![certificate.der().clone()], private, &provider())
        .map_err(|error| wrong(error.to_string()))
}

/// The relay's key as the issuer of its own certificate.
struct Issuer<'k> {
    key: &'k SigningKey,
    public: [u8; 32],
}

impl PublicKeyData for Issuer<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Issuer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.key.sign(message).to_bytes().to_vec())
    }
}
