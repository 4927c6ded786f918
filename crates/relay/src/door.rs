//! The door: takes sockets, ends TLS, answers `/v1/about`, and hands
//! `/v1/connect` on. Whoever stands in the doorway has said nothing yet: it has
//! little time and little room there. What is said inside is in `connection`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use conclave_wire::{VERSION, limits};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use crate::admission::Admission;
use crate::connection;
use crate::relay::Relay;

/// Handshake, request and answer together.
const PATIENCE: Duration = Duration::from_secs(15);
/// When the system has no more sockets to give.
const PAUSE: Duration = Duration::from_secs(1);
/// A request has no body, and few headers.
const REQUEST_BYTES: usize = 16 * 1024;
/// Read from a WebSocket at once: each reading clears so much first, and most requests are small.
const READ_BYTES: usize = 16 * 1024;
/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;
const PLAIN_REFUSAL: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 42\r\n\r\nthis relay speaks TLS: use an https:// URL";

/// What a request at the door needs.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) relay: Arc<Relay>,
    pub(crate) stopping: watch::Receiver<bool>,
    /// Held by each connection.
    pub(crate) alive: mpsc::Sender<()>,
}

/// Takes sockets until the relay stops. Who stands in the doorway then has said
/// nothing, and is let go.
pub(crate) async fn listen(listener: TcpListener, tls: Option<TlsAcceptor>, door: Door) {
    let mut stopping = door.stopping.clone();
    let limits = &door.relay.config.limits;
    let doorway = Admission::new(limits.doorway, limits.doorway_per_address);
    let router =
        Router::new().route("/v1/about", get(about)).route("/v1/connect", get(connect)).with_state(door);
    let mut inside = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            Some(_) = inside.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(admitted) = doorway.admit(peer.ip()) else { continue };
                let (tls, router) = (tls.clone(), router.clone());
                inside.spawn(async move {
                    // However it ends, there is nobody to tell.
                    let _ = timeout(PATIENCE, receive(stream, peer, tls, router)).await;
                    drop(admitted);
                });
            }
            Err(error) if is_of_one_socket(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no socket could be taken");
                sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one_socket(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn receive(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
) -> io::Result<()> {
    // Small frames must not wait for each other.
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return answer(stream, peer, router).await;
    };
    let mut first = [0];
    stream.peek(&mut first).await?;
    if first != [HANDSHAKE] {
        return refuse_plain(stream).await;
    }
    answer(tls.accept(stream).await?, peer, router).await
}

/// Reads to the end before it closes: otherwise the answer could be lost.
async fn refuse_plain(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(PLAIN_REFUSAL).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(REQUEST_BYTES as u64);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(|_| ())
}

async fn answer<S>(stream: S, peer: SocketAddr, router: Router) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        // A router is always ready.
        router.clone().call(request)
    });
    http1::Builder::new()
        .max_buf_size(REQUEST_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await
        .map_err(io::Error::other)
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
        "limits": limits_of_the_api(),
    }))
}

/// Those of `conclave_wire::limits` that a client has to keep to.
fn limits_of_the_api() -> serde_json::Value {
    json!({
        "frame_bytes": limits::FRAME_BYTES,
        "post_bytes": limits::POST_BYTES,
        "shared_bytes": limits::SHARED_BYTES,
        "commit_bytes": limits::COMMIT_BYTES,
        "slice_bytes": limits::SLICE_BYTES,
        "seat_changes_per_post": limits::SEAT_CHANGES_PER_POST,
        "letters_per_post": limits::LETTERS_PER_POST,
        "letter_bytes": limits::LETTER_BYTES,
        "letters_per_inbox": limits::LETTERS_PER_INBOX,
        "foreign_letters_per_inbox": limits::FOREIGN_LETTERS_PER_INBOX,
        "blob_bytes": limits::BLOB_BYTES,
        "blobs_per_channel": limits::BLOBS_PER_CHANNEL,
        "blob_weight": limits::BLOB_WEIGHT,
        "seats_per_connection": limits::SEATS_PER_CONNECTION,
        "seats_per_channel": limits::SEATS_PER_CHANNEL,
        "one_time_keys": limits::ONE_TIME_KEYS,
        "low_stock": limits::LOW_STOCK,
        "key_bytes": limits::KEY_BYTES,
        "bundle_bytes": limits::BUNDLE_BYTES,
        "device_list_bytes": limits::DEVICE_LIST_BYTES,
        "devices_per_person": limits::DEVICES_PER_PERSON,
        "lookups_per_request": limits::LOOKUPS_PER_REQUEST,
        "takes_per_request": limits::TAKES_PER_REQUEST,
        "takes_with_prekeys": limits::TAKES_WITH_PREKEYS,
        "invite_bytes": limits::INVITE_BYTES,
        "first_credit": limits::FIRST_CREDIT,
        "most_credit": limits::MOST_CREDIT,
        "token_bytes": limits::TOKEN_BYTES,
        "challenge_bytes": limits::CHALLENGE_BYTES,
        "requests_in_flight": limits::REQUESTS_IN_FLIGHT,
        "log_links": limits::LOG_LINKS,
        "log_steps": limits::LOG_STEPS,
        "log_steps_bytes": limits::LOG_STEPS_BYTES,
        "log_versions": limits::LOG_VERSIONS,
        "log_lists_bytes": limits::LOG_LISTS_BYTES,
    })
}

async fn connect(
    State(door): State<Door>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(admitted) = door.relay.connections.admit(peer.ip()) else {
        return (StatusCode::TOO_MANY_REQUESTS, "too many connections: try again later").into_response();
    };
    let Door { relay, stopping, alive } = door;
    upgrade
        .read_buffer_size(READ_BYTES)
        .max_message_size(limits::FRAME_BYTES)
        .max_frame_size(limits::FRAME_BYTES)
        .on_upgrade(move |socket| async move {
            connection::run(socket, relay, peer.ip(), stopping).await;
            drop((admitted, alive));
        })
}
