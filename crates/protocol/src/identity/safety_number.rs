//! The safety number of two people: 60 digits that both read aloud, or a code that one scans from the other's screen.
//!
//! The algorithm is Signal's numeric fingerprint; the key carries a type byte of our own, and the id hashed is the PersonId,
//! so that the number changes exactly when an identity does. How an outcome is remembered is not this file's concern.

use crate::PersonId;
use crate::primitives::fingerprint;
use crate::primitives::sign::VerifyingKey;
use std::fmt;
use subtle::ConstantTimeEq;

/// Type byte of an Ed25519 identity key.
const KEY_TYPE: u8 = 0x0e;
const ITERATIONS: u32 = 5200;
/// Says in the scannable form which kind of id was hashed: 1 and 2 are in use elsewhere.
const SCAN_VERSION: u8 = 3;

/// The safety number between the person here and somebody else.
#[derive(Clone, PartialEq, Eq)]
pub struct SafetyNumber {
    local: [u8; 32],
    remote: [u8; 32],
}

/// Why a scanned code is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// Not a scannable safety number at all.
    #[error("this is no safety number")]
    Malformed,
    /// Made by another version.
    #[error("the other app has another version; update the older one")]
    Version,
    /// The code on one's own screen.
    #[error("this is your own code; scan the one on the other screen")]
    OwnCode,
    /// The keys differ.
    #[error("the safety numbers do not match: do not trust this conversation")]
    NotMatching,
}

impl SafetyNumber {
    /// The number between two people.
    pub fn between(mine: (&PersonId, &VerifyingKey), theirs: (&PersonId, &VerifyingKey)) -> Self {
        let party = |(person, key): (&PersonId, &VerifyingKey)| {
            fingerprint_of(&key33(key), person.as_bytes(), ITERATIONS)
        };
        Self { local: party(mine), remote: party(theirs) }
    }

    /// The 60 digits, the same on both sides.
    pub fn digits(&self) -> String {
        let (local, remote) = (digits_of(&self.local), digits_of(&self.remote));
        if local <= remote { local + &remote } else { remote + &local }
    }

    /// What a screen shows for the other's camera.
    pub fn scannable(&self) -> Vec<u8> {
        scannable(SCAN_VERSION, &self.local, &self.remote)
    }

    /// Compares with what was scanned from the other's screen.
    pub fn compare(&self, scanned: &[u8]) -> Result<(), ScanError> {
        self.compare_version(SCAN_VERSION, scanned)
    }

    fn compare_version(&self, version: u8, scanned: &[u8]) -> Result<(), ScanError> {
        let (their_version, their_local, their_remote) = read_scannable(scanned)?;
        if their_version != version {
            return Err(ScanError::Version);
        }
        if (their_local.ct_eq(&self.remote) & their_remote.ct_eq(&self.local)).into() {
            return Ok(());
        }
        let own = their_local.ct_eq(&self.local) & their_remote.ct_eq(&self.remote);
        Err(if own.into() { ScanError::OwnCode } else { ScanError::NotMatching })
    }
}

impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, digit) in self.digits().chars().enumerate() {
            if place > 0 && place % 5 == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SafetyNumber({self})")
    }
}

fn key33(key: &VerifyingKey) -> [u8; 33] {
    let mut bytes = [KEY_TYPE; 33];
    let (_, rest) = bytes.split_at_mut(1);
    rest.copy_from_slice(key.as_bytes());
    bytes
}

/// The first 32 bytes of the iterated hash: all that digits and scannable code use.
fn fingerprint_of(key33: &[u8; 33], id: &[u8], iterations: u32) -> [u8; 32] {
    let mut first = [0; 32];
    first.iter_mut().zip(fingerprint::iterated(key33, id, iterations)).for_each(|(to, from)| *to = from);
    first
}

/// Six five-byte big-endian numbers, each modulo 100 000.
fn digits_of(fingerprint: &[u8; 32]) -> String {
    let groups = fingerprint.chunks_exact(5).take(6);
    groups
        .map(|group| {
            let number = group.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
            format!("{:05}", number % 100_000)
        })
        .collect()
}

/// Protobuf { 1: version, 2: { 1: local }, 3: { 1: remote } }; versions below 128 are one byte.
pub(super) fn scannable(version: u8, local: &[u8; 32], remote: &[u8; 32]) -> Vec<u8> {
    let head = [0x08, version, 0x12, 0x22, 0x0a, 0x20];
    [&head[..], local, &[0x1a, 0x22, 0x0a, 0x20], remote].concat()
}

