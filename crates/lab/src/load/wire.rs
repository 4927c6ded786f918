//! The least client of a relay: one socket, frames in and out. It knows nothing of what is in posts.

use crate::{LabError, Result};
use bytes::Bytes;
use conclave_protocol::primitives::kdf::sha256;
use conclave_protocol::primitives::sign::SigningKey;
use conclave_relay::Running;
use conclave_wire::auth::login_bytes;
use conclave_wire::frame::Frame;
use conclave_wire::v1::{self, ClientFrame, ServerFrame, client_frame::Request, server_frame::Body};
use conclave_wire::{ChannelId, DeviceId, SeatId};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// A seat in a channel, with the secrets that belong to it.
#[derive(Clone)]
pub struct Seat {
    /// The channel.
    pub channel: ChannelId,
    /// The seat.
    pub id: SeatId,
    token: Bytes,
    claim: [u8; 32],
    posts: u64,
}

impl Seat {
    /// The `n`-th seat of the `channel`-th channel.
    pub fn new(channel: usize, n: usize) -> Self {
        let id = |salt: &str| sha256(format!("{salt} {channel} {n}").as_bytes());
        let short = |long: [u8; 32]| long.first_chunk().copied().unwrap_or_default();
        Self {
            channel: ChannelId::new(short(sha256(format!("channel {channel}").as_bytes()))),
            id: SeatId::new(short(id("seat"))),
            token: id("token").to_vec().into(),
            claim: id("claim"),
            posts: 0,
        }
    }

    /// Makes the channel; this seat is its first.
    pub fn create(&self) -> Request {
        let (channel, seat) = (self.channel.to_bytes(), self.id.to_bytes());
        Request::CreateChannel(v1::CreateChannel { channel, seat, token: self.token.clone() })
    }

    /// A post that opens other seats.
    pub fn open(&mut self, others: &[Self]) -> Request {
        let change = |other: &Self| v1::SeatChange {
            change: Some(v1::seat_change::Change::Open(v1::OpenSeat {
                seat: other.id.to_bytes(),
                claim_hash: sha256(&other.claim).to_vec().into(),
                after: 0,
            })),
        };
        let Request::Post(post) = self.post(Bytes::from_static(b"opens seats"), 0) else {
            return self.create();
        };
        Request::Post(v1::Post { takes_turn: true, seats: others.iter().map(change).collect(), ..post })
    }

    /// Takes the seat.
    pub fn claim(&self) -> Request {
        Request::Claim(v1::Claim {
            channel: self.channel.to_bytes(),
            seat: self.id.to_bytes(),
            claim: self.claim.to_vec().into(),
            token: self.token.clone(),
        })
    }

    /// Attaches it.
    pub fn attach(&self, cursor: u64) -> Request {
        let (channel, seat) = (self.channel.to_bytes(), self.id.to_bytes());
        let seat = v1::SeatCursor { channel, seat, token: self.token.clone(), cursor };
        Request::Attach(v1::Attach { seats: vec![seat] })
    }

    /// Acknowledges what was read.
    pub fn ack(&self, cursor: u64) -> Request {
        let (channel, seat) = (self.channel.to_bytes(), self.id.to_bytes());
        Request::Ack(v1::Ack { channel, seat, token: self.token.clone(), cursor })
    }

    /// The next post.
    pub fn post(&mut self, shared: Bytes, at_turn: u64) -> Request {
        self.posts += 1;
        Request::Post(v1::Post {
            channel: self.channel.to_bytes(),
            seat: self.id.to_bytes(),
            token: self.token.clone(),
            number: self.posts,
            at_turn,
            shared,
            ..v1::Post::default()
        })
    }
}

/// A connection.
pub struct Wire {
    socket: WebSocketStream<TcpStream>,
    next: u64,
    challenge: Bytes,
}

impl Wire {
    /// Connects and hears the hello.
    pub async fn connect(relay: &Running) -> Result<Self> {
        let stream = TcpStream::connect(relay.addr).await?;
        stream.set_nodelay(true)?;
        let address = format!("ws://{}/v1/connect", relay.addr);
        // Each reading clears so much first.
        let config = WebSocketConfig::default().read_buffer_size(16 << 10);
        let (socket, _) = client_async_with_config(address, stream, Some(config)).await?;
        let mut wire = Self { socket, next: 0, challenge: Bytes::new() };
        match wire.frame().await?.body {
            Some(Body::Hello(hello)) => Ok(Self { challenge: hello.challenge, ..wire }),
            _ => Err(LabError::unexpected("the first frame is no hello")),
        }
    }

    /// Logs in as a device.
    pub async fn login(&mut self, relay: &Running, device: DeviceId, key: &SigningKey) -> Result<()> {
        let challenge = self.challenge.as_ref().try_into();
        let challenge = challenge.map_err(|_| LabError::unexpected("a challenge of another size"))?;
        let signature = key.sign_raw(&login_bytes(&relay.relay_id, challenge, &device));
        let signature = signature.as_bytes().to_vec().into();
        self.ask(Request::Login(v1::Login { device: device.to_bytes(), signature })).await?;
        Ok(())
    }

    /// Writes a request; [`Wire::flush`] sends what was written.
    pub async fn feed(&mut self, request: Request) -> Result<()> {
        self.next += 1;
        let frame = ClientFrame::new(self.next, request).to_frame()?;
        Ok(self.socket.feed(Message::Binary(frame)).await?)
    }

    /// Sends what was written.
    pub async fn flush(&mut self) -> Result<()> {
        Ok(self.socket.flush().await?)
    }

    /// The next frame.
    pub async fn frame(&mut self) -> Result<ServerFrame> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(ServerFrame::from_frame(bytes)?),
                Some(Ok(Message::Close(_))) | None => return Err(LabError::unexpected("the relay hung up")),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// Asks, and gives the answer; pushes before it are dropped.
    pub async fn ask(&mut self, request: Request) -> Result<Body> {
        self.feed(request).await?;
        self.flush().await?;
        loop {
            let ServerFrame { id, body } = self.frame().await?;
            match body {
                Some(Body::Refused(refused)) => return Err(LabError::unexpected(refused.message)),
                Some(body) if id == self.next => return Ok(body),
                _ => {}
            }
        }
    }
}
