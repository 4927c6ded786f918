//! What a message costs on the wire, and a commit in the store.

use super::*;
use crate::Vault;

/// Bytes that a length which needs no padding gets, all slices included: Padmé steps are 64 bytes at this size.
fn added(world: &mut World) -> usize {
    let over = |length: usize, world: &mut World| {
        world.say(0, &"x".repeat(length));
        let kept = world.log.last().unwrap();
        kept.shared.len() + kept.slices.values().map(Vec::len).sum::<usize>() - length
    };
    (1024..1088).map(|length| over(length, world)).min().unwrap()
}

#[test]
fn a_message_of_1_kib_grows_by_at_most_170_bytes_in_a_group_and_240_between_two() {
    let mut group = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    let mut direct = World::new(Scheme::Pairwise, &["mike", "sean"], 0);
    for world in [&mut group, &mut direct] {
        // Sessions are answered, keys handed out, and the numbers of entries have grown beyond one byte.
        for _ in 0..40 {
            world.say(0, "hello");
            world.say(1, "hello yourself");
        }
    }
    let added = (added(&mut group), added(&mut direct));
    assert!(added.0 <= 170 && added.1 <= 240, "{added:?}");
}

/// The member rows of somebody's store.
fn members(world: &World, who: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = world.people[who].bench.vault.scan(&[Row::Member as u8]).unwrap();
    found.into_iter().map(|found| (found.key, found.value.to_vec())).collect()
}

#[test]
fn a_heal_rewrites_the_row_of_its_author_alone() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve", "dave"], 0);
    let before = members(&world, 1);
    world.change(0, &Intent::Heal).unwrap();
    world.sync_all();
    let after = members(&world, 1);
    assert_eq!((before.len(), after.len()), (4, 4));
    assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 1);
    let steve = world.people[2].person();
    world.change(0, &Intent::Remove(vec![steve])).unwrap();
    world.sync_all();
    assert_eq!((members(&world, 1).len(), world.people[1].group().people().count()), (3, 3));
}

#[test]
fn a_roster_in_one_row_as_older_stores_have_it_is_read_and_split_by_the_next_commit() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    let group = world.people[1].group();
    let mut cx = world.people[1].bench.cx();
    Roster::forget(&group.id, &mut cx).unwrap();
    save(cx.vault, &group.row(Row::Roster), group.roster.body()).unwrap();
    world.say(0, "one row");
    world.sync_all();
    world.change(0, &Intent::Heal).unwrap();
    world.say(0, "many rows");
    world.sync_all();
    assert_eq!(texts(&world, 1), ["one row", "many rows"]);
    let vault = &world.people[1].bench.vault;
    assert_eq!((vault.get(&group.row(Row::Roster)).unwrap(), members(&world, 1).len()), (None, 3));
}
