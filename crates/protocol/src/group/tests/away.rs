//! Devices that are not heard of for 45 days are put away, and come back.

use super::*;
use crate::roster::Change;
use crate::{DeviceId, Timestamp};

fn pass(world: &mut World, days: u64) {
    for person in &mut world.people {
        person.bench.now = person.bench.now.plus(days * Timestamp::DAY);
    }
}

fn heal(world: &mut World, who: usize) {
    world.change(who, &Intent::Heal).unwrap();
    world.sync_all();
}

fn device(world: &mut World, who: usize) -> DeviceId {
    *world.people[who].account().device_id()
}

/// mike and sean are there for 46 days, steve is not.
fn without_steve(scheme: Scheme) -> World {
    let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
    for _ in 0..23 {
        pass(&mut world, 2);
        heal(&mut world, 0);
        heal(&mut world, 1);
    }
    world
}

#[test]
fn who_is_put_away_is_stranded_and_no_message_opens_until_it_is_let_in_again() {
    over_every_scheme(|scheme| {
        let mut world = without_steve(scheme);
        let steve = device(&mut world, 2);
        let roster = world.people[0].group().roster;
        assert!(roster.leaf(steve).is_none() && roster.is_away(steve));
        let group = world.people[2].group();
        assert!(group.is_stranded() && !group.is_out());
        world.say(0, "behind its back");
        world.sync_all();
        assert!(!world.people[2].read.contains(&"behind its back".to_owned()));
        let old_seat = world.people[2].seat;
        world.ask_to_rejoin(2, 0);
        world.sync_all();
        world.say(0, "welcome back");
        world.sync_all();
        world.say(2, "here I am");
        world.sync_all();
        assert_eq!(world.people[2].read.last().unwrap(), "welcome back");
        assert_eq!(world.people[1].read.last().unwrap(), "here I am");
        let closed = world.log.iter().filter(|kept| kept.seats.contains(&SeatChange::Close(old_seat)));
        assert_eq!(closed.count(), 1, "the old seat stays until then, and no longer");
    });
}

#[test]
fn an_old_request_brings_nobody_back_who_is_away() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    let steve = &mut world.people[2];
    let (account, group) = (steve.account(), steve.group());
    let (request, _) = steve.bench.step(|cx| group.rejoin_request(&account, cx)).unwrap();
    let readmit = Intent::Readmit(request.as_slice().into());
    world.change(0, &readmit).unwrap();
    world.sync_all();
    for _ in 0..23 {
        pass(&mut world, 2);
        heal(&mut world, 0);
        heal(&mut world, 1);
    }
    let steve = device(&mut world, 2);
    assert!(world.people[0].group().roster.is_away(steve));
    assert_eq!(world.change(0, &readmit).err(), Some(PeerFault::RolledBack.into()));
}

#[test]
fn nobody_puts_itself_a_stranger_or_the_same_one_away_twice() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve", "dave"], 1);
    let [mike, sean, _, dave] = [0, 1, 2, 3].map(|who| device(&mut world, who));
    let roster = world.people[0].group().roster;
    let away = |device| roster.apply(mike, &[Change::Away(device)], None);
    assert_eq!(away(mike).err(), Some(PeerFault::NotAllowed.into()));
    assert_eq!(away(dave).err(), Some(PeerFault::RosterMismatch.into()));
    let after = away(sean).unwrap();
    let again = after.apply(mike, &[Change::Away(sean)], None);
    assert_eq!(again.err(), Some(PeerFault::RosterMismatch.into()));
    assert_eq!(after.leaves().count(), 2);
    assert!(after.seats_not_in(&roster).is_empty() && roster.seats_not_in(&after).is_empty());
    assert!(after.apply(sean, &[], None).is_err(), "who is away commits nothing");
}

#[test]
fn what_time_a_relay_gives_for_heals_puts_nobody_away() {
    // Every entry of this relay is stamped 1970.
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    heal(&mut world, 2);
    pass(&mut world, 44);
    heal(&mut world, 1);
    pass(&mut world, 5);
    heal(&mut world, 0);
    heal(&mut world, 1);
    let steve = device(&mut world, 2);
    assert!(world.people[0].group().roster.is_away(steve), "by the own clock it is");
    let sean = device(&mut world, 1);
    assert!(!world.people[0].group().roster.is_away(sean));
}
