//! One client's WebSocket: reads requests, answers them, pushes what its seats
//! and its device wait for. One task reads and decides, one writes.
//!
//! Not here: the single requests (`requests`, `people`, `post`, `blobs`, `log`), which entries are next
//! (`follow`).

mod blobs;
mod direct;
mod follow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod log;
mod people;
mod post;
mod requests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use conclave_wire::frame::Frame;
use conclave_wire::v1::{self, ClientFrame, ServerFrame, server_frame::Body};
use conclave_wire::{Code, DeviceId, VERSION, limits};
use futures_util::stream::{FuturesUnordered, SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, interval, timeout};

use crate::data::random;
use crate::hub::Mailbox;
use crate::limits::Bucket;
use crate::relay::Relay;
pub use direct::Direct;
use follow::Follow;

/// Frames waiting for a slow socket; pushes and blobs are at most some 500 KiB each, but for a large commit or slice.
const OUTBOX_FRAMES: usize = 8;
/// Posts under way on one connection.
const PENDING_BYTES: usize = 2 * limits::POST_BYTES;
/// A socket that takes nothing for so long is dead.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
const PING_EVERY: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(90);

/// The connection is over; nothing is left to say.
struct Gone;
type Alive = Result<(), Gone>;

/// A post under way: its request, its weight, its answer.
type Pending = JoinHandle<(u64, usize, Body)>;

struct Connection {
    relay: Arc<Relay>,
    peer: IpAddr,
    challenge: [u8; limits::CHALLENGE_BYTES],
    device: Option<DeviceId>,
    /// The last letter pushed on this connection.
    letters: u64,
    mailbox: Arc<Mailbox>,
    follow: Follow,
    requests: Bucket,
    pending: FuturesUnordered<Pending>,
    pending_ids: Vec<u64>,
    pending_bytes: usize,
    out: mpsc::Sender<Message>,
}

/// Serves a client until it goes, breaks the rules, or the relay stops.
pub(crate) async fn run(socket: WebSocket, relay: Arc<Relay>, peer: IpAddr, stopping: watch::Receiver<bool>) {
    let Ok(challenge) = random() else { return };
    let (sink, stream) = socket.split();
    let (out, queue) = mpsc::channel(OUTBOX_FRAMES);
    let mut writer = tokio::spawn(write(sink, queue));
    let mut connection = Connection::new(relay, peer, challenge, out);
    let _ = connection.talk(stream, stopping).await;
    drop(connection);
    // The writer says the last words, unless the socket takes nothing any more.
    if timeout(Duration::from_secs(2), &mut writer).await.is_err() {
        writer.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for place in self.follow.places() {
            self.relay.hub.unfollow(place, &self.mailbox);
        }
        if let Some(device) = &self.device {
            self.relay.hub.logout(device, &self.mailbox);
        }
    }
}

impl Connection {
    fn new(
        relay: Arc<Relay>,
        peer: IpAddr,
        challenge: [u8; limits::CHALLENGE_BYTES],
        out: mpsc::Sender<Message>,
    ) -> Self {
        Self {
            requests: Bucket::full(relay.config.limits.requests, relay.now()),
            relay,
            peer,
            challenge,
            device: None,
            letters: 0,
            mailbox: Arc::default(),
            follow: Follow::default(),
            pending: FuturesUnordered::new(),
            pending_ids: Vec::new(),
            pending_bytes: 0,
            out,
        }
    }

    async fn talk(
        &mut self,
        mut stream: SplitStream<WebSocket>,
        mut stopping: watch::Receiver<bool>,
    ) -> Alive {
        self.push(self.hello()).await?;
        let mut ping = interval(PING_EVERY);
        let mut heard = Instant::now();
        loop {
            let room = self.pending.len() < limits::REQUESTS_IN_FLIGHT && self.pending_bytes < PENDING_BYTES;
            tokio::select! {
                () = stopped(&mut stopping) => return self.farewell().await,
                message = stream.next(), if room => {
                    heard = Instant::now();
                    self.message(message).await?;
                }
                Some(done) = self.pending.next(), if !self.pending.is_empty() => self.done(done).await?,
                () = self.mailbox.notify.notified() => self.mail().await?,
                // Only this task fills the queue: what was free stays free.
                true = has_room(&self.out), if self.follow.ready() => self.pump().await?,
                _ = ping.tick() => {
                    if room && heard.elapsed() > SILENCE {
                        return Err(Gone);
                    }
                    let _ = self.out.try_send(Message::Ping(Bytes::new()));
                }
            }
        }
    }

    fn hello(&self) -> Body {
        let relay = &self.relay;
        Body::Hello(v1::Hello {
            version: VERSION,
            relay_id: relay.id.to_bytes(),
            challenge: Bytes::copy_from_slice(&self.challenge),
            incarnation: relay.storage.incarnation(),
            retention_ms: relay.retention_ms(),
            now: relay.now(),
            host: relay.host.clone(),
            registration: relay.config.registration.as_str().into(),
        })
    }

