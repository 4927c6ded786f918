//! Thefts of everything that a device holds, played against all traffic before and after: exactly which messages open.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use conclave_lab::simulator::{Deed, Weather, World};
use conclave_lab::thief::{attack, bound};
use conclave_protocol::group::{Intent, Scheme};
use std::collections::BTreeSet;

/// Every scheme; a new one joins here.
const SCHEMES: [Scheme; 3] = Scheme::ALL;

const HEAL: Deed = Deed::Change(Intent::Heal);

fn say(text: &str) -> Deed {
    Deed::Say(text.into())
}

/// A group of so many in which everybody has healed and everybody has spoken.
fn world(scheme: Scheme, members: usize, outside: usize) -> World {
    let mut world = World::new(scheme, members, outside, 1).unwrap();
    for who in 0..members {
        world.act(who, HEAL).unwrap();
    }
    for who in 0..members {
        world.act(who, say("old")).unwrap();
    }
    world
}

/// What is opened of all that was said, by its text; checked against the bound.
fn opened(world: &World) -> BTreeSet<String> {
    let haul = attack(&world.loot, &world.tape).unwrap();
    let within = bound(&world.loot, &world.tape, true).unwrap();
    let copies: Vec<_> =
        world.loot.iter().map(|copy| (copy.who, copy.place().unwrap(), copy.posted)).collect();
    let log: Vec<_> = world.tape.entries.iter().map(|kept| (kept.number, kept.who, &kept.what)).collect();
    assert!(haul.opened.is_subset(&within), "{:?} beyond {within:?}: {copies:?} {log:?}", haul.opened);
    haul.texts(&world.tape).into_iter().map(str::to_owned).collect()
}

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn without_a_theft_nothing_opens() {
    for scheme in SCHEMES {
        assert_eq!(opened(&world(scheme, 3, 0)), texts(&[]), "{scheme}");
    }
}

#[test]
fn nothing_from_before_the_theft_opens_and_nothing_once_the_victim_has_healed() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 3, 0);
        world.act(1, Deed::Steal).unwrap();
        for (who, text) in [(0, "then 0"), (2, "then 2")] {
            world.act(who, say(text)).unwrap();
        }
        world.act(1, HEAL).unwrap();
        for (who, text) in [(0, "healed 0"), (1, "healed 1"), (2, "healed 2"), (0, "healed 0 again")] {
            world.act(who, say(text)).unwrap();
        }
        assert_eq!(opened(&world), texts(&["then 0", "then 2"]), "{scheme}");
        let haul = attack(&world.loot, &world.tape).unwrap();
        let stored = haul.stored.iter().filter_map(|number| world.tape.text(*number));
        assert_eq!(stored.collect::<BTreeSet<_>>(), BTreeSet::from(["old"]), "{scheme}: the plaintext store");
    }
}

#[test]
fn without_heals_a_thief_reads_on() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 3, 0);
        world.act(1, Deed::Steal).unwrap();
        let said: Vec<String> = (0..6).map(|n| format!("said {n}")).collect();
        for text in &said {
            world.act(0, say(text)).unwrap();
        }
        assert_eq!(opened(&world), said.into_iter().collect(), "{scheme}");
    }
}

#[test]
fn a_heal_of_somebody_else_does_not_lock_the_thief_out() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 3, 0);
        world.act(1, Deed::Steal).unwrap();
        world.act(0, HEAL).unwrap();
        world.act(2, HEAL).unwrap();
        world.act(0, say("then 0")).unwrap();
        world.act(2, say("then 2")).unwrap();
        assert_eq!(opened(&world), texts(&["then 0", "then 2"]), "{scheme}");
    }
}

/// The pair of a victim and somebody who both never answer: nothing but the heal can lock a thief of it out.
#[test]
fn one_heal_closes_pairs_that_never_answered_each_other() {
    for scheme in SCHEMES {
        let mut world = World::new(scheme, 4, 0, 1).unwrap();
        world.act(0, say("first")).unwrap();
        world.act(1, Deed::Steal).unwrap();
        world.act(0, say("then 0")).unwrap();
        world.act(2, say("then 2")).unwrap();
        world.act(1, HEAL).unwrap();
        for who in [0, 2, 3] {
            world.act(who, say("healed")).unwrap();
        }
        assert_eq!(opened(&world), texts(&["then 0", "then 2"]), "{scheme}");
    }
}

#[test]
fn several_thefts_are_closed_by_the_heal_of_the_last_victim() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 4, 0);
        for (victim, text) in [(1, "one stolen"), (2, "two stolen"), (3, "three stolen")] {
            world.act(victim, Deed::Steal).unwrap();
            world.act(0, say(text)).unwrap();
        }
        for (victim, text) in [(2, "one healed"), (1, "two healed"), (3, "three healed")] {
            world.act(victim, HEAL).unwrap();
            world.act(0, say(text)).unwrap();
        }
        let expected = ["one stolen", "two stolen", "three stolen", "one healed", "two healed"];
        assert_eq!(opened(&world), texts(&expected), "{scheme}");
    }
}

