//! Hashing and key derivation: SHA-256, HMAC-SHA-256 (RFC 2104), HKDF-SHA-256 (RFC 5869), every use under a label.
//!
//! Inputs are framed as `len(label) u8 ‖ label ‖ (len(part) u32 ‖ part)…`, so that no two lists of parts give the same bytes.

use super::secret::{Purpose, Secret};
use crate::ids::Digest;
use crate::labels::Label;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// SHA-256 over the framed `parts`.
pub fn hash(label: Label, parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    frame(label, parts, |bytes| hasher.update(bytes));
    Digest(hasher.finalize().into())
}

/// Plain SHA-256: what the relay computes over an entry's shared part.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A key for `Q` from the secret `ikm`, salted, bound to `parts`.
pub(crate) fn derive<Q: Purpose>(ikm: &[u8], salt: &[u8], label: Label, parts: &[&[u8]]) -> Secret<Q> {
    let [one] = derive_bytes::<1>(ikm, salt, label, parts);
    Secret::new(*one)
}

/// Two keys from one derivation.
pub(crate) fn derive_two<Q: Purpose, R: Purpose>(
    ikm: &[u8],
    salt: &[u8],
    label: Label,
    parts: &[&[u8]],
) -> (Secret<Q>, Secret<R>) {
    let [first, second] = derive_bytes::<2>(ikm, salt, label, parts);
    (Secret::new(*first), Secret::new(*second))
}

/// A step of a symmetric chain: HMAC keyed with the chain key over the label.
pub(crate) fn step<P: Purpose, Q: Purpose>(chain: &Secret<P>, label: Label) -> Secret<Q> {
    Secret::new(mac(chain, label, &[]))
}

/// HMAC-SHA-256 over the framed `parts`, 32 bytes.
pub(crate) fn mac<P: Purpose>(key: &Secret<P>, label: Label, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key.expose());
    frame(label, parts, |bytes| mac.update(bytes));
    mac.finalize().into_bytes().into()
}

/// Compares a MAC in constant time.
pub(crate) fn verify_mac<P: Purpose>(key: &Secret<P>, label: Label, parts: &[&[u8]], tag: &[u8; 32]) -> bool {
    let mut mac = keyed(key.expose());
    frame(label, parts, |bytes| mac.update(bytes));
    mac.verify_slice(tag).is_ok()
}

/// HKDF-Extract (RFC 5869 §2.2), unframed: for formats of others, which have a framing of their own.
pub(crate) fn extract(salt: &[u8], ikm: &[u8]) -> Zeroizing<[u8; 32]> {
    let (prk, _) = Hkdf::<Sha256>::extract(Some(salt), ikm);
    Zeroizing::new(prk.into())
}

/// HKDF-Expand (RFC 5869 §2.3), unframed; `None` for a key below 32 bytes or more than 8160 bytes of output.
pub(crate) fn expand(prk: &[u8], info: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(vec![0; length]);
    Hkdf::<Sha256>::from_prk(prk).ok()?.expand(info, &mut out).ok()?;
    Some(out)
}

/// HMAC-SHA-256, unframed, with a key of any length.
pub(crate) fn mac_raw(key: &[u8], data: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(data);
    Some(mac.finalize().into_bytes().into())
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // RFC 2104 §2: a key shorter than the block is padded with zeros.
    let mut block = Zeroizing::new([0; 64]);
    let (start, _) = block.split_at_mut(32);
    start.copy_from_slice(key);
    <Hmac<Sha256> as KeyInit>::new(&(*block).into())
}

fn derive_bytes<const N: usize>(
    ikm: &[u8],
    salt: &[u8],
    label: Label,
    parts: &[&[u8]],
) -> [Zeroizing<[u8; 32]>; N] {
    let mut info = Vec::new();
    frame(label, parts, |bytes| info.extend_from_slice(bytes));
    let hkdf = Hkdf::<Sha256>::new(Some(salt), ikm);
    std::array::from_fn(|block| {
        let mut out = Zeroizing::new([0; 32]);
        let index = [block as u8];
        // A 32-byte output is far below HKDF's limit, so expand cannot fail; were it to, the zero key would open nothing
        // that an honest peer sealed.
        let filled = hkdf.expand_multi_info(&[&info, &index], out.as_mut());
        debug_assert!(filled.is_ok());
        out
    })
}

fn frame(label: Label, parts: &[&[u8]], mut write: impl FnMut(&[u8])) {
    write(&[label.0.len() as u8]);
    write(label.0.as_bytes());
    for part in parts {
        write(&(part.len() as u32).to_be_bytes());
        write(part);
    }
}
