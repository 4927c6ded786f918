//! The relay's rules without a connection: each request is answered at once from tables in memory. For simulations, which
//! carry requests and answers themselves.
//!
//! Not here, because it belongs to connections: logins, rates, pushes.

use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use conclave_wire::{ChannelId, Code, DeviceId, PersonId, SeatId, limits};
use futures_util::FutureExt;

use super::people::keys;
use super::post::{letter, parse};
use super::requests::{
    Answer, broken, done, hash, malformed, refused, seat_ask, seat_state, token, unexpected,
};
use crate::relay::post_frame;
use crate::storage::{
    Cursor, EntriesAsk, MemoryStorage, Op, Outcome, RegisterOp, Storage, StorageError, Take, Waiting,
};

/// A relay that is called instead of connected to. `Clone` is a copy that goes its own way.
#[derive(Default)]
pub struct Direct {
    storage: MemoryStorage,
}

impl Clone for Direct {
    fn clone(&self) -> Self {
        Self { storage: self.storage.snapshot() }
    }
}

impl Direct {
    /// Answers a request as a connection does that is allowed everything; `at` is the relay's clock.
    pub fn answer(&self, request: Request, at: u64) -> Body {
        self.reply(request, at).unwrap_or_else(|body| *body)
    }

    /// What a seat that attached at this cursor is pushed.
    pub fn entries(&self, seat: &v1::SeatCursor, most: usize) -> Vec<v1::Entry> {
        self.read(seat, most).unwrap_or_default()
    }

    /// What waits in an inbox after a number.
    pub fn letters(&self, device: DeviceId, after: u64) -> Vec<v1::InboxLetter> {
        wait(self.storage.letters(device, after)).unwrap_or_default()
    }

    fn reply(&self, request: Request, at: u64) -> Answer<Body> {
        match request {
            Request::Register(register) => self.apply(register_op(register)?),
            Request::CreateChannel(create) => self.apply(Op::CreateChannel {
                channel: ChannelId::try_from(&create.channel).map_err(malformed)?,
                seat: SeatId::try_from(&create.seat).map_err(malformed)?,
                token: token(&create.token)?,
            }),
            Request::Claim(claim) => self.apply(Op::Claim {
                channel: ChannelId::try_from(&claim.channel).map_err(malformed)?,
                seat: SeatId::try_from(&claim.seat).map_err(malformed)?,
                claim: hash(&claim.claim),
                token: token(&claim.token)?,
            }),
            Request::Post(post) => {
                let op = Op::Post(Box::new(parse(post, at).map_err(refused)?));
                let outcomes = wait(self.storage.apply(vec![op])).map_err(broken)?;
                Ok(post_frame(outcomes.first()))
            }
            Request::SendLetter(send) => {
                let (device, body) = letter(send.letter.unwrap_or_default()).map_err(refused)?;
                self.apply(Op::SendLetter { device, body, at, most: limits::LETTERS_PER_INBOX })
            }
            Request::TakeKeys(take) => {
                let takes = take.devices.iter().map(take_op).collect::<Answer<_>>()?;
                self.apply(Op::TakeKeys(takes))
            }
            Request::Attach(attach) => self.attach(&attach),
            Request::Ack(ack) => {
                let channel = ChannelId::try_from(&ack.channel).map_err(malformed)?;
                let seat = SeatId::try_from(&ack.seat).map_err(malformed)?;
                self.apply(Op::Acks(vec![Cursor { channel, seat, cursor: ack.cursor }]))
            }
            _ => Err(refused(Code::Malformed)),
        }
    }

    fn apply(&self, op: Op) -> Answer<Body> {
        let outcomes = wait(self.storage.apply(vec![op])).map_err(broken)?;
        match outcomes.into_iter().next() {
            Some(Outcome::Done | Outcome::Floors(_)) => Ok(done()),
            Some(Outcome::Stock(stock) | Outcome::Published { stock, .. }) => Ok(Body::Stock(stock)),
            Some(Outcome::Keys { keys, .. }) => Ok(Body::Keys(v1::Keys { devices: keys })),
            Some(other) => Err(unexpected(&other)),
            None => Err(refused(Code::Unavailable)),
        }
    }

    fn attach(&self, attach: &v1::Attach) -> Answer<Body> {
        let asks = attach.seats.iter().map(seat_ask).collect::<Answer<Vec<_>>>()?;
        let standings = wait(self.storage.seats(asks.clone())).map_err(broken)?;
        let seats = asks.iter().zip(standings).map(|(ask, standing)| seat_state(ask, standing)).collect();
        Ok(Body::Attached(v1::Attached { seats }))
    }

    fn read(&self, seat: &v1::SeatCursor, most: usize) -> Answer<Vec<v1::Entry>> {
        let ask = seat_ask(seat)?;
        let standings = wait(self.storage.seats(vec![ask.clone()])).map_err(broken)?;
        let standing = standings.into_iter().next().ok_or_else(|| refused(Code::Unavailable))?;
        if let Some(code) = standing.refused {
            return Err(refused(code));
        }
        let ask = EntriesAsk {
            channel: ask.channel,
            view: standing.view,
            after: ask.cursor.max(standing.after),
            cutoff: 0,
            most_entries: most,
            most_bytes: usize::MAX,
        };
        wait(self.storage.entries(ask)).map_err(broken)
    }
}

/// Memory answers at once.
fn wait<T>(waiting: Waiting<T>) -> Result<T, StorageError> {
    waiting.now_or_never().unwrap_or_else(|| Err(StorageError::Failed("memory made somebody wait".into())))
}

fn register_op(register: v1::Register) -> Answer<Op> {
    Ok(Op::Register(Box::new(RegisterOp {
        person: PersonId::try_from(&register.person).map_err(malformed)?,
        device: DeviceId::try_from(&register.device).map_err(malformed)?,
        device_key: register.device_key.as_ref().try_into().map_err(|_| refused(Code::Malformed))?,
        name: register.name,
        device_list: register.device_list,
        identity_key: register.identity_key,
        keys: keys(register.keys.unwrap_or_default())?,
    })))
}

fn take_op(request: &v1::KeyRequest) -> Answer<Take> {
    let device = DeviceId::try_from(&request.device).map_err(malformed)?;
    Ok(Take { device, prekey: request.prekey, join_key: request.join_key, one_time: true })
}
