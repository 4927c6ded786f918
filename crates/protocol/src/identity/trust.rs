//! Who has met whom. A person who compared a safety number says so, signed; whoever trusts that person can follow.
//!
//! Three grades: *met* (compared by oneself), *vouched* (through people who have met each other, from somebody one has met),
//! *unchecked*. All are about an identity key: none survives another one. How they are shown is not this file's concern.

use super::{Account, DeviceList};
use crate::primitives::sign::{Signature, VerifyingKey};
use crate::{Context, DeviceId, PeerFault, PersonId, Result, Timestamp, codec, labels};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The most that one message carries.
pub const MAX_ATTESTATIONS: usize = 128;

/// A person with an identity key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Identity {
    /// Who.
    pub person: PersonId,
    /// The key.
    pub key: VerifyingKey,
}

/// "We have compared our safety number", as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct UnverifiedAttestation {
    said: Said,
    signature: Signature,
}

/// The same, its signature checked. 216 bytes as transmitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation(UnverifiedAttestation);

#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Said {
    by: Identity,
    device: DeviceId,
    of: Identity,
    at: Timestamp,
}

impl Attestation {
    /// Says that this account's person has met somebody, signed by this device.
    pub fn sign(account: &Account, of: Identity, cx: &Context) -> Result<Self> {
        let by = Identity { person: *account.person(), key: *account.identity_public() };
        let said = Said { by, device: *account.device_id(), of, at: cx.now };
        let signature = account.device_signing().sign(labels::ATTESTATION, &codec::encode(&said)?);
        Ok(Self(UnverifiedAttestation { said, signature }))
    }

    /// Who says so.
    pub fn by(&self) -> Identity {
        self.0.said.by
    }

    /// Of whom.
    pub fn of(&self) -> Identity {
        self.0.said.of
    }

    /// To be transmitted or kept.
    pub fn unverified(&self) -> &UnverifiedAttestation {
        &self.0
    }
}

impl UnverifiedAttestation {
    /// Who claims to have said so.
    pub fn by(&self) -> PersonId {
        self.said.by.person
    }

    /// Checks it against the device list of whoever says so.
    ///
    /// # Errors
    /// `WrongAddress` if the list is another person's or by another identity key, or does not name the device, or if
    /// somebody vouches for themselves; `BadSignature`.
    pub fn verify(self, list: &DeviceList) -> Result<Attestation> {
        let Said { by, device, of, .. } = &self.said;
        let same = *list.person() == by.person && *list.identity() == by.key && of.person != by.person;
        let device = list.device(*device).filter(|_| same).ok_or(PeerFault::WrongAddress)?;
        device.signing.verify(labels::ATTESTATION, &codec::encode(&self.said)?, &self.signature)?;
        Ok(Attestation(self))
    }
}

/// How well somebody is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grade {
    /// Compared by oneself.
    Met,
    /// Through these people, from one that was met to one who has met them; the shortest way.
    Vouched(Vec<PersonId>),
    /// Neither.
    Unchecked,
}

