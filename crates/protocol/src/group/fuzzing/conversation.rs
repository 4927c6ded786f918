//! A whole conversation: bytes drive four people through sending, losing, repeating, commits, crashes and restores, and a
//! model says what each of them must have read.
//!
//! Held at the end: nothing is lost, repeated or out of order; all who can follow agree; no key has sealed twice.

use super::super::world::{Kept, World};
use super::super::{Intent, Post, Received, Scheme, ViewCheck};
use super::{scheme_of, template};
use crate::primitives::aead::sealed_under;
use crate::{MemoryVault, Misuse, SeatId};
use std::collections::HashSet;

const PEOPLE: usize = 4;
/// The only administrator.
const MIKE: usize = 0;
/// Bytes above these are not looked at: two make a step.
const MOST: usize = 120;

/// Plays the steps under both schemes.
pub(crate) fn conversation(bytes: &[u8]) -> bool {
    for scheme in [0, 1, 0x80].map(scheme_of) {
        let mut play = Play::begin(scheme);
        for step in bytes.get(..MOST.min(bytes.len())).unwrap_or_default().chunks_exact(2) {
            play.step(step[0] % 16, step[1]);
        }
        play.end();
    }
    true
}

/// A world, and what the model knows of it.
struct Play {
    world: World,
    people: [Model; PEOPLE],
    said: u64,
}

/// What must be true of one person.
#[derive(Clone, Default)]
struct Model {
    /// What is to be read, with its place in the log.
    expected: Vec<(usize, String)>,
    member: bool,
    /// The store is an older copy that will find out, or has.
    lost: bool,
    copy: Option<Copy>,
    /// Sealed and stored, not yet sent.
    held: Option<(Post, String)>,
}

/// A backup of a store.
#[derive(Clone)]
struct Copy {
    vault: MemoryVault,
    read: Vec<String>,
    seat: SeatId,
    cursor: usize,
}

impl Play {
    fn begin(scheme: Scheme) -> Self {
        let world = template(scheme);
        let people = [0, 1, 2, 3].map(|who| Model { member: who != 3, ..Model::default() });
        sealed_under::take();
        Self { world, people, said: 0 }
    }

    fn step(&mut self, kind: u8, argument: u8) {
        let (who, other) = (usize::from(argument) % PEOPLE, usize::from(argument / 4) % PEOPLE);
        self.world.people.iter_mut().for_each(|person| person.bench.now = person.bench.now.plus(1000));
        match kind {
            0..=4 => self.say(who),
            5 => self.heal(who),
            6 => self.sync(who),
            7 => self.race(who, other),
            8 => self.draft_lost(who),
            9 => self.crash(who),
            10 => self.hold(who),
            11 => self.release(who),
            12 => self.back_up(who),
            13 => self.restore(who),
            14 => self.come_or_go(who, other),
            _ => self.lie_to(who, other, argument),
        }
    }

    /// Whether somebody can speak now: in, with nothing waiting, up to date. Who has lost track asks to be let in again.
    fn ready(&mut self, who: usize) -> bool {
        if self.people[who].member && self.people[who].lost {
            self.rejoin(who);
        }
        self.release(who);
        self.sync(who);
        self.people[who].member && !self.people[who].lost
    }

    fn sync(&mut self, who: usize) {
        self.world.sync(who);
    }

    fn say(&mut self, who: usize) {
        if self.ready(who) {
            let text = self.next_text();
            let post = self.world.draft_message(who, &text).unwrap();
            assert!(self.world.post(who, post), "nothing came between");
            self.expect(who, text);
        }
    }

    fn next_text(&mut self) -> String {
        self.said += 1;
        self.said.to_string()
    }

    /// The newest entry of the log says this: all others who are in read it.
    fn expect(&mut self, by: usize, text: String) {
        let place = self.world.log.len() - 1;
        for (who, model) in self.people.iter_mut().enumerate() {
            if who != by && model.member && !model.lost {
                model.expected.push((place, text.clone()));
            }
        }
    }

    fn heal(&mut self, who: usize) {
        if self.ready(who) {
            self.world.change(who, &Intent::Heal).unwrap();
        }
    }

    /// Both make a post for the same turn; the second is too late.
    fn race(&mut self, first: usize, second: usize) {
        if first != second && self.ready(first) && self.ready(second) && self.ready(first) {
            let commit = self.world.draft(first, &Intent::Heal).unwrap();
            let message = self.world.draft_message(second, "too late").unwrap();
            assert!(self.world.post(first, commit) && !self.world.post(second, message));
        }
    }

    /// Sealed, stored, refused.
    fn draft_lost(&mut self, who: usize) {
        if self.ready(who) {
            self.world.draft_message(who, "lost").unwrap();
            let waits = self.world.draft_message(who, "another");
            assert_eq!(waits, Err(Misuse::PostPending.into()));
            let mut group = self.world.people[who].group();
            self.world.people[who].bench.step(|cx| group.refused(cx)).unwrap();
        }
    }

    /// The process dies before the step is on disk.
    fn crash(&mut self, who: usize) {
        if self.ready(who) {
            let before = self.world.people[who].bench.vault.clone();
            self.world.draft_message(who, "never stored").unwrap();
            self.world.people[who].bench.vault = before;
        }
    }

    /// Sealed and stored; it leaves later.
    fn hold(&mut self, who: usize) {
        if self.ready(who) {
            let text = self.next_text();
            let post = self.world.draft_message(who, &text).unwrap();
            self.people[who].held = Some((post, text));
        }
    }

