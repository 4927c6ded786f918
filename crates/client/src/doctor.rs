//! What a look at a data directory and its relays shows: a report that is safe to post. It counts and measures, and names
//! nobody: no handle, name, id, text, and no host but this machine.
//!
//! It changes nothing but what opening a store changes. What a person is told about it is a face's concern.

use crate::Result;
use crate::clock::Clock;
use crate::store::Store;
use crate::store::census::Census;
use crate::store::relays::RelayFacts;
use crate::transport::Address;
use serde::Serialize;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Versions of what this program speaks and writes.
    pub versions: Versions,
    /// The data directory.
    pub directory: Directory,
    /// Whether the store opens: `open`, `absent`, `not_tried`, or the code of what is wrong.
    pub store: String,
    /// What is in it, where it opens.
    pub census: Option<Census>,
    /// The relays it has to do with; the account's own first.
    pub relays: Vec<RelayReport>,
}

/// Versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// Of the relay's API.
    pub api: u32,
    /// Of the store.
    pub store: u32,
}

/// The data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Directory {
    /// Whether there is one.
    pub exists: bool,
    /// Whether nobody else can enter it.
    pub private: bool,
    /// The files that belong there.
    pub files: Vec<File>,
    /// How many others lie beside them.
    pub others: usize,
    /// Whether some process talks to the relays just now.
    pub in_use: bool,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Whether nobody else can read it; of no weight where the directory is private.
    pub private: bool,
}

/// A relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RelayReport {
    /// Whether it is the account's own.
    pub own: bool,
    /// Whether it is on this machine: all that is said of where it is.
    pub local: bool,
    /// Whether TLS is spoken to it.
    pub secure: bool,
    /// `answers`, or the code of what is wrong.
    pub state: String,
    /// What it says of itself, where it answers.
    pub about: Option<About>,
}

/// What a relay says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// The version of its API.
    pub version: u32,
    /// Days that it keeps what was not fetched.
    pub retention_days: u64,
    /// How often it was started from a backup.
    pub incarnation: u64,
    /// Whether it takes accounts: `open`, `invite`, `closed`, or `other`.
    pub registration: &'static str,
    /// Its clock less this machine's, in milliseconds; the half of a round trip is not taken off.
    pub clock_ms: i64,
}

const FILES: [&str; 6] =
    ["store.json", "store.db", "store.db-wal", "store.db-shm", "engine.lock", "conclave.toml"];

/// Looks at a data directory. Without a passphrase the store stays closed, and with it everything that is in it.
pub async fn examine(dir: &Path, passphrase: Option<&str>, clock: Arc<dyn Clock>) -> Report {
    let mut report = Report {
        versions: Versions { api: conclave_wire::VERSION, store: crate::store::VERSION },
        directory: directory(dir),
        store: "absent".to_owned(),
        census: None,
        relays: Vec::new(),
    };
    if !crate::store::exists(dir) {
        return report;
    }
    let Some(passphrase) = passphrase else {
        report.store = "not_tried".to_owned();
        return report;
    };
    match look(dir, passphrase, clock.clone()).await {
        Ok((store, census, relays)) => {
            report.store = "open".to_owned();
            report.census = Some(census);
            for (own, relay) in relays {
                report.relays.push(relay_report(&store, &relay, own, &*clock).await);
            }
        }
        Err(error) => report.store = error.code().to_owned(),
    }
    report
}

type Relays = Vec<(bool, RelayFacts)>;

async fn look(dir: &Path, passphrase: &str, clock: Arc<dyn Clock>) -> Result<(Store, Census, Relays)> {
    let store = Store::open(dir, passphrase, clock).await?;
    let seen = store.view(|tx| {
        let own = tx.relay().ok();
        let others = tx.relays_in_use()?;
        let others = others.into_iter().filter(|relay| own.as_ref().is_none_or(|own| own.id != relay.id));
        let others = others.map(|relay| (false, relay)).collect::<Vec<_>>();
        let relays = own.iter().map(|relay| (true, relay.clone())).chain(others).collect();
        Ok((tx.census()?, relays))
    });
    let (census, relays) = seen.await?;
    Ok((store, census, relays))
}

fn directory(dir: &Path) -> Directory {
    let private = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode().trailing_zeros() >= 6)
    };
    let names = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let others = names.filter(|entry| !FILES.iter().any(|known| entry.file_name() == *known)).count();
    let files = FILES.into_iter().filter_map(|name| {
        let path = dir.join(name);
        let bytes = std::fs::metadata(&path).ok()?.len();
        Some(File { name, bytes, private: private(&path) })
    });
    let lock = dir.join("engine.lock");
    let in_use = lock.exists() && matches!(crate::store::lease::Lease::take(dir), Ok(None));
    Directory { exists: dir.is_dir(), private: private(dir), files: files.collect(), others, in_use }
}

async fn relay_report(store: &Store, relay: &RelayFacts, own: bool, clock: &dyn Clock) -> RelayReport {
    let address = Address::parse(&relay.url).ok();
    let (local, secure) = address.map_or((false, false), |address| (address.is_local(), address.secure));
    let (state, about) = match about(store, relay, clock).await {
        Ok(about) => ("answers".to_owned(), Some(about)),
        Err(error) => (error.code().to_owned(), None),
    };
    RelayReport { own, local, secure, state, about }
}

async fn about(store: &Store, relay: &RelayFacts, clock: &dyn Clock) -> Result<About> {
    let link = crate::engine::connect(store, relay).await?;
    let hello = link.hello();
    let registration = ["open", "invite", "closed"];
    let known = registration.into_iter().find(|known| *known == hello.registration);
    Ok(About {
        version: hello.version,
        retention_days: hello.retention_ms / conclave_protocol::Timestamp::DAY,
        incarnation: hello.incarnation,
        registration: known.unwrap_or("other"),
        clock_ms: hello.now.cast_signed().saturating_sub(clock.now().0.cast_signed()),
    })
}
