//! A relay in memory that keeps one log, and the people around it: for tests and fuzz targets.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "part of tests only")]

use super::*;
use crate::content::Content;
use crate::primitives::kdf;
use crate::session::{Stock, replenish};
use crate::testing::Bench;
use crate::{MessageId, Timestamp};
use std::collections::BTreeMap;

/// One person with one device.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) bench: Bench,
    pub(super) published: crate::session::Publication,
    pub(super) group: Option<GroupId>,
    pub(super) seat: SeatId,
    pub(super) read: Vec<String>,
    pub(super) received: Vec<Received>,
}

/// What the relay keeps of an entry.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) turn: u64,
    pub(super) seat: SeatId,
    pub(super) shared: Vec<u8>,
    pub(super) slices: BTreeMap<SeatId, Vec<u8>>,
    pub(super) seats: Vec<SeatChange>,
}

/// A relay with one channel, and the people around it.
#[derive(Clone)]
pub(super) struct World {
    pub(super) people: Vec<Person>,
    pub(super) log: Vec<Kept>,
    pub(super) turn: u64,
    pub(super) letters: Vec<OutgoingLetter>,
    pub(super) blobs: Blobs,
    pub(super) messages: u64,
}

impl Person {
    pub(super) fn new(name: &str, seed: u64) -> Self {
        let mut bench = Bench::new(seed);
        let handle = Handle::parse(&format!("{name}@relay.test")).unwrap();
        let account = bench.step(|cx| Account::create(handle, cx)).unwrap();
        let published = bench.step(|cx| replenish(&account, Stock::default(), cx)).unwrap().unwrap();
        let seat = SeatId(bench.cx().random());
        Self { bench, published, group: None, seat, read: Vec::new(), received: Vec::new() }
    }

    pub(super) fn account(&mut self) -> Account {
        Account::load(&mut self.bench.cx()).unwrap()
    }

    pub(super) fn group(&mut self) -> Group {
        let id = self.group.unwrap();
        Group::load(&id, &mut self.bench.cx()).unwrap()
    }

    pub(super) fn person(&mut self) -> PersonId {
        *self.account().person()
    }
}

impl World {
    /// `names` have accounts; the first founds a group and adds all but the last `outside`.
    pub(super) fn new(scheme: Scheme, names: &[&str], outside: usize) -> Self {
        let people = names.iter().zip(1..).map(|(name, seed)| Person::new(name, seed)).collect();
        let (letters, blobs) = (Vec::new(), Blobs::default());
        let mut world = Self { people, log: Vec::new(), turn: 0, letters, blobs, messages: 0 };
        let founder = &mut world.people[0];
        let (account, seat) = (founder.account(), founder.seat);
        let home = Home::new("ws://relay.test", [7; 32], [9; 16]);
        let group = founder.bench.step(|cx| Group::create(&account, scheme, "Trip", home, seat, false, cx));
        founder.group = Some(*group.unwrap().id());
        if names.len() - outside > 1 {
            let others = (1..names.len() - outside).map(|who| world.people[who].person()).collect();
            world.change(0, &Intent::Add(others)).unwrap();
            world.sync_all();
        }
        world
    }

    pub(super) fn bundles(&mut self) -> Bundles {
        let mut bundles = Bundles::default();
        for person in &mut self.people {
            let account = person.account();
            bundles.person(account.handle().clone(), account.device_list().signed_bytes()).unwrap();
            let prekey = person.published.one_time_prekeys.pop();
            let last_resort = || person.published.last_resort_join_key.clone();
            let join_key = person.published.join_keys.pop().or_else(last_resort);
            let bundle = person.published.bundle.clone().unwrap();
            bundles.listed(account.device_list().signed_bytes()).unwrap();
            bundles.device(*account.device_id(), bundle, prekey, join_key);
        }
        bundles
    }

    /// Makes a post without sending it.
    pub(super) fn draft(&mut self, who: usize, intent: &Intent) -> Result<Post> {
        let bundles = self.bundles();
        let person = &mut self.people[who];
        let (account, mut group) = (person.account(), person.group());
        person.bench.step(|cx| group.change(&account, intent, &bundles, cx))
    }

    pub(super) fn draft_message(&mut self, who: usize, text: &str) -> Result<Post> {
        let bundles = self.bundles();
        let person = &mut self.people[who];
        let (account, mut group) = (person.account(), person.group());
        let content = Content::text(text)?;
        self.messages += 1;
        let id = MessageId(u128::from(self.messages).to_be_bytes());
        person.bench.step(|cx| group.send(&account, id, &content, &bundles, cx))
    }

    /// The relay's side: takes the post if the turn stands.
    pub(super) fn post(&mut self, who: usize, post: Post) -> bool {
        if post.at_turn != self.turn {
            let mut group = self.people[who].group();
            self.people[who].bench.step(|cx| group.refused(cx)).unwrap();
            return false;
        }
        self.turn += u64::from(post.takes_turn);
        let slices = post.slices.into_iter().map(|slice| (slice.seat, slice.bytes)).collect();
        let seat = self.people[who].seat;
        self.log.push(Kept { turn: self.turn, seat, shared: post.shared, slices, seats: post.seats });
        self.letters.extend(post.letters);
        post.blobs.into_iter().for_each(|blob| self.blobs.add(blob.bytes));
        let mut group = self.people[who].group();
        self.people[who].bench.step(|cx| group.posted(cx)).unwrap();
        true
    }

