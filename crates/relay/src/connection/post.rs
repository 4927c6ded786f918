//! Posts: their form, their rates, their way to the storage. Whether one is
//! accepted, the storage decides.

use bytes::Bytes;
use conclave_wire::v1::{self, seat_change::Change};
use conclave_wire::{ChannelId, Code, DeviceId, SeatId, WireError, limits, slices};
use sha2::{Digest, Sha256};

use super::requests::{Answer, hash, rate_limited, refused};
use super::{Connection, Pending};
use crate::storage::{Hash, Op, Open, PostOp};

impl Connection {
    /// Queues a post. Posts of one connection stay in order; the connection
    /// goes on while they are stored.
    pub(super) fn post(&mut self, id: u64, post: v1::Post) -> Answer<Pending> {
        let op = Box::new(parse(post, self.relay.now()).map_err(refused)?);
        self.limit_post(&op)?;
        let weight = op.shared.len() + op.slices.len() + 1024;
        self.pending_bytes += weight;
        self.pending_ids.push(id);
        let waiting = self.relay.storage.apply(vec![Op::Post(op.clone())]);
        // A task of its own: the others hear of the post even if this client goes.
        let relay = self.relay.clone();
        Ok(tokio::spawn(async move { (id, weight, relay.posted(op, waiting).await) }))
    }

    /// The token is part of the name: only the seat itself draws from its rate.
    fn limit_post(&self, op: &PostOp) -> Answer<()> {
        let limits = &self.relay.config.limits;
        let key: [&[u8]; 3] = [op.channel.as_ref(), op.seat.as_ref(), &op.token];
        let take = |what: &[u8], rate| {
            let key = [&[what], key.as_slice()].concat();
            self.relay.limiter.take(rate, 1.0, &key).map_err(rate_limited)
        };
        take(b"post", limits.posts)?;
        if op.takes_turn { take(b"turn", limits.turns) } else { Ok(()) }
    }
}

/// Checks the form of a post.
pub(super) fn parse(post: v1::Post, at: u64) -> Result<PostOp, Code> {
    check_sizes(&post)?;
    if !post.takes_turn && !post.seats.is_empty() {
        return Err(Code::Malformed);
    }
    for slice in slices::iter(&post.slices) {
        slice.map_err(wire_code)?;
    }
    let (opens, closes) = changes(&post.seats)?;
    let letters = post.letters.into_iter().map(letter).collect::<Result<_, _>>()?;
    Ok(PostOp {
        channel: ChannelId::try_from(&post.channel).map_err(wire_code)?,
        seat: SeatId::try_from(&post.seat).map_err(wire_code)?,
        token: hash(&post.token),
        number: post.number,
        at_turn: post.at_turn,
        takes_turn: post.takes_turn,
        hash: hash(&post.shared),
        shared: post.shared,
        slices: post.slices,
        opens,
        closes,
        letters,
        at,
    })
}

fn check_sizes(post: &v1::Post) -> Result<(), Code> {
    let letters: usize = post.letters.iter().map(|letter| letter.body.len()).sum();
    let whole = post.shared.len() + post.slices.len() + letters;
    let most = if post.takes_turn { limits::COMMIT_BYTES } else { limits::SHARED_BYTES };
    let over = post.shared.len() > most
        || whole > limits::POST_BYTES
        || post.seats.len() > limits::SEAT_CHANGES_PER_POST
        || post.letters.len() > limits::LETTERS_PER_POST;
    if over { Err(Code::TooLarge) } else { Ok(()) }
}

fn changes(seats: &[v1::SeatChange]) -> Result<(Vec<Open>, Vec<SeatId>), Code> {
    let (mut opens, mut closes) = (Vec::new(), Vec::new());
    for change in seats {
        match &change.change {
            Some(Change::Open(open)) => opens.push(Open {
                seat: SeatId::try_from(&open.seat).map_err(wire_code)?,
                claim: Hash::try_from(open.claim_hash.as_ref()).map_err(|_| Code::Malformed)?,
                after: open.after,
            }),
            Some(Change::Close(seat)) => closes.push(SeatId::try_from(seat).map_err(wire_code)?),
            None => return Err(Code::Malformed),
        }
    }
    let mut named: Vec<SeatId> = opens.iter().map(|open| open.seat).chain(closes.iter().copied()).collect();
    named.sort_unstable();
    let all = named.len();
    named.dedup();
    if named.len() == all { Ok((opens, closes)) } else { Err(Code::Malformed) }
}

/// Checks the form of a letter.
pub(super) fn letter(letter: v1::Letter) -> Result<(DeviceId, Bytes), Code> {
    if letter.body.len() > limits::LETTER_BYTES {
        return Err(Code::TooLarge);
    }
    Ok((DeviceId::try_from(&letter.device).map_err(wire_code)?, letter.body))
}

pub(super) fn wire_code(error: WireError) -> Code {
    match error {
        WireError::FrameTooLarge | WireError::SliceTooLarge => Code::TooLarge,
        _ => Code::Malformed,
    }
}

/// The hash under which tokens, claims and shared parts are kept.
pub(super) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}
