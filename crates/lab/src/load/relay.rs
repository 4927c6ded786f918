//! Members of a relay's channels, as the crowd sees them; and a seat that was away.

use super::crowd::{Heard, Member};
use super::wire::{Seat, Wire};
use crate::{LabError, Result};
use bytes::Bytes;
use conclave_relay::Running;
use conclave_wire::limits::SHARED_BYTES;
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use std::time::Instant;

/// A live member acknowledges after so many entries.
const ACK_EVERY: u64 = 64;
/// The entry that opened the seats: nobody is told of it.
const OPENING: u64 = 1;
/// The turn after it.
pub const TURN: u64 = 1;

/// A member with its own connection.
pub struct RelayMember {
    wire: Wire,
    seat: Seat,
    cursor: u64,
    acknowledged: u64,
}

/// A channel with so many members, all attached.
pub async fn join(relay: &Running, channel: usize, members: usize) -> Result<Vec<RelayMember>> {
    let mut first = Seat::new(channel, 0);
    let others: Vec<_> = (1..members).map(|n| Seat::new(channel, n)).collect();
    let mut wire = Wire::connect(relay).await?;
    wire.ask(first.create()).await?;
    expect_posted(wire.ask(first.open(&others)).await?)?;
    let mut joined = vec![RelayMember::attach(wire, first).await?];
    for seat in others {
        let mut wire = Wire::connect(relay).await?;
        wire.ask(seat.claim()).await?;
        joined.push(RelayMember::attach(wire, seat).await?);
    }
    Ok(joined)
}

fn expect_posted(body: Body) -> Result<()> {
    match body {
        Body::Posted(_) => Ok(()),
        other => Err(LabError::unexpected(format!("a post was answered by {other:?}"))),
    }
}

impl RelayMember {
    async fn attach(mut wire: Wire, seat: Seat) -> Result<Self> {
        match wire.ask(seat.attach(OPENING)).await? {
            Body::Attached(attached) if attached.seats.iter().all(|seat| seat.refused.is_empty()) => {}
            _ => return Err(LabError::unexpected("a seat was not attached")),
        }
        Ok(Self { wire, seat, cursor: OPENING, acknowledged: OPENING })
    }
}

impl Member for RelayMember {
    async fn post(&mut self, body: &Bytes, count: usize) -> Result<()> {
        for _ in 0..count {
            let post = self.seat.post(body.clone(), TURN);
            self.wire.feed(post).await?;
        }
        self.wire.flush().await
    }

    async fn hear(&mut self) -> Result<Heard> {
        let frame = self.wire.frame().await?;
        let mut heard = Heard::default();
        match frame.body {
            Some(Body::Posted(_)) => heard.accepted = 1,
            Some(Body::Entries(entries)) => {
                let in_order =
                    entries.entries.iter().zip(self.cursor + 1..).all(|(entry, n)| entry.number == n);
                if !in_order {
                    return Err(LabError::unexpected("entries came out of order"));
                }
                heard.delivered = entries.entries.len();
                self.cursor += entries.entries.len() as u64;
            }
            Some(Body::Done(_)) => {}
            other => return Err(LabError::unexpected(format!("a member was told {other:?}"))),
        }
        if self.cursor - self.acknowledged >= ACK_EVERY {
            self.acknowledged = self.cursor;
            self.wire.feed(self.seat.ack(self.cursor)).await?;
            self.wire.flush().await?;
        }
        Ok(heard)
    }
}

/// A channel of two with so many posts that one of them has not read.
pub async fn fill(relay: &Running, channel: usize, posts: usize, message: usize) -> Result<Seat> {
    let [mut one, other] = [Seat::new(channel, 0), Seat::new(channel, 1)];
    let mut wire = Wire::connect(relay).await?;
    wire.ask(one.create()).await?;
    expect_posted(wire.ask(one.open(std::slice::from_ref(&other))).await?)?;
    wire.ask(other.claim()).await?;
    let body = Bytes::from(vec![7; message.min(SHARED_BYTES)]);
    let (mut sent, mut answered) = (0, 0);
    while answered < posts {
        while sent < posts && sent - answered < 128 {
            wire.feed(one.post(body.clone(), TURN)).await?;
            sent += 1;
        }
        wire.flush().await?;
        match wire.frame().await?.body {
            Some(Body::Posted(_)) => answered += 1,
            other => return Err(LabError::unexpected(format!("a post was answered by {other:?}"))),
        }
    }
    Ok(other)
}

/// Seconds from connecting to the last of so many entries.
pub async fn catch_up(relay: &Running, seat: &Seat, entries: usize) -> Result<f64> {
    let start = Instant::now();
    let mut wire = Wire::connect(relay).await?;
    wire.feed(seat.attach(0)).await?;
    wire.flush().await?;
    let mut cursor = 0;
    while cursor < entries {
        let Some(Body::Entries(pushed)) = wire.frame().await?.body else { continue };
        cursor += pushed.entries.len();
        let bytes: usize = pushed.entries.iter().map(|entry| entry.shared.len() + entry.slice.len()).sum();
        wire.feed(Request::Credit(v1::Credit { bytes: bytes as u64 })).await?;
        wire.flush().await?;
    }
    Ok(start.elapsed().as_secs_f64())
}
