//! A handle: `name@host[:port]`, where a person is found. It is an address and proves nothing.

use crate::codec::VLBytes;
use crate::{Error, Misuse, Result};
use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;
use tls_codec::{Deserialize, DeserializeBytes, Serialize, Size};

const MAX_NAME: usize = 32;
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// A handle in its one canonical form. Nothing is folded: capitals are refused, so that no two spellings are one handle.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

impl Handle {
    /// Reads a handle.
    ///
    /// # Errors
    /// `BadHandle` for anything but `name@host[:port]` in canonical form.
    pub fn parse(text: &str) -> Result<Self> {
        let parts = text.split_once('@').filter(|(name, host)| is_name(name) && is_authority(host));
        parts.map(|_| Self(text.to_owned())).ok_or(Error::Misuse(Misuse::BadHandle))
    }

    /// The part before the `@`.
    pub fn name(&self) -> &str {
        self.0.split_once('@').map_or("", |(name, _)| name)
    }

    /// The part after the `@`: the relay's host, and its port if it isn't the usual one.
    pub fn host(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, host)| host)
    }

    /// The whole handle.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `[a-z0-9][a-z0-9._-]{1,31}`
fn is_name(name: &str) -> bool {
    let inner = |c: u8| is_letter_or_digit(c) || matches!(c, b'.' | b'_' | b'-');
    (2..=MAX_NAME).contains(&name.len())
        && name.bytes().next().is_some_and(is_letter_or_digit)
        && name.bytes().all(inner)
}

fn is_authority(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, rest)) = rest.split_once(']') else { return false };
        let canonical = address.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| ip.to_string() == address);
        return canonical && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
    }
    match text.split_once(':') {
        None => is_host(text),
        Some((host, port)) => is_host(host) && is_port(port),
    }
}

fn is_host(host: &str) -> bool {
    host.len() <= MAX_HOST
        && host.split('.').all(|label| {
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(|c| is_letter_or_digit(c) || c == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn is_port(port: &str) -> bool {
    port.parse::<u16>().is_ok_and(|number| number != 0 && number.to_string() == port)
}

fn is_letter_or_digit(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

impl FromStr for Handle {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({})", self.0)
    }
}

impl Size for Handle {
    fn tls_serialized_len(&self) -> usize {
        VLBytes::from(self.0.as_bytes()).tls_serialized_len()
    }
}

impl Serialize for Handle {
    fn tls_serialize<W: Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        VLBytes::from(self.0.as_bytes()).tls_serialize(writer)
    }
}

impl Deserialize for Handle {
    fn tls_deserialize<R: Read>(bytes: &mut R) -> Result<Self, tls_codec::Error> {
        from_bytes(VLBytes::tls_deserialize(bytes)?.as_slice())
    }
}

impl DeserializeBytes for Handle {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (text, rest) = VLBytes::tls_deserialize_bytes(bytes)?;
        Ok((from_bytes(text.as_slice())?, rest))
    }
}

fn from_bytes(bytes: &[u8]) -> Result<Handle, tls_codec::Error> {
    let text = std::str::from_utf8(bytes).ok().and_then(|text| Handle::parse(text).ok());
    text.ok_or(tls_codec::Error::InvalidInput)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PeerFault, codec};

    #[test]
    fn canonical_handles_are_read_and_taken_apart() {
        for (text, name, host) in [
            ("mike@example.org", "mike", "example.org"),
            ("s_e.a-n@127.0.0.1:7600", "s_e.a-n", "127.0.0.1:7600"),
            ("42@[::1]:80", "42", "[::1]:80"),
            ("ab@localhost", "ab", "localhost"),
        ] {
            let handle = Handle::parse(text).unwrap();
            assert_eq!((handle.name(), handle.host(), handle.to_string().as_str()), (name, host, text));
            let bytes = codec::encode(&handle).unwrap();
            assert!(codec::decode::<Handle>(&bytes).unwrap() == handle);
        }
    }

    #[test]
    fn other_spellings_are_refused_not_folded() {
        let long = format!("{}@h", "a".repeat(33));
        for text in [
            "",
            "mike",
            "@h",
            "a@h",
            "Mike@h",
            "mike@H",
            ".mike@h",
            "mi ke@h",
            "mike@",
            "mike@h:",
            "mike@h:0",
            "mike@h:080",
            "mike@h:65536",
            "mike@-h",
            "mike@h-",
            "mike@h..i",
            "mike@h@i",
            "mike@h/x",
            "mïke@h",
            "mike@[::1",
            "mike@[0:0::1]",
            "mike@[::1]x",
            long.as_str(),
        ] {
            assert_eq!(Handle::parse(text).err(), Some(Misuse::BadHandle.into()), "{text}");
            let bytes = codec::encode(&VLBytes::from(text.as_bytes())).unwrap();
            assert_eq!(codec::decode::<Handle>(&bytes).err(), Some(PeerFault::Malformed.into()), "{text}");
        }
    }
}
