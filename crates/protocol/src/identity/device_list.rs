//! A person's devices, signed by the identity key. A device that is not listed is not encrypted to.
//!
//! Where a list comes from, and when to look for a newer one, is the caller's concern.

use super::PeerDevice;
use super::succession::Line;
use crate::codec::{self, VLBytes};
use crate::labels;
use crate::primitives::dh::DhPublic;
use crate::primitives::sign::{Signature, SigningKey, VerifyingKey};
use crate::{DeviceId, Error, PeerFault, PersonId, Result, Timestamp};
use tls_codec::{TlsDeserialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The most devices that a person has.
pub const MAX_DEVICES: usize = 16;

/// By the first identity key that the person had.
const FIRST: u8 = 1;
/// By a later one, with the line that leads to it.
const IN_LINE: u8 = 2;
pub(crate) const LIFETIME: u64 = 90 * Timestamp::DAY;
pub(crate) const RENEW_AFTER: u64 = 30 * Timestamp::DAY;

/// A device list whose signature has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceList {
    body: Body,
    line: Option<Line>,
    signed: Vec<u8>,
}

/// A device list as it arrived.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct UnverifiedDeviceList {
    body: VLBytes,
    signature: Signature,
}

/// One device of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct ListedDevice {
    /// The device.
    pub device: DeviceId,
    /// Its signing key.
    pub signing: VerifyingKey,
    /// Its Diffie-Hellman key.
    pub dh: DhPublic,
}

#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Body {
    format: u8,
    person: PersonId,
    identity: VerifyingKey,
    version: u64,
    issued: Timestamp,
    expires: Timestamp,
    devices: Vec<ListedDevice>,
}

impl UnverifiedDeviceList {
    /// Reads the bytes of a list.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        codec::decode(bytes)
    }

    /// Checks the list against the identity key in it, and that key against the person.
    ///
    /// # Errors
    /// `Malformed`, `UnknownVersion`, `BadKey`, `BadSignature`; `WrongAddress` if the key is not that person's.
    pub fn verify(self) -> Result<DeviceList> {
        let (body, line) = read(self.body.as_slice())?;
        body.identity.verify(labels::DEVICE_LIST, self.body.as_slice(), &self.signature)?;
        match &line {
            Some(line) => line.verify(&body.person, &body.identity, body.issued)?,
            None if PersonId::of(&body.identity) == body.person => {}
            None => return Err(PeerFault::WrongAddress.into()),
        }
        let signed = codec::encode(&self)?;
        Ok(DeviceList { body, line, signed })
    }
}

fn read(bytes: &[u8]) -> Result<(Body, Option<Line>)> {
    let (body, line): (Body, _) = match bytes.first() {
        Some(&FIRST) => (codec::decode(bytes)?, None),
        Some(&IN_LINE) => {
            let (body, rest) = codec::decode_prefix(bytes)?;
            (body, Some(codec::decode(rest)?))
        }
        _ => return Err(PeerFault::UnknownVersion.into()),
    };
    // Ascending ids make the order canonical and each id unique.
    let ascending = body.devices.is_sorted_by(|a, b| a.device < b.device);
    if !ascending || body.devices.is_empty() || body.devices.len() > MAX_DEVICES {
        return Err(PeerFault::Malformed.into());
    }
    Ok((body, line))
}

impl DeviceList {
    /// Signs a person's first list, of `devices`.
    pub(crate) fn sign(
        identity: &SigningKey,
        version: u64,
        devices: Vec<ListedDevice>,
        now: Timestamp,
    ) -> Result<Self> {
        Self::sign_in_line(identity, None, version, devices, now)
    }

    /// Signs a list that is to follow this one, by the same identity.
    pub(super) fn followed_by(
        &self,
        identity: &SigningKey,
        version: u64,
        devices: Vec<ListedDevice>,
        now: Timestamp,
    ) -> Result<Self> {
        Self::sign_in_line(identity, self.line.clone(), version, devices, now)
    }