/// The stated limit: what X's heal closed is opened by a later theft of W, who has not healed since before that.
#[test]
fn a_later_theft_of_a_receiver_opens_the_healed_span() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 3, 0);
        world.act(1, Deed::Steal).unwrap();
        world.act(0, say("stolen")).unwrap();
        world.act(1, HEAL).unwrap();
        world.act(0, say("healed")).unwrap();
        assert_eq!(opened(&world), texts(&["stolen"]), "{scheme}");
        world.act(2, Deed::Steal).unwrap();
        world.act(0, say("stolen again")).unwrap();
        assert_eq!(opened(&world), texts(&["stolen", "healed", "stolen again"]), "{scheme}");
        world.loot.remove(0);
        assert_eq!(opened(&world), texts(&["stolen again"]), "{scheme}: the later theft alone");
    }
}

/// A seed goes through nodes that the receiver shares with others: under tree the heal of one of them replaces what would open it.
#[test]
fn under_tree_a_heal_beside_the_receiver_closes_the_span_as_well() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 3, 0);
        world.act(2, Deed::Steal).unwrap();
        world.act(1, say("stolen")).unwrap();
        world.act(2, HEAL).unwrap();
        world.act(1, say("healed")).unwrap();
        let mut beside = world.clone();
        beside.act(1, HEAL).unwrap();
        let mut seen = Vec::new();
        for mut world in [world, beside] {
            world.act(0, Deed::Steal).unwrap();
            world.act(1, say("stolen again")).unwrap();
            seen.push(opened(&world));
        }
        let all = texts(&["stolen", "healed", "stolen again"]);
        let beside = match scheme {
            Scheme::Tree => texts(&["stolen", "stolen again"]),
            _ => all.clone(),
        };
        assert_eq!(seen, [all, beside], "{scheme}");
    }
}

#[test]
fn a_later_theft_opens_no_healed_span_once_the_receiver_has_healed() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 3, 0);
        world.act(1, Deed::Steal).unwrap();
        world.act(1, HEAL).unwrap();
        world.act(0, say("healed")).unwrap();
        world.act(2, HEAL).unwrap();
        world.act(0, say("healed twice")).unwrap();
        world.act(2, Deed::Steal).unwrap();
        world.act(0, say("stolen again")).unwrap();
        let expected = match scheme {
            // The seal is known of all of this epoch, and the first victim's session, in which it has not answered, is stolen.
            Scheme::Pairwise => texts(&["healed twice", "stolen again"]),
            _ => texts(&["stolen again"]),
        };
        assert_eq!(opened(&world), expected, "{scheme}");
        // Round trips move the stolen sessions on.
        for who in [1, 2, 0, 1, 2, 0] {
            world.act(who, say("round trip")).unwrap();
        }
        world.act(1, HEAL).unwrap();
        world.act(2, HEAL).unwrap();
        world.act(0, say("healed three times")).unwrap();
        world.act(2, Deed::Steal).unwrap();
        assert!(!opened(&world).contains("healed three times"), "{scheme}");
    }
}

/// A heal does not move sessions: what one that was stolen carries opens once the seal around it is stolen too.
#[test]
fn a_session_stolen_before_opens_what_it_carried_in_the_epoch_of_a_later_theft() {
    for scheme in SCHEMES {
        let mut world = World::new(scheme, 3, 0, 1).unwrap();
        world.act(1, say("old")).unwrap();
        world.act(1, Deed::Steal).unwrap();
        world.act(1, HEAL).unwrap();
        world.act(2, HEAL).unwrap();
        // Its first message: under sender keys it hands its chain out.
        world.act(0, say("first")).unwrap();
        assert_eq!(opened(&world), texts(&[]), "{scheme}");
        world.act(2, Deed::Steal).unwrap();
        let expected = match scheme {
            // Nothing of a tree goes through sessions.
            Scheme::Tree => texts(&[]),
            _ => texts(&["first"]),
        };
        assert_eq!(opened(&world), expected, "{scheme}");
        world.loot.remove(0);
        assert_eq!(opened(&world), texts(&[]), "{scheme}: the later theft alone");
    }
}

#[test]
fn a_heal_that_loses_to_an_add_is_made_again_and_locks_the_thief_out() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 3, 1);
        world.act(1, Deed::Steal).unwrap();
        world.seal_and_lose(1, HEAL).unwrap();
        let new = world.person(3).unwrap();
        race(&mut world, 0, Intent::Add(vec![new]));
        world.act(0, say("healed")).unwrap();
        world.act(3, say("healed")).unwrap();
        assert_eq!(opened(&world), texts(&["added"]), "{scheme}");
    }
}

