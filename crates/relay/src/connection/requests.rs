//! The requests of a client, and those about channels, one function each: its
//! form, its rate, what the storage does for it. Those about people (`people`),
//! posts (`post`), blobs (`blobs`) and the key log (`log`) have files of their own.

use bytes::Bytes;
use conclave_wire::v1::{self, Refused, client_frame::Request, server_frame::Body};
use conclave_wire::{ChannelId, Code, SeatId, limits};
use subtle::ConstantTimeEq;

use super::post::{self, wire_code};
use super::{Alive, Connection};
use crate::relay::{failed, refusal_frame};
use crate::storage::{Hash, Op, Outcome, SeatAsk, SeatStanding, StorageError};

/// An answer, or why not.
pub(super) type Answer<T> = Result<T, Box<Body>>;

impl Connection {
    pub(super) async fn request(&mut self, id: u64, request: Request) -> Alive {
        let (rate, now) = (self.relay.config.limits.requests, self.relay.now());
        if let Err(wait) = self.requests.take(rate, 1.0, now) {
            return self.answer(id, *rate_limited(wait)).await;
        }
        if let Request::Post(post) = request {
            return match self.post(id, post) {
                Ok(pending) => {
                    self.pending.push(pending);
                    Ok(())
                }
                Err(body) => self.answer(id, *body).await,
            };
        }
        let is_login = matches!(request, Request::Login(_));
        let body = self.reply(request).await.unwrap_or_else(|body| *body);
        if is_login && matches!(body, Body::Stock(_)) {
            // What waited comes before the answer: who has it knows that there is no more.
            self.push_letters().await?;
        }
        self.answer(id, body).await
    }

    async fn reply(&mut self, request: Request) -> Answer<Body> {
        match request {
            Request::Login(login) => self.login(login).await,
            Request::Register(register) => self.register(register).await,
            Request::Recover(recover) => self.recover(recover).await,
            Request::Publish(publish) => self.publish(publish).await,
            Request::Lookup(lookup) => self.lookup(lookup).await,
            Request::TakeKeys(take) => self.take_keys(take).await,
            Request::CreateChannel(create) => self.create_channel(create).await,
            Request::Attach(attach) => self.attach(attach).await,
            Request::Claim(claim) => self.claim(claim).await,
            Request::PutBlob(put) => self.put_blob(put).await,
            Request::GetBlob(get) => self.get_blob(get).await,
            Request::Ack(ack) => self.ack(ack).await,
            Request::SendLetter(send) => self.send_letter(send).await,
            Request::AckLetters(ack) => self.ack_letters(ack).await,
            Request::LogRoots(ask) => self.log_roots(ask).await,
            Request::LogRoot(ask) => self.log_root(ask).await,
            Request::LogHistory(_) => self.log_history().await,
            Request::LogAudit(ask) => self.log_audit(ask).await,
            Request::Cosign(cosign) => self.cosign(cosign).await,
            Request::Credit(credit) => {
                self.follow.add_credit(credit.bytes);
                Ok(done())
            }
            Request::Post(_) => Err(refused(Code::Malformed)),
        }
    }

    async fn create_channel(&mut self, create: v1::CreateChannel) -> Answer<Body> {
        let rate = self.relay.config.limits.channels;
        self.relay.limit_address("channel", rate, 1.0, self.peer, &[]).map_err(rate_limited)?;
        let channel = ChannelId::try_from(&create.channel).map_err(malformed)?;
        let seat = SeatId::try_from(&create.seat).map_err(malformed)?;
        let token = token(&create.token)?;
        self.expect_done(Op::CreateChannel { channel, seat, token }).await
    }

    async fn claim(&mut self, claim: v1::Claim) -> Answer<Body> {
        let channel = ChannelId::try_from(&claim.channel).map_err(malformed)?;
        let seat = SeatId::try_from(&claim.seat).map_err(malformed)?;
        let token = token(&claim.token)?;
        self.expect_done(Op::Claim { channel, seat, claim: hash(&claim.claim), token }).await
    }

