//! Starting and stopping a relay, and its two addresses: `/v1/about` and
//! `/v1/connect`. What is said on a connection is in `connection`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use conclave_wire::{RelayId, VERSION, limits};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::connection;
use crate::data::{Data, random};
use crate::limits::Limiter;
use crate::relay::Relay;
use crate::storage::{MemoryStorage, SqliteStorage, Storage};
use crate::tag::Tags;
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
    ended: watch::Receiver<Option<Result<(), String>>>,
    parts: Parts,
}

struct Parts {
    relay: Arc<Relay>,
    sweeper: JoinHandle<()>,
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
    let data = Data::open(config.data.as_deref())?;
    let storage: Arc<dyn Storage> = match &data.database {
        None => Arc::new(MemoryStorage::default()),
        Some(path) => Arc::new(SqliteStorage::open(path, config.restored, config.limits.storage_bytes)?),
    };
    let listen = config.listen;
    let failed = |cause| RelayError::Listen { addr: listen, cause };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let host = config.host.clone().unwrap_or_else(|| addr.to_string());
    let relay = Arc::new(Relay {
        id: data.relay,
        host: host.clone(),
        limiter: Limiter::new(config.clock.clone()),
        config,
        storage,
        hub: Default::default(),
        cursors: Default::default(),
        tags: Tags::new(random()?),
        present: Mutex::default(),
    });
    let (stop, stopping) = watch::channel(false);
    let (alive, connections) = mpsc::channel(1);
    let door = Door { relay: relay.clone(), stopping: stopping.clone(), alive };
    let ended = listen_on(listener, door, stopping.clone());
    let sweeper = tokio::spawn(sweep::run(relay.clone(), stopping));
    tracing::info!(%addr, relay = %data.relay, "the relay serves");
    let relay_id = data.relay;
    Ok(Running {
        addr,
        relay_id,
        host,
        stop,
        ended,
        parts: Parts { relay, sweeper, connections, _data: data },
    })
}

impl Running {
    /// Waits until the relay no longer serves, because it was stopped or failed.
    pub async fn finished(&self) -> Result<(), RelayError> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.map(|end| end.clone()) {
            Ok(Some(Err(cause))) => Err(RelayError::Serving(cause)),
            _ => Ok(()),
        }
    }

    /// Takes no more connections, ends those there are after their answers,
    /// stores all cursors and closes the storage.
    pub async fn shutdown(self) -> Result<(), RelayError> {
        let _ = self.stop.send(true);
        let Parts { relay, sweeper, mut connections, _data } = self.parts;
        let _ = sweeper.await;
        if tokio::time::timeout(PATIENCE, connections.recv()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        relay.flush_cursors().await;
        relay.storage.close().await?;
        Ok(())
    }

    /// Stores cursors and frees old entries now instead of at its time; returns
    /// how many entries were freed.
    pub async fn sweep(&self) -> Result<u64, RelayError> {
        self.parts.relay.flush_cursors().await;
        Ok(sweep::sweep(&self.parts.relay).await?)
    }
}

/// What a request at the door needs.
#[derive(Clone)]
struct Door {
    relay: Arc<Relay>,
    stopping: watch::Receiver<bool>,
    /// Held by each connection.
    alive: mpsc::Sender<()>,
}

type Ended = watch::Receiver<Option<Result<(), String>>>;

fn listen_on(listener: TcpListener, door: Door, mut stopping: watch::Receiver<bool>) -> Ended {
    let (report, ended) = watch::channel(None);
    let router =
        Router::new().route("/v1/about", get(about)).route("/v1/connect", get(connect)).with_state(door);
    // Small frames must not wait for each other.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    tokio::spawn(async move {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let stopped = async move {
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let result = axum::serve(listener, service).with_graceful_shutdown(stopped).await;
        let _ = report.send(Some(result.map_err(|error| error.to_string())));
    });
    ended
}

async fn about(State(door): State<Door>) -> Json<serde_json::Value> {
    let relay = &door.relay;
    Json(json!({
        "versions": { "min": VERSION, "max": VERSION },
        "relay_id": relay.id.to_string(),
        "incarnation": relay.storage.incarnation(),
        "host": relay.host,
        "registration": relay.config.registration.as_str(),
        "retention_ms": relay.retention_ms(),
        "limits": {
            "frame_bytes": limits::FRAME_BYTES,
            "post_bytes": limits::POST_BYTES,
            "shared_bytes": limits::SHARED_BYTES,
            "slice_bytes": limits::SLICE_BYTES,
            "letter_bytes": limits::LETTER_BYTES,
            "letters_per_inbox": limits::LETTERS_PER_INBOX,
            "seats_per_connection": limits::SEATS_PER_CONNECTION,
            "one_time_keys": limits::ONE_TIME_KEYS,
        },
    }))
}

async fn connect(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(present) = door.relay.admit(peer.ip()) else {
        return (StatusCode::TOO_MANY_REQUESTS, "too many connections: try again later").into_response();
    };
    let Door { relay, stopping, alive } = door;
    upgrade.max_message_size(limits::FRAME_BYTES).max_frame_size(limits::FRAME_BYTES).on_upgrade(
        move |socket| async move {
            connection::run(socket, relay, peer.ip(), stopping).await;
            drop((present, alive));
        },
    )
}
