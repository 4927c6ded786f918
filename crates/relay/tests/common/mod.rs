//! A plain client for the tests: one socket, requests with their answers,
//! pushes in order. It knows nothing of what is in posts.
#![allow(dead_code, unreachable_pub)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use conclave_relay::{Clock, Config, Running, serve};
use conclave_wire::auth::login_bytes;
use conclave_wire::frame::Frame;
use conclave_wire::v1::{self, ClientFrame, ServerFrame, client_frame::Request, server_frame::Body};
use conclave_wire::{ChannelId, Code, DeviceId, SeatId};
use ed25519_dalek::{Signer, SigningKey};
use futures_util::{SinkExt, StreamExt};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A clock that stands until moved.
#[derive(Default)]
pub struct Moved(pub AtomicU64);

impl Clock for Moved {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A relay in memory.
pub async fn relay() -> Running {
    serve(Config::default()).await.unwrap()
}

/// A relay in a directory.
pub async fn relay_in(dir: &std::path::Path) -> Running {
    serve(Config { data: Some(dir.into()), ..Config::default() }).await.unwrap()
}

/// A relay whose clock stands at a day of 2026.
pub async fn relay_at_a_time() -> (Running, Arc<Moved>) {
    let clock = Arc::new(Moved(AtomicU64::new(1_790_000_000_000)));
    (serve(Config { clock: clock.clone(), ..Config::default() }).await.unwrap(), clock)
}

pub struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub hello: v1::Hello,
    next: u64,
    pushes: VecDeque<Body>,
    answers: VecDeque<ServerFrame>,
}

impl Client {
    pub async fn connect(relay: &Running) -> Self {
        let (socket, _) = connect_async(format!("ws://{}/v1/connect", relay.addr)).await.unwrap();
        let mut client = Self {
            socket,
            hello: v1::Hello::default(),
            next: 0,
            pushes: VecDeque::new(),
            answers: VecDeque::new(),
        };
        let Body::Hello(hello) = client.push().await else { panic!("the first frame is Hello") };
        client.hello = hello;
        client
    }

    /// Sends without waiting; gives the request's id.
    pub async fn send(&mut self, request: Request) -> u64 {
        self.next += 1;
        let frame = ClientFrame::new(self.next, request);
        self.socket.send(Message::Binary(frame.to_frame().unwrap())).await.unwrap();
        self.next
    }

