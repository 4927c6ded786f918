//! Two devices: setting a session up, and talking on it.

use crate::measure::{Extent, Stopwatch};
use crate::people::{Person, random};
use crate::{LabError, Result};
use conclave_protocol::session::{Stock, open, replenish, seal};

/// The size that all figures are about, in bytes.
pub const MESSAGE: usize = 1024;
const AAD: &[u8] = b"lab";

/// Microseconds of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionRun {
    /// From published bytes to a session: both signatures checked, agreements, encapsulation.
    pub start: f64,
    /// The first message: it makes the first Diffie-Hellman step.
    pub first: f64,
    /// A later one, on the same chain.
    pub encrypt: f64,
    /// The same, received.
    pub decrypt: f64,
}

/// Two devices that talk.
pub struct Sessions {
    pair: Pair,
    extent: Extent,
}

impl Sessions {
    /// Sets them up.
    pub fn new(extent: Extent) -> Result<Self> {
        Ok(Self { pair: Pair::talking()?, extent })
    }

    /// Measures once.
    pub fn run(&mut self) -> Result<SessionRun> {
        let (start, first) = set_up(self.extent.pick(20, 2))?;
        let (encrypt, decrypt) = self.pair.run(self.extent.pick(500, 5))?;
        Ok(SessionRun { start, first, encrypt, decrypt })
    }
}

/// One device starts sessions with many.
fn set_up(peers: usize) -> Result<(f64, f64)> {
    let mut starter = Person::new("mike")?;
    let (mut starting, mut sealing) = (Stopwatch::default(), Stopwatch::default());
    for n in 0..peers {
        let other = Person::new(&format!("other{n}"))?;
        let (peer, published) = (other.peer(), &other.published);
        let bundle = published.bundle.as_deref().unwrap_or_default();
        let one_time = published.one_time_prekeys.first().map(Vec::as_slice).unwrap_or_default();
        starting.time(|| starter.start_session(&peer, bundle, one_time))?;
        let salt = random();
        sealing.time(|| starter.step(|_, cx| seal(&peer, &salt, AAD, &[7; MESSAGE], cx)))?;
    }
    Ok((starting.micros(), sealing.micros()))
}

struct Pair {
    one: Person,
    other: Person,
}

impl Pair {
    /// Both have spoken, so that messages carry no handshake any more.
    fn talking() -> Result<Self> {
        let (mut one, mut other) = (Person::new("mike")?, Person::new("sean")?);
        let missing = || LabError::unexpected("nothing was published");
        let published = other.step(|account, cx| replenish(account, Stock::default(), cx))?;
        let published = published.ok_or_else(missing)?;
        let bundle = other.published.bundle.clone().ok_or_else(missing)?;
        let one_time = published.one_time_prekeys.first().ok_or_else(missing)?;
        one.start_session(&other.peer(), &bundle, one_time)?;
        let mut pair = Self { one, other };
        pair.run(1)?;
        std::mem::swap(&mut pair.one, &mut pair.other);
        pair.run(1)?;
        std::mem::swap(&mut pair.one, &mut pair.other);
        Ok(pair)
    }

    /// Microseconds to seal and to open one message, over `count` on one chain.
    fn run(&mut self, count: usize) -> Result<(f64, f64)> {
        let (to, from) = (self.other.peer(), self.one.peer());
        let (mut sealing, mut opening) = (Stopwatch::default(), Stopwatch::default());
        for _ in 0..count {
            let salt = random();
            let sealed = sealing.time(|| self.one.step(|_, cx| seal(&to, &salt, AAD, &[7; MESSAGE], cx)))?;
            let opened = opening
                .time(|| self.other.step(|account, cx| open(account, &from, &salt, AAD, &sealed, cx)))?;
            if *opened != [7; MESSAGE] {
                return Err(LabError::unexpected("a message came out changed"));
            }
        }
        Ok((sealing.micros(), opening.micros()))
    }
}
