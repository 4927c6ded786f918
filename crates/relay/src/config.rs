//! How a relay is set up. Not here: limits that are part of the API itself
//! (`conclave_wire::limits`).

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conclave_wire::RelayId;

/// Everything a relay needs to know to start.
#[derive(Clone)]
pub struct Config {
    /// The directory of its database and key; `None` keeps all in memory.
    pub data: Option<PathBuf>,
    /// Where it listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// How its clients reach it.
    pub tls: Tls,
    /// The host under which its handles are known; `None` takes the address.
    pub host: Option<String>,
    /// Who may make a handle.
    pub registration: Registration,
    /// How long entries wait for seats that have not read them.
    pub retention: Duration,
    /// Set once after the data directory was put back from a copy that
    /// [`crate::backup`] did not make: raises the incarnation, so that lost
    /// entries are not taken for a fork. Its own copies say so themselves.
    pub restored: bool,
    /// Whose cosignatures of the key log's roots it keeps and hands out: each the
    /// SHA-256 of a witness's key, for a relay its id.
    pub witnesses: Vec<RelayId>,
    /// Where all time comes from.
    pub clock: Arc<dyn Clock>,
    /// Rates and totals.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: None,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: Tls::Off,
            host: None,
            registration: Registration::Open,
            retention: Duration::from_secs(45 * 24 * 60 * 60),
            restored: false,
            witnesses: Vec::new(),
            clock: Arc::new(SystemClock),
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("data", &self.data)
            .field("listen", &self.listen)
            .field("tls", &self.tls)
            .field("host", &self.host)
            .field("registration", &self.registration.as_str())
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// Who encrypts the way to a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Nobody: plain HTTP, on loopback addresses only.
    Off,
    /// The relay, with a certificate by its own signing key: clients that know
    /// the relay's id need nobody's word for it.
    SelfSigned,
    /// The relay, with a certificate from PEM files.
    Files {
        /// The certificate, and after it those that link it to a root.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
    /// Something in front of the relay, which itself speaks plain HTTP on any
    /// address. All limits by address are then those of that something.
    Elsewhere,
}

/// Who may make a handle.
#[derive(Clone)]
pub enum Registration {
    /// Anyone.
    Open,
    /// Whoever brings one of these codes. A code works until it is taken off
    /// the list.
    Invite(Vec<String>),
    /// Nobody.
    Closed,
}

impl Registration {
    /// As `Hello` and `/v1/about` state it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Invite(_) => "invite",
            Self::Closed => "closed",
        }
    }
}

/// Codes are secrets.
impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The relay's only source of time.
pub trait Clock: Send + Sync {
    /// Unix time in milliseconds.
    fn now(&self) -> u64;

    /// Whether it is set apart from the machine's on purpose. A relay with such
    /// a clock serves this machine only.
    fn is_shifted(&self) -> bool {
        false
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// So many at once, then so many per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// At once, after a pause.
    pub burst: f64,
    /// In the long run.
    pub per_second: f64,
}

impl Rate {
    /// A rate.
    pub const fn new(burst: f64, per_second: f64) -> Self {
        Self { burst, per_second }
    }
}

/// What one relay allows, on by default. Limits by address are a hundred
/// times as generous to loopback addresses.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub connections_per_address: usize,
    /// Sockets at once that have not yet said what they want.
    pub doorway: usize,
    /// The same from one address.
    pub doorway_per_address: usize,
    /// Bytes of the database; beyond it, posts are refused with
    /// `storage_full`.
    pub storage_bytes: Option<u64>,
    /// Requests of one connection.
    pub requests: Rate,
    /// Posts of one seat.
    pub posts: Rate,
    /// Posts of one seat that take a turn.
    pub turns: Rate,
    /// Blobs put by one seat, in KiB.
    pub blobs: Rate,
    /// Blobs read by one seat.
    pub blobs_read: Rate,
    /// Channels made from one address.
    pub channels: Rate,
    /// Names and persons looked up from one address.
    pub lookups: Rate,
    /// Devices asked for in `TakeKeys` by one device.
    pub takes: Rate,
    /// One-time keys that one device gets of one other; beyond it come the
    /// last-resort ones, and no refusal.
    pub takes_of_one: Rate,
    /// Letters sent outside posts by one device.
    pub letters: Rate,
    /// Handles made from one address.
    pub registrations: Rate,
    /// Devices asked for in `TakeKeys` from one address without a login.
    pub foreign_takes: Rate,
    /// One-time keys of one device given to one address without a login; beyond
    /// it come the last-resort ones, and no refusal.
    pub foreign_takes_of_one: Rate,
    /// One-time keys of one device given to all addresses without a login.
    pub foreign_takes_in_all: Rate,
    /// Device lists published by one device.
    pub device_lists: Rate,
    /// Complete histories in the key log read by one device.
    pub histories: Rate,
    /// Roots, trails and growth of the key log asked for from one address.
    pub log_requests: Rate,
    /// Letters from one address without a login.
    pub foreign_letters: Rate,
    /// Letters to one device from one address without a login.
    pub foreign_letters_to_one: Rate,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 64,
            doorway: 4_000,
            doorway_per_address: 32,
            storage_bytes: None,
            requests: Rate::new(2_000.0, 500.0),
            posts: Rate::new(1_000.0, 200.0),
            turns: Rate::new(100.0, 2.0),
            blobs: Rate::new(131_072.0, 1_024.0),
            blobs_read: Rate::new(512.0, 4.0),
            channels: Rate::new(100.0, 0.1),
            lookups: Rate::new(1_000.0, 10.0),
            takes: Rate::new(4_000.0, 10.0),
            takes_of_one: Rate::new(20.0, 0.01),
            letters: Rate::new(100.0, 0.2),
            registrations: Rate::new(10.0, 0.01),
            foreign_takes: Rate::new(500.0, 1.0),
            foreign_takes_of_one: Rate::new(5.0, 0.002),
            foreign_takes_in_all: Rate::new(30.0, 0.001),
            device_lists: Rate::new(50.0, 0.01),
            histories: Rate::new(20.0, 0.02),
            log_requests: Rate::new(100.0, 1.0),
            foreign_letters: Rate::new(30.0, 0.05),
            foreign_letters_to_one: Rate::new(5.0, 0.005),
        }
    }
}
