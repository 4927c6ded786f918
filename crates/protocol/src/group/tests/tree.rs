//! The tree: what its commits may do, whom they strand, and what is kept.

use super::super::change::{key_material, newcomer, seed_check};
use super::super::cipher::{Entrance, Rekey, Room, Step};
use super::super::epoch::Epoch;
use super::super::seal::Sealer;
use super::super::tree::{self, spoil};
use super::super::world::Kept;
use super::*;
use crate::Vault;
use crate::roster::{Body, Change, Draft, LeafKeys};
use crate::session::{join_key_package, join_secret};
use std::collections::BTreeMap;

fn world() -> World {
    World::new(Scheme::Tree, &["mike", "sean", "steve"], 0)
}

#[test]
fn a_commit_that_opens_for_some_strands_the_others_and_nobody_forks() {
    for spoiled in [0, 1] {
        let mut world = world();
        spoil::after(spoiled);
        world.change(0, &Intent::Heal).unwrap();
        world.sync_all();
        let stranded: Vec<_> = (1..3).filter(|who| world.people[*who].group().is_stranded()).collect();
        let [lost] = stranded[..] else { panic!("one of two: {stranded:?}") };
        world.say(0, "lost on one");
        world.ask_to_rejoin(lost, 3 - lost);
        (0..3).for_each(|who| world.say(who, "all here"));
        world.sync_all();
        let epochs: Vec<_> = (0..3).map(|who| world.people[who].group().epoch()).collect();
        assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
        let heard = (0..3).map(|who| texts(&world, who).iter().filter(|text| **text == "all here").count());
        assert_eq!(heard.collect::<Vec<_>>(), [2, 2, 2]);
    }
}

/// How mike's commit lies.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    None,
    /// The tree loses steve, the roster does not.
    RemovesAnother,
    /// The tree gets another leaf key than the roster.
    OtherKey,
    /// The MLS commit was made for another draft.
    OtherDraft,
    /// The MLS commit is one of an earlier epoch.
    Replayed,
    /// No MLS commit at all.
    Garbage,
    /// The hash of the MLS commit is another's.
    OtherMaterial,
    /// The seed that it claims is another.
    OtherSeed,
    /// No seed is claimed.
    NoSeed,
}

/// A heal by mike, signed and sealed as it must be, whose tree does something else.
fn hostile(world: &mut World, lie: Lie) -> Kept {
    let (steve, earlier) = (world.people[2].person(), earlier_material(world));
    let mike = &mut world.people[0];
    let (account, group) = (mike.account(), mike.group());
    let mut cx = mike.bench.cx();
    let (leaf, secrets) = group.new_leaf(&account, &mut cx).unwrap();
    let after = group.roster.apply(group.state.me, &[], Some(&leaf)).unwrap();
    let honest = group.draft(Vec::new(), Some(leaf.clone()), &after).unwrap();
    let other = Draft { roster_after: Digest([9; 32]), ..honest.clone() };
    let lying_after = match lie {
        Lie::RemovesAnother => {
            group.roster.apply(group.state.me, &[Change::Remove(steve)], Some(&leaf)).unwrap()
        }
        Lie::OtherKey => group
            .roster
            .apply(group.state.me, &[], Some(&group.new_leaf(&account, &mut cx).unwrap().0))
            .unwrap(),
        _ => after.clone(),
    };
    let made_for = if lie == Lie::OtherDraft { &other } else { &honest };
    let renewed = if lie == Lie::OtherKey { group.new_leaf(&account, &mut cx).unwrap().1 } else { secrets };
    let step =
        Step { draft: made_for, before: &group.roster, after: &lying_after, key_packages: &BTreeMap::new() };
    let made = Scheme::Tree.rekey(&step, Some(&renewed), &mut cx);
    let Ok(Rekey { seed, mut material, .. }) = made else { panic!("{lie:?}") };
    match lie {
        Lie::Replayed => material = earlier,
        Lie::Garbage => material = vec![7; 100],
        _ => {}
    }
    let seed = seed.unwrap();
    let check = match lie {
        Lie::NoSeed => None,
        Lie::OtherSeed => Some(Digest([8; 32])),
        _ => Some(seed_check(&seed)),
    };
    let named = if lie == Lie::OtherMaterial { &[1][..] } else { &material };
    let body = Body { draft: honest, key_material: key_material(Some(named)), seed_check: check };
    let hash = body.hash().unwrap();
    let tag = Epoch::next(&group.state.keys, Some(&seed), &hash).tag(&hash);
    let commit = Commit::sign(body, tag, &group.leaf_secrets(&cx).unwrap().signing).unwrap();
    let sealer = Sealer::fresh(&group.state.keys, &group.place(), &mut cx).unwrap();
    let inner = crate::codec::encode(&Inner::Rekeyed(commit, material.into())).unwrap();
    let shared = sealer.seal_shared(inner).unwrap();
    let (turn, seat) = (world.turn + 1, world.people[0].seat);
    Kept { turn, seat, shared, slices: BTreeMap::new(), seats: Vec::new() }
}

