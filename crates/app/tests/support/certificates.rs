//! Certificates for tests: an authority that no system knows, and what it vouches for.
#![allow(dead_code, reason = "each test file uses its part of this")]

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Certificate and key for this machine, signed by an authority that is not in the system's list.
pub(crate) fn certificate(issuer: &CertifiedIssuer<'static, KeyPair>, dir: &Path, host: &str) {
    let key = KeyPair::generate().unwrap();
    let signed = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, issuer).unwrap();
    std::fs::write(dir.join("cert.pem"), signed.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
}

/// An authority, its root in `root.pem`.
pub(crate) fn authority(dir: &Path) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(dir.join("root.pem"), issuer.pem()).unwrap();
    issuer
}
