//! A relay's key log that has many people in it: what a proof of it weighs, what it costs to verify, and how long an epoch of
//! many changes takes.
//!
//! People come in by the relay's door for measurements; everything measured goes the way that it goes for clients and auditors.

use super::stage::Stage;
use super::wire::Wire;
use crate::measure::{Spread, Stopwatch, progress, seconds, spread};
use crate::peers::tree::Tree;
use crate::{LabError, Result};
use bytes::Bytes;
use conclave_keylog::{Link, Root, Span, Value, VerifiedRoot};
use conclave_protocol::primitives::kdf::sha256;
use conclave_protocol::primitives::sign::SigningKey;
use conclave_protocol::{Context, MemoryVault};
use conclave_relay::audit::grew;
use conclave_relay::bench::{Entry, enter};
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use conclave_wire::{DeviceId, PersonId, limits::LOOKUPS_PER_REQUEST};
use getrandom::SysRng;
use rand_core::UnwrapErr;

/// People who come in at once: an epoch of the relay takes about as many.
const AT_ONCE: usize = 4000;
/// The size of a device list with one device.
const LIST_BYTES: usize = 250;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// People in the log.
    pub people: usize,
    /// Device lists that change from one epoch to the next.
    pub changes: usize,
    /// Versions of the person whose history is read: so many epochs less one are measured.
    pub versions: usize,
    /// People who are looked up.
    pub lookups: usize,
}

/// What it came to. Sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub struct LogRun {
    /// A lookup proof.
    pub lookup: Spread,
    /// Microseconds to verify one, with the signature of the root that it is under.
    pub verified: Spread,
    /// Seconds from the changes' being in the directory until their epoch is durable and signed.
    pub published: Spread,
    /// Seconds that `akd` alone takes for the same epoch of the same tree in memory, measured in turns with ours.
    pub alone: Spread,
    /// How many times as long ours takes, epoch by epoch.
    pub times: Spread,
    /// What proves to an auditor that an epoch only added to the one before.
    pub step: Spread,
    /// Seconds until the relay has it, right after the epoch.
    pub grown: Spread,
    /// Seconds in which an auditor verifies it.
    pub audited: Spread,
    /// A complete history.
    pub history: usize,
}

/// A relay whose log is full, and who looks at it.
struct Filled {
    stage: Stage,
    wire: Wire,
    key: SigningKey,
    newest: VerifiedRoot,
    peer: Tree,
}

/// One epoch of changes.
struct Round {
    published: f64,
    alone: f64,
    grown: f64,
    step: usize,
    audited: f64,
}

/// Fills a log on disk and measures it.
pub async fn measure(size: Size) -> Result<LogRun> {
    let mut log = Filled::open(size.people).await?;
    let mut rounds = Vec::new();
    for version in 2..=size.versions {
        progress("an epoch of the key log", version - 1, size.versions - 1);
        rounds.push(log.round(size, version).await?);
    }
    let (lookup, verified) = log.look_up(size).await?;
    Ok(LogRun {
        lookup,
        verified,
        published: spread(&rounds, |round| round.published),
        alone: spread(&rounds, |round| round.alone),
        times: spread(&rounds, |round| round.published / round.alone.max(f64::MIN_POSITIVE)),
        step: spread(&rounds, |round| round.step as f64),
        grown: spread(&rounds, |round| round.grown),
        audited: spread(&rounds, |round| round.audited),
        history: log.history(size).await?,
    })
}

impl Filled {
    async fn open(people: usize) -> Result<Self> {
        let stage = Stage::open().await?;
        let mut rng = UnwrapErr(SysRng);
        let key = SigningKey::generate(&mut Context {
            vault: &mut MemoryVault::default(),
            rng: &mut rng,
            now: crate::people::NOW,
        });
        let mut wire = Wire::connect(&stage.relay).await?;
        let newest = root(&trail(&mut wire, (0, 0)).await?.root, &stage)?;
        let mut log = Self { stage, wire, key, newest, peer: Tree::new().await? };
        for first in (0..people).step_by(AT_ONCE) {
            progress("people come into the key log", first, people);
            let entries: Vec<_> = (first..people.min(first + AT_ONCE)).map(|n| log.entry(n, 1)).collect();
            log.peer.publish(entries.iter().map(logged)).await?;
            enter(&log.stage.relay, entries).await?;
            let before = log.newest.statement().epoch;
            log.publish().await?;
            // What is made after an epoch is no part of the next one's time.
            for epoch in before..log.newest.statement().epoch {
                log.step(epoch).await?;
            }
        }
        Ok(log)
    }

    /// Somebody's entry. All log in by the same key: they are one who measures.
    fn entry(&self, n: usize, version: usize) -> Entry {
        let device_key = *self.key.public().as_bytes();
        Entry {
            name: name(n),
            person: person(n),
            device: device(n),
            device_key,
            device_list: list(n, version),
        }
    }

    /// An epoch of whatever waits; gives the seconds that it took.
    async fn publish(&mut self) -> Result<f64> {
        let (took, epoch) = seconds(self.stage.relay.publish_log()).await;
        let (trail, epoch) = (trail(&mut self.wire, self.newest.position()).await?, epoch?);
        let next = root(&trail.root, &self.stage)?;
        if next.statement().epoch != epoch {
            return Err(LabError::unexpected("the newest root is of another epoch"));
        }
        self.newest = next;
        Ok(took)
    }

