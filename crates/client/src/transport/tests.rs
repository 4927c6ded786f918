//! The way to a real relay, over real sockets, with every certificate that may be shown.

use super::{Address, Link, tls};
use crate::ClientError;
use conclave_relay::{Config, Running, Tls, serve};
use conclave_wire::RelayId;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A certificate authority of our own, and the files of a certificate that it signed.
struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), issuer }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        Arc::new(roots)
    }

    /// Writes certificate and key for these hosts, in place of what was there.
    fn vouch(&self, hosts: &[&str], change: impl Fn(&mut CertificateParams)) -> Tls {
        let hosts: Vec<String> = hosts.iter().map(|host| host.to_string()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let write = |name: &str, text: String| {
            let path = self.dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Tls::Files {
            certificate: write("cert.pem", certificate.pem()),
            key: write("key.pem", key.serialize_pem()),
        }
    }
}

async fn relay(tls: Tls) -> Running {
    serve(Config { tls, ..Config::default() }).await.unwrap()
}

async fn connect(url: &str, roots: &Arc<RootCertStore>) -> Result<Link, ClientError> {
    Link::connect_trusting(&Address::parse(url)?, Some(roots)).await
}

fn no_roots() -> Arc<RootCertStore> {
    Arc::new(RootCertStore::empty())
}

fn failure(link: Result<Link, ClientError>) -> ClientError {
    link.err().expect("no connection was to come about")
}

fn tls_failure(link: Result<Link, ClientError>) -> String {
    match failure(link) {
        ClientError::TlsFailed(cause) => cause,
        other => panic!("TlsFailed expected, not {other:?}"),
    }
}

#[tokio::test]
async fn a_relay_that_signed_its_own_certificate_is_known_by_its_id_alone() {
    let running = relay(Tls::SelfSigned).await;
    let link = connect(&running.url(), &no_roots()).await.unwrap();
    assert_eq!(link.hello().relay_id, running.relay_id.to_bytes());
    let plain = running.url().split('#').next().unwrap().to_owned();
    assert!(
        tls_failure(connect(&plain, &no_roots()).await).contains("vouches"),
        "without the id nobody does"
    );
    let pinned = Address::parse(&plain).unwrap().pinned(running.relay_id);
    assert!(
        Link::connect_trusting(&pinned, Some(&Authority::new().roots())).await.is_ok(),
        "roots do no harm"
    );
}

#[tokio::test]
async fn another_relay_at_the_address_is_relay_changed_with_and_without_tls() {
    let other = RelayId::new([7; 32]);
    for tls in [Tls::SelfSigned, Tls::Off] {
        let running = relay(tls).await;
        let address = Address::parse(&running.url()).unwrap().pinned(other);
        let refused = failure(Link::connect_trusting(&address, Some(&no_roots())).await);
        assert_eq!(refused, ClientError::RelayChanged);
    }
}

#[tokio::test]
async fn a_certificate_that_a_root_vouches_for_is_taken_whether_or_not_the_relay_is_known() {
    let authority = Authority::new();
    let running = relay(authority.vouch(&["localhost", "127.0.0.1"], |_| {})).await;
    let by_name = format!("https://localhost:{}", running.addr.port());
    for url in [running.url(), by_name, format!("{}#{}", running.url(), running.relay_id)] {
        assert!(connect(&url, &authority.roots()).await.is_ok(), "{url}");
    }
    let wrong = format!("{}#{}", running.url(), RelayId::new([7; 32]));
    assert_eq!(failure(connect(&wrong, &authority.roots()).await), ClientError::RelayChanged);
    // Another authority under the same name.
    tls_failure(connect(&running.url(), &Authority::new().roots()).await);
    assert!(tls_failure(connect(&running.url(), &no_roots()).await).contains("vouches"));
}

#[tokio::test]
async fn an_expired_an_early_and_anothers_certificate_are_refused() {
    let authority = Authority::new();
    let long_ago =
        authority.vouch(&["127.0.0.1"], |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let expired = relay(long_ago).await;
    assert!(tls_failure(connect(&expired.url(), &authority.roots()).await).contains("expired"));
    let far_off =
        authority.vouch(&["127.0.0.1"], |params| params.not_before = rcgen::date_time_ymd(3001, 1, 1));
    let early = relay(far_off).await;
    assert!(tls_failure(connect(&early.url(), &authority.roots()).await).contains("not valid yet"));
    let anothers = relay(authority.vouch(&["example.org"], |_| {})).await;
    assert!(tls_failure(connect(&anothers.url(), &authority.roots()).await).contains("not valid for name"));
    let pinned = format!("{}#{}", expired.url(), expired.relay_id);
    assert!(
        tls_failure(connect(&pinned, &authority.roots()).await).contains("expired"),
        "its id is only claimed"
    );
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_those_who_come_next_and_a_bad_one_changes_nothing() {
    let authority = Authority::new();
    let running = relay(authority.vouch(&["example.org"], |_| {})).await;
    let Tls::Files { certificate, .. } = authority.vouch(&["127.0.0.1"], |_| {}) else { panic!() };
    tls_failure(connect(&running.url(), &authority.roots()).await);
    running.reload_certificate().unwrap();
    let standing = connect(&running.url(), &authority.roots()).await.unwrap();
    std::fs::write(&certificate, "no certificate").unwrap();
    assert!(running.reload_certificate().unwrap_err().to_string().contains("cert.pem"));
    assert!(connect(&running.url(), &authority.roots()).await.is_ok());
    drop(standing);
}

#[tokio::test]
async fn who_speaks_tls_to_a_plain_port_or_the_reverse_is_told() {
    let (plain, secured) = (relay(Tls::Off).await, relay(Tls::SelfSigned).await);
    let said = tls_failure(connect(&format!("https://{}", plain.addr), &no_roots()).await);
    assert!(said.contains("does not speak TLS"), "{said}");
    let ClientError::Unreachable(said) =
        failure(connect(&format!("http://{}", secured.addr), &no_roots()).await)
    else {
        panic!()
    };
    assert!(said.contains("400") && said.contains("https://"), "{said}");
}

#[tokio::test]
async fn the_key_exchange_is_hybrid_and_the_version_1_3() {
    let running = relay(Tls::SelfSigned).await;
    let stream = TcpStream::connect(running.addr).await.unwrap();
    let connector = tls::connector(Some(running.relay_id), &no_roots()).unwrap();
    let stream = connector.connect(ServerName::try_from("anything").unwrap(), stream).await.unwrap();
    let connection = stream.get_ref().1;
    let group = connection.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert_eq!(connection.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn what_a_relay_says_about_itself_comes_over_tls_too() {
    let running = relay(Tls::SelfSigned).await;
    let stream = TcpStream::connect(running.addr).await.unwrap();
    let connector = tls::connector(Some(running.relay_id), &no_roots()).unwrap();
    let mut stream = connector.connect(ServerName::try_from("anything").unwrap(), stream).await.unwrap();
    stream.write_all(b"GET /v1/about HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let about: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(about["relay_id"], running.relay_id.to_string());
    assert_eq!((&about["versions"]["max"], &about["incarnation"]), (&1.into(), &1.into()));
}

#[tokio::test]
async fn files_that_are_no_pair_are_refused_before_anything_is_served() {
    let authority = Authority::new();
    let Tls::Files { certificate, key } = authority.vouch(&["127.0.0.1"], |_| {}) else { panic!() };
    let other = KeyPair::generate().unwrap().serialize_pem();
    let start = async |certificate: &Path, key: &Path| {
        let tls = Tls::Files { certificate: certificate.into(), key: key.into() };
        serve(Config { tls, ..Config::default() }).await.err().map(|error| error.to_string())
    };
    let wrong_key = authority.dir.path().join("other.pem");
    std::fs::write(&wrong_key, other).unwrap();
    assert!(start(&certificate, &wrong_key).await.unwrap().contains("other.pem"));
    assert!(start(&key, &key).await.unwrap().contains("no certificate"));
    assert!(start(&certificate, &certificate).await.unwrap().contains("cert.pem"));
    assert!(start(Path::new("/nowhere"), &key).await.unwrap().contains("/nowhere"));
    assert!(start(&certificate, &key).await.is_none());
}