    /// Anything at all; the relay may hang up before it is through.
    pub async fn raw(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    /// The next frame, or `None` where the relay closed.
    pub async fn frame(&mut self) -> Option<ServerFrame> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => return Some(ServerFrame::from_frame(bytes).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The answer to a request sent before.
    pub async fn answer(&mut self, id: u64) -> Body {
        if let Some(at) = self.answers.iter().position(|frame| frame.id == id) {
            return self.answers.remove(at).unwrap().body.unwrap();
        }
        loop {
            let frame = self.frame().await.expect("the relay closed the connection");
            match frame.id {
                0 => self.pushes.push_back(frame.body.unwrap()),
                answered if answered == id => return frame.body.unwrap(),
                _ => self.answers.push_back(frame),
            }
        }
    }

    pub async fn ask(&mut self, request: Request) -> Body {
        let id = self.send(request).await;
        self.answer(id).await
    }

    /// The next push.
    pub async fn push(&mut self) -> Body {
        if let Some(push) = self.pushes.pop_front() {
            return push;
        }
        let frame = self.frame().await.expect("the relay closed the connection");
        assert_eq!(frame.id, 0, "an answer nobody waits for: {frame:?}");
        frame.body.unwrap()
    }

    pub fn no_push_waits(&self) -> bool {
        self.pushes.is_empty()
    }

    /// So many entries for one seat, across pushes.
    pub async fn entries(&mut self, seat: &Seat, count: usize) -> Vec<v1::Entry> {
        let entries = self.entries_at_least(seat, count).await;
        assert_eq!(entries.len(), count);
        entries
    }

    pub async fn entries_at_least(&mut self, seat: &Seat, count: usize) -> Vec<v1::Entry> {
        let mut entries = Vec::new();
        while entries.len() < count {
            match self.push().await {
                Body::Entries(push) if push.seat == seat.seat.to_bytes() => entries.extend(push.entries),
                other => panic!("entries of the seat expected, not {other:?}"),
            }
        }
        entries
    }

    pub async fn attach(&mut self, seat: &Seat, cursor: u64) -> v1::SeatState {
        let request = Request::Attach(v1::Attach { seats: vec![seat.cursor(cursor)] });
        let Body::Attached(mut attached) = self.ask(request).await else { panic!("Attached expected") };
        attached.seats.remove(0)
    }

    pub async fn ack(&mut self, seat: &Seat, cursor: u64) -> Body {
        let (channel, id, token) = seat.parts();
        self.ask(Request::Ack(v1::Ack { channel, seat: id, token, cursor })).await
    }

    /// Posts and expects it to be accepted.
    pub async fn post(&mut self, post: v1::Post) -> v1::Posted {
        match self.ask(Request::Post(post)).await {
            Body::Posted(posted) => posted,
            other => panic!("Posted expected, not {other:?}"),
        }
    }

    pub async fn login(&mut self, device: &Device) -> Body {
        let signature = device.sign(&self.hello);
        self.ask(Request::Login(v1::Login { device: device.id.to_bytes(), signature })).await
    }

    pub async fn register(&mut self, device: &Device) -> Body {
        let request = device.register(&self.hello);
        self.ask(Request::Register(request)).await
    }
}

/// A seat as its owner knows it.
#[derive(Clone)]
pub struct Seat {
    pub channel: ChannelId,
    pub seat: SeatId,
    pub token: Bytes,
}

impl Seat {
    pub fn new(channel: u8, seat: u8) -> Self {
        Self {
            channel: ChannelId::new([channel; 16]),
            seat: SeatId::new([seat; 16]),
            token: vec![seat ^ 0xff; 32].into(),
        }
    }

    fn parts(&self) -> (Bytes, Bytes, Bytes) {
        (self.channel.to_bytes(), self.seat.to_bytes(), self.token.clone())
    }

    pub fn create(&self) -> Request {
        let (channel, seat, token) = self.parts();
        Request::CreateChannel(v1::CreateChannel { channel, seat, token })
    }

    pub fn cursor(&self, cursor: u64) -> v1::SeatCursor {
        let (channel, seat, token) = self.parts();
        v1::SeatCursor { channel, seat, token, cursor }
    }

    pub fn claim(&self, claim: &'static [u8]) -> Request {
        let (channel, seat, token) = self.parts();
        Request::Claim(v1::Claim { channel, seat, claim: Bytes::from_static(claim), token })
    }

    pub fn text(&self, number: u64, at_turn: u64, shared: impl Into<Bytes>) -> v1::Post {
        let (channel, seat, token) = self.parts();
        v1::Post { channel, seat, token, number, at_turn, shared: shared.into(), ..v1::Post::default() }
    }

    pub fn commit(&self, number: u64, at_turn: u64, seats: Vec<v1::SeatChange>) -> v1::Post {
        let shared = format!("commit {number} at {at_turn}");
        v1::Post { takes_turn: true, seats, ..self.text(number, at_turn, shared) }
    }

    pub fn open(&self, claim: &[u8], after: u64) -> v1::SeatChange {
        let claim_hash = Sha256::digest(claim).to_vec().into();
        let open = v1::OpenSeat { seat: self.seat.to_bytes(), claim_hash, after };
        v1::SeatChange { change: Some(v1::seat_change::Change::Open(open)) }
    }

    pub fn close(&self) -> v1::SeatChange {
        v1::SeatChange { change: Some(v1::seat_change::Change::Close(self.seat.to_bytes())) }
    }
}

/// A channel with two seats, both claimed: its first entry opens the second.
pub async fn channel_of_two(client: &mut Client, channel: u8) -> (Seat, Seat) {
    let (a, b) = (Seat::new(channel, 1), Seat::new(channel, 2));
    assert!(matches!(client.ask(a.create()).await, Body::Done(_)));
    let posted = client.post(a.commit(1, 0, vec![b.open(b"claim", 0)])).await;
    assert_eq!((posted.entry, posted.turn), (1, 1));
    assert!(matches!(client.ask(b.claim(b"claim")).await, Body::Done(_)));
    (a, b)
}

pub fn refusal(body: &Body) -> Code {
    match body {
        Body::Refused(refused) => Code::parse(&refused.code).expect("a known code"),
        other => panic!("a refusal expected, not {other:?}"),
    }
}

/// A device with its keys.
pub struct Device {
    pub id: DeviceId,
    pub name: String,
    key: SigningKey,
}

impl Device {
    pub fn new(name: &str) -> Self {
        let seed: [u8; 32] = Sha256::digest(name).into();
        let id = DeviceId::try_from(&seed[..16]).unwrap();
        Self { id, name: name.into(), key: SigningKey::from_bytes(&seed) }
    }

    pub fn person(&self) -> Bytes {
        Sha256::digest(format!("person {}", self.name)).to_vec().into()
    }

    pub fn sign(&self, hello: &v1::Hello) -> Bytes {
        let relay = conclave_wire::RelayId::try_from(&hello.relay_id).unwrap();
        let challenge = hello.challenge.as_ref().try_into().unwrap();
        self.key.sign(&login_bytes(&relay, &challenge, &self.id)).to_bytes().to_vec().into()
    }

    /// The identity key of this person, for these tests another one of the same seed.
    fn identity(&self) -> SigningKey {
        SigningKey::from_bytes(&Sha256::digest(format!("identity {}", self.name)).into())
    }

    pub fn key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// `device` takes the place of this one, by this person's identity key.
    pub fn recover(&self, device: &Device, hello: &v1::Hello) -> v1::Recover {
        let relay = conclave_wire::RelayId::try_from(&hello.relay_id).unwrap();
        let challenge = hello.challenge.as_ref().try_into().unwrap();
        let signed = conclave_wire::auth::recover_bytes(&relay, &challenge, &device.id, &device.key());
        v1::Recover {
            name: self.name.clone(),
            device: device.id.to_bytes(),
            signature: device.sign(hello),
            identity_signature: self.identity().sign(&signed).to_bytes().to_vec().into(),
            devices: vec![v1::ListedDevice {
                device: device.id.to_bytes(),
                device_key: device.key().to_vec().into(),
            }],
            device_list: "recovered".into(),
            keys: Some(keys(&device.name, 3)),
        }
    }

    pub fn register(&self, hello: &v1::Hello) -> v1::Register {
        v1::Register {
            name: self.name.clone(),
            person: self.person(),
            device: self.id.to_bytes(),
            device_key: self.key.verifying_key().to_bytes().to_vec().into(),
            signature: self.sign(hello),
            invite: String::new(),
            device_list: format!("list of {}", self.name).into(),
            keys: Some(keys(&self.name, 12)),
            identity_key: self.identity().verifying_key().to_bytes().to_vec().into(),
        }
    }
}

pub fn keys(of: &str, count: usize) -> v1::PublishedKeys {
    let numbered = |kind: &str| (0..count).map(|n| format!("{of} {kind} {n}").into()).collect();
    v1::PublishedKeys {
        bundle: format!("{of} bundle").into(),
        last_resort_join_key: format!("{of} last resort").into(),
        one_time_prekeys: numbered("prekey"),
        join_keys: numbered("join"),
    }
}
