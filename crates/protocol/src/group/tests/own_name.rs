//! Somebody has a copy of sean's state: what he sees, and what the others do.

use super::super::world::Kept;
use super::*;

const SEAN: usize = 1;

/// What a copy of sean would post, as an entry of this seat.
fn posted(copy: &mut World, seat: SeatId, make: impl FnOnce(&mut World) -> Post) -> Kept {
    let post = make(copy);
    let slices = post.slices.into_iter().map(|slice| (slice.seat, slice.bytes)).collect();
    let turn = copy.turn + u64::from(post.takes_turn);
    Kept { turn, seat, shared: post.shared, slices, seats: post.seats }
}

fn spoken(scheme: Scheme) -> World {
    let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
    (0..3).for_each(|who| world.say(who, "hello"));
    world.sync_all();
    world
}

fn last(world: &World, who: usize) -> &Received {
    world.people[who].received.last().unwrap()
}

#[test]
fn two_messages_under_one_number_are_named_and_a_replay_is_not() {
    for scheme in [Scheme::SenderKeys, Scheme::Tree] {
        let mut world = spoken(scheme);
        let seat = world.people[SEAN].seat;
        let forged = posted(&mut world.clone(), seat, |copy| copy.draft_message(SEAN, "not sean").unwrap());
        world.say(SEAN, "sean");
        let replayed = world.log.last().unwrap().clone();
        world.sync_all();
        world.log.extend([replayed, forged]);
        world.sync(0);
        let (person, device) = (world.people[SEAN].person(), *world.people[SEAN].account().device_id());
        let [.., again, twice] = &world.people[0].received[..] else { panic!() };
        let duplicate = PeerFault::Duplicate;
        assert!(matches!(again, Received::Unreadable { fault, .. } if *fault == duplicate), "{again:?}");
        let named = matches!(twice, Received::NumberTwice { person: who, device: which }
            if *who == person && *which == device);
        assert!(named, "{twice:?}");
        assert_eq!(world.people[0].read.last().unwrap(), "sean", "the second is not opened");
        // A commit begins new chains: their numbers are others.
        world.change(0, &Intent::Heal).unwrap();
        world.sync(0);
        world.say(2, "number 0 again");
        world.sync(0);
        assert!(matches!(last(&world, 0), Received::Message(_)));
    }
}

#[test]
fn an_entry_of_the_own_seat_that_was_not_posted_is_named() {
    for scheme in Scheme::ALL {
        let mut world = spoken(scheme);
        let seat = world.people[SEAN].seat;
        let forged = posted(&mut world.clone(), seat, |copy| copy.draft_message(SEAN, "not sean").unwrap());
        world.log.push(forged);
        world.sync_all();
        assert!(matches!(last(&world, SEAN), Received::NotPosted), "{:?}", last(&world, SEAN));
        assert!(world.people[SEAN].group().is_stranded());
        assert_eq!(world.people[0].read.last().unwrap(), "not sean");
    }
}

/// It had been wiped as refused, and came through all the same.
#[test]
fn an_own_post_that_was_wiped_is_nobody_elses() {
    for scheme in Scheme::ALL {
        let mut world = spoken(scheme);
        let seat = world.people[SEAN].seat;
        let late = posted(&mut world, seat, |world| world.draft_message(SEAN, "late").unwrap());
        let mut group = world.people[SEAN].group();
        world.people[SEAN].bench.step(|cx| group.refused(cx)).unwrap();
        world.log.push(late);
        world.sync(SEAN);
        let last = last(&world, SEAN);
        assert!(matches!(last, Received::Stranded(PeerFault::RolledBack)), "{last:?}");
    }
}

#[test]
fn a_commit_by_the_own_leaf_from_elsewhere_is_named() {
    for scheme in Scheme::ALL {
        let mut world = spoken(scheme);
        let seat = world.people[2].seat;
        let forged = posted(&mut world.clone(), seat, |copy| copy.draft(SEAN, &Intent::Heal).unwrap());
        world.turn = forged.turn;
        world.log.push(forged);
        world.sync(0);
        world.sync(SEAN);
        assert!(matches!(last(&world, 0), Received::Void(PeerFault::WrongAddress)));
        assert!(matches!(last(&world, SEAN), Received::Impersonated), "{:?}", last(&world, SEAN));
        // One that the relay shows as another's although sean made it says nothing of anybody else.
        let mut world = spoken(scheme);
        let own = posted(&mut world, seat, |world| world.draft(SEAN, &Intent::Heal).unwrap());
        world.turn = own.turn;
        world.log.push(own);
        world.sync(SEAN);
        assert!(matches!(last(&world, SEAN), Received::Void(PeerFault::WrongAddress)));
    }
}

/// What two members tell of a group elsewhere: the same of one log, and a fork at the first entry where there are two.
#[test]
fn views_told_elsewhere_agree_on_one_log_and_differ_on_two() {
    let mut world = spoken(Scheme::SenderKeys);
    let (id, via) = (world.people[0].group.unwrap(), GroupId([3; 32]));
    for person in &mut world.people {
        let (head, turn) = (person.group().cursor(), person.group().turn());
        let mut group = person.group();
        person.bench.step(|cx| group.attached(1, head, turn, cx)).unwrap();
    }
    let view = |world: &mut World, who: usize| {
        Group::view_for(&id, &via, &world.people[who].bench.cx()).unwrap().unwrap()
    };
    let compare = |world: &mut World, who: usize, view: &crate::gossip::LogView, more: u32| {
        let told = (view.incarnation() + more, view.entry(), &view.hash);
        Group::compare(&id, told, &world.people[who].bench.cx()).unwrap()
    };
    let of_sean = view(&mut world, SEAN);
    assert_eq!(of_sean.tag, Group::tag_in(&id, &via, &world.people[0].bench.cx()).unwrap());
    assert_eq!(compare(&mut world, 0, &of_sean, 0), Compared::Same);
    assert_eq!(compare(&mut world, 0, &of_sean, 1), Compared::Ahead, "of a relay restored once more");
    let mut other = world.clone();
    world.say(0, "for one");
    world.sync(0);
    other.say(2, "for the other");
    other.sync(SEAN);
    let of_sean = view(&mut other, SEAN);
    assert_eq!(compare(&mut world, 0, &of_sean, 0), Compared::Differs);
    assert_eq!(compare(&mut world, SEAN, &of_sean, 0), Compared::Ahead);
}
