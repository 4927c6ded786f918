//! A relay's address: `http://HOST[:PORT]`. Without TLS only this machine is spoken to.

use crate::{ClientError, Result};
use std::net::IpAddr;

const DEFAULT_PORT: u16 = 80;

/// Where a relay listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// `host:port`, for connecting.
    pub(crate) authority: String,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// `BadAddress`; `NeedsTls` for anything but plain HTTP to this machine.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        let bad = || ClientError::BadAddress(url.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        match scheme {
            "http" | "ws" => {}
            "https" | "wss" => return Err(ClientError::NeedsTls(url.to_owned())),
            _ => return Err(bad()),
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = split(authority).ok_or_else(bad)?;
        let local = is_local(host);
        let plain =
            host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':'));
        match (plain && !host.is_empty(), local) {
            (false, _) => Err(bad()),
            (true, false) => Err(ClientError::NeedsTls(url.to_owned())),
            (true, true) if host.contains(':') => Ok(Self { authority: format!("[{host}]:{port}") }),
            (true, true) => Ok(Self { authority: format!("{host}:{port}") }),
        }
    }

    /// The address at which the relay of a handle's host is looked for.
    pub(crate) fn of_host(host: &str) -> String {
        let name = split(host).map_or(host, |(name, _)| name);
        format!("{}://{host}", if is_local(name) { "http" } else { "https" })
    }

    /// Where the relay takes WebSockets.
    pub(crate) fn websocket(&self) -> String {
        format!("ws://{}/v1/connect", self.authority)
    }
}

/// Whether a host is this machine.
fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn split(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or_else(|| rest.is_empty().then_some("")))
        }
        None => authority.split_once(':').map_or((authority, Some("")), |(host, port)| (host, Some(port))),
    };
    match port? {
        "" => Some((host, DEFAULT_PORT)),
        port => Some((host, port.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_spoken_to_without_tls_and_nobody_else() {
        for (url, authority) in [
            ("http://127.0.0.1:7400", "127.0.0.1:7400"),
            ("http://127.0.0.1:7400/", "127.0.0.1:7400"),
            ("ws://localhost", "localhost:80"),
            ("http://[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(Address::parse(url).unwrap().authority, authority);
        }
        for url in
            ["http://10.0.0.1:7400", "http://example.org", "https://127.0.0.1", "http://localhost.evil.org"]
        {
            assert!(matches!(Address::parse(url), Err(ClientError::NeedsTls(_))), "{url}");
        }
        for url in
            ["", "127.0.0.1:7400", "ftp://127.0.0.1", "http://", "http://127.0.0.1:x", "http://127.0.0.1/x"]
        {
            assert!(matches!(Address::parse(url), Err(ClientError::BadAddress(_))), "{url}");
        }
    }
}