    async fn attach(&mut self, attach: v1::Attach) -> Answer<Body> {
        if self.follow.len() + attach.seats.len() > limits::SEATS_PER_CONNECTION {
            return Err(refused(Code::TooLarge));
        }
        let asks = attach.seats.iter().map(seat_ask).collect::<Answer<Vec<_>>>()?;
        // First listen, then look: nothing falls between.
        for ask in &asks {
            self.relay.hub.follow((ask.channel, ask.seat), &self.mailbox);
        }
        let read = self.relay.storage.seats(asks.clone()).await;
        let standings = read.map_err(|error| {
            self.unfollow(&asks);
            broken(error)
        })?;
        let mut seats = Vec::with_capacity(asks.len());
        for (ask, standing) in asks.iter().zip(standings) {
            let place = (ask.channel, ask.seat);
            match standing.refused {
                None => {
                    let cursor = ask.cursor.max(standing.after);
                    self.follow.attach(place, ask.token, standing.view, cursor, standing.head);
                }
                Some(_) => self.unfollow(std::slice::from_ref(ask)),
            }
            seats.push(seat_state(ask, standing));
        }
        Ok(Body::Attached(v1::Attached { seats }))
    }

    fn unfollow(&self, asks: &[SeatAsk]) {
        for place in asks.iter().map(|ask| (ask.channel, ask.seat)) {
            if !self.follow.contains(&place) {
                self.relay.hub.unfollow(place, &self.mailbox);
            }
        }
    }

    async fn ack(&mut self, ack: v1::Ack) -> Answer<Body> {
        let channel = ChannelId::try_from(&ack.channel).map_err(malformed)?;
        let seat = SeatId::try_from(&ack.seat).map_err(malformed)?;
        let (token, cursor) = (hash(&ack.token), ack.cursor);
        let attached = self.follow.seat(&(channel, seat));
        if !attached.is_some_and(|(kept, head)| bool::from(kept.ct_eq(&token)) && cursor <= head) {
            let ask = SeatAsk { channel, seat, token, cursor };
            let standing = self.relay.storage.seats(vec![ask]).await.map_err(broken)?;
            // A seat that was closed may still say that it is through.
            let through = |standing: &&SeatStanding| cursor <= standing.head;
            let refusal = standing.first().and_then(|standing| match standing.refused {
                Some(Code::Closed) if through(&standing) => None,
                refusal => refusal,
            });
            if let Some(code) = refusal {
                return Err(refused(code));
            }
        }
        self.relay.cursors.note(channel, seat, cursor);
        Ok(done())
    }

    pub(super) async fn apply(&self, op: Op) -> Answer<Outcome> {
        self.relay.apply(op).await.map_err(broken)
    }

    pub(super) async fn expect_done(&self, op: Op) -> Answer<Body> {
        match self.apply(op).await? {
            Outcome::Done => Ok(done()),
            other => Err(unexpected(&other)),
        }
    }
}

pub(super) fn seat_ask(cursor: &v1::SeatCursor) -> Answer<SeatAsk> {
    Ok(SeatAsk {
        channel: ChannelId::try_from(&cursor.channel).map_err(malformed)?,
        seat: SeatId::try_from(&cursor.seat).map_err(malformed)?,
        token: hash(&cursor.token),
        cursor: cursor.cursor,
    })
}

pub(super) fn seat_state(ask: &SeatAsk, standing: SeatStanding) -> v1::SeatState {
    let (last_post, last_hash, last_entry) = match standing.last {
        Some((number, hash, entry)) => (number, Bytes::copy_from_slice(&hash), entry),
        None => Default::default(),
    };
    v1::SeatState {
        channel: ask.channel.to_bytes(),
        seat: ask.seat.to_bytes(),
        refused: standing.refused.map(Code::as_str).unwrap_or_default().into(),
        head: standing.head,
        turn: standing.turn,
        last_post,
        last_hash,
        last_entry,
    }
}

/// A new secret: of its exact size. It is kept hashed.
pub(super) fn token(bytes: &Bytes) -> Answer<Hash> {
    if bytes.len() == limits::TOKEN_BYTES { Ok(hash(bytes)) } else { Err(refused(Code::Malformed)) }
}

pub(super) fn hash(bytes: &Bytes) -> Hash {
    post::sha256(bytes)
}

pub(super) fn done() -> Body {
    Body::Done(v1::Done {})
}

pub(super) fn refused(code: Code) -> Box<Body> {
    Box::new(Body::Refused(Refused::new(code)))
}

pub(super) fn rate_limited(retry_ms: u64) -> Box<Body> {
    Box::new(Body::Refused(Refused { retry_ms, ..Refused::new(Code::RateLimited) }))
}

pub(super) fn malformed(error: conclave_wire::WireError) -> Box<Body> {
    refused(wire_code(error))
}

pub(super) fn broken(error: StorageError) -> Box<Body> {
    Box::new(failed(&error))
}

pub(super) fn unexpected(outcome: &Outcome) -> Box<Body> {
    match outcome {
        Outcome::Refused(refusal) => Box::new(Body::Refused(refusal_frame(refusal))),
        _ => refused(Code::Unavailable),
    }
}
