//! Whole conversations at random: races, lost posts, crashes, members that sleep; and restores from old copies.

use super::SCHEMES;
use crate::group::world::World;
use crate::group::{Intent, Scheme};
use proptest::prelude::*;
use std::sync::OnceLock;

const PEOPLE: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Say(usize),
    Heal(usize),
    Sync(usize),
    /// Both make a post for the same turn; the second is too late.
    Race(usize, usize),
    /// A post is sealed and stored, and never arrives.
    Lost(usize),
    /// The process dies in the middle of a step: the transaction never was.
    Crash(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE;
    prop_oneof![
        5 => who.clone().prop_map(Step::Say),
        1 => who.clone().prop_map(Step::Heal),
        2 => who.clone().prop_map(Step::Sync),
        1 => (who.clone(), who.clone()).prop_map(|(a, b)| Step::Race(a, b)),
        1 => who.clone().prop_map(Step::Lost),
        1 => who.prop_map(Step::Crash),
    ]
}

/// Runs the steps; returns what was accepted, in the order of the log: who said what.
fn run(world: &mut World, steps: &[Step]) -> Vec<(usize, String)> {
    let mut said = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let text = format!("{number}");
        match *step {
            Step::Say(who) => {
                world.say(who, &text);
                said.push((who, text));
            }
            Step::Heal(who) => {
                world.sync(who);
                world.change(who, &Intent::Heal).unwrap();
            }
            Step::Sync(who) => world.sync(who),
            Step::Race(a, b) if a != b => {
                world.sync(a);
                world.sync(b);
                let commit = world.draft(a, &Intent::Heal).unwrap();
                let message = world.draft_message(b, &text).unwrap();
                assert!(world.post(a, commit));
                assert!(!world.post(b, message));
            }
            Step::Race(..) => {}
            Step::Lost(who) => {
                world.sync(who);
                let _never_sent = world.draft_message(who, &text).unwrap();
                let mut group = world.people[who].group();
                world.people[who].bench.step(|cx| group.refused(cx)).unwrap();
            }
            Step::Crash(who) => {
                world.sync(who);
                let before = world.people[who].bench.vault.clone();
                let _never_stored = world.draft_message(who, &text).unwrap();
                world.people[who].bench.vault = before;
            }
        }
    }
    said
}

fn everybody_has_read(world: &World, said: &[(usize, String)]) {
    for (who, person) in world.people.iter().enumerate() {
        let expected: Vec<_> = said.iter().filter(|(by, _)| *by != who).map(|(_, text)| text).collect();
        assert_eq!(person.read.iter().collect::<Vec<_>>(), expected, "what {who} has read");
    }
}

/// Four in a group. Made once for each scheme, as their keys cost time.
fn new_world(scheme: Scheme) -> World {
    static WORLDS: OnceLock<Vec<World>> = OnceLock::new();
    let worlds = WORLDS.get_or_init(|| {
        SCHEMES.map(|scheme| World::new(scheme, &["mike", "sean", "steve", "dave"], 0)).into()
    });
    worlds[usize::from(scheme.number()) - 1].clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_repeated_or_out_of_order(steps in proptest::collection::vec(step(), 1..60)) {
        for scheme in SCHEMES {
            let mut world = new_world(scheme);
            let said = run(&mut world, &steps);
            world.sync_all();
            everybody_has_read(&world, &said);
        }
    }

    #[test]
    fn a_restored_copy_is_let_in_again_and_talks(
        before in proptest::collection::vec(step(), 1..15),
        between in proptest::collection::vec(step(), 1..15),
        who in 1..PEOPLE,
    ) {
        for scheme in SCHEMES {
            let mut world = new_world(scheme);
            run(&mut world, &before);
            world.sync_all();
            let copy = world.people[who].bench.vault.clone();
            run(&mut world, &between);
            world.say(who, "the copy does not know of this");
            world.sync_all();
            world.people[who].bench.vault = copy;
            world.people[who].bench.now = world.people[who].bench.now.plus(1);
            world.sync(who);
            prop_assert!(world.people[who].group().is_stranded());
            world.ask_to_rejoin(who, 0);
            world.sync_all();
            world.people.iter_mut().for_each(|person| person.read.clear());
            let after = run(&mut world, &[0, 1, 2, 3].map(Step::Say));
            world.sync_all();
            everybody_has_read(&world, &after);
        }
    }
}
