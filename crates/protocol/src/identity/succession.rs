//! A planned change of the identity key: the key before signs the next one, a day ahead.
//!
//! ```text
//! announce ─► (24 hours, in which any own device may object at the relay) ─► take over: lists carry the whole line of keys
//! ```
//! The person stays who it is: its id is that of the first key. Holding the day against somebody who has stolen the key before is
//! the relay's part, since who signs can write any date.

use super::Account;
use super::device_list::DeviceList;
use crate::codec::VLBytes;
use crate::primitives::sign::{Signature, SigningKey, VerifyingKey};
use crate::vault::{Row, key, load, save};
use crate::{Context, Misuse, PeerFault, PersonId, Result, Timestamp, codec, labels};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// How long a change is announced before it counts.
pub const IDENTITY_NOTICE: u64 = Timestamp::DAY;
/// The most keys that one person has had.
const MOST: usize = 64;

/// "My identity key will be this one", signed by the one before.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Succession {
    next: VerifyingKey,
    announced: Timestamp,
    signature: Signature,
}

#[derive(TlsSize, TlsSerialize)]
struct Announced {
    person: PersonId,
    next: VerifyingKey,
    announced: Timestamp,
}

/// All identity keys that a person had, the first one first.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Line {
    first: VerifyingKey,
    steps: Vec<Succession>,
}

/// A next identity key that is announced.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct NextIdentity {
    key: SigningKey,
    step: Succession,
    /// The list by which it is taken over, once there is one; others may have seen it.
    list: VLBytes,
}

impl Line {
    /// Checks that the line leads from the person's first key to `identity`, which counts since `issued` or before.
    pub(super) fn verify(&self, person: &PersonId, identity: &VerifyingKey, issued: Timestamp) -> Result<()> {
        if PersonId::of(&self.first) != *person {
            return Err(PeerFault::WrongAddress.into());
        }
        let mut last = (&self.first, Timestamp(0));
        for step in &self.steps {
            let Succession { next, announced, signature } = step;
            let said = Announced { person: *person, next: *next, announced: *announced };
            last.0.verify(labels::SUCCESSION, &codec::encode(&said)?, signature)?;
            last = (next, *announced);
        }
        let (key, announced) = last;
        let shaped = (1..MOST).contains(&self.steps.len()) && issued >= announced.plus(IDENTITY_NOTICE);
        if *key != *identity || !shaped {
            return Err(PeerFault::Malformed.into());
        }
        Ok(())
    }

    /// Whose keys they are.
    pub(super) fn person(&self) -> PersonId {
        PersonId::of(&self.first)
    }

    /// Whether a key came before the last one.
    pub(super) fn had(&self, key: &VerifyingKey) -> bool {
        let steps = self.steps.split_last().map(|(_, before)| before).unwrap_or_default();
        self.first == *key || steps.iter().any(|step| step.next == *key)
    }
}

impl Account {
    /// Makes the next identity key, to be announced at the relay, unless there is one already; when it may be taken over.
    ///
    /// # Errors
    /// `NotPrimary`; `TooLong` after 63 changes.
    pub fn announce_identity(&self, cx: &mut Context) -> Result<Timestamp> {
        if let Some(ready) = Self::identity_ready(cx)? {
            return Ok(ready);
        }
        let before = self.own.identity.as_ref().ok_or(Misuse::NotPrimary)?;
        if self.list.line().map_or(0, |line| line.steps.len()) + 1 >= MOST {
            return Err(Misuse::TooLong(MOST).into());
        }
        let key = SigningKey::generate(cx);
        let said = Announced { person: *self.person(), next: *key.public(), announced: cx.now };
        let signature = before.sign(labels::SUCCESSION, &codec::encode(&said)?);
        let step = Succession { next: *key.public(), announced: cx.now, signature };
        save(cx.vault, &row(), &NextIdentity { key, step, list: VLBytes::default() })?;
        Ok(cx.now.plus(IDENTITY_NOTICE))
    }

    /// From when on the announced key may be taken over, if one is announced.
    pub fn identity_ready(cx: &Context) -> Result<Option<Timestamp>> {
        let next: Option<NextIdentity> = load(cx.vault, &row())?;
        Ok(next.map(|next| next.step.announced.plus(IDENTITY_NOTICE)))
    }

    /// The announced key.
    pub fn next_identity(cx: &Context) -> Result<Option<VerifyingKey>> {
        let next: Option<NextIdentity> = load(cx.vault, &row())?;
        Ok(next.map(|next| next.step.next))
    }

    /// This account with the announced key, and a list signed by it, if its time has come. The account of the store stays as
    /// it is.
    ///
    /// # Errors
    /// `KeysUnderWay` while new device keys have a list already.
    pub fn with_next_identity(cx: &mut Context) -> Result<Option<Self>> {
        let next: Option<NextIdentity> = load(cx.vault, &row())?;
        let ready = |next: &NextIdentity| cx.now >= next.step.announced.plus(IDENTITY_NOTICE);
        let Some(NextIdentity { key: next, step, list }) = next.filter(ready) else { return Ok(None) };
        if cx.vault.get(&key(Row::NextDevice, &[]))?.is_some() {
            return Err(Misuse::KeysUnderWay.into());
        }
        let mut account = Self::load(cx)?;
        if let Ok(list) = DeviceList::stored(list.as_slice())
            && list.version() > account.list.version()
        {
            (account.list, account.own.identity) = (list, Some(next));
            return Ok(Some(account));
        }
        let line = match account.list.line() {
            None => Line { first: *account.identity_public(), steps: vec![step.clone()] },
            Some(line) => {
                Line { first: line.first, steps: [&line.steps[..], std::slice::from_ref(&step)].concat() }
            }
        };
        let (version, devices) = (account.list.version() + 1, account.list.devices().to_vec());
        account.list = DeviceList::sign_in_line(&next, Some(line), version, devices, cx.now)?;
        let list = account.list.signed_bytes().into();
        save(
            cx.vault,
            &row(),
            &NextIdentity { key: SigningKey::from_seed(next.seed().duplicate()), step, list },
        )?;
        account.own.identity = Some(next);
        Ok(Some(account))
    }

