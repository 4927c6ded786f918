//! The cryptographic building blocks: the only files of the project that name a crypto crate of the protocol.
//!
//! One suite per protocol version: X25519, Ed25519 (strict), ML-KEM-768, X-Wing, HKDF- and HMAC-SHA-256, ChaCha20-Poly1305.

pub mod aead;
pub mod dh;
pub(crate) mod fingerprint;
pub(crate) mod hpke;
pub mod kdf;
pub mod kem;
#[cfg(test)]
mod known_answers;
pub mod secret;
pub mod sign;
