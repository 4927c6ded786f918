//! Secrets by purpose: 32 bytes that are wiped on drop, never printed, and cannot stand in for one another.

use crate::Context;
use crate::codec::VLBytes;
use std::marker::PhantomData;
#[cfg(test)]
use subtle::ConstantTimeEq;
use tls_codec::{Deserialize, DeserializeBytes, Serialize, Size, VLByteSlice};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What a secret is for.
pub trait Purpose {}

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident;)*) => { $($(#[$doc])* pub enum $name {} impl Purpose for $name {})* };
}

purposes! {
    /// A Diffie-Hellman output.
    DhOutput;
    /// A KEM shared secret.
    KemShared;
    /// Key of one AEAD sealing.
    AeadKey;
    /// Root key of a session.
    RootKey;
    /// Chain key of a session or a sender.
    ChainKey;
    /// Message key of a session or a sender.
    MessageKey;
    /// The seed that a commit carries.
    Seed;
    /// An epoch's secret.
    EpochSecret;
    /// An epoch's seal secret.
    SealSecret;
    /// An epoch's confirm key.
    ConfirmKey;
    /// The init secret an epoch leaves to the next.
    InitSecret;
    /// The heal root of a sender chain.
    HealRoot;
    /// Seed of a signing key.
    SigningSeed;
    /// Scalar of a Diffie-Hellman key.
    DhScalar;
    /// What a link lets its bearer in with.
    LinkSecret;
    /// Seed of a KEM key.
    KemSeed;
    /// A node of an epoch's secret tree.
    TreeNode;
    /// What a device contributes to the words of a call, until it opens it.
    CallNonce;
    /// From which one operation of the MLS engine draws its randomness.
    DrawSeed;
}

/// 32 secret bytes for purpose `P`.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret<P: Purpose> {
    bytes: [u8; 32],
    #[zeroize(skip)]
    purpose: PhantomData<fn() -> P>,
}

impl<P: Purpose> Secret<P> {
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self { bytes, purpose: PhantomData }
    }

    pub(crate) fn random(cx: &mut Context) -> Self {
        Self::new(cx.random())
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// A second copy: only where a key must live on while it is also stored or handed out.
    pub(crate) fn duplicate(&self) -> Self {
        Self::new(self.bytes)
    }

    #[cfg(test)]
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}

/// Secret bytes of any length, their length before them: wiped on drop, never printed.
pub(crate) struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Zeroizing<Vec<u8>>> for SecretBytes {
    fn from(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl From<SecretBytes> for Zeroizing<Vec<u8>> {
    fn from(bytes: SecretBytes) -> Self {
        bytes.0
    }
}

impl Size for SecretBytes {
    fn tls_serialized_len(&self) -> usize {
        VLByteSlice(&self.0).tls_serialized_len()
    }
}

impl Serialize for SecretBytes {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        VLByteSlice(&self.0).tls_serialize(writer)
    }
}

impl DeserializeBytes for SecretBytes {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        let (read, rest) = VLBytes::tls_deserialize_bytes(bytes)?;
        Ok((Self(Zeroizing::new(read.into())), rest))
    }
}

impl<P: Purpose> Size for Secret<P> {
    fn tls_serialized_len(&self) -> usize {
        32
    }
}

impl<P: Purpose> Serialize for Secret<P> {
    fn tls_serialize<W: std::io::Write>(&self, writer: &mut W) -> Result<usize, tls_codec::Error> {
        self.bytes.tls_serialize(writer)
    }
}

impl<P: Purpose> Deserialize for Secret<P> {
    fn tls_deserialize<R: std::io::Read>(bytes: &mut R) -> Result<Self, tls_codec::Error> {
        <[u8; 32]>::tls_deserialize(bytes).map(Self::new)
    }
}

impl<P: Purpose> DeserializeBytes for Secret<P> {
    fn tls_deserialize_bytes(bytes: &[u8]) -> Result<(Self, &[u8]), tls_codec::Error> {
        <[u8; 32]>::tls_deserialize_bytes(bytes).map(|(bytes, rest)| (Self::new(bytes), rest))
    }
}
