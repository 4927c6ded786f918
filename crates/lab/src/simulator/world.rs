//! The world: devices, the relay, the way between them, and what happens when.

use super::START;
use super::agenda::Agenda;
use super::device::{Ask, CHANNEL, Device, Disk, Outgoing, Wish, bytes};
use super::intake::Reply;
use super::sealing::Town;
use super::tape::{Kept, Tape, What};
use super::weather::{Weather, below};
use crate::{LabError, Result};
use conclave_protocol::group::{Intent, Scheme, SeatChange};
use conclave_protocol::identity::Handle;
use conclave_protocol::primitives::kdf::sha256;
use conclave_protocol::{MessageId, PersonId};
use conclave_relay::Direct;
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use conclave_wire::{DeviceId as WireDevice, SeatId as WireSeat, slices};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

/// A device waits so long for an answer, in milliseconds, and looks for news as often.
const PATIENCE: u64 = 20_000;
/// Entries in one answer.
const AT_ONCE: usize = 64;
/// More requests than this in a row mean that a world does not come to rest.
const RESTLESS: usize = 500;

/// Something that is to happen.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A person says something.
    Say(String),
    /// A person changes something.
    Change(Intent),
    /// A thief copies the disk.
    Steal,
    /// The memory is lost.
    Crash,
}

#[derive(Clone)]
enum Event {
    Wake(usize),
    Arrives(usize, u64, Ask),
    Answered(usize, u64, Reply),
    Do(usize, Deed),
}

/// A copy of a disk.
#[derive(Clone)]
pub struct Loot {
    /// Whose, by place in the world.
    pub who: usize,
    /// The disk.
    pub disk: Disk,
    /// How much had been posted by then.
    pub posted: u64,
}

/// Devices around one relay, with one group.
#[derive(Clone)]
pub struct World {
    /// All traffic so far.
    pub tape: Tape,
    /// What was stolen.
    pub loot: Vec<Loot>,
    /// The devices; the first founded the group.
    pub devices: Vec<Device>,
    /// Milliseconds of virtual time, and what is to happen.
    agenda: Agenda<Event>,
    relay: Direct,
    people: Vec<(PersonId, Handle, Vec<u8>)>,
    weather: Weather,
    rng: ChaCha20Rng,
    requests: u64,
    messages: u64,
    record: [u8; 32],
}

impl World {
    /// A group of `members`, all in and known to each other; as many `outside` have accounts only.
    pub fn new(scheme: Scheme, members: usize, outside: usize, seed: u64) -> Result<Self> {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let relay = Direct::default();
        let (mut devices, mut people) = (Vec::new(), Vec::new());
        for n in 0..members + outside {
            let seed = rng.next_u64();
            let (mut device, published) =
                Device::new(&format!("member{n}"), ChaCha20Rng::seed_from_u64(seed))?;
            let register = device.register(&format!("member{n}"), published)?;
            let (person, handle, list) = (register.0, register.1, register.2.device_list.to_vec());
            expect_stock(relay.answer(Request::Register(register.2), START))?;
            people.push((person, handle, list));
            devices.push(device);
        }
        let mut world = Self {
            tape: Tape::default(),
            loot: Vec::new(),
            devices,
            agenda: Agenda::default(),
            relay,
            people,
            weather: Weather::CALM,
            rng,
            requests: 0,
            messages: 0,
            record: [0; 32],
        };
        let founder = world.device(0)?;
        founder.found(scheme, 0)?;
        let create = v1::CreateChannel {
            channel: CHANNEL.to_vec().into(),
            seat: bytes(founder.disk.seat.as_bytes()),
            token: bytes(&founder.disk.token),
        };
        world.relay.answer(Request::CreateChannel(create), START);
        if members > 1 {
            let others = world.people.iter().take(members).skip(1).map(|(person, ..)| *person).collect();
            world.act(0, Deed::Change(Intent::Add(others)))?;
        }
        Ok(world)
    }

    /// The device at a place.
    pub fn device(&mut self, who: usize) -> Result<&mut Device> {
        self.devices.get_mut(who).ok_or_else(|| LabError::unexpected("nobody there"))
    }

    /// The person at a place.
    pub fn person(&self, who: usize) -> Result<PersonId> {
        self.people.get(who).map(|(person, ..)| *person).ok_or_else(|| LabError::unexpected("nobody there"))
    }

    /// Draws everything from now on anew, from this seed.
    pub fn reseed(&mut self, seed: u64) {
        self.rng = ChaCha20Rng::seed_from_u64(seed);
        for device in &mut self.devices {
            device.rng = ChaCha20Rng::seed_from_u64(self.rng.next_u64());
        }
    }

