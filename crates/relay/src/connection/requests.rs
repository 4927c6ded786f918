//! The requests of a client, one function each: its form, its rate, what the
//! storage does for it. Posts have a file of their own.

use bytes::Bytes;
use conclave_wire::auth::{is_name, login_bytes};
use conclave_wire::v1::{self, Refused, client_frame::Request, server_frame::Body};
use conclave_wire::{ChannelId, Code, DeviceId, PersonId, SeatId, limits};
use ed25519_dalek::{Signature, VerifyingKey};
use subtle::ConstantTimeEq;

use super::post::{self, letter, wire_code};
use super::{Alive, Connection};
use crate::config::Registration;
use crate::relay::{failed, refusal_frame};
use crate::storage::{Hash, KeysOp, Op, Outcome, RegisterOp, SeatAsk, SeatStanding, StorageError, Take};

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
            Request::Publish(publish) => self.publish(publish).await,
            Request::Lookup(lookup) => self.lookup(lookup).await,
            Request::TakeKeys(take) => self.take_keys(take).await,
            Request::CreateChannel(create) => self.create_channel(create).await,
            Request::Attach(attach) => self.attach(attach).await,
            Request::Claim(claim) => self.claim(claim).await,
            Request::Ack(ack) => self.ack(ack).await,
            Request::SendLetter(send) => self.send_letter(send).await,
            Request::AckLetters(ack) => self.ack_letters(ack).await,
            Request::Credit(credit) => {
                self.follow.add_credit(credit.bytes);
                Ok(done())
            }
            Request::Post(_) => Err(refused(Code::Malformed)),
        }
    }

    async fn login(&mut self, login: v1::Login) -> Answer<Body> {
        let device = DeviceId::try_from(&login.device).map_err(malformed)?;
        let key = self.relay.storage.device_key(device).await.map_err(broken)?;
        let key = key.ok_or_else(|| refused(Code::UnknownDevice))?;
        self.verify(&device, &key, &login.signature)?;
        self.logged_in(device);
        self.relay.storage.stock(device).await.map(Body::Stock).map_err(broken)
    }

    fn verify(&self, device: &DeviceId, key: &[u8; 32], signature: &Bytes) -> Answer<()> {
        let bad = || refused(Code::BadSignature);
        let key = VerifyingKey::from_bytes(key).map_err(|_| bad())?;
        let signature = Signature::from_slice(signature).map_err(|_| bad())?;
        let signed = login_bytes(&self.relay.id, &self.challenge, device);
        key.verify_strict(&signed, &signature).map_err(|_| bad())
    }

    fn logged_in(&mut self, device: DeviceId) {
        if let Some(before) = self.device.replace(device) {
            self.relay.hub.logout(&before, &self.mailbox);
        }
        self.letters = 0;
        self.relay.hub.login(device, &self.mailbox);
        self.mailbox.wake_letters();
    }

    async fn register(&mut self, register: v1::Register) -> Answer<Body> {
        self.may_register(&register.invite)?;
        if !is_name(&register.name) {
            return Err(refused(Code::BadName));
        }
        let device = DeviceId::try_from(&register.device).map_err(malformed)?;
        let device_key =
            <[u8; 32]>::try_from(register.device_key.as_ref()).map_err(|_| refused(Code::Malformed))?;
        self.verify(&device, &device_key, &register.signature)?;
        let person = PersonId::try_from(&register.person).map_err(malformed)?;
        check_size(&register.device_list, limits::DEVICE_LIST_BYTES)?;
        let keys = keys(register.keys.unwrap_or_default())?;
        let name = register.name;
        let handle = format!("{name}@{}", self.relay.host);
        let op = RegisterOp { name, person, device, device_key, device_list: register.device_list, keys };
        match self.apply(Op::Register(Box::new(op))).await? {
            Outcome::Stock(stock) => {
                self.logged_in(device);
                Ok(Body::Registered(v1::Registered { handle, stock: Some(stock) }))
            }
            other => Err(unexpected(&other)),
        }
    }

    fn may_register(&self, invite: &str) -> Answer<()> {
        let relay = &self.relay;
        let rate = relay.config.limits.registrations;
        relay.limit_address("register", rate, 1.0, self.peer).map_err(rate_limited)?;
        match &relay.config.registration {
            Registration::Open => Ok(()),
            Registration::Closed => Err(refused(Code::RegistrationClosed)),
            Registration::Invite(codes) => {
                // Hashed first, so that lengths do not show; every code is compared.
                let given = hash(&Bytes::copy_from_slice(invite.as_bytes()));
                let same = |code: &String| bool::from(post::sha256(code.as_bytes()).ct_eq(&given));
                let found = codes.iter().filter(|code| same(code)).count() > 0;
                let known = found && !invite.is_empty() && invite.len() <= limits::INVITE_BYTES;
                if known { Ok(()) } else { Err(refused(Code::BadInvite)) }
            }
        }
    }

    async fn publish(&mut self, publish: v1::Publish) -> Answer<Body> {
        let device = self.device()?;
        check_size(&publish.device_list, limits::DEVICE_LIST_BYTES)?;
        let keys = keys(publish.keys.unwrap_or_default())?;
        match self.apply(Op::Publish { device, device_list: publish.device_list, keys }).await? {
            Outcome::Stock(stock) => Ok(Body::Stock(stock)),
            other => Err(unexpected(&other)),
        }
    }

    async fn lookup(&mut self, lookup: v1::Lookup) -> Answer<Body> {
        let asked = lookup.names.len() + lookup.persons.len();
        if asked > limits::LOOKUPS_PER_REQUEST {
            return Err(refused(Code::TooLarge));
        }
        let rate = self.relay.config.limits.lookups;
        self.relay.limit_address("lookup", rate, asked.max(1) as f64, self.peer).map_err(rate_limited)?;
        let names = lookup.names.into_iter().filter(|name| is_name(name)).collect();
        let persons =
            lookup.persons.iter().map(PersonId::try_from).collect::<Result<_, _>>().map_err(malformed)?;
        let persons = self.relay.storage.people(names, persons).await.map_err(broken)?;
        Ok(Body::Directory(v1::Directory { persons }))
    }

    async fn take_keys(&mut self, take: v1::TakeKeys) -> Answer<Body> {
        let requester = self.device()?;
        let asked = take.devices.len();
        if asked > limits::TAKES_PER_REQUEST {
            return Err(refused(Code::TooLarge));
        }
        let (rate, rate_of_one) = (self.relay.config.limits.takes, self.relay.config.limits.takes_of_one);
        let limiter = &self.relay.limiter;
        limiter.take(rate, asked.max(1) as f64, &[b"take", requester.as_ref()]).map_err(rate_limited)?;
        let one = |request: v1::KeyRequest| {
            let device = DeviceId::try_from(&request.device).map_err(malformed)?;
            let key: [&[u8]; 3] = [b"take of one", requester.as_ref(), device.as_ref()];
            let one_time = limiter.take(rate_of_one, 1.0, &key).is_ok();
            let prekey = request.prekey && asked <= limits::TAKES_WITH_PREKEYS;
            Ok(Take { device, prekey, join_key: request.join_key, one_time })
        };
        let takes = take.devices.into_iter().map(one).collect::<Answer<Vec<_>>>()?;
        match self.apply(Op::TakeKeys(takes)).await? {
            Outcome::Keys { keys, low } => {
                low.iter().for_each(|device| self.relay.hub.low_stock(device));
                Ok(Body::Keys(v1::Keys { devices: keys }))
            }
            other => Err(unexpected(&other)),
        }
    }

    async fn create_channel(&mut self, create: v1::CreateChannel) -> Answer<Body> {
        let rate = self.relay.config.limits.channels;
        self.relay.limit_address("channel", rate, 1.0, self.peer).map_err(rate_limited)?;
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

    async fn send_letter(&mut self, send: v1::SendLetter) -> Answer<Body> {
        let sender = self.device()?;
        let (device, body) = letter(send.letter.unwrap_or_default()).map_err(refused)?;
        let rate = self.relay.config.limits.letters;
        self.relay.limiter.take(rate, 1.0, &[b"letter", sender.as_ref()]).map_err(rate_limited)?;
        let answer = self.expect_done(Op::SendLetter { device, body, at: self.relay.now() }).await?;
        self.relay.hub.letter(&device);
        Ok(answer)
    }

    async fn ack_letters(&mut self, ack: v1::AckLetters) -> Answer<Body> {
        let device = self.device()?;
        self.expect_done(Op::AckLetters { device, up_to: ack.up_to }).await
    }

    fn device(&self) -> Answer<DeviceId> {
        self.device.ok_or_else(|| refused(Code::LoginNeeded))
    }

    async fn apply(&self, op: Op) -> Answer<Outcome> {
        self.relay.apply(op).await.map_err(broken)
    }

    async fn expect_done(&self, op: Op) -> Answer<Body> {
        match self.apply(op).await? {
            Outcome::Done => Ok(done()),
            other => Err(unexpected(&other)),
        }
    }
}

