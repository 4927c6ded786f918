//! A client that says anything: frame after frame to a live relay in memory, without a socket.
//!
//! Held: every sound request is answered once under its id; nothing that others rely on is moved by who has no right to;
//! and the relay goes on serving.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "part of tests only"
)]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::ws::Message;
use bytes::Bytes;
use conclave_wire::auth::login_bytes;
use conclave_wire::frame::Frame;
use conclave_wire::v1::{self, ClientFrame, ServerFrame, client_frame::Request, server_frame::Body};
use conclave_wire::{DeviceId, RelayId};
use ed25519_dalek::{Signer, SigningKey};
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::{Alive, Connection};
use crate::config::{Clock, Config};
use crate::log::{Keys, Log};
use crate::relay::Relay;
use crate::storage::MemoryStorage;

/// Frames of one input that are looked at.
const MOST_FRAMES: usize = 32;
/// More answers and pushes than those can cause: nothing here reads while the relay writes.
const ROOM: usize = 4096;

const CHANNEL: [u8; 16] = [1; 16];
const OURS: [u8; 16] = [2; 16];
const TOKEN: [u8; 32] = [3; 32];
/// Somebody else's: the client under test does not know its token.
const THEIRS: [u8; 16] = [9; 16];
const CHALLENGE: [u8; 32] = [4; 32];

struct Standing;

impl Clock for Standing {
    fn now(&self) -> u64 {
        1_790_000_000_000
    }
}

/// Frames, each after its length in two bytes. Returns whether all of them were sound and none was left over.
pub(crate) fn requests(bytes: &[u8]) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(play(bytes))
}

async fn play(mut bytes: &[u8]) -> bool {
    let storage = Arc::new(MemoryStorage::default());
    let keys = Keys { signing: SigningKey::from_bytes(&[5; 32]), vrf: [5; 32] };
    let log = Log::open(storage.clone(), keys, Arc::new(Standing)).await.unwrap().unwrap();
    let relay = Relay::over(
        storage,
        Arc::new(log),
        RelayId::new([5; 32]),
        "relay.test".into(),
        Config { clock: Arc::new(Standing), ..Config::default() },
        [0; 16],
    );
    let relay = Arc::new(relay);
    let mut other = Client::of(&relay);
    other.ask(create([8; 16], THEIRS, [7; 32])).await;
    other.ask(put([8; 16], THEIRS, [7; 32], b"theirs")).await;
    let mut client = Client::of(&relay);
    client.ask(register("mike", 6)).await;
    client.ask(create(CHANNEL, OURS, TOKEN)).await;
    let mut sound = true;
    for number in 1..=MOST_FRAMES as u64 {
        let Some((frame, rest)) = next_frame(bytes) else { break };
        bytes = rest;
        let Ok(ClientFrame { id, request: Some(request) }) =
            ClientFrame::from_frame(Bytes::copy_from_slice(frame))
        else {
            sound = false;
            continue;
        };
        // Ids are the client's to choose; for counting the answers here they are all different.
        let id = if id == 0 { number } else { 1000 + number };
        if client.say(id, request).await.is_err() {
            panic!("a sound request ends no connection");
        }
    }
    let head = other.ask(attach([8; 16], THEIRS, [7; 32])).await;
    let Body::Attached(attached) = head else { panic!("the relay goes on: {head:?}") };
    assert_eq!((attached.seats[0].head, attached.seats[0].refused.as_str()), (0, ""), "nobody wrote there");
    let blob = other.ask(get([8; 16], THEIRS, [7; 32], b"theirs")).await;
    assert!(matches!(blob, Body::Blob(blob) if blob.bytes == "theirs"), "nobody took it away");
    let known = other.ask(Request::Lookup(v1::Lookup { names: vec!["mike".into()], persons: vec![] })).await;
    assert!(matches!(known, Body::Directory(found) if found.persons.len() == 1), "nobody took the name");
    sound && bytes.is_empty()
}

fn next_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    Some(rest.split_at(length.min(rest.len())))
}

/// A connection without a socket.
struct Client {
    connection: Connection,
    said: mpsc::Receiver<Message>,
    /// The last entry pushed, by channel and seat.
    pushed: HashMap<(Bytes, Bytes), u64>,
}

impl Client {
    fn of(relay: &Arc<Relay>) -> Self {
        let (out, said) = mpsc::channel(ROOM);
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self {
            connection: Connection::new(relay.clone(), peer, CHALLENGE, out),
            said,
            pushed: HashMap::new(),
        }
    }