    /// Signs a list by an identity key that `line` leads to; without one it is the person's first.
    pub(super) fn sign_in_line(
        identity: &SigningKey,
        line: Option<Line>,
        version: u64,
        mut devices: Vec<ListedDevice>,
        now: Timestamp,
    ) -> Result<Self> {
        devices.sort_by_key(|listed| listed.device);
        let public = *identity.public();
        let (format, person) = match &line {
            Some(line) => (IN_LINE, line.person()),
            None => (FIRST, PersonId::of(&public)),
        };
        let expires = now.plus(LIFETIME);
        let body = Body { format, person, identity: public, version, issued: now, expires, devices };
        let mut bytes = codec::encode(&body)?;
        if let Some(line) = &line {
            bytes.extend(codec::encode(line)?);
        }
        let signature = identity.sign(labels::DEVICE_LIST, &bytes);
        let signed = codec::encode(&UnverifiedDeviceList { body: bytes.into(), signature })?;
        Ok(Self { body, line, signed })
    }

    /// Reads a list that this device itself verified or signed before it stored it.
    pub(crate) fn stored(signed: &[u8]) -> Result<Self> {
        let list: UnverifiedDeviceList = codec::decode(signed).map_err(|_| Error::CorruptStore)?;
        let (body, line) = read(list.body.as_slice()).map_err(|_| Error::CorruptStore)?;
        Ok(Self { body, line, signed: signed.to_vec() })
    }

    /// Whose devices they are.
    pub fn person(&self) -> &PersonId {
        &self.body.person
    }

    /// The keys that led to the one that signed, where it is not the person's first.
    pub(super) fn line(&self) -> Option<&Line> {
        self.line.as_ref()
    }

    /// The key that signed.
    pub fn identity(&self) -> &VerifyingKey {
        &self.body.identity
    }

    /// Counts up with every change and renewal.
    pub fn version(&self) -> u64 {
        self.body.version
    }

    /// When the list stops being good for new adds.
    pub fn expires(&self) -> Timestamp {
        self.body.expires
    }

    /// Whether it is past its lifetime.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.body.expires
    }

    /// Whether its owner should sign it anew.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.body.issued.plus(RENEW_AFTER)
    }

    /// The devices, by ascending id.
    pub fn devices(&self) -> &[ListedDevice] {
        &self.body.devices
    }

    /// One device.
    pub fn device(&self, device: DeviceId) -> Option<&ListedDevice> {
        self.body.devices.iter().find(|listed| listed.device == device)
    }

    /// One device, with its person.
    pub fn peer(&self, device: DeviceId) -> Option<PeerDevice> {
        let &ListedDevice { device, signing, dh } = self.device(device)?;
        Some(PeerDevice { person: self.body.person, device, signing, dh })
    }

    /// The list as it was transmitted, signature and all.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }

    /// Checks that this list may take the place of `old`.
    ///
    /// # Errors
    /// `WrongAddress` for another person, or an identity key that does not follow; `RolledBack` for an older version, or for other bytes under the
    /// same version.
    pub fn newer(&self, old: &DeviceList) -> Result<()> {
        let follows = |line: &Line| line.had(&old.body.identity);
        let same_key = self.body.identity == old.body.identity;
        if self.body.person != old.body.person || !(same_key || self.line.as_ref().is_some_and(follows)) {
            return Err(PeerFault::WrongAddress.into());
        }
        let same = self.body.version == old.body.version && self.signed == old.signed;
        if same || self.body.version > old.body.version {
            return Ok(());
        }
        Err(PeerFault::RolledBack.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_signed_by_a_key_that_is_not_the_persons_is_refused() {
        let mut bench = crate::testing::Bench::new(1);
        let (mine, theirs) = {
            let mut cx = bench.cx();
            (SigningKey::generate(&mut cx), SigningKey::generate(&mut cx))
        };
        let device = DeviceId([1; 16]);
        let dh = *crate::primitives::dh::DhSecret::generate(&mut bench.cx()).public();
        let listed = ListedDevice { device, signing: *mine.public(), dh };
        let mut body = DeviceList::sign(&mine, 1, vec![listed], Timestamp(5)).unwrap().body;
        body.person = PersonId::of(theirs.public());
        let bytes = codec::encode(&body).unwrap();
        let signature = mine.sign(labels::DEVICE_LIST, &bytes);
        let forged = UnverifiedDeviceList { body: bytes.into(), signature };
        assert_eq!(forged.verify().err(), Some(PeerFault::WrongAddress.into()));
    }
}
