//! Four words that everybody in a call compares: who is in it agrees on the group, or the words differ.
//!
//! ```text
//! begin (who takes part) ─► each commits to a nonce ─► once all have, each opens ─► words of everything
//! ```
//! Nobody opens before all have committed, so that nobody chooses a nonce by those of others: who stands between has one
//! try in 2^44. All steps are taken in the order of the log. How long to wait for somebody is the client's concern.

use super::Group;
use crate::identity::Identity;
use crate::labels;
use crate::primitives::kdf;
use crate::primitives::secret::{CallNonce, Secret};
use crate::vault::{Row, load, save};
use crate::{Context, DeviceId, Digest, Misuse, PersonId, Result, Timestamp};
use bip39::Language;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// How many words there are, of eleven bits each.
const WORDS: usize = 4;

/// What a device says for a call.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum CallStep {
    /// A call of these people; it takes the place of one before.
    #[tls_codec(discriminant = 0)]
    Begin(Digest, Vec<PersonId>),
    /// A commitment to a nonce: hash of call, device and nonce.
    #[tls_codec(discriminant = 1)]
    Commit(Digest, Digest),
    /// The nonce.
    #[tls_codec(discriminant = 2)]
    Open(Digest, [u8; 32]),
}

/// A comparison in a group, as this device sees it.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Call {
    id: Digest,
    begun: Timestamp,
    people: Vec<PersonId>,
    nonce: Option<Secret<CallNonce>>,
    committed: Vec<Commitment>,
    /// The group at the entry of the last commitment: roster, and the key of its moment code.
    closed: Option<Digest>,
    /// Who they were then.
    identities: Vec<Identity>,
    opened: Vec<Opening>,
    aborted: Option<Abort>,
}

#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Commitment {
    person: PersonId,
    device: DeviceId,
    digest: Digest,
}

#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Opening {
    person: PersonId,
    nonce: [u8; 32],
}

/// Why a comparison came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum Abort {
    /// Somebody opened before all had committed.
    #[tls_codec(discriminant = 0)]
    Early(PersonId),
    /// Somebody opened another nonce than the one committed to.
    #[tls_codec(discriminant = 1)]
    Differs(PersonId),
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallNews {
    /// A call was begun: whoever is in it may take part.
    Begun,
    /// All have committed: this is to be said now.
    Open(CallStep),
    /// The words are there.
    Words,
    /// It came to nothing.
    Aborted(Abort),
}

impl Call {
    /// The call of a group, if there was one.
    pub fn load(group: &Group, cx: &Context) -> Result<Option<Self>> {
        load(cx.vault, &group.row(Row::Call))
    }

    /// A call of everybody in a group, or of some of them; it begins once this is in the log.
    ///
    /// # Errors
    /// `NotAMember` if one of them is not in the group, or they are fewer than two, or this person is not among them.
    pub fn begin(
        group: &Group,
        me: &PersonId,
        people: Option<Vec<PersonId>>,
        cx: &mut Context,
    ) -> Result<CallStep> {
        let mut people = people
            .unwrap_or_else(|| group.people().filter(|one| one.devices > 0).map(|one| one.person).collect());
        people.sort();
        people.dedup();
        let known = people.iter().all(|person| group.roster.member(*person).is_some());
        match known && people.len() > 1 && people.contains(me) {
            true => Ok(CallStep::Begin(Digest::random(cx), people)),
            false => Err(Misuse::NotAMember.into()),
        }
    }

    /// Takes part in the call that is begun: what is to be said.
    ///
    /// # Errors
    /// `NoCall` if none is begun, it is over, or this person is not in it or takes part already.
    pub fn join(group: &Group, me: &PersonId, cx: &mut Context) -> Result<CallStep> {
        let call = Self::load(group, cx)?.filter(|call| call.waits_for(me) && call.nonce.is_none());
        let mut call = call.ok_or(Misuse::NoCall)?;
        let nonce = Secret::random(cx);
        let step = CallStep::Commit(call.id, commitment(group, &call.id, &group.state.me, nonce.expose()));
        call.nonce = Some(nonce);
        call.save(group, cx)?;
        Ok(step)
    }

    /// Takes in a step, at its place in the log; own steps too. What belongs to no call, or comes twice, changes nothing.
    pub fn take(
        group: &Group,
        (person, device): (PersonId, DeviceId),
        step: &CallStep,
        cx: &mut Context,
    ) -> Result<Option<CallNews>> {
        if let CallStep::Begin(id, people) = step {
            let call = Self {
                id: *id,
                begun: cx.now,
                people: people.clone(),
                nonce: None,
                committed: Vec::new(),
                closed: None,
                identities: Vec::new(),
                opened: Vec::new(),
                aborted: None,
            };
            call.save(group, cx)?;
            return Ok(Some(CallNews::Begun));
        }
        let Some(mut call) = Self::load(group, cx)?.filter(|call| call.aborted.is_none()) else {
            return Ok(None);
        };
        let news = match step {
            CallStep::Commit(id, digest) if *id == call.id && call.waits_for(&person) => {
                call.committed.push(Commitment { person, device, digest: *digest });
                call.close(group)?
            }
            CallStep::Open(id, nonce) if *id == call.id => call.open(group, (person, device), *nonce)?,
            _ => None,
        };
        call.save(group, cx)?;
        Ok(news)
    }

