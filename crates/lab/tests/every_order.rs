//! Thefts, heals and heals that get lost, over a group of three: every short order, and longer ones drawn from a seed. What opens
//! is exactly what the rule says; under tree it is never more, and less where a node that led on was replaced by somebody's heal.
//!
//! The first step is a theft, of the second member: before it nothing matters, and which member it is, is the same by symmetry,
//! as everybody has healed and spoken.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use conclave_lab::simulator::{Deed, World};
use conclave_lab::thief::{attack, bound};
use conclave_protocol::group::{Intent, Scheme};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;

const MEMBERS: usize = 3;
/// Steps after the first theft, in every order.
const DEPTH: usize = 2;
/// So many longer orders, of so many steps.
const DRAWN: usize = 16;
const LONGER: usize = 6;
const STEPS: [Step; 3] = [Step::Theft, Step::Heal, Step::LostHeal];
const HEAL: Deed = Deed::Change(Intent::Heal);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Theft,
    Heal,
    /// Sealed, and on its way until the member does something again.
    LostHeal,
}

struct Seen {
    /// What opens must be the rule, and not only within it.
    exact: bool,
    orders: usize,
    /// Orders in which less opened.
    less: usize,
    outcomes: BTreeSet<Vec<String>>,
}

impl Seen {
    fn new(exact: bool) -> Self {
        Self { exact, orders: 0, less: 0, outcomes: BTreeSet::new() }
    }
}

/// A step of one member, then a message of the first.
fn after(world: &World, who: usize, step: Step) -> World {
    let mut world = world.clone();
    match step {
        Step::Theft => world.act_alone(who, Deed::Steal).unwrap(),
        Step::Heal => world.act_alone(who, HEAL).unwrap(),
        Step::LostHeal => {
            while world.exchange(who).unwrap() {}
            world.seal_and_lose(who, HEAL).unwrap();
        }
    }
    let text = format!("said {}", world.tape.entries.len());
    world.act_alone(0, Deed::Say(text)).unwrap();
    world
}

fn explore(world: &World, path: &mut Vec<(usize, Step)>, seen: &mut Seen) {
    if path.len() > DEPTH {
        return check(world, path, seen);
    }
    for who in 0..MEMBERS {
        for step in STEPS {
            path.push((who, step));
            explore(&after(world, who, step), path, seen);
            path.pop();
        }
    }
}

fn check(world: &World, path: &[(usize, Step)], seen: &mut Seen) {
    let mut world = world.clone();
    world.rest().unwrap();
    world.act(0, Deed::Say("at last".into())).unwrap();
    let haul = attack(&world.loot, &world.tape).unwrap();
    let rule = bound(&world.loot, &world.tape, false).unwrap();
    match seen.exact {
        true => assert_eq!(haul.opened, rule, "{path:?}"),
        false => assert!(haul.opened.is_subset(&rule), "{path:?}: {:?} beyond {rule:?}", haul.opened),
    }
    seen.less += usize::from(haul.opened != rule);
    seen.orders += 1;
    seen.outcomes.insert(haul.texts(&world.tape).into_iter().map(str::to_owned).collect());
}

/// Everybody has healed and spoken, and the second was stolen from.
fn start(scheme: Scheme) -> World {
    let mut world = World::new(scheme, MEMBERS, 0, 1).unwrap();
    for who in 0..MEMBERS {
        world.act(who, HEAL).unwrap();
    }
    for who in 0..MEMBERS {
        world.act(who, Deed::Say("old".into())).unwrap();
    }
    after(&world, 1, Step::Theft)
}

#[test]
fn in_every_order_of_thefts_and_heals_exactly_what_the_rule_says_opens() {
    let mut seen = Seen::new(true);
    explore(&start(Scheme::SenderKeys), &mut vec![(1, Step::Theft)], &mut seen);
    assert_eq!(seen.orders, (STEPS.len() * MEMBERS).pow(DEPTH as u32));
    assert!(seen.outcomes.len() > 4, "orders end differently: {:?}", seen.outcomes);
}

#[test]
fn in_longer_orders_drawn_from_a_seed_exactly_what_the_rule_says_opens() {
    let mut seen = Seen::new(true);
    draw(&start(Scheme::SenderKeys), &mut seen);
    assert!(seen.outcomes.len() > DRAWN / 2, "orders end differently: {:?}", seen.outcomes);
}

#[test]
fn under_tree_no_order_opens_more_than_the_rule_says() {
    let mut seen = Seen::new(false);
    let start = start(Scheme::Tree);
    explore(&start, &mut vec![(1, Step::Theft)], &mut seen);
    draw(&start, &mut seen);
    assert!(seen.outcomes.len() > DRAWN / 2, "orders end differently: {:?}", seen.outcomes);
    assert!(
        seen.less < seen.orders / 4,
        "of most orders just what the rule says opens: {} of {}",
        seen.less,
        seen.orders
    );
}

fn draw(start: &World, seen: &mut Seen) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for _ in 0..DRAWN {
        let (mut world, mut path) = (start.clone(), vec![(1, Step::Theft)]);
        for _ in 0..LONGER {
            let drawn = rng.next_u64() as usize;
            let (who, step) = (drawn % MEMBERS, STEPS[drawn / MEMBERS % STEPS.len()]);
            world = after(&world, who, step);
            path.push((who, step));
        }
        check(&world, &path, seen);
    }
}
