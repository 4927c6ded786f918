//! Long random lives of a pair: loss, reorder, duplication, restarts, a store restored from a backup.

use super::*;
use crate::primitives::aead::sealed_under;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Act {
    Say(bool),
    /// Delivers one of the messages in flight.
    Deliver(bool, prop::sample::Index),
    Repeat(bool, prop::sample::Index),
    Lose(bool, prop::sample::Index),
    Corrupt(bool, prop::sample::Index, prop::sample::Index),
    Restart(bool),
    BackUp,
    Restore,
}

fn act() -> impl Strategy<Value = Act> {
    let side = any::<bool>();
    let which = any::<prop::sample::Index>();
    prop_oneof![
        10 => side.prop_map(Act::Say),
        12 => (side, which.clone()).prop_map(|(side, which)| Act::Deliver(side, which)),
        2 => (side, which.clone()).prop_map(|(side, which)| Act::Repeat(side, which)),
        2 => (side, which.clone()).prop_map(|(side, which)| Act::Lose(side, which)),
        1 => (side, which.clone(), which).prop_map(|(side, which, at)| Act::Corrupt(side, which, at)),
        1 => side.prop_map(Act::Restart),
    ]
}

fn act_with_restore() -> impl Strategy<Value = Act> {
    prop_oneof![12 => act(), 1 => Just(Act::BackUp), 1 => Just(Act::Restore)]
}

struct World {
    devices: [Device; 2],
    /// Towards each side: message and text.
    in_flight: [Vec<(Vec<u8>, Vec<u8>)>; 2],
    delivered: [Vec<Vec<u8>>; 2],
    texts: [BTreeSet<Vec<u8>>; 2],
    backup: Option<crate::MemoryVault>,
    restored: bool,
    said: u32,
}

impl World {
    fn new() -> Self {
        let (mut a, b) = pair();
        a.start_with(&b, None).unwrap();
        Self {
            devices: [a, b],
            in_flight: Default::default(),
            delivered: Default::default(),
            texts: Default::default(),
            backup: None,
            restored: false,
            said: 0,
        }
    }

    fn sides(&mut self, side: bool) -> (&mut Device, &mut Device) {
        let [a, b] = &mut self.devices;
        if side { (a, b) } else { (b, a) }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Say(side) => self.say(side),
            Act::Deliver(side, which) => {
                if let Some((message, text)) = take(&mut self.in_flight[usize::from(side)], which) {
                    self.deliver(side, message, text);
                }
            }
            Act::Lose(side, which) => drop(take(&mut self.in_flight[usize::from(side)], which)),
            Act::Repeat(side, which) => {
                let delivered = &self.delivered[usize::from(side)];
                if delivered.is_empty() {
                    return;
                }
                let message = which.get(delivered).clone();
                let (to, from) = self.sides(side);
                let outcome = to.open(from, &message);
                assert!(outcome.is_err() || self.restored, "a repeat opened");
            }
            Act::Corrupt(side, which, at) => {
                let in_flight = &self.in_flight[usize::from(side)];
                if in_flight.is_empty() {
                    return;
                }
                let mut message = which.get(in_flight).0.clone();
                let at = at.index(message.len());
                message[at] ^= 0x20;
                let (to, from) = self.sides(side);
                assert!(to.open(from, &message).is_err(), "a corrupted message opened");
            }
            Act::Restart(side) => {
                let (from, to) = self.sides(side);
                from.start_with(to, None).unwrap();
            }
            Act::BackUp => self.backup = Some(self.devices[0].bench.vault.clone()),
            Act::Restore => {
                if let Some(backup) = &self.backup {
                    self.devices[0].bench.vault = backup.clone();
                    self.restored = true;
                }
            }
        }
    }

    fn say(&mut self, side: bool) {
        self.said += 1;
        let text = self.said.to_be_bytes().to_vec();
        let (from, to) = self.sides(side);
        if let Ok(message) = from.try_seal(to, &text) {
            self.in_flight[usize::from(!side)].push((message, text));
        }
    }

    fn deliver(&mut self, side: bool, message: Vec<u8>, text: Vec<u8>) {
        let (to, from) = self.sides(side);
        match to.open(from, &message) {
            Ok(opened) => {
                assert_eq!(opened, text);
                let new = self.texts[usize::from(side)].insert(text);
                assert!(new || self.restored, "a text came twice");
                self.delivered[usize::from(side)].push(message);
            }
            Err(error) => assert!(self.restored, "an honest message was refused: {error}"),
        }
    }
}

fn take(messages: &mut Vec<(Vec<u8>, Vec<u8>)>, which: prop::sample::Index) -> Option<(Vec<u8>, Vec<u8>)> {
    (!messages.is_empty()).then(|| messages.remove(which.index(messages.len())))
}

/// Whatever happened, a new session makes the two understand each other.
fn ends_in_agreement(world: &mut World) {
    let [a, b] = &mut world.devices;
    a.start_with(b, None).unwrap();
    for _ in 0..2 {
        say(a, b, b"end a");
        say(b, a, b"end b");
    }
}

fn no_key_sealed_twice() {
    let keys = sealed_under::take();
    let distinct: BTreeSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
}

/// A world whose sealing is watched from here on.
fn watched_world() -> World {
    let world = World::new();
    sealed_under::take();
    world
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn honest_messages_open_once_whatever_the_network_does(acts in prop::collection::vec(act(), 1..160)) {
        let mut world = watched_world();
        acts.into_iter().for_each(|act| world.act(act));
        ends_in_agreement(&mut world);
        no_key_sealed_twice();
    }

    #[test]
    fn a_restored_store_never_seals_twice_under_one_key(
        acts in prop::collection::vec(act_with_restore(), 1..160),
    ) {
        let mut world = watched_world();
        acts.into_iter().for_each(|act| world.act(act));
        ends_in_agreement(&mut world);
        no_key_sealed_twice();
    }

    #[test]
    fn any_bytes_are_refused_and_change_nothing(bytes in prop::collection::vec(any::<u8>(), 0..2000), one in any::<bool>()) {
        let (a, mut b) = talking();
        let bytes = if one { [&[1], &bytes[..]].concat() } else { bytes };
        prop_assert!(b.open(&a, &bytes).is_err());
        prop_assert!(inbox_open(&b.account, &bytes, &mut b.bench.cx()).is_err());
        let read = UnverifiedBundle::read(&bytes).and_then(|read| read.verify(&a.peer(), a.bench.now));
        prop_assert!(read.is_err());
    }
}
