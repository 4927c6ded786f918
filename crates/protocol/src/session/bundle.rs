//! What a device publishes so that others can reach it while it is off: bundle, one-time prekeys, join keys.
//!
//! Each comes as unverified bytes and becomes a usable value only through its device's signature. The secrets behind them
//! are the concern of `prekeys`.

use crate::codec::{self, Decode, VLBytes};
use crate::identity::CertifiedDevice;
use crate::labels::{self, Label};
use crate::primitives::dh::DhPublic;
use crate::primitives::kem::{MlKemPublic, XWingPublic};
use crate::primitives::sign::{Signature, SigningKey, VerifyingKey};
use crate::{DeviceId, PeerFault, PersonId, Result, Timestamp};
use tls_codec::{TlsDeserialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

pub(super) const VERSION: u8 = 1;

/// The static part of what a device publishes; it is used many times.
#[derive(Clone)]
pub struct Bundle {
    pub(super) body: BundleBody,
    signed: Vec<u8>,
}

/// A prekey for one session.
#[derive(Clone)]
pub struct OneTimePrekey {
    pub(super) body: OneTimeBody,
}

/// A key with which a device can be added to one group: the KEM and signing keys of its first leaf there.
#[derive(Clone)]
pub struct JoinKey {
    body: JoinBody,
    signed: Vec<u8>,
}

#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct BundleBody {
    pub(super) version: u8,
    pub(super) person: PersonId,
    pub(super) device: DeviceId,
    pub(super) generation: u32,
    pub(super) prekey: DhPublic,
    pub(super) kem: MlKemPublic,
    pub(super) inbox: XWingPublic,
    pub(super) not_after: Timestamp,
}

#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct OneTimeBody {
    pub(super) version: u8,
    pub(super) device: DeviceId,
    pub(super) id: u32,
    pub(super) prekey: DhPublic,
    pub(super) kem: MlKemPublic,
    pub(super) not_after: Timestamp,
}

#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct JoinBody {
    pub(super) version: u8,
    pub(super) device: DeviceId,
    pub(super) id: u32,
    pub(super) kem: XWingPublic,
    pub(super) signing: VerifyingKey,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) kind: JoinKind,
}

/// Whether a join key is given out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(super) enum JoinKind {
    OneTime = 0,
    LastResort = 1,
}

macro_rules! unverified {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
        pub struct $name(Signed);

        impl $name {
            /// Reads the bytes that a device published.
            ///
            /// # Errors
            /// `Malformed`.
            pub fn read(bytes: &[u8]) -> Result<Self> {
                codec::decode(bytes)
            }
        }
    };
}

unverified!(
    /// A bundle as it arrived.
    UnverifiedBundle
);
unverified!(
    /// A one-time prekey as it arrived.
    UnverifiedOneTimePrekey
);
unverified!(
    /// A join key as it arrived.
    UnverifiedJoinKey
);

impl UnverifiedBundle {
    /// Checks the bundle against its device.
    ///
    /// # Errors
    /// `UnknownVersion`, `Malformed`, `BadSignature`, `WrongAddress` for another device or person, `Expired`.
    pub fn verify(self, device: &impl CertifiedDevice, now: Timestamp) -> Result<Bundle> {
        let body: BundleBody = self.0.open(labels::BUNDLE, device)?;
        let other_person = device.person().is_some_and(|person| *person != body.person);
        if body.device != *device.device() || other_person {
            return Err(PeerFault::WrongAddress.into());
        }
        if now >= body.not_after {
            return Err(PeerFault::Expired.into());
        }
        Ok(Bundle { body, signed: codec::encode(&self)? })
    }
}

impl UnverifiedOneTimePrekey {
    /// Checks the prekey against its device.
    ///
    /// # Errors
    /// `UnknownVersion`, `Malformed`, `BadSignature`, `WrongAddress` for another device, `Expired`.
    pub fn verify(self, device: &impl CertifiedDevice, now: Timestamp) -> Result<OneTimePrekey> {
        let body: OneTimeBody = self.0.open(labels::ONE_TIME_PREKEY, device)?;
        if body.device != *device.device() {
            return Err(PeerFault::WrongAddress.into());
        }
        if now >= body.not_after {
            return Err(PeerFault::Expired.into());
        }
        Ok(OneTimePrekey { body })
    }
}