fn earlier_material(world: &mut World) -> Vec<u8> {
    let pending = world.people[0].bench.vault.clone();
    world.draft(0, &Intent::Heal).unwrap();
    let group = world.people[0].group();
    let row = load::<Pending>(&world.people[0].bench.vault, &group.row(Row::Pending)).unwrap().unwrap();
    let PendingWhat::Rekeyed(..) = row.what else { panic!("a commit of a tree") };
    let sealed = world.draft(0, &Intent::Heal);
    assert_eq!(sealed, Err(Misuse::PostPending.into()));
    world.people[0].bench.vault = pending;
    let post = world.draft(0, &Intent::Heal).unwrap();
    let group = world.people[0].group();
    let sealer = Sealer::of(&group.state.keys, &group.place(), &post.shared).unwrap();
    let Inner::Rekeyed(_, material) = sealer.open_shared(&post.shared).unwrap() else { panic!("a commit") };
    assert!(world.post(0, post));
    world.sync_all();
    material.into()
}

#[test]
fn a_tree_that_does_something_else_than_the_roster_is_void_for_all() {
    use PeerFault::{HashMismatch, NotAllowed, RosterMismatch, WrongEpoch};
    let lies = [
        (Lie::RemovesAnother, Some(RosterMismatch)),
        (Lie::OtherKey, Some(RosterMismatch)),
        (Lie::OtherDraft, Some(HashMismatch)),
        (Lie::Replayed, Some(WrongEpoch)),
        (Lie::Garbage, Some(PeerFault::Malformed)),
        (Lie::OtherMaterial, Some(HashMismatch)),
        (Lie::NoSeed, Some(NotAllowed)),
        (Lie::None, None),
    ];
    for (lie, fault) in lies {
        let mut world = world();
        let kept = hostile(&mut world, lie);
        let number = world.people[1].group().cursor() + 1;
        for who in [1, 2] {
            let (epoch, rows) = (world.people[who].group().epoch(), tree_rows(&world, who));
            world.deliver(who, number, &kept).unwrap();
            let moved = u64::from(fault.is_none());
            assert_eq!(world.people[who].group().epoch(), epoch + moved, "{lie:?}");
            assert_eq!(tree_rows(&world, who) == rows, fault.is_some(), "{lie:?}");
            match (world.people[who].received.last(), fault) {
                (Some(Received::Void(void)), Some(fault)) => assert_eq!(*void, fault, "{lie:?}"),
                (Some(Received::Committed { .. }), None) => {}
                (other, _) => panic!("{lie:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_seed_that_the_tree_does_not_give_strands_and_changes_nothing() {
    let mut world = world();
    let kept = hostile(&mut world, Lie::OtherSeed);
    let number = world.people[1].group().cursor() + 1;
    let rows = tree_rows(&world, 1);
    world.deliver(1, number, &kept).unwrap();
    assert!(matches!(world.people[1].received.last(), Some(Received::Stranded(PeerFault::HashMismatch))));
    assert_eq!(tree_rows(&world, 1), rows);
}

fn tree_rows(world: &World, who: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows =
        [Row::Tree, Row::TreeNode].map(|row| world.people[who].bench.vault.scan(&[row as u8]).unwrap());
    rows.into_iter().flatten().map(|found| (found.key, found.value.to_vec())).collect()
}

#[test]
fn the_same_randomness_gives_the_same_bytes() {
    over_every_scheme(|scheme| {
        let [one, other] = [(); 2].map(|()| {
            let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
            world.say(0, "hello");
            world.change(1, &Intent::Heal).unwrap();
            world.say(2, "hello yourself");
            world.log.into_iter().map(|kept| (kept.shared, kept.slices)).collect::<Vec<_>>()
        });
        assert_eq!(one, other, "{scheme}");
    });
}

#[test]
fn a_heal_rewrites_the_nodes_of_its_path_alone_and_a_message_none() {
    let names = ["mike", "sean", "steve", "dave", "anna", "ben", "carl", "dora"];
    let mut world = World::new(Scheme::Tree, &names, 0);
    for who in 0..8 {
        world.change(who, &Intent::Heal).unwrap();
        world.sync_all();
    }
    let before = tree_rows(&world, 1);
    world.say(0, "hello");
    world.sync_all();
    assert_eq!(tree_rows(&world, 1), before);
    world.change(0, &Intent::Heal).unwrap();
    world.sync_all();
    let after = tree_rows(&world, 1);
    let changed = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    assert_eq!((before.len(), after.len()), (1 + 15, 1 + 15), "eight leaves, seven parents, the state");
    assert_eq!(changed, 1 + 1 + 3, "the state, the leaf, three above it");
}

#[test]
fn a_newcomer_does_not_take_another_tree() {
    let mut world = World::new(Scheme::Tree, &["mike", "sean", "dave"], 1);
    let (bundles, dave) = (world.bundles(), world.people[2].person());
    let newcomer = newcomer(dave, &bundles, &mut world.people[0].bench.cx()).unwrap();
    let join_key = world.people[2].account();
    let before = world.people[0].group().roster;
    let changes = vec![Change::Add(newcomer)];
    let (group, mut cx) = (world.people[0].group(), world.people[0].bench.cx());
    let after = before.apply(group.state.me, &changes, None).unwrap();
    let draft = group.draft(changes, None, &after).unwrap();
    let device = *join_key.device_id();
    let key_packages = BTreeMap::from([(device, bundles.key_package(device).unwrap())]);
    let step = Step { draft: &draft, before: &before, after: &after, key_packages: &key_packages };
    let Rekey { seed, material, tree, tickets, .. } = Scheme::Tree.rekey(&step, None, &mut cx).unwrap();
    let key_material = key_material(Some(&material));
    let body = Body { draft, key_material, seed_check: seed.as_ref().map(seed_check) };
    let commit = Commit::sign(body, [0; 32], &group.leaf_secrets(&cx).unwrap().signing).unwrap();
    let older = tree::tree_bytes(&group.id, &cx);
    let other_seed = Some(Digest([1; 32]));
    let (ticket, check) = (&tickets[&device], commit.body.seed_check);
    for (tree, ticket, check, fault) in [
        (&tree, ticket, check, None),
        (&older, ticket, check, Some(PeerFault::HashMismatch)),
        (&tree, ticket, other_seed, Some(PeerFault::HashMismatch)),
        (&tree, &vec![1, 2, 3], check, Some(PeerFault::Malformed)),
    ] {
        let mut commit = commit.clone();
        commit.body.seed_check = check;
        let mut dave = world.people[2].clone();
        let leaf = after.leaf(device).unwrap();
        let LeafKeys::Joined(key) = &leaf.keys else { panic!("a first leaf") };
        let id = key.peek().unwrap().id();
        let joined = dave.bench.step(|cx| {
            let secret = join_secret(id, cx)?;
            let leaf = LeafSecrets { kem: secret.kem, signing: secret.signing };
            let package = join_key_package(id, cx)?;
            let package = package.as_ref().map(|package| package.as_slice());
            let entrance = Entrance { commit: &commit, tree, ticket, leaf: &leaf, key_package: package };
            let account = Account::load(cx)?;
            let led_here = commit.hash()?;
            let room = Room { account: &account, roster: &after, commit: &led_here, me: device };
            Scheme::Tree.join(&room, &entrance, cx)
        });
        assert_eq!(joined, fault.map_or(Ok(()), |fault| Err(fault.into())));
    }
}

#[test]
fn a_key_package_with_any_bit_flipped_or_of_another_adds_nobody() {
    let mut world = World::new(Scheme::Tree, &["mike", "sean", "dave", "anna"], 2);
    let dave = world.people[2].person();
    let published = world.people[2].published.join_keys.last().unwrap().clone();
    let (_, package) = crate::session::UnverifiedJoinKey::read_first(&published).unwrap();
    let start = published.len() - package.len();
    let others = world.people[3].published.join_keys.last().unwrap()[start..].to_vec();
    let add = |joined: Vec<u8>| {
        let mut world = world.clone();
        let mut bundles = world.bundles();
        let device = *world.people[2].account().device_id();
        bundles.device(device, world.people[2].published.bundle.clone().unwrap(), None, Some(joined));
        let mike = &mut world.people[0];
        let (account, mut group) = (mike.account(), mike.group());
        mike.bench.step(|cx| group.change(&account, &Intent::Add(vec![dave]), &bundles, cx))
    };
    assert!(add(published.clone()).is_ok());
    for bit in (start * 8..published.len() * 8).step_by(701) {
        let mut flipped = published.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(add(flipped), Err(Error::Peer(_))), "bit {bit}");
    }
    assert!(matches!(add([&published[..start], &others].concat()), Err(Error::Peer(_))));
    assert_eq!(add(published[..start].to_vec()), Err(Misuse::JoinKeyNeeded.into()));
}

/// mls-rs follows such a path out of bounds, and the process ends.
#[test]
fn a_path_that_is_too_short_is_void_before_the_engine_goes_along_it() {
    let mut world = World::new(Scheme::Tree, &["mike", "sean"], 0);
    for who in [0, 1] {
        world.change(who, &Intent::Heal).unwrap();
        world.sync_all();
    }
    let id = world.people[0].group.unwrap();
    tree::shorten_next(&id, &world.people[0].bench.cx());
    let post = world.draft(0, &Intent::Heal).unwrap();
    tree::shorten_no_more();
    assert!(world.post(0, post));
    let epoch = world.people[1].group().epoch();
    world.sync(1);
    let last = world.people[1].received.last();
    assert!(matches!(last, Some(Received::Void(PeerFault::RosterMismatch))), "{last:?}");
    assert_eq!(world.people[1].group().epoch(), epoch);
}
