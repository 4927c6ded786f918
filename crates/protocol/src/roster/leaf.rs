//! A leaf: one device's current keys in one group.
//!
//! The first leaf of a newcomer is a join key that the device published; later ones are certified for this group and
//! signed by the leaf before.

use crate::codec;
use crate::identity::PeerDevice;
use crate::labels;
use crate::primitives::kem::{XWingPublic, XWingSecret};
use crate::primitives::sign::{Signature, SigningKey, VerifyingKey};
use crate::session::UnverifiedJoinKey;
use crate::{Context, DeviceId, GroupId, PeerFault, PersonId, Result, SeatId};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Leaf {
    pub(crate) device: DeviceId,
    pub(crate) seat: SeatId,
    /// When a rejoin was last asked for, by the device's own clock (0: never): a request is good once.
    pub(crate) asked: u64,
    pub(crate) keys: LeafKeys,
}

#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[allow(clippy::large_enum_variant, reason = "every leaf comes to be of the large variant at its first heal")]
#[repr(u8)]
pub(crate) enum LeafKeys {
    /// The device was added with a join key of its own.
    Joined(UnverifiedJoinKey) = 0,
    /// The device made this leaf itself.
    Own(Renewed) = 1,
    /// The device was away for too long: its keys are out. The seat stays, so that it sees that, and so does `asked`, so
    /// that no old request brings it back.
    Away = 2,
}

/// A leaf that its device made itself.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Renewed {
    pub(crate) kem: XWingPublic,
    pub(crate) signing: VerifyingKey,
    certificate: Signature,
    /// By the leaf before; a founder has none.
    succession: Option<Signature>,
}

/// The secret halves of a leaf.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct LeafSecrets {
    pub(crate) kem: XWingSecret,
    pub(crate) signing: SigningKey,
}

#[derive(TlsSize, TlsSerialize)]
struct Certified<'a> {
    group: GroupId,
    person: PersonId,
    device: DeviceId,
    kem: &'a XWingPublic,
    signing: &'a VerifyingKey,
}

impl Leaf {
    /// Makes a leaf of this device's own, succeeding `before`.
    pub(crate) fn make(
        group: &GroupId,
        device: &PeerDevice,
        device_key: &SigningKey,
        seat: SeatId,
        before: Option<&SigningKey>,
        cx: &mut Context,
    ) -> Result<(Self, LeafSecrets)> {
        let secrets = LeafSecrets { kem: XWingSecret::generate(cx), signing: SigningKey::generate(cx) };
        let (kem, signing) = (secrets.kem.public(), *secrets.signing.public());
        let bytes = certified(group, device, &kem, &signing)?;
        let certificate = device_key.sign(labels::LEAF, &bytes);
        let succession = before.map(|key| key.sign(labels::LEAF_SUCCESSION, &bytes));
        let keys = LeafKeys::Own(Renewed { kem, signing, certificate, succession });
        Ok((Self { device: device.device, seat, asked: 0, keys }, secrets))
    }

    /// Whether its device was taken out for its absence.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self.keys, LeafKeys::Away)
    }

    pub(crate) fn kem(&self) -> Result<XWingPublic> {
        Ok(match &self.keys {
            LeafKeys::Joined(key) => key.peek()?.kem().clone(),
            LeafKeys::Own(own) => own.kem.clone(),
            LeafKeys::Away => return Err(PeerFault::NotAllowed.into()),
        })
    }

    pub(crate) fn signing(&self) -> Result<VerifyingKey> {
        Ok(match &self.keys {
            LeafKeys::Joined(key) => *key.peek()?.signing(),
            LeafKeys::Own(own) => own.signing,
            LeafKeys::Away => return Err(PeerFault::NotAllowed.into()),
        })
    }

    /// Checks that `device` vouches for the leaf.
    pub(crate) fn verify(&self, group: &GroupId, device: &PeerDevice) -> Result<()> {
        match &self.keys {
            LeafKeys::Joined(key) => key.clone().verify_signature(device).map(drop),
            LeafKeys::Own(own) => {
                let bytes = certified(group, device, &own.kem, &own.signing)?;
                device.signing.verify(labels::LEAF, &bytes, &own.certificate)
            }
            // No key to vouch for; that it is away, its commit's author said.
            LeafKeys::Away => Ok(()),
        }
    }

    /// Checks the leaf also against the one before it: same device, same seat, signed by its key.
    pub(crate) fn verify_successor(&self, group: &GroupId, device: &PeerDevice, old: &Leaf) -> Result<()> {
        self.verify(group, device)?;
        let LeafKeys::Own(own) = &self.keys else { return Err(PeerFault::NotAllowed.into()) };
        let same = self.device == old.device && self.seat == old.seat && self.asked == old.asked;
        let (true, Some(succession)) = (same, &own.succession) else {
            return Err(PeerFault::NotAllowed.into());
        };
        let bytes = certified(group, device, &own.kem, &own.signing)?;
        old.signing()?.verify(labels::LEAF_SUCCESSION, &bytes, succession)
    }
}

fn certified(
    group: &GroupId,
    device: &PeerDevice,
    kem: &XWingPublic,
    signing: &VerifyingKey,
) -> Result<Vec<u8>> {
    let (person, device) = (device.person, device.device);
    codec::encode(&Certified { group: *group, person, device, kem, signing })
}