    /// Asks, lets the relay do all it has to do, and gives the one answer.
    async fn ask(&mut self, request: Request) -> Body {
        let mut answers = self.answers(1, request).await.unwrap_or_else(|_| panic!("the connection ended"));
        answers.pop().expect("an answer")
    }

    async fn say(&mut self, id: u64, request: Request) -> Result<(), super::Gone> {
        let answers = self.answers(id, request).await?;
        assert_eq!(answers.len(), 1, "one answer to a request");
        Ok(())
    }

    async fn answers(&mut self, id: u64, request: Request) -> Result<Vec<Body>, super::Gone> {
        if let Request::Attach(attach) = &request {
            // Who attaches anew says anew where to begin.
            for at in &attach.seats {
                self.pushed.remove(&(at.channel.clone(), at.seat.clone()));
            }
        }
        self.connection.request(id, request).await?;
        self.settle().await?;
        let mut answers = Vec::new();
        while let Ok(message) = self.said.try_recv() {
            let Message::Binary(bytes) = message else { continue };
            let frame = ServerFrame::from_frame(bytes).expect("what a relay says is sound");
            let body = frame.body.expect("what a relay says says something");
            match frame.id {
                0 => self.heard(&body),
                answered => {
                    assert_eq!(answered, id);
                    answers.push(body);
                }
            }
        }
        Ok(answers)
    }

    /// Posts under way, mail, entries: until nothing more is to be done.
    async fn settle(&mut self) -> Alive {
        while let Some(done) = self.connection.pending.next().await {
            self.connection.done(done).await?;
        }
        self.connection.mail().await?;
        for _ in 0..ROOM {
            if !self.connection.follow.ready() {
                break;
            }
            self.connection.pump().await?;
        }
        Ok(())
    }

    /// Entries are pushed in their order, without gaps.
    fn heard(&mut self, body: &Body) {
        let Body::Entries(entries) = body else { return };
        let mut numbers = entries.entries.iter().map(|entry| entry.number);
        let first = numbers.next().expect("no empty push");
        let place = (entries.channel.clone(), entries.seat.clone());
        let before = self.pushed.get(&place);
        assert!(before.is_none_or(|before| first == before + 1), "entries come in their order");
        let last = numbers.fold(first, |last, number| {
            assert_eq!(number, last + 1, "entries come without gaps");
            number
        });
        assert!(last <= entries.head);
        self.pushed.insert(place, last);
    }
}

fn create(channel: [u8; 16], seat: [u8; 16], token: [u8; 32]) -> Request {
    Request::CreateChannel(v1::CreateChannel {
        channel: channel.to_vec().into(),
        seat: seat.to_vec().into(),
        token: token.to_vec().into(),
    })
}

fn attach(channel: [u8; 16], seat: [u8; 16], token: [u8; 32]) -> Request {
    Request::Attach(v1::Attach {
        seats: vec![v1::SeatCursor {
            channel: channel.to_vec().into(),
            seat: seat.to_vec().into(),
            token: token.to_vec().into(),
            cursor: 0,
        }],
    })
}

fn put(channel: [u8; 16], seat: [u8; 16], token: [u8; 32], bytes: &'static [u8]) -> Request {
    Request::PutBlob(v1::PutBlob {
        channel: channel.to_vec().into(),
        seat: seat.to_vec().into(),
        token: token.to_vec().into(),
        bytes: Bytes::from_static(bytes),
    })
}

fn get(channel: [u8; 16], seat: [u8; 16], token: [u8; 32], bytes: &[u8]) -> Request {
    Request::GetBlob(v1::GetBlob {
        channel: channel.to_vec().into(),
        seat: seat.to_vec().into(),
        token: token.to_vec().into(),
        hash: super::post::sha256(bytes).to_vec().into(),
    })
}

fn register(name: &str, key: u8) -> Request {
    let key = SigningKey::from_bytes(&[key; 32]);
    let device = DeviceId::new([6; 16]);
    let signature = key.sign(&login_bytes(&RelayId::new([5; 32]), &CHALLENGE, &device));
    Request::Register(v1::Register {
        name: name.into(),
        person: vec![6; 32].into(),
        device: device.to_bytes(),
        device_key: key.verifying_key().as_bytes().to_vec().into(),
        signature: signature.to_bytes().to_vec().into(),
        device_list: vec![1; 40].into(),
        keys: Some(v1::PublishedKeys {
            bundle: vec![2; 40].into(),
            last_resort_join_key: vec![3; 20].into(),
            one_time_prekeys: vec![vec![4; 8].into()],
            join_keys: vec![vec![5; 8].into()],
        }),
        ..v1::Register::default()
    })
}