    /// The first person's list and others all over the directory become these versions, in one epoch, which is audited.
    async fn round(&mut self, size: Size, version: usize) -> Result<Round> {
        let Size { people, changes, .. } = size;
        let apart = people / changes;
        // Others each time, but for the first person.
        let shifted = |n: usize| if n == 0 { 0 } else { n * apart + version % apart };
        let entries: Vec<_> = (0..changes).map(|n| self.entry(shifted(n), version)).collect();
        let alone = self.peer.publish(entries.iter().map(logged)).await?;
        enter(&self.stage.relay, entries).await?;
        let before = self.newest.clone();
        let published = self.publish().await?;
        let (grown, step) = seconds(self.step(before.statement().epoch)).await;
        let step = [step?];
        let links = Link::decode_all(&trail(&mut self.wire, before.position()).await?.links)?;
        let (audited, grew) = seconds(grew(&before, &links, &self.newest, &step)).await;
        grew?;
        Ok(Round { published, alone, grown, step: step.iter().map(Bytes::len).sum(), audited })
    }

    /// How the log grew after an epoch.
    async fn step(&mut self, after: u64) -> Result<Bytes> {
        match self.wire.ask(Request::LogAudit(v1::LogAudit { epoch: after, most: 1 })).await? {
            Body::Growth(growth) => growth.steps.into_iter().next().ok_or_else(nothing),
            _ => Err(nothing()),
        }
    }

    /// The bytes of lookup proofs, and the seconds that verifying one takes.
    async fn look_up(&mut self, size: Size) -> Result<(Spread, Spread)> {
        let (mut bytes, mut watch) = (Vec::new(), Stopwatch::default());
        for first in (0..size.lookups).step_by(LOOKUPS_PER_REQUEST) {
            let asked = first..size.lookups.min(first + LOOKUPS_PER_REQUEST);
            let names = asked.clone().map(|n| name(n * (size.people / size.lookups))).collect();
            let ask = Request::Lookup(v1::Lookup { names, persons: Vec::new() });
            let Body::Directory(found) = self.wire.ask(ask).await? else { return Err(nothing()) };
            if found.persons.len() != asked.len() {
                return Err(LabError::unexpected("somebody is not in the directory"));
            }
            for found_one in &found.persons {
                bytes.push(found_one.log_proof.len() as f64);
                let logged = watch.time(|| {
                    let root = root(&found.root, &self.stage)?;
                    Ok::<_, LabError>(root.lookup(&found_one.name, &found_one.log_proof)?)
                })?;
                let id = found_one.person.as_ref().try_into().map_err(|_| nothing())?;
                if logged.value != Value::of(id, &found_one.device_list) {
                    return Err(LabError::unexpected("another device list is logged"));
                }
            }
        }
        Ok((Spread::of(bytes), watch.spread()))
    }

    /// The bytes of the first person's history, which has all versions.
    async fn history(&self, size: Size) -> Result<usize> {
        let mut wire = Wire::connect(&self.stage.relay).await?;
        wire.login(&self.stage.relay, device(0), &self.key).await?;
        let Body::History(history) = wire.ask(Request::LogHistory(v1::LogHistory {})).await? else {
            return Err(nothing());
        };
        let shown = root(&history.root, &self.stage)?.history(&name(0), &history.proof, Span::Complete)?;
        match shown.len() == size.versions {
            true => Ok(history.proof.len()),
            false => Err(LabError::unexpected("a history of other versions")),
        }
    }
}

fn name(n: usize) -> String {
    format!("person-{n:06}")
}

fn person(n: usize) -> PersonId {
    PersonId::new(sha256(format!("person {n}").as_bytes()))
}

fn device(n: usize) -> DeviceId {
    let long = sha256(format!("device {n}").as_bytes());
    DeviceId::new(long.first_chunk().copied().unwrap_or_default())
}

/// As long as a device list, and another one for each version.
fn list(n: usize, version: usize) -> Bytes {
    let mut bytes = format!("list {version} of {n} ").into_bytes();
    bytes.resize(LIST_BYTES, b'.');
    bytes.into()
}

/// What is logged of an entry, under which name.
fn logged(entry: &Entry) -> (String, Vec<u8>) {
    (entry.name.clone(), Value::of(*entry.person.as_bytes(), &entry.device_list).encode())
}

async fn trail(wire: &mut Wire, (incarnation, epoch): (u64, u64)) -> Result<v1::Trail> {
    match wire.ask(Request::LogRoots(v1::LogRoots { incarnation, epoch, most: 0 })).await? {
        Body::Trail(trail) => Ok(trail),
        _ => Err(nothing()),
    }
}

fn root(bytes: &[u8], stage: &Stage) -> Result<VerifiedRoot> {
    Ok(Root::decode(bytes)?.verify(stage.relay.relay_id.as_bytes())?)
}

fn nothing() -> LabError {
    LabError::unexpected("the key log did not answer what it was asked")
}