#[test]
fn a_heal_that_loses_to_a_removal_is_made_again_and_locks_the_thief_out() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 4, 0);
        world.act(1, Deed::Steal).unwrap();
        world.seal_and_lose(1, HEAL).unwrap();
        // What was pending in this copy can never be accepted any more.
        world.act_alone(1, Deed::Steal).unwrap();
        let gone = world.person(3).unwrap();
        race(&mut world, 0, Intent::Remove(vec![gone]));
        world.act(0, say("healed")).unwrap();
        assert_eq!(opened(&world), texts(&["added"]), "{scheme}");
    }
}

/// Member `who` changes the group and speaks while the heal of member 1 is on its way; then it arrives, too late.
fn race(world: &mut World, who: usize, intent: Intent) {
    world.act_alone(who, Deed::Change(intent)).unwrap();
    world.act_alone(who, say("added")).unwrap();
    world.rest().unwrap();
}

#[test]
fn a_removed_victims_copy_opens_nothing_more() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 3, 0);
        world.act(1, Deed::Steal).unwrap();
        let victim = world.person(1).unwrap();
        world.act(0, say("stolen")).unwrap();
        world.act(0, Deed::Change(Intent::Remove(vec![victim]))).unwrap();
        world.act(0, say("removed")).unwrap();
        assert_eq!(opened(&world), texts(&["stolen"]), "{scheme}");
    }
}

#[test]
fn a_heal_that_was_lost_is_repeated_and_locks_the_thief_out() {
    for scheme in SCHEMES {
        for answer_only in [false, true] {
            let mut world = world(scheme, 3, 0);
            world.act(1, Deed::Steal).unwrap();
            world.act(0, say("stolen")).unwrap();
            match answer_only {
                true => world.post_and_lose_the_answer(1, HEAL).unwrap(),
                false => world.seal_and_lose(1, HEAL).unwrap(),
            }
            world.act(1, Deed::Crash).unwrap();
            world.act(0, say("healed")).unwrap();
            assert_eq!(opened(&world), texts(&["stolen"]), "{scheme} {answer_only}");
        }
    }
}

/// A copy that holds a heal not yet posted holds its seed: only the next heal counts.
#[test]
fn a_heal_that_was_sealed_before_the_theft_does_not_count() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 3, 0);
        world.seal_and_lose(1, HEAL).unwrap();
        world.act_alone(1, Deed::Steal).unwrap();
        world.rest().unwrap();
        world.act(0, say("stolen")).unwrap();
        world.act(1, HEAL).unwrap();
        world.act(0, say("healed")).unwrap();
        assert_eq!(opened(&world), texts(&["stolen"]), "{scheme}");
    }
}

#[test]
fn a_copy_from_before_it_came_in_opens_the_group_until_the_newcomer_has_healed() {
    for scheme in SCHEMES {
        let mut world = world(scheme, 2, 1);
        world.act(2, Deed::Steal).unwrap();
        let new = world.person(2).unwrap();
        world.act(0, Deed::Change(Intent::Add(vec![new]))).unwrap();
        world.act(0, say("added")).unwrap();
        world.act(2, HEAL).unwrap();
        world.act(0, say("healed")).unwrap();
        let haul = attack(&world.loot, &world.tape).unwrap();
        assert_eq!(haul.texts(&world.tape), ["added"], "{scheme}");
    }
}

/// Whatever the weather, and whenever copies are taken: nothing beyond the bound (`opened` checks that), something within it,
/// and nothing once all victims have healed.
#[test]
fn in_a_storm_copies_open_nothing_beyond_the_bound() {
    for scheme in SCHEMES {
        let mut stolen = 0;
        for seed in 0..2 {
            let mut world = World::new(scheme, 4, 0, seed).unwrap();
            world.set_weather(Weather::STORM);
            for n in 0..24 {
                let at = world.now() + n * 45_000;
                world.plan(at, ((n * 7 + seed) % 4) as usize, say(&format!("said {n}")));
                if n % 5 == seed % 5 {
                    world.plan(at + 10_000, (n % 4) as usize, HEAL);
                }
                if n % 8 == 2 {
                    world.plan(at + 20_000, ((n / 8 + seed) % 4) as usize, Deed::Steal);
                }
            }
            world.run_until(world.now() + 25 * 45_000).unwrap();
            world.set_weather(Weather::CALM);
            world.rest().unwrap();
            for who in 0..4 {
                world.act(who, HEAL).unwrap();
            }
            world.act(0, say("all healed")).unwrap();
            let opened = opened(&world);
            assert!(!opened.contains("all healed"), "{scheme} {seed}");
            stolen += opened.len();
        }
        assert!(stolen > 0, "{scheme}: the thief must read something, or this shows nothing");
    }
}
