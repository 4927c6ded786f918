//! Who is handed a sender's key, and that it is not asked device by device when everybody has it.

use crate::group::world::World;
use crate::group::{Intent, Scheme};
use crate::vault::{Row, key, load};
use crate::{Digest, Vault};

/// How many devices the next message of `who` hands its key to.
fn handed(world: &mut World, who: usize) -> usize {
    world.say(who, "said");
    world.sync_all();
    world.log.last().unwrap().slices.len()
}

/// Whether `who` knows, from the one row, that everybody has its key.
fn knows(world: &mut World, who: usize) -> bool {
    let group = world.people[who].group();
    let row = key(Row::HandedToAll, &[group.id().as_bytes()]);
    let all: Option<Digest> = world.people[who].bench.step(|cx| load(cx.vault, &row)).unwrap();
    all == Some(group.state.commit)
}

#[test]
fn a_sender_key_is_handed_once_to_each_and_again_to_who_comes_or_comes_back() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve", "dave"], 1);
    assert_eq!(handed(&mut world, 0), 2, "the first message");
    assert!(!knows(&mut world, 0), "before a message found it out");
    assert_eq!(handed(&mut world, 0), 0);
    assert!(knows(&mut world, 0));
    world.change(1, &Intent::Heal).unwrap();
    world.sync_all();
    assert!(!knows(&mut world, 0), "in another epoch it is found out anew");
    assert_eq!(handed(&mut world, 0), 0);
    let dave = world.people[3].person();
    world.change(1, &Intent::Add(vec![dave])).unwrap();
    world.sync_all();
    assert_eq!(handed(&mut world, 0), 1, "who came");
    assert_eq!(handed(&mut world, 0), 0);
    let steve = world.people[2].person();
    world.change(0, &Intent::Remove(vec![steve])).unwrap();
    world.sync_all();
    assert_eq!(handed(&mut world, 0), 0, "nobody needs anything when somebody goes");
    assert!(knows(&mut world, 0));
    world.ask_to_rejoin(1, 0);
    world.sync_all();
    assert_eq!(handed(&mut world, 0), 1, "who came back");
    assert_eq!(handed(&mut world, 1), 2, "and to all by who came back");
    let read: Vec<_> = world.people.iter().map(|person| person.read.len()).collect();
    assert_eq!(read, [1, 7, 5, 5]);
}

#[test]
fn a_message_that_was_not_taken_hands_nothing_out() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean"], 0);
    let lost = world.draft_message(0, "lost").unwrap();
    assert_eq!(lost.slices.len(), 1);
    let mut group = world.people[0].group();
    world.people[0].bench.step(|cx| group.refused(cx)).unwrap();
    assert_eq!(handed(&mut world, 0), 1);
    assert_eq!(handed(&mut world, 0), 0);
}

/// A store from before there was the row: the devices are looked at.
#[test]
fn a_store_without_the_row_finds_out_by_the_devices() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    assert_eq!((handed(&mut world, 0), handed(&mut world, 0)), (2, 0));
    let group = *world.people[0].group().id();
    world.people[0].bench.vault.delete(&key(Row::HandedToAll, &[group.as_bytes()])).unwrap();
    assert_eq!(handed(&mut world, 0), 0);
    assert!(knows(&mut world, 0));
}