pub(super) fn read_scannable(bytes: &[u8]) -> Result<(u8, [u8; 32], [u8; 32]), ScanError> {
    let parts = (|| {
        let (&version, rest) = bytes.strip_prefix(&[0x08])?.split_first()?;
        let (local, rest) = rest.strip_prefix(&[0x12, 0x22, 0x0a, 0x20])?.split_first_chunk::<32>()?;
        let remote: &[u8; 32] = rest.strip_prefix(&[0x1a, 0x22, 0x0a, 0x20])?.try_into().ok()?;
        (version < 0x80).then_some((version, *local, *remote))
    })();
    parts.ok_or(ScanError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors() -> std::collections::BTreeMap<&'static str, &'static str> {
        let file = include_str!("../../../../vectors/numeric-fingerprint.txt");
        let lines = file.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect()
    }

    fn party(key: &str, id: &str) -> [u8; 32] {
        fingerprint_of(&hex::decode(key).unwrap().try_into().unwrap(), id.as_bytes(), ITERATIONS)
    }

    #[test]
    fn public_vectors() {
        let v = vectors();
        let alice = party(v["alice_identity_key"], v["alice_id"]);
        let bob = party(v["bob_identity_key"], v["bob_id"]);
        let at_alice = SafetyNumber { local: alice, remote: bob };
        let at_bob = SafetyNumber { local: bob, remote: alice };
        let digits = v["displayable (both sides, v1 and v2)"];
        assert_eq!((at_alice.digits().as_str(), at_bob.digits().as_str()), (digits, digits));
        for (version, code) in [(1, "alice_scannable_v1"), (2, "alice_scannable_v2")] {
            let code = hex::decode(v[code]).unwrap();
            assert_eq!(scannable(version, &alice, &bob), code);
            assert_eq!(at_bob.compare_version(version, &code), Ok(()));
            assert_eq!(at_bob.compare_version(3 - version, &code), Err(ScanError::Version));
        }
        assert_eq!(scannable(1, &bob, &alice), hex::decode(v["bob_scannable_v1"]).unwrap());
    }

    #[test]
    fn own_vectors() {
        let key = |from: u8| hex::encode([vec![5], (from..from + 32).collect()].concat());
        let (x, y) = (party(&key(0), "alice"), party(&key(0x20), "bob"));
        assert_eq!(hex::encode(x), "3894fa6917af1f9f1beef79507f275cd8a7824d01e0220b3495d1ac3179eaa56");
        assert_eq!(hex::encode(y), "544919ee985281edab16830893408248886ea24a3b16401159bf1b75692d3e05");
        assert_eq!(digits_of(&x), "074479787048117252321636151710");
        assert_eq!(digits_of(&y), "891125496683810971946796133005");
        let number = SafetyNumber { local: y, remote: x };
        assert_eq!(number.digits(), "074479787048117252321636151710891125496683810971946796133005");
        assert!(number.to_string().starts_with("07447 97870 48117 "));
        let code = scannable(2, &x, &y);
        assert_eq!(hex::encode(&code[..6]), "080212220a20");
        assert_eq!(hex::encode(&code[38..42]), "1a220a20");
    }

    #[test]
    fn scanning_tells_match_mismatch_own_code_and_nonsense_apart() {
        let (a, b, c) = ([1; 32], [2; 32], [3; 32]);
        let number = |local, remote| SafetyNumber { local, remote };
        let mine = number(a, b);
        assert_eq!(mine.compare(&number(b, a).scannable()), Ok(()));
        assert_eq!(mine.compare(&mine.scannable()), Err(ScanError::OwnCode));
        assert_eq!(mine.compare(&number(b, c).scannable()), Err(ScanError::NotMatching));
        assert_eq!(mine.compare(&number(c, a).scannable()), Err(ScanError::NotMatching));
        assert_eq!(mine.compare(&scannable(1, &b, &a)), Err(ScanError::Version));
        let code = number(b, a).scannable();
        for cut in 0..code.len() {
            assert_eq!(mine.compare(&code[..cut]), Err(ScanError::Malformed));
        }
        assert_eq!(mine.compare(&[&code[..], &[0]].concat()), Err(ScanError::Malformed));
    }

    #[test]
    fn the_number_is_equal_on_both_sides_and_differs_with_key_and_person() {
        let mut bench = crate::testing::Bench::new(1);
        let mut cx = bench.cx();
        let mut key = || *crate::primitives::sign::SigningKey::generate(&mut cx).public();
        let (mine, theirs, other) = (key(), key(), key());
        let (me, them) = (PersonId::of(&mine), PersonId::of(&theirs));
        let number = SafetyNumber::between((&me, &mine), (&them, &theirs)).digits();
        assert_eq!(number, SafetyNumber::between((&them, &theirs), (&me, &mine)).digits());
        assert_ne!(number, SafetyNumber::between((&me, &mine), (&them, &other)).digits());
        assert_ne!(number, SafetyNumber::between((&me, &mine), (&me, &theirs)).digits());
    }
}
