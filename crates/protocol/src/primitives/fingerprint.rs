//! The slow hashes under what people compare: SHA-512, iterated. That of safety numbers is Signal's numeric fingerprint,
//! version 0.

use sha2::{Digest, Sha512};

/// h = SHA-512(0x0000 ‖ key ‖ id ‖ key), then h = SHA-512(h ‖ key) until `iterations` hashes are done.
pub(crate) fn iterated(key: &[u8; 33], id: &[u8], iterations: u32) -> [u8; 64] {
    let mut hash =
        Sha512::new().chain_update([0, 0]).chain_update(key).chain_update(id).chain_update(key).finalize();
    for _ in 1..iterations {
        hash = Sha512::new().chain_update(hash).chain_update(key).finalize();
    }
    hash.into()
}

/// h = SHA-512(input), then h = SHA-512(h ‖ input) until `iterations` hashes are done.
pub(crate) fn stretched(input: &[u8; 32], iterations: u32) -> [u8; 64] {
    let mut hash = Sha512::digest(input);
    for _ in 1..iterations {
        hash = Sha512::new().chain_update(hash).chain_update(input).finalize();
    }
    hash.into()
}