fn seat_ask(cursor: &v1::SeatCursor) -> Answer<SeatAsk> {
    Ok(SeatAsk {
        channel: ChannelId::try_from(&cursor.channel).map_err(malformed)?,
        seat: SeatId::try_from(&cursor.seat).map_err(malformed)?,
        token: hash(&cursor.token),
        cursor: cursor.cursor,
    })
}

fn seat_state(ask: &SeatAsk, standing: SeatStanding) -> v1::SeatState {
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

fn keys(keys: v1::PublishedKeys) -> Answer<KeysOp> {
    check_size(&keys.bundle, limits::BUNDLE_BYTES)?;
    check_size(&keys.last_resort_join_key, limits::KEY_BYTES)?;
    for key in keys.one_time_prekeys.iter().chain(&keys.join_keys) {
        check_size(key, limits::KEY_BYTES)?;
        if key.is_empty() {
            return Err(refused(Code::Malformed));
        }
    }
    Ok(KeysOp {
        bundle: keys.bundle,
        last_resort: keys.last_resort_join_key,
        prekeys: keys.one_time_prekeys,
        join_keys: keys.join_keys,
    })
}

fn check_size(bytes: &Bytes, most: usize) -> Answer<()> {
    if bytes.len() > most { Err(refused(Code::TooLarge)) } else { Ok(()) }
}

/// A new secret: of its exact size. It is kept hashed.
fn token(bytes: &Bytes) -> Answer<Hash> {
    if bytes.len() == limits::TOKEN_BYTES { Ok(hash(bytes)) } else { Err(refused(Code::Malformed)) }
}

pub(super) fn hash(bytes: &Bytes) -> Hash {
    post::sha256(bytes)
}

fn done() -> Body {
    Body::Done(v1::Done {})
}

pub(super) fn refused(code: Code) -> Box<Body> {
    Box::new(Body::Refused(Refused::new(code)))
}

pub(super) fn rate_limited(retry_ms: u64) -> Box<Body> {
    Box::new(Body::Refused(Refused { retry_ms, ..Refused::new(Code::RateLimited) }))
}

fn malformed(error: conclave_wire::WireError) -> Box<Body> {
    refused(wire_code(error))
}

fn broken(error: StorageError) -> Box<Body> {
    Box::new(failed(&error))
}

fn unexpected(outcome: &Outcome) -> Box<Body> {
    match outcome {
        Outcome::Refused(refusal) => Box::new(Body::Refused(refusal_frame(refusal))),
        _ => refused(Code::Unavailable),
    }
}