impl UnverifiedJoinKey {
    /// Reads the join key that `bytes` start with, and gives what follows: the key package for a tree, if there is one.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn read_first(bytes: &[u8]) -> Result<(Self, &[u8])> {
        codec::decode_prefix(bytes)
    }

    /// The join key inside, for keys that were verified when they entered the roster.
    pub(crate) fn peek(&self) -> Result<JoinKey> {
        Ok(JoinKey { body: codec::decode(self.0.body.as_slice())?, signed: codec::encode(self)? })
    }

    /// Checks the join key against its device and its lifetime: what an adder does.
    ///
    /// # Errors
    /// As [`Self::verify_signature`]; `Expired` outside of its lifetime.
    pub fn verify(self, device: &impl CertifiedDevice, now: Timestamp) -> Result<JoinKey> {
        let key = self.verify_signature(device)?;
        if now < key.body.not_before || now >= key.body.not_after {
            return Err(PeerFault::Expired.into());
        }
        Ok(key)
    }

    /// Checks the join key against its device only: what everybody who sees the add does, whatever their clocks say.
    ///
    /// # Errors
    /// `UnknownVersion`, `Malformed`, `BadSignature`, `WrongAddress` for another device.
    pub fn verify_signature(self, device: &impl CertifiedDevice) -> Result<JoinKey> {
        let body: JoinBody = self.0.open(labels::JOIN_KEY, device)?;
        if body.device != *device.device() {
            return Err(PeerFault::WrongAddress.into());
        }
        Ok(JoinKey { body, signed: codec::encode(&self)? })
    }
}

impl Bundle {
    /// Whose device published it.
    pub fn person(&self) -> &PersonId {
        &self.body.person
    }

    /// The device that published it.
    pub fn device(&self) -> &DeviceId {
        &self.body.device
    }

    /// The bundle as it was transmitted.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }
}

impl OneTimePrekey {
    /// The device that published it.
    pub fn device(&self) -> &DeviceId {
        &self.body.device
    }
}

impl JoinKey {
    pub(super) fn sign(body: JoinBody, device: &SigningKey) -> Result<Self> {
        let signed = sign(&body, labels::JOIN_KEY, device)?;
        Ok(Self { body, signed })
    }

    /// Reads a join key that this device itself signed before it stored it.
    pub(super) fn stored(signed: &[u8]) -> Result<Self> {
        let outer: Signed = codec::decode(signed)?;
        Ok(Self { body: codec::decode(outer.body.as_slice())?, signed: signed.to_vec() })
    }

    /// Its number at its device.
    pub fn id(&self) -> u32 {
        self.body.id
    }

    /// The device that is added with it.
    pub fn device(&self) -> &DeviceId {
        &self.body.device
    }

    /// The KEM key of the first leaf.
    pub fn kem(&self) -> &XWingPublic {
        &self.body.kem
    }

    /// The message-signing key of the first leaf.
    pub fn signing(&self) -> &VerifyingKey {
        &self.body.signing
    }

    /// The start of its lifetime.
    pub fn not_before(&self) -> Timestamp {
        self.body.not_before
    }

    /// The end of its lifetime.
    pub fn not_after(&self) -> Timestamp {
        self.body.not_after
    }

    /// Whether it is the one that is given out again and again when the others have run out.
    pub fn is_last_resort(&self) -> bool {
        self.body.kind == JoinKind::LastResort
    }

    /// The join key as it was transmitted.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }
}

/// A signed body: the signature covers the bytes as transmitted.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
struct Signed {
    body: VLBytes,
    signature: Signature,
}

impl Signed {
    fn open<T: Decode>(&self, label: Label, device: &impl CertifiedDevice) -> Result<T> {
        if self.body.as_slice().first() != Some(&VERSION) {
            return Err(PeerFault::UnknownVersion.into());
        }
        device.signing().verify(label, self.body.as_slice(), &self.signature)?;
        codec::decode(self.body.as_slice())
    }
}

/// Encodes `body`, signs it, and gives the bytes that a device publishes.
pub(super) fn sign<T: codec::Encode>(body: &T, label: Label, device: &SigningKey) -> Result<Vec<u8>> {
    let body = codec::encode(body)?;
    let signature = device.sign(label, &body);
    codec::encode(&Signed { body: body.into(), signature })
}
