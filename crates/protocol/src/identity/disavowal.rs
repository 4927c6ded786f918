//! "That was not me": a person says, signed, that entries of one of their devices in a group are not that device's doing; or,
//! later, that they are again. It is shown to whoever is in that group, on any way.
//!
//! It takes nobody out and makes no entry void: a thief could say it too. What follows from it is the client's concern.

use super::{Account, DeviceList};
use crate::primitives::sign::{Signature, VerifyingKey};
use crate::{Context, DeviceId, Digest, GroupId, PeerFault, PersonId, Result, Timestamp, codec, labels};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// What is said of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Verdict {
    /// From this entry on it is not its person's doing.
    NotMe = 0,
    /// It is its person's again.
    MeAgain = 1,
}

/// What is about: a device's entries in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Doings {
    /// The device.
    pub device: DeviceId,
    /// The key that it signed with then: of another one nothing is said.
    pub key: VerifyingKey,
    /// The group.
    pub group: GroupId,
    /// The number of the first entry.
    pub entry: u64,
    /// The hash of its shared part, as the relay gave it.
    pub hash: Digest,
}

/// A disavowal as it arrived. At most 250 bytes.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct UnverifiedDisavowal {
    said: Said,
    signature: Signature,
}

/// The same, its signature checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disavowal(UnverifiedDisavowal);

#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Said {
    person: PersonId,
    by: Signer,
    verdict: Verdict,
    of: Doings,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
enum Signer {
    #[tls_codec(discriminant = 0)]
    Device(DeviceId),
    #[tls_codec(discriminant = 1)]
    Identity,
}

impl Disavowal {
    /// Says it, signed by the identity key where this device has it, and else by this device's key.
    pub fn sign(account: &Account, verdict: Verdict, of: Doings, cx: &Context) -> Result<Self> {
        let (by, key) = match &account.own.identity {
            Some(identity) => (Signer::Identity, identity),
            None => (Signer::Device(*account.device_id()), account.device_signing()),
        };
        let said = Said { person: *account.person(), by, verdict, of, at: cx.now };
        let signature = key.sign(labels::DISAVOWAL, &codec::encode(&said)?);
        Ok(Self(UnverifiedDisavowal { said, signature }))
    }

    /// What is said.
    pub fn verdict(&self) -> Verdict {
        self.0.said.verdict
    }

    /// Of what.
    pub fn of(&self) -> &Doings {
        &self.0.said.of
    }

    /// Whose device it is.
    pub fn person(&self) -> PersonId {
        self.0.said.person
    }

    /// When it was said, by the signer's clock: the later one counts.
    pub fn at(&self) -> Timestamp {
        self.0.said.at
    }

    /// To be transmitted or kept.
    pub fn unverified(&self) -> &UnverifiedDisavowal {
        &self.0
    }
}

impl UnverifiedDisavowal {
    /// Who claims to have said so.
    pub fn person(&self) -> PersonId {
        self.said.person
    }

    /// When it claims to have been said.
    pub fn at(&self) -> Timestamp {
        self.said.at
    }

    /// Checks it against a list of the person's devices.
    ///
    /// # Errors
    /// `WrongAddress` if the list is another person's, or does not name the device that signed; `NotAllowed` where a device
    /// says of itself that it is its person's again; `BadSignature`.
    pub fn verify(self, list: &DeviceList) -> Result<Disavowal> {
        let Said { person, by, verdict, of, .. } = &self.said;
        if list.person() != person {
            return Err(PeerFault::WrongAddress.into());
        }
        let key = match by {
            Signer::Identity => list.identity(),
            Signer::Device(device) if *verdict == Verdict::MeAgain && *device == of.device => {
                return Err(PeerFault::NotAllowed.into());
            }
            Signer::Device(device) => &list.device(*device).ok_or(PeerFault::WrongAddress)?.signing,
        };
        key.verify(labels::DISAVOWAL, &codec::encode(&self.said)?, &self.signature)?;
        Ok(Disavowal(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::identity::Handle;
    use crate::testing::Bench;

    fn account(bench: &mut Bench, name: &str) -> Account {
        bench.step(|cx| Account::create(Handle::parse(name)?, cx)).unwrap()
    }

    #[test]
    fn only_the_person_says_that_it_was_not_them_and_no_device_clears_itself() {
        let (mut bench, mut other) = (Bench::new(1), Bench::new(2));
        let (mike, eve) = (account(&mut bench, "mike@h"), account(&mut other, "eve@h"));
        let list = mike.device_list();
        let of = Doings {
            device: *mike.device_id(),
            key: *mike.device_signing().public(),
            group: GroupId([7; 32]),
            entry: 9,
            hash: Digest([1; 32]),
        };
        let mut by = |who: &Account, verdict| {
            Disavowal::sign(who, verdict, of, &bench.cx()).unwrap().unverified().clone()
        };
        let said = by(&mike, Verdict::NotMe);
        let size = codec::encode(&said).unwrap().len();
        assert!(size <= 250, "{size}");
        assert_eq!(said.clone().verify(&list).unwrap().of(), &of);
        assert_eq!(said.clone().verify(&eve.device_list()), Err(PeerFault::WrongAddress.into()));
        // Eve signs in mike's name; somebody alters what he signed.
        let mut forged = by(&eve, Verdict::NotMe);
        forged.said.person = *list.person();
        assert_eq!(forged.verify(&list), Err(Error::Peer(PeerFault::BadSignature)));
        let mut altered = said;
        altered.said.of.entry = 1;
        assert_eq!(altered.verify(&list), Err(Error::Peer(PeerFault::BadSignature)));
        let again = by(&mike, Verdict::MeAgain);
        assert!(again.clone().verify(&list).is_ok(), "by the identity key");
        let mut own = again;
        own.said.by = Signer::Device(of.device);
        assert_eq!(own.verify(&list), Err(PeerFault::NotAllowed.into()));
    }
}
