//! The bytes that a device signs to prove itself to a relay. Not here: the
//! signature itself; both sides bring their own Ed25519.

use crate::limits::CHALLENGE_BYTES;
use crate::{DeviceId, RelayId};

const LABEL: &[u8] = b"conclave relay login v1";

/// What `Login` and `Register` sign: the relay and its fresh challenge are
/// inside, so that no relay can use the signature at another.
pub fn login_bytes(relay: &RelayId, challenge: &[u8; CHALLENGE_BYTES], device: &DeviceId) -> Vec<u8> {
    [LABEL, relay.as_bytes(), challenge, device.as_bytes()].concat()
}

const RECOVER: &[u8] = b"conclave relay recover v1";

/// What the identity key signs in `Recover`.
pub fn recover_bytes(
    relay: &RelayId,
    challenge: &[u8; CHALLENGE_BYTES],
    device: &DeviceId,
    device_key: &[u8; 32],
) -> Vec<u8> {
    [RECOVER, relay.as_bytes(), challenge, device.as_bytes(), device_key].concat()
}

const IDENTITY: &[u8] = b"conclave relay identity v1";

/// What the identity key signs to announce the next one.
pub fn identity_bytes(relay: &RelayId, challenge: &[u8; CHALLENGE_BYTES], next: &[u8; 32]) -> Vec<u8> {
    [IDENTITY, relay.as_bytes(), challenge, next].concat()
}

/// Whether this is a name as handles of this API have it, without its host:
/// `[a-z0-9][a-z0-9._-]{1,31}`.
pub fn is_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let rest = |c: u8| plain(c) || matches!(c, b'.' | b'_' | b'-');
    crate::limits::NAME_LENGTH.contains(&name.len())
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_bytes_are_label_relay_challenge_device() {
        let bytes = login_bytes(&[1; 32].into(), &[2; 32], &[3; 16].into());
        let want = [LABEL, &[1; 32], &[2; 32], &[3; 16]].concat();
        assert_eq!(bytes, want);
        assert_eq!(bytes.len(), 23 + 32 + 32 + 16);
    }

    #[test]
    fn names_are_what_the_grammar_says() {
        for good in ["mike", "m1", "0a", "a.b_c-d", &"a".repeat(32)] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "a", ".ab", "-ab", "Mike", "m ike", "mïke", "a@b", &"a".repeat(33)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
