//! vodozemac's Olm and Megolm: sessions of two and sender keys without post-quantum keys, hidden senders or views.

use crate::costs::session::MESSAGE;
use crate::measure::{Extent, Stopwatch};
use crate::{LabError, Result};
use vodozemac::megolm::{GroupSession, InboundGroupSession, SessionConfig as MegolmConfig};
use vodozemac::olm::{Account, OlmMessage, Session, SessionConfig};

/// Microseconds of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct OlmRun {
    /// Starting a session from bare keys: no signature is checked inside.
    pub start: f64,
    /// On the same chain.
    pub encrypt: f64,
    /// The same, received.
    pub decrypt: f64,
    /// A Megolm message.
    pub group_encrypt: f64,
    /// The same, received.
    pub group_decrypt: f64,
}

/// Two devices that talk, alone and in a group.
pub struct Olm {
    one: Session,
    other: Session,
    extent: Extent,
}

impl Olm {
    /// Sets them up.
    pub fn new(extent: Extent) -> Result<Self> {
        let (one, other) = talking()?;
        Ok(Self { one, other, extent })
    }

    /// Measures once.
    pub fn run(&mut self) -> Result<OlmRun> {
        let start = starts(self.extent.pick(20, 2))?;
        let count = self.extent.pick(300, 5);
        let (encrypt, decrypt) = olm(&mut self.one, &mut self.other, count)?;
        let (group_encrypt, group_decrypt) = megolm(count)?;
        Ok(OlmRun { start, encrypt, decrypt, group_encrypt, group_decrypt })
    }
}

fn failed(error: impl std::fmt::Display) -> LabError {
    LabError::unexpected(format!("the peer failed: {error}"))
}

fn session(one: &Account, other: &mut Account) -> Result<Session> {
    other.generate_one_time_keys(1);
    let key = other.one_time_keys().values().next().copied().ok_or_else(|| failed("no key"))?;
    let started = one.create_outbound_session(SessionConfig::version_1(), other.curve25519_key(), key);
    started.map_err(failed)
}

fn starts(count: usize) -> Result<f64> {
    let one = Account::new();
    let mut watch = Stopwatch::default();
    for _ in 0..count {
        let mut other = Account::new();
        other.generate_one_time_keys(1);
        let key = other.one_time_keys().values().next().copied().ok_or_else(|| failed("no key"))?;
        let to = other.curve25519_key();
        watch.time(|| one.create_outbound_session(SessionConfig::version_1(), to, key)).map_err(failed)?;
    }
    Ok(watch.micros())
}

/// Both have spoken.
fn talking() -> Result<(Session, Session)> {
    let (one, mut other) = (Account::new(), Account::new());
    let mut outbound = session(&one, &mut other)?;
    let OlmMessage::PreKey(first) = outbound.encrypt(b"hello").map_err(failed)? else {
        return Err(failed("no first message"));
    };
    let inbound = other.create_inbound_session(SessionConfig::version_1(), one.curve25519_key(), &first);
    let mut inbound = inbound.map_err(failed)?.session;
    let answer = inbound.encrypt(b"hello yourself").map_err(failed)?;
    outbound.decrypt(&answer).map_err(failed)?;
    Ok((outbound, inbound))
}

fn olm(one: &mut Session, other: &mut Session, count: usize) -> Result<(f64, f64)> {
    let (mut sealing, mut opening) = (Stopwatch::default(), Stopwatch::default());
    for _ in 0..count {
        let message = sealing.time(|| one.encrypt([7; MESSAGE])).map_err(failed)?;
        opening.time(|| other.decrypt(&message)).map_err(failed)?;
    }
    Ok((sealing.micros(), opening.micros()))
}

/// As our groups are measured: all are sealed, then all opened.
fn megolm(count: usize) -> Result<(f64, f64)> {
    let mut one = GroupSession::new(MegolmConfig::version_1());
    let mut other = InboundGroupSession::new(&one.session_key(), MegolmConfig::version_1());
    let (mut sealing, mut opening) = (Stopwatch::default(), Stopwatch::default());
    let said: Vec<_> = (0..count).map(|_| sealing.time(|| one.encrypt([7; MESSAGE]))).collect();
    for message in &said {
        opening.time(|| other.decrypt(message)).map_err(failed)?;
    }
    Ok((sealing.micros(), opening.micros()))
}
