//! A relay's address: `https://HOST[:PORT][#RELAYID]`, or `http://` on this machine. The part after `#` is the relay's id in
//! hex: who has it needs nobody's word for the relay's certificate.

use crate::{ClientError, Result};
use conclave_wire::RelayId;
use std::net::IpAddr;

/// Where a relay listens, and which one it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether TLS is spoken.
    pub(crate) secure: bool,
    /// The relay that must answer.
    pub(crate) pin: Option<RelayId>,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// `BadAddress`; `NeedsTls` for plain HTTP to anywhere but this machine.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let bad = || ClientError::BadAddress(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let (secure, default_port) = match scheme {
            "http" | "ws" => (false, 80),
            "https" | "wss" => (true, 443),
            _ => return Err(bad()),
        };
        let (rest, pin) = match rest.split_once('#') {
            Some((rest, id)) => (rest, Some(relay_id(id).ok_or_else(bad)?)),
            None => (rest, None),
        };
        let (host, port) = split(rest.strip_suffix('/').unwrap_or(rest), default_port).ok_or_else(bad)?;
        let plain =
            host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':'));
        if !plain || host.is_empty() {
            return Err(bad());
        }
        if !secure && !is_loopback(host) {
            return Err(ClientError::NeedsTls(url.to_owned()));
        }
        Ok(Self { host: host.to_owned(), port, secure, pin })
    }

    /// The same, where this relay must answer and no other.
    pub(crate) fn pinned(self, relay: RelayId) -> Self {
        Self { pin: Some(relay), ..self }
    }

    /// The addresses at which the relay of a handle's host is looked for, in turn.
    pub(crate) fn of_host(host: &str) -> Vec<String> {
        let name = split(host, 0).map_or(host, |(name, _)| name);
        let schemes: &[&str] = if is_loopback(name) { &["http", "https"] } else { &["https"] };
        schemes.iter().map(|scheme| format!("{scheme}://{host}")).collect()
    }

    /// The address as it was given, without the relay's id: that is kept for itself.
    pub(crate) fn without_id(url: &str) -> &str {
        url.split_once('#').map_or(url, |(url, _)| url)
    }

    /// Whether it is on this machine, whatever else changes.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Where the relay takes WebSockets.
    pub(crate) fn websocket(&self) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        format!("{scheme}://{}/v1/connect", self.authority())
    }

    /// `host:port`, as URLs have it.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// Whether the host is this machine, whatever else it is.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn relay_id(hex: &str) -> Option<RelayId> {
    let mut id = [0; RelayId::LENGTH];
    hex::decode_to_slice(hex, &mut id).ok()?;
    Some(RelayId::new(id))
}

fn split(authority: &str, default_port: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or_else(|| rest.is_empty().then_some("")))
        }
        None => authority.split_once(':').map_or((authority, Some("")), |(host, port)| (host, Some(port))),
    };
    match port? {
        "" => Some((host, default_port)),
        port => Some((host, port.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_may_be_spoken_to_without_tls_and_nobody_else() {
        for (url, host, port) in [
            ("http://127.0.0.1:7400", "127.0.0.1", 7400),
            ("http://127.0.0.1:7400/", "127.0.0.1", 7400),
            ("ws://localhost", "localhost", 80),
            ("http://[::1]:9", "::1", 9),
        ] {
            let expected = Address { host: host.into(), port, secure: false, pin: None };
            assert_eq!(Address::parse(url).unwrap(), expected);
        }
        for url in ["http://10.0.0.1:7400", "http://example.org", "http://localhost.evil.org"] {
            assert!(matches!(Address::parse(url), Err(ClientError::NeedsTls(_))), "{url}");
        }
        for url in
            ["", "127.0.0.1:7400", "ftp://127.0.0.1", "http://", "http://127.0.0.1:x", "http://127.0.0.1/x"]
        {
            assert!(matches!(Address::parse(url), Err(ClientError::BadAddress(_))), "{url}");
        }
    }

    #[test]
    fn with_tls_any_host_will_do_and_the_relays_id_may_follow() {
        let id = RelayId::new([0xab; 32]);
        for (url, authority, pin) in [
            ("https://example.org".to_owned(), "example.org:443", None),
            ("wss://10.0.0.1:7400/".to_owned(), "10.0.0.1:7400", None),
            (format!("https://[2001:db8::1]:9/#{id}"), "[2001:db8::1]:9", Some(id)),
            (format!("https://example.org#{id}"), "example.org:443", Some(id)),
        ] {
            let address = Address::parse(&url).unwrap();
            assert_eq!((address.authority().as_str(), address.pin, address.secure), (authority, pin, true));
        }
        let repinned = Address::parse(&format!("https://a#{id}")).unwrap().pinned(RelayId::new([1; 32]));
        assert_eq!(repinned.pin, Some(RelayId::new([1; 32])));
        assert_eq!(Address::of_host("example.org"), ["https://example.org"]);
        assert_eq!(Address::of_host("127.0.0.1:9"), ["http://127.0.0.1:9", "https://127.0.0.1:9"]);
        for url in ["https://a#", "https://a#ab", "https://a#zz", "https://a b"] {
            assert!(matches!(Address::parse(url), Err(ClientError::BadAddress(_))), "{url}");
        }
    }
}
