//! The cryptographic building blocks: the only files of the project that name a crypto crate of the protocol.
//!
//! One suite per protocol version: X25519, Ed25519 (strict), ML-KEM-768, X-Wing, HKDF- and HMAC-SHA-256, ChaCha20-Poly1305.

pub mod aead;
pub mod dh;
pub(crate) mod fingerprint;
#[cfg(test)]
pub(crate) mod foreign;
pub(crate) mod hpke;
#[cfg(test)]
mod hpke_known_answers;
pub mod kdf;
pub mod kem;
#[cfg(test)]
mod known_answers;
pub(crate) mod parallel;
#[cfg(test)]
pub(crate) mod plain;
pub mod secret;
pub mod sign;