    /// Milliseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.agenda.now()
    }

    /// Sets what the network does from now on, and how often devices crash.
    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
        self.devices.iter_mut().for_each(|device| device.crash = weather.crash);
    }

    /// A hash over everything that happened: the same for the same seed and deeds.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.record
    }

    /// Notes a deed for a time to come.
    pub fn plan(&mut self, at: u64, who: usize, deed: Deed) {
        self.agenda.note(at, Event::Do(who, deed));
    }

    /// Lets things happen through the network up to a time.
    pub fn run_until(&mut self, until: u64) -> Result<()> {
        for who in 0..self.devices.len() {
            self.wake(who, self.now())?;
        }
        while let Some(event) = self.agenda.next(until) {
            self.happens(event)?;
        }
        self.agenda.pass(until.saturating_sub(self.now()));
        Ok(())
    }

    /// Does a deed now and lets everything come to rest, past the weather.
    pub fn act(&mut self, who: usize, deed: Deed) -> Result<()> {
        self.does(who, deed)?;
        self.rest()
    }

    /// Does a deed now; only this one comes to rest.
    pub fn act_alone(&mut self, who: usize, deed: Deed) -> Result<()> {
        let copied = matches!(deed, Deed::Steal);
        self.does(who, deed)?;
        while !copied && self.exchange(who)? {}
        Ok(())
    }

    /// Lets time pass in which nobody does anything.
    pub fn pass(&mut self, ms: u64) {
        self.agenda.pass(ms);
    }

    /// Brings everybody to the head, with everything fulfilled, past the weather.
    pub fn rest(&mut self) -> Result<()> {
        for _ in 0..RESTLESS {
            let mut busy = false;
            for who in 0..self.devices.len() {
                busy |= self.exchange(who)?;
            }
            if !busy {
                return Ok(());
            }
        }
        Err(LabError::unexpected("the world does not come to rest"))
    }

    /// One request and its answer, past the weather; whether there is more to do.
    pub fn exchange(&mut self, who: usize) -> Result<bool> {
        let ask = self.ask(who)?;
        let reply = self.at_relay(who, ask)?;
        let now = self.now();
        self.device(who)?.take(reply, now)
    }

    /// A device seals what it has to post, and the post never leaves: a request that is lost on its way.
    pub fn seal_and_lose(&mut self, who: usize, deed: Deed) -> Result<()> {
        self.does(who, deed)?;
        self.ask(who).map(drop)
    }

    /// A device posts, and never hears of it: the answer is lost.
    pub fn post_and_lose_the_answer(&mut self, who: usize, deed: Deed) -> Result<()> {
        self.does(who, deed)?;
        let ask = self.ask(who)?;
        self.at_relay(who, ask).map(drop)
    }

    fn ask(&mut self, who: usize) -> Result<Ask> {
        let now = self.now();
        let town = Town { relay: &self.relay, people: &self.people };
        self.devices.get_mut(who).ok_or_else(|| LabError::unexpected("nobody there"))?.ask(&town, now)
    }

    fn does(&mut self, who: usize, deed: Deed) -> Result<()> {
        self.note(&format!("{} {who} {deed:?}", self.now()));
        match deed {
            Deed::Say(text) => {
                self.messages += 1;
                let id = MessageId(u128::from(self.messages).to_be_bytes());
                self.device(who)?.wish(Wish::Say(id, text));
            }
            Deed::Change(intent) => self.device(who)?.wish(Wish::Change(intent)),
            Deed::Steal => {
                let (disk, posted) = (self.device(who)?.disk.clone(), self.tape.entries.len() as u64);
                self.loot.push(Loot { who, disk, posted });
            }
            Deed::Crash => self.device(who)?.crashed(),
        }
        Ok(())
    }

    fn happens(&mut self, event: Event) -> Result<()> {
        let (who, done) = match event {
            Event::Do(who, deed) => {
                self.does(who, deed)?;
                return self.wake(who, self.now());
            }
            Event::Wake(who) if self.device(who)?.wakes == self.now() => (who, self.sends(who)),
            Event::Wake(_) => return Ok(()),
            Event::Arrives(who, id, ask) => {
                let reply = self.at_relay(who, ask)?;
                if let Some(way) = self.weather.way(&mut self.rng) {
                    self.agenda.note(self.now() + way, Event::Answered(who, id, reply));
                }
                return Ok(());
            }
            Event::Answered(who, id, reply) => {
                let now = self.now();
                let device = self.device(who)?;
                if device.awaited != Some(id) {
                    return Ok(());
                }
                device.awaited = None;
                let taken = device.take(reply, now);
                let pause = if matches!(taken, Ok(false)) {
                    PATIENCE / 4 + below(&mut self.rng, PATIENCE)
                } else {
                    1
                };
                (who, taken.and_then(|_| self.wake(who, now + pause)))
            }
        };
        match done {
            Err(LabError::Crashed) => {
                self.note(&format!("{} {who} crashed", self.now()));
                self.device(who)?.crashed();
                let pause = below(&mut self.rng, PATIENCE);
                self.wake(who, self.now() + pause)
            }
            done => done,
        }
    }

    fn wake(&mut self, who: usize, at: u64) -> Result<()> {
        self.device(who)?.wakes = at;
        self.agenda.note(at, Event::Wake(who));
        Ok(())
    }

    fn sends(&mut self, who: usize) -> Result<()> {
        let ask = self.ask(who)?;
        self.requests += 1;
        let id = self.requests;
        self.device(who)?.awaited = Some(id);
        if let Some(way) = self.weather.way(&mut self.rng) {
            self.agenda.note(self.now() + way, Event::Arrives(who, id, ask));
        }
        self.wake(who, self.now() + PATIENCE)
    }

    fn at_relay(&mut self, who: usize, ask: Ask) -> Result<Reply> {
        let at = START + self.now();
        Ok(match ask {
            Ask::Look { seat, device, letters } => {
                let letters = self.relay.letters(WireDevice::new(device.0), letters);
                let entries = seat.as_ref().map(|seat| self.relay.entries(seat, AT_ONCE)).unwrap_or_default();
                let attach = v1::Attach { seats: seat.into_iter().collect() };
                let state = match self.relay.answer(Request::Attach(attach), at) {
                    Body::Attached(attached) => attached.seats.into_iter().next(),
                    _ => None,
                };
                Reply::Seen { state, entries, letters }
            }
            Ask::Claim(claim) => Reply::Claimed(self.relay.answer(Request::Claim(claim), at)),
            Ask::Letter(device, body) => {
                self.tape.letters.push((device, body.clone()));
                let letter = v1::Letter { device: bytes(device.as_bytes()), body: body.into() };
                self.relay.answer(Request::SendLetter(v1::SendLetter { letter: Some(letter) }), at);
                Reply::Sent
            }
            Ask::Post(outgoing) => {
                let body = self.relay.answer(Request::Post(on_the_wire(&outgoing)?), at);
                if let Body::Posted(posted) = &body
                    && posted.entry > self.tape.entries.len() as u64
                {
                    self.keep(who, *outgoing, posted);
                }
                Reply::Posted(body)
            }
        })
    }

    fn keep(&mut self, who: usize, outgoing: Outgoing, posted: &v1::Posted) {
        let Outgoing { seat, post, what, .. } = outgoing;
        self.note(&format!("{} {who} {what:?} {:?}", posted.entry, sha256(&post.shared)));
        let slices = post.slices.into_iter().map(|slice| (slice.seat, slice.bytes)).collect();
        self.tape.letters.extend(post.letters.into_iter().map(|letter| (letter.device, letter.body)));
        let (number, turn, at) = (posted.entry, posted.turn, posted.at);
        let (shared, seats) = (post.shared, post.seats);
        self.tape.entries.push(Kept { number, turn, seat, who, what, shared, slices, seats, at });
    }

    fn note(&mut self, what: &str) {
        self.record = sha256(&[self.record.as_slice(), what.as_bytes()].concat());
    }
}

