//! The requests about people, one function each: accounts, keys, letters.
//! Who is logged in draws from the device's rates; everybody else (members of
//! other relays write to people here) from stricter ones of the address.

use bytes::Bytes;
use conclave_wire::auth::{identity_bytes, is_name, login_bytes, recover_bytes};
use conclave_wire::v1::{self, server_frame::Body};
use conclave_wire::{Code, DeviceId, PersonId, limits};
use ed25519_dalek::{Signature, VerifyingKey};
use subtle::ConstantTimeEq;

use super::Connection;
use super::post::{self, letter};
use super::requests::{Answer, broken, hash, malformed, rate_limited, refused, unexpected};
use crate::config::{Rate, Registration};
use crate::storage::{KeysOp, NextIdentity, Op, Outcome, PublishOp, RecoverOp, RegisterOp, Take};

impl Connection {
    pub(super) async fn login(&mut self, login: v1::Login) -> Answer<Body> {
        let device = DeviceId::try_from(&login.device).map_err(malformed)?;
        let key = self.relay.storage.device_key(device).await.map_err(broken)?;
        let key = key.ok_or_else(|| refused(Code::UnknownDevice))?;
        self.verify(&device, &key, &login.signature)?;
        self.logged_in(device);
        self.relay.storage.stock(device).await.map(Body::Stock).map_err(broken)
    }

    fn verify(&self, device: &DeviceId, key: &[u8; 32], signature: &Bytes) -> Answer<()> {
        verify(key, &login_bytes(&self.relay.id, &self.challenge, device), signature)
    }

    fn logged_in(&mut self, device: DeviceId) {
        if let Some(before) = self.device.replace(device) {
            self.relay.hub.logout(&before, &self.mailbox);
        }
        self.letters = 0;
        self.relay.hub.login(device, &self.mailbox);
        self.mailbox.wake_letters();
    }

