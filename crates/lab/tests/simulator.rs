//! The simulator: a run comes again from its seed, and in any weather all members read the same, each message once.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use conclave_lab::simulator::{Deed, Weather, What, World};
use conclave_protocol::group::{Intent, Scheme};

const SCHEMES: [Scheme; 3] = Scheme::ALL;
const MEMBERS: usize = 4;
const MINUTE: u64 = 60_000;

/// Half an hour in which everybody speaks and heals, two come in late, one is removed, and everything goes wrong on the way.
fn stormy(scheme: Scheme, seed: u64) -> World {
    let mut world = World::new(scheme, MEMBERS, 1, seed).unwrap();
    world.set_weather(Weather::STORM);
    for round in 0..4 {
        for who in 0..MEMBERS {
            let at = world.now() + (round * MEMBERS as u64 + who as u64) * MINUTE;
            world.plan(at, who, Deed::Say(format!("{round} of {who}")));
            if round == 1 {
                world.plan(at, who, Deed::Change(Intent::Heal));
            }
        }
    }
    let late = world.person(MEMBERS).unwrap();
    world.plan(5 * MINUTE, 0, Deed::Change(Intent::Add(vec![late])));
    world.plan(6 * MINUTE, 2, Deed::Crash);
    world.plan(12 * MINUTE, MEMBERS, Deed::Say("late".into()));
    world.run_until(30 * MINUTE).unwrap();
    world
}

#[test]
fn a_run_comes_again_from_its_seed() {
    for scheme in SCHEMES {
        let (one, again, other) = (stormy(scheme, 7), stormy(scheme, 7), stormy(scheme, 8));
        assert_eq!(one.fingerprint(), again.fingerprint(), "{scheme}");
        assert_ne!(one.fingerprint(), other.fingerprint(), "{scheme}");
    }
}

#[test]
fn in_any_weather_all_members_read_the_same_and_each_message_once() {
    for scheme in SCHEMES {
        for seed in 0..3 {
            let mut world = stormy(scheme, seed);
            world.set_weather(Weather::CALM);
            world.rest().unwrap();
            let said: Vec<_> = world
                .tape
                .entries
                .iter()
                .filter_map(|kept| match &kept.what {
                    What::Said(text) => Some((kept.number, kept.who, text.clone())),
                    _ => None,
                })
                .collect();
            assert_eq!(said.len(), 4 * MEMBERS + 1, "{scheme} {seed}: nothing is lost or repeated: {said:?}");
            for (who, device) in world.devices.iter().enumerate().take(MEMBERS) {
                let expected: Vec<_> = said
                    .iter()
                    .filter(|(_, author, _)| *author != who)
                    .map(|(number, _, text)| (*number, text.clone()))
                    .collect();
                assert_eq!(device.disk.history, expected, "{scheme} {seed}: member {who}");
            }
        }
    }
}