fn on_the_wire(outgoing: &Outgoing) -> Result<v1::Post> {
    let Outgoing { seat, token, number, post, .. } = outgoing;
    let packed = post.slices.iter().map(|slice| (WireSeat::new(slice.seat.0), &slice.bytes));
    let seats = post.seats.iter().map(|change| v1::SeatChange {
        change: Some(match change {
            SeatChange::Open { seat, claim_hash, after } => v1::seat_change::Change::Open(v1::OpenSeat {
                seat: bytes(seat.as_bytes()),
                claim_hash: bytes(claim_hash),
                after: *after,
            }),
            SeatChange::Close(seat) => v1::seat_change::Change::Close(bytes(seat.as_bytes())),
        }),
    });
    let letters = post.letters.iter();
    let letters = letters
        .map(|letter| v1::Letter { device: bytes(letter.device.as_bytes()), body: bytes(&letter.body) });
    Ok(v1::Post {
        channel: CHANNEL.to_vec().into(),
        seat: bytes(seat.as_bytes()),
        token: bytes(token),
        number: *number,
        at_turn: post.at_turn,
        takes_turn: post.takes_turn,
        shared: bytes(&post.shared),
        slices: slices::pack(packed)?,
        seats: seats.collect(),
        letters: letters.collect(),
    })
}

fn expect_stock(body: Body) -> Result<()> {
    match body {
        Body::Stock(_) => Ok(()),
        other => Err(LabError::unexpected(format!("an account was answered with {other:?}"))),
    }
}

impl What {
    /// Whether it brings a fresh seed.
    pub fn is_seeded(&self) -> bool {
        matches!(self, Self::Healed | Self::Seeded)
    }
}