    async fn message(&mut self, message: Option<Result<Message, axum::Error>>) -> Alive {
        match message {
            Some(Ok(Message::Binary(bytes))) => match ClientFrame::from_frame(bytes) {
                Ok(ClientFrame { id, request: Some(request) }) if self.is_fresh(id) => {
                    self.request(id, request).await
                }
                Ok(ClientFrame { id, request: None }) if self.is_fresh(id) => {
                    // A request of a later version, perhaps: the connection is sound.
                    self.answer(id, Body::Refused(v1::Refused::new(Code::Malformed))).await
                }
                _ => self.break_off().await,
            },
            Some(Ok(Message::Text(_))) => self.break_off().await,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(Gone),
        }
    }

    fn is_fresh(&self, id: u64) -> bool {
        id != 0 && !self.pending_ids.contains(&id)
    }

    /// Without a sound frame there is no id to answer to.
    async fn break_off(&mut self) -> Alive {
        let _ = self.push(Body::Refused(v1::Refused::new(Code::Malformed))).await;
        let close = CloseFrame { code: close_code::PROTOCOL, reason: "malformed".into() };
        let _ = self.out.send(Message::Close(Some(close))).await;
        Err(Gone)
    }

    /// Posts under way get their answers before the connection ends.
    async fn farewell(&mut self) -> Alive {
        while let Some(done) = self.pending.next().await {
            self.done(done).await?;
        }
        let close = CloseFrame { code: close_code::AWAY, reason: "the relay stops".into() };
        let _ = self.out.send(Message::Close(Some(close))).await;
        Err(Gone)
    }

    async fn done(&mut self, done: Result<(u64, usize, Body), JoinError>) -> Alive {
        let (id, weight, body) = done.map_err(|_| Gone)?;
        self.pending_bytes = self.pending_bytes.saturating_sub(weight);
        self.pending_ids.retain(|pending| *pending != id);
        self.answer(id, body).await
    }

    async fn answer(&mut self, id: u64, body: Body) -> Alive {
        let too_large = || ServerFrame::new(id, Body::Refused(v1::Refused::new(Code::TooLarge)));
        let frame = ServerFrame::new(id, body).to_frame().or_else(|_| too_large().to_frame());
        let message = Message::Binary(frame.map_err(|_| Gone)?);
        self.out.send(message).await.map_err(|_| Gone)
    }

    async fn push(&mut self, body: Body) -> Alive {
        self.answer(0, body).await
    }

    /// Something waits: entries, letters, a low stock.
    async fn mail(&mut self) -> Alive {
        if self.mailbox.is_ended() {
            return Err(Gone);
        }
        for place in self.mailbox.take_places() {
            self.follow.note(place, self.relay.hub.head(&place.0));
        }
        if self.mailbox.take_letters() {
            self.push_letters().await?;
        }
        if self.mailbox.take_stock()
            && let Some(device) = self.device
            && let Ok(stock) = self.relay.storage.stock(device).await
        {
            self.push(Body::Stock(stock)).await?;
        }
        Ok(())
    }

    async fn push_letters(&mut self) -> Alive {
        let Some(device) = self.device else { return Ok(()) };
        let letters = self.relay.storage.letters(device, self.letters).await.map_err(|_| Gone)?;
        let Some(last) = letters.last() else { return Ok(()) };
        self.letters = last.number;
        self.push(Body::Letters(v1::Letters { letters })).await
    }

    /// Pushes the next entries of one seat.
    async fn pump(&mut self) -> Alive {
        let Some(ask) = self.follow.next(self.relay.cutoff()) else { return Ok(()) };
        let place = (ask.channel, ask.view.seat);
        let mut entries = self.relay.hub.recent(&ask.channel, ask.after, &ask.view, ask.cutoff);
        if entries.is_empty() {
            entries = self.relay.storage.entries(ask).await.map_err(|_| Gone)?;
        }
        let (push, over) = self.follow.advance(place, entries);
        if over {
            self.relay.hub.unfollow(place, &self.mailbox);
        }
        match push {
            Some(entries) => self.push(Body::Entries(entries)).await,
            None => Ok(()),
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn has_room(out: &mpsc::Sender<Message>) -> bool {
    out.reserve().await.is_ok()
}

/// Writes what is queued; flushes when there is nothing more at once.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut queue: mpsc::Receiver<Message>) {
    while let Some(mut message) = queue.recv().await {
        loop {
            let fed = timeout(WRITE_PATIENCE, sink.feed(message)).await;
            if !matches!(fed, Ok(Ok(()))) {
                return;
            }
            match queue.try_recv() {
                Ok(next) => message = next,
                Err(_) => break,
            }
        }
        if !matches!(timeout(WRITE_PATIENCE, sink.flush()).await, Ok(Ok(()))) {
            return;
        }
    }
    let _ = timeout(WRITE_PATIENCE, sink.close()).await;
}