    pub(super) async fn register(&mut self, register: v1::Register) -> Answer<Body> {
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
        let identity_key = identity_key(register.identity_key)?;
        let name = register.name;
        let handle = format!("{name}@{}", self.relay.host);
        let device_list = register.device_list;
        let op = RegisterOp { name, person, device, device_key, device_list, identity_key, keys };
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
        relay.limit_address("register", rate, 1.0, self.peer, &[]).map_err(rate_limited)?;
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

    pub(super) async fn publish(&mut self, publish: v1::Publish) -> Answer<Body> {
        let device = self.device()?;
        check_size(&publish.device_list, limits::DEVICE_LIST_BYTES)?;
        if !publish.device_list.is_empty() {
            // Each may become a version in the key log, which forgets nothing.
            let rate = self.relay.config.limits.device_lists;
            self.relay.limiter.take(rate, 1.0, &[b"list", device.as_ref()]).map_err(rate_limited)?;
        }
        let keys = keys(publish.keys.unwrap_or_default())?;
        let device_key = match publish.device_key.as_ref() {
            [] => None,
            key => Some(<[u8; 32]>::try_from(key).map_err(|_| refused(Code::Malformed))?),
        };
        let devices = listed(publish.devices)?;
        let identity_key = identity_key(publish.identity_key)?;
        let device_list = publish.device_list;
        let at = self.relay.now();
        let next = (publish.next_identity_key, publish.next_identity_signature);
        let next_identity = match publish.veto_identity_key {
            true => NextIdentity::Vetoed,
            false => self.announced(device, next).await?,
        };
        let op =
            PublishOp { device, device_list, device_key, devices, identity_key, next_identity, at, keys };
        self.published(Op::Publish(Box::new(op))).await
    }

    async fn announced(&self, device: DeviceId, (next, signature): (Bytes, Bytes)) -> Answer<NextIdentity> {
        if next.is_empty() {
            return Ok(NextIdentity::Nothing);
        }
        let key = <[u8; 32]>::try_from(next.as_ref()).map_err(|_| refused(Code::Malformed))?;
        let by = self.relay.storage.identity_key(device).await.map_err(broken)?;
        let known = <[u8; 32]>::try_from(by.as_ref()).map_err(|_| refused(Code::NoRecovery))?;
        verify(&known, &identity_bytes(&self.relay.id, &self.challenge, &key), &signature)?;
        Ok(NextIdentity::Announced { by, next })
    }

    async fn published(&mut self, op: Op) -> Answer<Body> {
        match self.apply(op).await? {
            Outcome::Published { stock, ended } => {
                // What is logged in by a key that is worth nothing any more hears no more letters.
                ended.iter().for_each(|device| self.relay.hub.end(device, &self.mailbox));
                Ok(Body::Stock(stock))
            }
            other => Err(unexpected(&other)),
        }
    }

    pub(super) async fn recover(&mut self, recover: v1::Recover) -> Answer<Body> {
        let relay = &self.relay;
        let rate = relay.config.limits.registrations;
        relay.limit_address("register", rate, 1.0, self.peer, &[]).map_err(rate_limited)?;
        check_size(&recover.device_list, limits::DEVICE_LIST_BYTES)?;
        let device = DeviceId::try_from(&recover.device).map_err(malformed)?;
        let (devices, keys) = (listed(recover.devices)?, keys(recover.keys.unwrap_or_default())?);
        let new = devices.iter().find(|(listed, _)| *listed == device);
        let (_, device_key) = new.ok_or_else(|| refused(Code::Malformed))?;
        self.verify(&device, device_key, &recover.signature)?;
        let found = relay.storage.people(vec![recover.name.clone()], Vec::new()).await.map_err(broken)?;
        let known = found.into_iter().next().map(|person| person.identity_key).unwrap_or_default();
        let identity = <[u8; 32]>::try_from(known.as_ref()).map_err(|_| refused(Code::NoRecovery))?;
        let signed = recover_bytes(&relay.id, &self.challenge, &device, device_key);
        verify(&identity, &signed, &recover.identity_signature)?;
        let (name, device_list) = (recover.name, recover.device_list);
        let op = RecoverOp { name, identity_key: known, device, device_list, devices, keys };
        let stock = self.published(Op::Recover(Box::new(op))).await?;
        self.logged_in(device);
        Ok(stock)
    }

    pub(super) async fn lookup(&mut self, lookup: v1::Lookup) -> Answer<Body> {
        let asked = lookup.names.len() + lookup.persons.len();
        if asked > limits::LOOKUPS_PER_REQUEST {
            return Err(refused(Code::TooLarge));
        }
        let rate = self.relay.config.limits.lookups;
        self.relay
            .limit_address("lookup", rate, asked.max(1) as f64, self.peer, &[])
            .map_err(rate_limited)?;
        let names = lookup.names.into_iter().filter(|name| is_name(name)).collect();
        let persons =
            lookup.persons.iter().map(PersonId::try_from).collect::<Result<_, _>>().map_err(malformed)?;
        self.relay.log.lookup(names, persons).await.map(Body::Directory).map_err(broken)
    }

    pub(super) async fn take_keys(&mut self, take: v1::TakeKeys) -> Answer<Body> {
        let asked = take.devices.len();
        if asked > limits::TAKES_PER_REQUEST {
            return Err(refused(Code::TooLarge));
        }
        let rates = &self.relay.config.limits;
        self.draw("take", [rates.takes, rates.foreign_takes], asked.max(1) as f64, &[])
            .map_err(rate_limited)?;
        let one = |request: v1::KeyRequest| {
            let device = DeviceId::try_from(&request.device).map_err(malformed)?;
            let prekey = request.prekey && asked <= limits::TAKES_WITH_PREKEYS;
            let join_key = request.join_key;
            Ok(Take { device, prekey, join_key, one_time: self.may_take_one_time(&device) })
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

    /// Without a login one has as many names as addresses: what all of them
    /// together get of one device is bounded too.
    fn may_take_one_time(&self, device: &DeviceId) -> bool {
        let rates = &self.relay.config.limits;
        let of_one = [rates.takes_of_one, rates.foreign_takes_of_one];
        if self.draw("take of one", of_one, 1.0, device.as_ref()).is_err() {
            return false;
        }
        let in_all = self.relay.rate_for(self.peer, rates.foreign_takes_in_all);
        let key: [&[u8]; 3] = [b"take in all", &[self.peer.is_loopback().into()], device.as_ref()];
        self.device.is_some() || self.relay.limiter.take(in_all, 1.0, &key).is_ok()
    }

    pub(super) async fn send_letter(&mut self, send: v1::SendLetter) -> Answer<Body> {
        let (device, body) = letter(send.letter.unwrap_or_default()).map_err(refused)?;
        let rates = &self.relay.config.limits;
        self.draw("letter", [rates.letters, rates.foreign_letters], 1.0, &[]).map_err(rate_limited)?;
        let most = match self.device {
            Some(_) => limits::LETTERS_PER_INBOX,
            None => {
                let (rate, about) = (rates.foreign_letters_to_one, device.as_ref());
                self.relay
                    .limit_address("letter to one", rate, 1.0, self.peer, about)
                    .map_err(rate_limited)?;
                limits::FOREIGN_LETTERS_PER_INBOX
            }
        };
        let answer = self.expect_done(Op::SendLetter { device, body, at: self.relay.now(), most }).await?;
        self.relay.hub.letter(&device);
        Ok(answer)
    }

    /// Draws from the device's bucket, or without a login from the address's.
    fn draw(&self, what: &str, [own, foreign]: [Rate; 2], amount: f64, about: &[u8]) -> Result<(), u64> {
        match &self.device {
            Some(device) => self.relay.limiter.take(own, amount, &[what.as_bytes(), device.as_ref(), about]),
            None => self.relay.limit_address(what, foreign, amount, self.peer, about),
        }
    }

    pub(super) async fn ack_letters(&mut self, ack: v1::AckLetters) -> Answer<Body> {
        let device = self.device()?;
        self.expect_done(Op::AckLetters { device, up_to: ack.up_to }).await
    }

    pub(super) fn device(&self) -> Answer<DeviceId> {
        self.device.ok_or_else(|| refused(Code::LoginNeeded))
    }
}

fn verify(key: &[u8; 32], signed: &[u8], signature: &Bytes) -> Answer<()> {
    let bad = || refused(Code::BadSignature);
    let key = VerifyingKey::from_bytes(key).map_err(|_| bad())?;
    let signature = Signature::from_slice(signature).map_err(|_| bad())?;
    key.verify_strict(signed, &signature).map_err(|_| bad())
}

fn listed(devices: Vec<v1::ListedDevice>) -> Answer<Vec<(DeviceId, [u8; 32])>> {
    if devices.len() > limits::DEVICES_PER_PERSON {
        return Err(refused(Code::TooLarge));
    }
    let one = |listed: v1::ListedDevice| {
        let key = <[u8; 32]>::try_from(listed.device_key.as_ref()).map_err(|_| refused(Code::Malformed))?;
        Ok((DeviceId::try_from(&listed.device).map_err(malformed)?, key))
    };
    devices.into_iter().map(one).collect()
}

/// 32 bytes, or none.
fn identity_key(key: Bytes) -> Answer<Bytes> {
    if key.is_empty() || key.len() == 32 { Ok(key) } else { Err(refused(Code::Malformed)) }
}

pub(super) fn keys(keys: v1::PublishedKeys) -> Answer<KeysOp> {
    check_size(&keys.bundle, limits::BUNDLE_BYTES)?;
    check_size(&keys.last_resort_join_key, limits::KEY_BYTES)?;
    if keys.one_time_prekeys.len().max(keys.join_keys.len()) > limits::ONE_TIME_KEYS {
        return Err(refused(Code::TooLarge));
    }
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
