//! Whom the client takes for its relay: a certificate made from the key whose hash is the pinned relay id, or one that the
//! roots of this machine vouch for. TLS 1.3 alone, the hybrid key exchange first.
//!
//! Validity dates are judged by the machine's clock, inside rustls. Not here: sockets.

use crate::{ClientError, Result};
use conclave_wire::RelayId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore,
    SignatureScheme,
};
use sha2::{Digest, Sha256};
use std::io;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;

/// What stands before the 32 bytes of an Ed25519 key in a certificate (RFC 8410 §4).
const ED25519_KEY: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// Connects to the relay with this id, or to whomever these roots vouch for.
pub(crate) fn connector(pin: Option<RelayId>, roots: &Arc<RootCertStore>) -> Result<TlsConnector> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let web = match roots.is_empty() {
        true => None,
        false => Some(
            WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone())
                .build()
                .map_err(|error| ClientError::TlsFailed(error.to_string()))?,
        ),
    };
    let trust = Trust { pin, web, provider: provider.clone() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| ClientError::TlsFailed(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // The relay is looked at anew each time.
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The roots of this machine, read once.
pub(crate) fn machine_roots() -> &'static Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(read_roots)
}

/// Those of the system, or of the file that `SSL_CERT_FILE` names. What cannot be read is left out.
fn read_roots() -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    for error in found.errors {
        tracing::warn!(%error, "some root certificates could not be read");
    }
    Arc::new(roots)
}

/// Why no connection came about: what the other side is, or what the network does.
pub(crate) fn failure(error: &io::Error) -> ClientError {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let says = |what: &str| ClientError::TlsFailed(what.to_owned());
    match inner {
        None => ClientError::Unreachable(error.to_string()),
        Some(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)) => {
            ClientError::RelayChanged
        }
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            says("nobody whom this machine trusts vouches for its certificate")
        }
        Some(Error::InvalidMessage(_)) => says("what answers there does not speak TLS"),
        Some(error) => says(&error.to_string()),
    }
}

#[derive(Debug)]
struct Trust {
    pin: Option<RelayId>,
    /// None on a machine without roots.
    web: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = relay_of(certificate)?;
        if shown.is_some() && shown == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        let unknown = || Err(Error::InvalidCertificate(CertificateError::UnknownIssuer));
        let by_roots = self
            .web
            .as_ref()
            .map_or_else(unknown, |web| web.verify_server_cert(certificate, chain, name, ocsp, now));
        match by_roots {
            // It shows a relay's own certificate, and not that of the one known.
            Err(_) if shown.is_some() && self.pin.is_some() => {
                Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            decided => decided,
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // TLS 1.2 was not offered.
        Err(PeerMisbehaved::SelectedUnofferedCipherSuite.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The relay whose own certificate this is, if its key is of the kind that relays have.
fn relay_of(certificate: &CertificateDer<'_>) -> Result<Option<RelayId>, Error> {
    let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    let public = key.as_ref().strip_prefix(ED25519_KEY.as_slice()).filter(|public| public.len() == 32);
    Ok(public.map(|public| RelayId::new(Sha256::digest(public).into())))
}