    /// When it was begun, by the own clock.
    pub fn begun(&self) -> Timestamp {
        self.begun
    }

    /// Who takes part.
    pub fn people(&self) -> &[PersonId] {
        &self.people
    }

    /// Whether this device has taken part.
    pub fn is_joined(&self) -> bool {
        self.nonce.is_some()
    }

    /// Who is waited for: to commit, or then to open.
    pub fn missing(&self) -> Vec<PersonId> {
        let done = |person: &PersonId| match self.closed {
            None => self.committed.iter().any(|one| one.person == *person),
            Some(_) => self.opened.iter().any(|one| one.person == *person),
        };
        self.people.iter().copied().filter(|person| !done(person)).collect()
    }

    /// Who took part, with the identity keys that the words are about; nobody before all have committed.
    pub fn identities(&self) -> &[Identity] {
        &self.identities
    }

    /// Why it came to nothing, if so.
    pub fn aborted(&self) -> Option<Abort> {
        self.aborted
    }

    /// The words, once everybody has opened.
    pub fn words(&self) -> Option<[&'static str; WORDS]> {
        let closed =
            self.closed.filter(|_| self.aborted.is_none() && self.opened.len() == self.people.len())?;
        let mut parts = vec![self.id.as_bytes().to_vec(), closed.as_bytes().to_vec()];
        for person in &self.people {
            let committed = self.committed.iter().find(|one| one.person == *person)?;
            let opened = self.opened.iter().find(|one| one.person == *person)?;
            parts.extend([person.0.to_vec(), committed.digest.0.to_vec(), opened.nonce.to_vec()]);
        }
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let hash = kdf::hash(labels::CALL_WORDS, &parts);
        let bits = hash.as_bytes().iter().take(8).fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        let list = Language::English.word_list();
        let mut words = [""; WORDS];
        for (place, word) in words.iter_mut().enumerate() {
            *word = list.get((bits >> (64 - 11 * (place + 1)) & 0x7ff) as usize).copied()?;
        }
        Some(words)
    }

    fn waits_for(&self, person: &PersonId) -> bool {
        self.closed.is_none() && self.missing().contains(person)
    }

    /// With the last commitment the group is what the words are about, and this device opens.
    fn close(&mut self, group: &Group) -> Result<Option<CallNews>> {
        if !self.missing().is_empty() {
            return Ok(None);
        }
        let (roster, moment) = (group.roster.hash()?, group.moment_code()?);
        let parts = [group.id.as_bytes().as_slice(), roster.as_bytes(), moment.digits().as_bytes()];
        self.closed = Some(kdf::hash(labels::CALL_WORDS, &parts));
        let taking_part = group.people().filter(|one| self.people.contains(&one.person));
        self.identities =
            taking_part.map(|one| Identity { person: one.person, key: *one.identity }).collect();
        let open = self.nonce.as_ref().map(|nonce| CallStep::Open(self.id, *nonce.expose()));
        Ok(open.map(CallNews::Open))
    }

    fn open(
        &mut self,
        group: &Group,
        (person, device): (PersonId, DeviceId),
        nonce: [u8; 32],
    ) -> Result<Option<CallNews>> {
        let committed = self.committed.iter().find(|one| one.person == person && one.device == device);
        let Some(committed) = committed else { return Ok(None) };
        if self.opened.iter().any(|one| one.person == person) {
            return Ok(None);
        }
        let fault = match self.closed {
            None => Some(Abort::Early(person)),
            Some(_) if commitment(group, &self.id, &device, &nonce) != committed.digest => {
                Some(Abort::Differs(person))
            }
            Some(_) => None,
        };
        if let Some(fault) = fault {
            self.aborted = Some(fault);
            return Ok(Some(CallNews::Aborted(fault)));
        }
        self.opened.push(Opening { person, nonce });
        Ok(self.words().map(|_| CallNews::Words))
    }

    fn save(&self, group: &Group, cx: &mut Context) -> Result<()> {
        save(cx.vault, &group.row(Row::Call), self)
    }
}

fn commitment(group: &Group, call: &Digest, device: &DeviceId, nonce: &[u8; 32]) -> Digest {
    kdf::hash(labels::CALL_COMMITMENT, &[group.id.as_bytes(), call.as_bytes(), device.as_bytes(), nonce])
}
