//! A relay on loopback in a directory of its own, that limits nobody: it is the machine that is to be measured.

use crate::{LabError, Result};
use conclave_client::Client;
use conclave_relay::{Config, Limits, Rate, Running, serve};
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const PASSPHRASE: &str = "correct horse";
const ANY: Rate = Rate::new(1e12, 1e12);

/// A relay and a directory for all that lives beside it.
pub struct Stage {
    /// The relay.
    pub relay: Running,
    /// The directory.
    pub dir: TempDir,
    /// The relay has threads of its own, as it has in a process of its own.
    runtime: Option<Runtime>,
}

impl Stage {
    /// Starts a relay on a database of its own.
    pub async fn open() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let data = Some(dir.path().join("relay"));
        Self::start(dir, data).await
    }

    /// Starts a relay that keeps all in memory: what is written to the disk is not its.
    pub async fn in_memory() -> Result<Self> {
        Self::start(tempfile::tempdir()?, None).await
    }

    async fn start(dir: TempDir, data: Option<PathBuf>) -> Result<Self> {
        let config = Config { data, limits: limits(), ..Config::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let starting = runtime.spawn(serve(config));
        let relay = starting.await.map_err(|error| LabError::unexpected(error.to_string()))??;
        Ok(Self { relay, dir, runtime: Some(runtime) })
    }

    /// The address for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.relay.addr)
    }

    /// The relay's database.
    pub fn database(&self) -> PathBuf {
        self.dir.path().join("relay").join("relay.db")
    }

    /// Somebody with a store of one's own.
    pub async fn person(&self, name: &str) -> Result<Client> {
        Ok(Client::create(&self.dir.path().join(name), PASSPHRASE, name, &self.url(), None).await?)
    }

    /// The same store, opened anew.
    pub async fn again(&self, name: &str) -> Result<Client> {
        Ok(Client::open(&self.dir.path().join(name), PASSPHRASE).await?)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Not waited for: nothing of it is wanted any more.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn limits() -> Limits {
    Limits {
        requests: ANY,
        posts: ANY,
        turns: ANY,
        channels: ANY,
        lookups: ANY,
        takes: ANY,
        takes_of_one: ANY,
        letters: ANY,
        registrations: ANY,
        histories: ANY,
        log_requests: ANY,
        connections_per_address: 20_000,
        ..Limits::default()
    }
}
