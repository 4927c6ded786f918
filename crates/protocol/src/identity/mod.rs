//! People and their devices: who may speak under a name, and how two people check it.
//!
//! An identity key signs a device list; only listed devices are encrypted to. Which devices are in a group is the roster's
//! concern, what they say to each other the session's.

mod account;
mod device_list;
mod disavowal;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handle;
mod link;
mod linking;
mod recovery;
mod rotation;
mod safety_number;
mod succession;
#[cfg(test)]
mod tests;
mod trust;

pub use account::Account;
pub use device_list::{DeviceList, ListedDevice, MAX_DEVICES, UnverifiedDeviceList};
pub(crate) use device_list::{LIFETIME as LIST_LIFETIME, RENEW_AFTER as LIST_RENEWAL};
pub use disavowal::{Disavowal, Doings, UnverifiedDisavowal, Verdict};
pub use handle::Handle;
pub(crate) use link::link_id;
pub use link::{LINK_PREFIX, Link, UnverifiedLink, make_link};
pub use linking::NewDevice;
pub use recovery::RecoveryKey;
pub use safety_number::{SafetyNumber, ScanError};
pub use succession::IDENTITY_NOTICE;
pub use trust::{Attestation, Grade, Identity, MAX_ATTESTATIONS, UnverifiedAttestation, grades};

use crate::primitives::dh::DhPublic;
use crate::primitives::sign::VerifyingKey;
use crate::{DeviceId, PersonId};
use tls_codec::{TlsDeserialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Somebody's device, its keys taken from a verified list or from a roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub struct PeerDevice {
    /// Whose device it is.
    pub person: PersonId,
    /// The device.
    pub device: DeviceId,
    /// Its signing key.
    pub signing: VerifyingKey,
    /// Its Diffie-Hellman key.
    pub dh: DhPublic,
}

/// What a signature by a device is checked against: both forms in which a device's keys are known.
pub trait CertifiedDevice {
    /// The device.
    fn device(&self) -> &DeviceId;
    /// Its signing key.
    fn signing(&self) -> &VerifyingKey;
    /// Its person, where known.
    fn person(&self) -> Option<&PersonId>;
}

impl CertifiedDevice for PeerDevice {
    fn device(&self) -> &DeviceId {
        &self.device
    }

    fn signing(&self) -> &VerifyingKey {
        &self.signing
    }

    fn person(&self) -> Option<&PersonId> {
        Some(&self.person)
    }
}

impl CertifiedDevice for ListedDevice {
    fn device(&self) -> &DeviceId {
        &self.device
    }

    fn signing(&self) -> &VerifyingKey {
        &self.signing
    }

    fn person(&self) -> Option<&PersonId> {
        None
    }
}