/// The grades of `people`, where `met` were compared by oneself.
pub fn grades(
    people: &[Identity],
    met: &BTreeSet<Identity>,
    attested: &[(Identity, Identity)],
) -> BTreeMap<PersonId, Grade> {
    let known: BTreeSet<Identity> = people.iter().copied().collect();
    let mut ways: BTreeMap<Identity, Vec<PersonId>> = BTreeMap::new();
    let mut next: VecDeque<Identity> = met.intersection(&known).copied().collect();
    while let Some(from) = next.pop_front() {
        let mut way = ways.get(&from).cloned().unwrap_or_default();
        way.push(from.person);
        for (_, of) in attested.iter().filter(|(by, of)| *by == from && known.contains(of)) {
            if !met.contains(of) && !ways.contains_key(of) {
                ways.insert(*of, way.clone());
                next.push_back(*of);
            }
        }
    }
    let grade = |one: &Identity| match (met.contains(one), ways.get(one)) {
        (true, _) => Grade::Met,
        (false, Some(way)) => Grade::Vouched(way.clone()),
        (false, None) => Grade::Unchecked,
    };
    people.iter().map(|one| (one.person, grade(one))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Handle;
    use crate::testing::Bench;

    fn identities(count: u64) -> Vec<Identity> {
        (0..count)
            .map(|n| {
                let key = *crate::primitives::sign::SigningKey::generate(&mut Bench::new(n).cx()).public();
                Identity { person: PersonId::of(&key), key }
            })
            .collect()
    }

    /// 50 people in a line, each having met the next: 49 checks, and everybody is met or vouched for everybody.
    #[test]
    fn forty_nine_checks_span_fifty_people_and_one_more_spans_one_more() {
        let people = identities(51);
        let mut attested = Vec::new();
        let spanned = |who: usize, count: usize, attested: &[(Identity, Identity)]| {
            let me = people[who];
            let met = attested.iter().filter(|(by, _)| *by == me).map(|(_, of)| *of).collect();
            let others: Vec<_> = people[..count].iter().copied().filter(|one| *one != me).collect();
            let grades = grades(&others, &met, attested);
            grades.values().filter(|grade| **grade != Grade::Unchecked).count()
        };
        for pair in people[..50].windows(2) {
            attested.extend([(pair[0], pair[1]), (pair[1], pair[0])]);
        }
        assert_eq!(attested.len(), 2 * 49);
        for who in 0..50 {
            assert_eq!(spanned(who, 50, &attested), 49, "{who}");
            assert_eq!(spanned(who, 51, &attested), 49, "a newcomer is unchecked");
        }
        attested.extend([(people[7], people[50]), (people[50], people[7])]);
        for who in 0..51 {
            assert_eq!(spanned(who, 51, &attested), 50, "{who}");
        }
    }

    #[test]
    fn no_grade_survives_another_identity_key_and_who_is_not_there_vouches_for_nobody() {
        let all = identities(6);
        let [sean, steve, dave, other] = [all[0], all[1], all[2], all[3]];
        let met = BTreeSet::from([sean]);
        let attested = [(sean, steve), (steve, dave)];
        let known = grades(&[sean, steve, dave], &met, &attested);
        assert_eq!(known[&dave.person], Grade::Vouched(vec![sean.person, steve.person]));
        let renewed = Identity { key: other.key, ..steve };
        let known = grades(&[sean, renewed, dave], &met, &attested);
        assert_eq!((&known[&steve.person], &known[&dave.person]), (&Grade::Unchecked, &Grade::Unchecked));
        let renewed = Identity { key: other.key, ..sean };
        let known = grades(&[renewed, steve], &met, &attested);
        assert!(known.values().all(|grade| *grade == Grade::Unchecked), "{known:?}");
        let known = grades(&[steve, dave], &met, &attested);
        assert!(known.values().all(|grade| *grade == Grade::Unchecked), "sean is not in this group");
    }

    #[test]
    fn an_attestation_by_another_device_key_or_of_oneself_is_refused() {
        let mut bench = Bench::new(1);
        let account =
            bench.step(|cx| Account::create(Handle::parse("sean@relay.test").unwrap(), cx)).unwrap();
        let mut elsewhere = Bench::new(2);
        let other =
            elsewhere.step(|cx| Account::create(Handle::parse("mike@relay.test").unwrap(), cx)).unwrap();
        let of = identities(1)[0];
        let made = Attestation::sign(&account, of, &bench.cx()).unwrap();
        assert_eq!(codec::encode(made.unverified()).unwrap().len(), 216);
        let (mine, list) = (made.unverified().clone(), account.device_list());
        assert_eq!(mine.clone().verify(&list), Ok(made.clone()));
        let fault = |fault: PeerFault| Err(fault.into());
        assert_eq!(mine.clone().verify(&other.device_list()), fault(PeerFault::WrongAddress));
        let mut forged = mine.clone();
        forged.said.at = Timestamp(7);
        assert_eq!(forged.verify(&list), fault(PeerFault::BadSignature));
        let myself = Identity { person: *account.person(), key: *account.identity_public() };
        let own = Attestation::sign(&account, myself, &bench.cx()).unwrap();
        assert_eq!(own.unverified().clone().verify(&list), fault(PeerFault::WrongAddress));
    }
}