    pub(super) fn change(&mut self, who: usize, intent: &Intent) -> Result<()> {
        let post = self.draft(who, intent)?;
        assert!(self.post(who, post));
        Ok(())
    }

    pub(super) fn say(&mut self, who: usize, text: &str) {
        self.sync(who);
        let post = self.draft_message(who, text).unwrap();
        assert!(self.post(who, post));
    }

    pub(super) fn sync_all(&mut self) {
        (0..self.people.len()).for_each(|who| self.sync(who));
    }

    /// Letters first, then the log.
    pub(super) fn sync(&mut self, who: usize) {
        self.open_letters(who);
        if self.people[who].group.is_none() {
            return;
        }
        loop {
            let group = self.people[who].group();
            if group.is_out() || group.cursor() as usize >= self.log.len() {
                return;
            }
            let number = group.cursor() + 1;
            let kept = self.log[group.cursor() as usize].clone();
            self.deliver(who, number, &kept).unwrap();
        }
    }

    pub(super) fn deliver(&mut self, who: usize, number: u64, kept: &Kept) -> Result<()> {
        let person = &mut self.people[who];
        let account = person.account();
        let mut group = person.group();
        let seat = person.seat;
        let received = person.bench.step(|cx| group.receive(&account, &kept.entry(number, seat), cx))?;
        if let Received::Message(message) = &received {
            let Content::Text(text) = &message.content else { panic!("a text") };
            person.read.push(text.clone());
        }
        person.received.push(received);
        Ok(())
    }

    pub(super) fn open_letters(&mut self, who: usize) {
        let device = *self.people[who].account().device_id();
        let mine: Vec<_> = self.letters.iter().filter(|letter| letter.device == device).cloned().collect();
        self.letters.retain(|letter| letter.device != device);
        for letter in mine {
            let person = &mut self.people[who];
            let account = person.account();
            match person.bench.step(|cx| open_letter(&account, &letter.body, cx)).unwrap() {
                Letter::Invitation(invitation) => self.join(who, invitation),
                Letter::Rejoin { request, .. } => {
                    self.sync(who);
                    self.change(who, &Intent::Readmit(request.into())).unwrap();
                }
                Letter::Knock(_) | Letter::Turned(..) | Letter::Linking(_) => {
                    panic!("nobody here has a link")
                }
            }
        }
    }

    pub(super) fn join(&mut self, who: usize, invitation: Invitation) {
        let (seat, id) = (invitation.seat, invitation.group);
        let after = self.log.iter().find_map(|kept| kept.opens(seat)).unwrap();
        let log: Vec<_> = self.log.iter().cloned().zip(1..).skip(after as usize).collect();
        let person = &mut self.people[who];
        let account = person.account();
        let mut joining = person.bench.step(|cx| Joining::begin(invitation, cx)).unwrap();
        person.seat = seat;
        for (kept, number) in log {
            let mut entry = kept.entry(number, seat);
            if kept.opens(seat).is_none() {
                entry.body = Body::Before;
            }
            let (none, blobs) = (Blobs::default(), &self.blobs);
            let mut receive =
                |blobs: &Blobs| person.bench.step(|cx| joining.receive(&account, &entry, blobs, cx)).unwrap();
            let joined = match receive(&none) {
                Joined::Needs(_) => receive(blobs),
                joined => joined,
            };
            if let Joined::In(_) = joined {
                person.group = Some(id);
                return;
            }
        }
        panic!("the commit is in the log");
    }

    /// A device that lost its state in the group asks to be let in again; the next to sync of the others lets it.
    pub(super) fn ask_to_rejoin(&mut self, who: usize, helper: usize) {
        let bundles = self.bundles();
        let to = *self.people[helper].account().device_id();
        let person = &mut self.people[who];
        let (account, group) = (person.account(), person.group());
        let letter = person.bench.step(|cx| {
            let (request, needs) = group.rejoin_request(&account, cx)?;
            assert!(needs.iter().any(|need| need.device == to));
            group.rejoin_letter(&request, to, &bundles, cx)
        });
        self.letters.push(letter.unwrap());
        self.sync(helper);
        self.sync(who);
    }
}

impl Kept {
    pub(super) fn entry(&self, number: u64, for_seat: SeatId) -> Entry<'_> {
        Entry {
            number,
            turn: self.turn,
            seat: self.seat,
            hash: kdf::sha256(&self.shared),
            body: if self.seat == for_seat { Body::Own } else { Body::Whole(&self.shared) },
            slice: self.slices.get(&for_seat).map_or(&[], Vec::as_slice),
            at: Timestamp(0),
            seats: &self.seats,
        }
    }

    pub(super) fn opens(&self, wanted: SeatId) -> Option<u64> {
        self.seats.iter().find_map(|change| match change {
            SeatChange::Open { seat, after, .. } if *seat == wanted => Some(*after),
            _ => None,
        })
    }
}
