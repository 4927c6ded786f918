//! The only door into the protocol core: everything a step may touch.
//!
//! A step is a transaction. It reads and writes the [`Vault`], draws from `rng`, and believes `now`; nothing else.
//! After an `Err` the caller rolls the vault back and drops every in-memory value it got from it. Threads,
//! databases, clocks and sockets are not this crate's concern.

use crate::Vault;
use rand_core::CryptoRng;

/// What a protocol step works with.
pub struct Context<'a> {
    /// The open transaction.
    pub vault: &'a mut dyn Vault,
    /// The only source of randomness.
    pub rng: &'a mut dyn CryptoRng,
    /// The instant of this step.
    pub now: Timestamp,
}

impl Context<'_> {
    /// Draws `N` random bytes.
    pub fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    tls_codec::TlsSize,
    tls_codec::TlsSerialize,
    tls_codec::TlsDeserialize,
    tls_codec::TlsDeserializeBytes,
)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// One day in milliseconds.
    pub const DAY: u64 = 24 * 60 * 60 * 1000;

    /// This instant plus `ms` milliseconds, saturating.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}
