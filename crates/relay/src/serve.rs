//! Starting and stopping a relay. Who comes in, and how, is in `door`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conclave_wire::RelayId;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::{Clock, Config, Tls};
use crate::data::{Data, random};
use crate::door::{self, Door};
use crate::log::{Keys, Log};
use crate::relay::Relay;
use crate::storage::{self, MemoryStorage, SqliteStorage, Storage};
use crate::tls::Secured;
use crate::{RelayError, sweep};

/// How long a stop waits for connections to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// A relay that serves.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The hash of its signing key.
    pub relay_id: RelayId,
    /// The host of its handles.
    pub host: String,
    stop: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
    parts: Parts,
}

struct Parts {
    tls: Option<Secured>,
    relay: Arc<Relay>,
    sweeper: JoinHandle<()>,
    publisher: JoinHandle<()>,
    /// Gives `None` once the last connection is gone.
    connections: mpsc::Receiver<()>,
    _data: Data,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// Starts a relay; it serves as soon as this returns.
pub async fn serve(config: Config) -> Result<Running, RelayError> {
    let listen = config.listen;
    if config.tls == Tls::Off && !listen.ip().is_loopback() {
        return Err(RelayError::TlsNeeded(listen));
    }
    if config.clock.is_shifted() && !listen.ip().is_loopback() {
        return Err(RelayError::ClockShifted(listen));
    }
    let data = Data::open(config.data.as_deref())?;
    let tls = Secured::open(&config.tls, &data.key, data.relay)?;
    let storage: Arc<dyn Storage> = match &data.database {
        None => Arc::new(MemoryStorage::default()),
        Some(path) => Arc::new(SqliteStorage::open(path, config.restored, config.limits.storage_bytes)?),
    };
    let log = Arc::new(open_log(&data, storage.clone(), config.clock.clone()).await?);
    let failed = |cause| RelayError::Listen { addr: listen, cause };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let host = config.host.clone().unwrap_or_else(|| addr.to_string());
    let relay = Arc::new(Relay::over(storage, log.clone(), data.relay, host.clone(), config, random()?));
    let (stop, stopping) = watch::channel(false);
    let (alive, connections) = mpsc::channel(1);
    let door = Door { relay: relay.clone(), stopping: stopping.clone(), alive };
    let (end, ended) = watch::channel(false);
    let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
    tokio::spawn(async move {
        door::listen(listener, acceptor, door).await;
        let _ = end.send(true);
    });
    let publisher = tokio::spawn(log.run(stopping.clone()));
    let sweeper = tokio::spawn(sweep::run(relay.clone(), stopping));
    tracing::info!(%addr, relay = %data.relay, "the relay serves");
    let relay_id = data.relay;
    let parts = Parts { tls, relay, sweeper, publisher, connections, _data: data };
    Ok(Running { addr, relay_id, host, stop, ended, parts })
}

/// The key log, with its own key beside the relay's. A log without its key cannot go on, and with another one it would be
/// another log.
async fn open_log(data: &Data, storage: Arc<dyn Storage>, clock: Arc<dyn Clock>) -> Result<Log, RelayError> {
    let begun = storage::log::root(&*storage, None).await?.is_some();
    let vrf = data.log_key(begun)?;
    let keys = Keys { signing: data.key.clone(), vrf };
    match Log::open(storage, keys, clock).await? {
        Some(log) => Ok(log),
        None => Err(RelayError::BadKey(data.log_key_path())),
    }
}

impl Running {
    /// Where clients on this machine connect to. With the relay's own
    /// certificate it carries the relay's id, by which that is checked.
    pub fn url(&self) -> String {
        let Self { addr, relay_id, .. } = self;
        match self.parts.relay.config.tls {
            Tls::Off | Tls::Elsewhere => format!("http://{addr}"),
            Tls::Files { .. } => format!("https://{addr}"),
            Tls::SelfSigned => format!("https://{addr}#{relay_id}"),
        }
    }

    /// Reads the certificate's files again; connections that stand are not
    /// touched. Does nothing where there are no files.
    pub fn reload_certificate(&self) -> Result<(), RelayError> {
        self.parts.tls.as_ref().map_or(Ok(()), Secured::reload)
    }

    /// Waits until the relay no longer serves, because it was stopped or failed.
    pub async fn finished(&self) -> Result<(), RelayError> {
        let ended = self.ended.clone().wait_for(|ended| *ended).await.map(|_| ());
        ended.map_err(|_| RelayError::Serving("its door fell shut".into()))
    }

    /// Takes no more connections, ends those there are after their answers,
    /// stores all cursors and closes the storage.
    pub async fn shutdown(self) -> Result<(), RelayError> {
        let _ = self.stop.send(true);
        let Parts { relay, sweeper, publisher, mut connections, .. } = self.parts;
        let _ = sweeper.await;
        let _ = publisher.await;
        if tokio::time::timeout(PATIENCE, connections.recv()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        relay.flush_cursors().await;
        relay.storage.close().await?;
        Ok(())
    }

    /// Makes an epoch of the key log now instead of at its time, if anybody waits for one; returns the newest.
    pub async fn publish_log(&self) -> Result<u64, RelayError> {
        Ok(self.parts.relay.log.publish().await?)
    }

    /// What it stores, for [`crate::bench`].
    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.parts.relay.storage
    }

    /// Stores cursors and frees old entries now instead of at its time; returns
    /// how many entries were freed.
    pub async fn sweep(&self) -> Result<u64, RelayError> {
        self.parts.relay.flush_cursors().await;
        Ok(sweep::sweep(&self.parts.relay).await?)
    }
}