    fn release(&mut self, who: usize) {
        let Some((post, text)) = self.people[who].held.take() else { return };
        if self.world.post(who, post) {
            self.expect(who, text);
        }
    }

    fn back_up(&mut self, who: usize) {
        if self.ready(who) {
            let person = &mut self.world.people[who];
            let cursor = person.group().cursor() as usize;
            let (vault, read, seat) = (person.bench.vault.clone(), person.read.clone(), person.seat);
            self.people[who].copy = Some(Copy { vault, read, seat, cursor });
        }
    }

    /// An old copy takes the store's place. If it has posted since, it will see that, and read nothing from there on.
    fn restore(&mut self, who: usize) {
        let Some(copy) = self.people[who].copy.clone() else { return };
        let person = &mut self.world.people[who];
        (person.bench.vault, person.read, person.seat) = (copy.vault, copy.read, copy.seat);
        let since = self.world.log.iter().enumerate().skip(copy.cursor);
        let doom = since.filter(|(_, kept)| kept.seat == copy.seat).map(|(place, _)| place).next();
        let model = &mut self.people[who];
        model.held = None;
        if let Some(doom) = doom {
            model.lost = true;
            model.expected.retain(|(place, _)| *place < doom);
        }
    }

    fn rejoin(&mut self, who: usize) {
        self.sync(who);
        assert!(self.world.people[who].group().is_stranded(), "an old copy finds out");
        let helper = (0..PEOPLE).find(|helper| *helper != who && self.is_fine(*helper));
        let Some(helper) = helper else { return };
        self.release(helper);
        self.sync(helper);
        self.world.ask_to_rejoin(who, helper);
        let model = &mut self.people[who];
        (model.lost, model.copy) = (false, None);
    }

    fn is_fine(&self, who: usize) -> bool {
        self.people[who].member && !self.people[who].lost
    }

    /// Somebody outside comes in; somebody inside is removed by mike, or leaves.
    fn come_or_go(&mut self, who: usize, by: usize) {
        if who == MIKE || by == who {
            return;
        }
        let person = self.world.people[who].person();
        if !self.people[who].member {
            if self.ready(by) {
                self.sync(who);
                self.world.change(by, &Intent::Add(vec![person])).unwrap();
                self.world.sync(who);
                let expected = std::mem::take(&mut self.people[who].expected);
                self.people[who] = Model { expected, member: true, ..Model::default() };
            }
        } else if by == MIKE {
            if self.ready(MIKE) {
                self.world.change(MIKE, &Intent::Remove(vec![person])).unwrap();
                self.gone(who);
            }
        } else if self.ready(who) && self.ready(MIKE) && self.ready(who) {
            self.world.change(who, &Intent::Leave).unwrap();
            self.sync(MIKE);
            self.world.change(MIKE, &Intent::Settle).unwrap();
            self.gone(who);
        }
    }

    fn gone(&mut self, who: usize) {
        let model = &mut self.people[who];
        (model.member, model.copy, model.held) = (false, None, None);
    }

    /// The relay lies to one person: repeats, skips, alters, contradicts itself. Nothing of it is taken for true.
    fn lie_to(&mut self, who: usize, about: usize, how: u8) {
        if !self.is_fine(who) || self.people[who].held.is_some() {
            return;
        }
        self.sync(who);
        let before = self.world.people[who].clone();
        let number = self.world.people[who].group().cursor() + 1;
        let seat = self.world.people[who].seat;
        let Some(kept) = self.world.log.iter().rev().find(|kept| kept.seat != seat).cloned() else { return };
        match how % 4 {
            0 | 1 => {
                let wrong = if how.is_multiple_of(4) { number - 1 } else { number + 1 };
                let refused = self.world.deliver(who, wrong, &kept);
                assert_eq!(refused, Err(Misuse::OutOfOrder.into()));
            }
            2 => self.told(who, number, Kept { turn: self.world.turn, ..kept }),
            _ => {
                let mut altered = Kept { turn: self.world.turn, ..kept };
                let at = about * 7 % altered.shared.len();
                altered.shared[at] ^= 1 << (how / 4 % 8);
                self.told(who, number, altered);
            }
        }
        self.world.people[who] = before;
    }

    /// An entry that is a repeat or was altered never says anything.
    fn told(&mut self, who: usize, number: u64, kept: Kept) {
        self.world.deliver(who, number, &kept).unwrap();
        let last = self.world.people[who].received.last();
        let harmless = matches!(last, Some(Received::Void(_) | Received::Unreadable { .. }));
        assert!(harmless, "{last:?}");
    }

    fn end(mut self) {
        (0..PEOPLE).for_each(|who| self.release(who));
        self.world.sync_all();
        let mut heads = HashSet::new();
        for (who, model) in self.people.iter().enumerate() {
            let person = &mut self.world.people[who];
            let expected: Vec<&String> = model.expected.iter().map(|(_, text)| text).collect();
            assert_eq!(person.read.iter().collect::<Vec<_>>(), expected, "what {who} has read");
            let honest = person.received.iter().all(|received| match received {
                Received::Message(message) => message.view != ViewCheck::Differs,
                Received::Void(_) | Received::Unreadable { .. } => false,
                _ => true,
            });
            assert!(honest, "{who} was told only the truth: {:?}", person.received);
            if model.member && !model.lost {
                let group = person.group();
                assert!(!group.is_stranded() && !group.is_out(), "{who} follows");
                let state = &group.state;
                heads.insert((group.epoch(), state.commit, state.view, group.roster.hash().unwrap()));
            }
        }
        assert!(heads.len() <= 1, "all who follow agree");
        let keys = sealed_under::take();
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "no key has sealed twice");
    }
}