    /// The relay knows the list by the announced key: it counts from now on. The key before is wiped.
    pub fn take_over_identity(self, cx: &mut Context) -> Result<()> {
        self.save(cx)?;
        Self::withdraw_identity(cx)
    }

    /// The announced key will not be.
    pub fn withdraw_identity(cx: &mut Context) -> Result<()> {
        Ok(cx.vault.delete(&row())?)
    }
}

fn row() -> Vec<u8> {
    key(Row::NextIdentity, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Handle, RecoveryKey, UnverifiedDeviceList};
    use crate::testing::Bench;

    fn renew(bench: &mut Bench) -> DeviceList {
        bench.step(|cx| Account::load(cx)?.announce_identity(cx)).unwrap();
        assert!(bench.step(Account::with_next_identity).unwrap().is_none(), "not before a day is over");
        bench.now = bench.now.plus(IDENTITY_NOTICE);
        let account = bench.step(Account::with_next_identity).unwrap().unwrap();
        bench.step(|cx| account.take_over_identity(cx)).unwrap();
        bench.step(Account::load).unwrap().device_list()
    }

    #[test]
    fn a_person_stays_the_same_over_announced_keys_and_the_words_are_new() {
        let mut bench = Bench::new(1);
        bench.now = Timestamp(1_790_000_000_000);
        let first = bench.step(|cx| Account::create(Handle::parse("sean@relay.test").unwrap(), cx)).unwrap();
        let (mut before, words) = (first.device_list(), first.recovery_key().unwrap().words().unwrap());
        for _ in 0..3 {
            let after = renew(&mut bench);
            assert_eq!(after.person(), first.person());
            assert_ne!(after.identity(), before.identity());
            let read = UnverifiedDeviceList::read(after.signed_bytes()).unwrap().verify().unwrap();
            assert_eq!(read.newer(&before), Ok(()));
            assert_eq!(before.newer(&read), Err(PeerFault::WrongAddress.into()), "never back");
            assert_eq!(read.newer(&first.device_list()), Ok(()), "nor lost by who saw only the first");
            assert_eq!(DeviceList::stored(after.signed_bytes()), Ok(after.clone()));
            before = after;
        }
        // Lists signed after it are in the same line.
        bench.now = bench.now.plus(40 * Timestamp::DAY);
        let renewed = bench.step(|cx| Account::load(cx)?.renew_list(cx)).unwrap().unwrap();
        let read = UnverifiedDeviceList::read(renewed.signed_bytes()).unwrap().verify().unwrap();
        assert_eq!(read.newer(&before), Ok(()));
        let old = RecoveryKey::read(&words).unwrap();
        let mut elsewhere = Bench::new(2);
        let handle = first.handle().clone();
        let by_old = elsewhere.step(|cx| Account::recover(&old, handle.clone(), &renewed, &[], cx));
        assert_eq!(
            by_old.err(),
            Some(PeerFault::WrongAddress.into()),
            "the words of before bring nothing back"
        );
        let new = bench.step(Account::load).unwrap().recovery_key().unwrap();
        elsewhere.now = bench.now;
        let recovered = elsewhere.step(|cx| Account::recover(&new, handle, &renewed, &[], cx)).unwrap();
        assert_eq!(recovered.device_list().newer(&renewed), Ok(()));
    }

    #[test]
    fn a_line_that_is_broken_anothers_or_too_early_is_refused() {
        let mut bench = Bench::new(1);
        bench.now = Timestamp(1_790_000_000_000);
        bench.step(|cx| Account::create(Handle::parse("sean@relay.test").unwrap(), cx)).unwrap();
        let list = renew(&mut bench);
        let (line, person, identity) = (list.line().unwrap().clone(), *list.person(), *list.identity());
        let now = bench.now;
        assert_eq!(line.verify(&person, &identity, now), Ok(()));
        let other = *SigningKey::generate(&mut bench.cx()).public();
        let fault = |fault: PeerFault| Err(fault.into());
        assert_eq!(line.verify(&PersonId([1; 32]), &identity, now), fault(PeerFault::WrongAddress));
        assert_eq!(line.verify(&person, &other, now), fault(PeerFault::Malformed));
        assert_eq!(line.verify(&person, &identity, Timestamp(now.0 - 1)), fault(PeerFault::Malformed));
        let none = Line { steps: Vec::new(), ..line.clone() };
        assert_eq!(none.verify(&person, &line.first, now), fault(PeerFault::Malformed), "one form alone");
        for twist in [0, 1] {
            let mut broken = line.clone();
            match twist {
                0 => broken.steps[0].next = other,
                _ => broken.steps[0].announced = Timestamp(0),
            }
            let identity = broken.steps[0].next;
            assert_eq!(broken.verify(&person, &identity, now), fault(PeerFault::BadSignature));
        }
    }
}