#[cfg(test)]
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    use conclave_wire::v1::seat_change::Change;
    use conclave_wire::{SeatId, slices};
    let (channel, seat, token) = (CHANNEL.to_vec(), OURS.to_vec(), TOKEN.to_vec());
    let newcomer = [7; 16];
    let post = |number: u64, at_turn: u64, takes_turn: bool, seats: Vec<v1::SeatChange>| {
        Request::Post(v1::Post {
            channel: channel.clone().into(),
            seat: seat.clone().into(),
            token: token.clone().into(),
            number,
            at_turn,
            takes_turn,
            shared: vec![number as u8; 50].into(),
            slices: slices::pack([(SeatId::new(newcomer), b"slice".as_slice())]).unwrap(),
            seats,
            letters: vec![v1::Letter { device: vec![6; 16].into(), body: vec![1; 30].into() }],
        })
    };
    let claim_hash: [u8; 32] = super::post::sha256(&[8; 32]);
    let open =
        v1::OpenSeat { seat: newcomer.to_vec().into(), claim_hash: claim_hash.to_vec().into(), after: 1 };
    let opened = vec![v1::SeatChange { change: Some(Change::Open(open)) }];
    let closed = vec![v1::SeatChange { change: Some(Change::Close(newcomer.to_vec().into())) }];
    let ack = v1::Ack {
        channel: channel.clone().into(),
        seat: seat.clone().into(),
        token: token.clone().into(),
        cursor: 2,
    };
    let claim = v1::Claim {
        channel: channel.clone().into(),
        seat: newcomer.to_vec().into(),
        claim: vec![8; 32].into(),
        token: vec![9; 32].into(),
    };
    let take = v1::KeyRequest { device: vec![6; 16].into(), prekey: true, join_key: true };
    let talk = vec![
        attach(CHANNEL, OURS, TOKEN),
        post(1, 0, false, vec![]),
        put(CHANNEL, OURS, TOKEN, b"ours"),
        post(2, 0, true, opened),
        Request::Claim(claim),
        get(CHANNEL, newcomer, [9; 32], b"ours"),
        attach(CHANNEL, newcomer, [9; 32]),
        post(3, 1, true, closed),
        post(4, 1, false, vec![]),
        Request::Ack(ack),
        Request::Credit(v1::Credit { bytes: 1 << 20 }),
    ];
    let people = vec![
        Request::Lookup(v1::Lookup { names: vec!["mike".into()], persons: vec![vec![6; 32].into()] }),
        Request::TakeKeys(v1::TakeKeys { devices: vec![take] }),
        Request::Publish(v1::Publish {
            device_list: vec![1; 41].into(),
            keys: Some(v1::PublishedKeys {
                join_keys: vec![vec![6; 8].into()],
                ..v1::PublishedKeys::default()
            }),
            identity_key: vec![8; 32].into(),
            next_identity_key: vec![9; 32].into(),
            next_identity_signature: vec![9; 64].into(),
            veto_identity_key: false,
            device_key: vec![7; 32].into(),
            devices: vec![v1::ListedDevice { device: vec![8; 16].into(), device_key: vec![9; 32].into() }],
        }),
        Request::SendLetter(v1::SendLetter {
            letter: Some(v1::Letter { device: vec![6; 16].into(), body: vec![2; 30].into() }),
        }),
        Request::AckLetters(v1::AckLetters { up_to: 1 }),
        Request::LogRoots(v1::LogRoots { incarnation: 1, epoch: 0, most: 5 }),
        Request::LogRoot(v1::LogRoot { incarnation: 1, epoch: 1 }),
        Request::LogHistory(v1::LogHistory {}),
        Request::LogAudit(v1::LogAudit { epoch: 0, most: 5 }),
        register("sean", 10),
        Request::Login(v1::Login { device: vec![6; 16].into(), signature: vec![0; 64].into() }),
    ];
    let hostile = vec![
        create(CHANNEL, THEIRS, TOKEN),
        attach([8; 16], THEIRS, TOKEN),
        put([8; 16], THEIRS, TOKEN, b"ours"),
        get([8; 16], THEIRS, TOKEN, b"theirs"),
        post(9, 0, false, vec![]),
        post(1, 7, true, vec![v1::SeatChange { change: None }]),
    ];
    let pack = |requests: Vec<Request>| {
        let frames = requests.into_iter().zip(1..).map(|(request, id)| ClientFrame::new(id, request));
        let packed = frames.flat_map(|frame| {
            let frame = frame.to_frame().unwrap();
            [&(frame.len() as u16).to_be_bytes()[..], &frame].concat()
        });
        ("requests", packed.collect())
    };
    vec![pack(talk), pack(people), pack(hostile)]
}
