//! New keys for a device: they ride with its heal, and shut nobody out.

use super::*;
use crate::identity::DeviceList;
use crate::roster::Change;

/// The keys are made, published and taken over.
fn renew(world: &mut World, who: usize) -> DeviceList {
    let person = &mut world.people[who];
    let account = person.account();
    let next = person.bench.step(|cx| {
        account.prepare_keys(cx)?;
        Account::with_next_keys(cx)
    });
    let next = next.unwrap().unwrap();
    person.published = person
        .bench
        .step(|cx| {
            crate::session::retire_all(cx)?;
            crate::session::replenish(&next, crate::session::Stock::default(), cx)
        })
        .unwrap()
        .unwrap();
    person.bench.step(Account::take_over_keys).unwrap();
    next.device_list()
}

#[test]
fn new_keys_ride_with_a_heal_and_everybody_goes_on() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve", "dave"], 1);
        world.say(1, "before");
        world.say(2, "an answer");
        world.sync_all();
        let list = renew(&mut world, 1);
        // Steve has not heard of it, and writes to keys that the directory has already.
        world.say(2, "on the way");
        world.change(1, &Intent::Heal).unwrap();
        world.sync_all();
        let sean = *list.person();
        for who in [0, 2] {
            let group = world.people[who].group();
            assert_eq!(group.roster.list(sean).unwrap().version(), list.version());
            assert!(world.people[who].received.iter().any(|received| {
                matches!(received, Received::Committed { changes, .. } if changes.contains(&Happened::NewKeys(sean)))
            }));
        }
        world.say(1, "after");
        world.say(2, "heard");
        let dave = world.people[3].person();
        world.change(0, &Intent::Add(vec![dave])).unwrap();
        world.sync_all();
        world.say(1, "hello dave");
        world.sync_all();
        assert_eq!(world.people[1].read, ["an answer", "on the way", "heard"].map(String::from), "{scheme}");
        assert_eq!(
            world.people[0].read,
            ["before", "an answer", "on the way", "after", "heard", "hello dave"]
        );
        assert_eq!(world.people[3].read, ["hello dave"]);
    });
}

#[test]
fn a_list_that_is_old_anothers_or_does_not_fit_the_leaves_is_void() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean"], 0);
    let before = world.people[0].group().roster;
    let [mike, sean] = [0, 1].map(|who| *world.people[who].account().device_id());
    let old = world.people[1].account().device_list();
    let newer = renew(&mut world, 1);
    let apply = |roster: &crate::roster::Roster, by, list: &DeviceList| {
        roster.apply(by, &[Change::Devices(list.signed_bytes().into(), Vec::new())], None).map(drop)
    };
    let fault = |fault: PeerFault| Err(fault.into());
    assert_eq!(apply(&before, sean, &old), fault(PeerFault::RolledBack), "the same again");
    assert_eq!(apply(&before, mike, &old), fault(PeerFault::RolledBack), "told by somebody else");
    assert_eq!(
        apply(&before, mike, &newer),
        fault(PeerFault::BadSignature),
        "with keys that no leaf has yet"
    );
    assert_eq!(
        apply(&before, sean, &newer),
        fault(PeerFault::BadSignature),
        "without a leaf by the new keys"
    );
    world.change(1, &Intent::Heal).unwrap();
    world.sync_all();
    let after = world.people[0].group().roster;
    assert_eq!(apply(&after, sean, &old), fault(PeerFault::RolledBack), "older");
}

#[test]
fn who_has_the_keys_before_makes_no_leaf_any_more() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean"], 0);
    let thief = world.people[1].clone();
    renew(&mut world, 1);
    world.change(1, &Intent::Heal).unwrap();
    world.sync_all();
    // The thief has everything of before, and asks to be let in.
    let now = world.people[1].clone();
    world.people[1] = thief;
    let (account, group) = (world.people[1].account(), world.people[1].group());
    let (request, _) = world.people[1].bench.step(|cx| group.rejoin_request(&account, cx)).unwrap();
    let readmit = world.change(0, &Intent::Readmit(request.as_slice().into()));
    assert_eq!(readmit.err(), Some(PeerFault::BadSignature.into()));
    world.people[1] = now;
    world.say(1, "still here");
    world.sync_all();
    assert_eq!(world.people[0].read, ["still here"]);
}

/// Another device, which is in no group yet.
fn arrive(world: &mut World, bench: crate::testing::Bench, published: crate::session::Publication) {
    let (seat, read, received) = (crate::SeatId([0; 16]), Vec::new(), Vec::new());
    world.people.push(super::super::world::Person { bench, published, group: None, seat, read, received });
}

/// mike gets a second device: its place among the people.
pub(super) fn second_device(world: &mut World) -> usize {
    let mut bench = crate::testing::Bench::new(99);
    let new = bench.step(crate::identity::NewDevice::make).unwrap();
    let (listed, mike) = (new.listed(), &mut world.people[0]);
    let mut account = mike.account();
    mike.bench.step(|cx| account.add_device(listed, cx)).unwrap();
    let (handle, list) = (account.handle().clone(), account.device_list());
    let laptop = bench.step(|cx| new.adopt(handle, list, cx)).unwrap();
    let published = bench.step(|cx| crate::session::replenish(&laptop, crate::session::Stock::default(), cx));
    arrive(world, bench, published.unwrap().unwrap());
    world.change(0, &Intent::Devices).unwrap();
    world.sync_all();
    world.people.len() - 1
}

fn pass_and_heal(world: &mut World, who: &[usize]) {
    for _ in 0..23 {
        for person in &mut world.people {
            person.bench.now = person.bench.now.plus(2 * crate::Timestamp::DAY);
        }
        for who in who {
            world.change(*who, &Intent::Heal).unwrap();
            world.sync_all();
        }
    }
}

#[test]
fn a_second_device_takes_part_and_an_own_one_that_is_away_keeps_nobody_from_healing() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean"], 0);
        let laptop = second_device(&mut world);
        world.say(1, "to both");
        world.sync_all();
        world.say(laptop, "from the laptop");
        world.sync_all();
        assert_eq!(world.people[laptop].read, ["to both"]);
        assert_eq!(world.people[0].read, ["to both", "from the laptop"]);
        assert_eq!(world.people[1].read, ["from the laptop"]);
        let id = *world.people[laptop].account().device_id();
        pass_and_heal(&mut world, &[0, 1]);
        assert!(world.people[1].group().roster.is_away(id), "put away by its sibling: it heals first");
        world.say(0, "on we go");
        world.sync_all();
        assert_eq!(world.people[1].read.last().unwrap(), "on we go");
    });
}

#[test]
fn a_device_that_is_away_and_off_the_list_goes_with_the_list() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean"], 0);
    let laptop = second_device(&mut world);
    let id = *world.people[laptop].account().device_id();
    let silent: Vec<_> = world.people.drain(laptop..).collect();
    for person in &mut world.people {
        person.bench.now = person.bench.now.plus(44 * crate::Timestamp::DAY);
    }
    for who in [0, 1] {
        world.change(who, &Intent::Heal).unwrap();
        world.sync_all();
    }
    let mike = &mut world.people[0];
    let mut account = mike.account();
    mike.bench.step(|cx| account.remove_device(id, cx)).unwrap();
    mike.bench.now = mike.bench.now.plus(2 * crate::Timestamp::DAY);
    world.change(0, &Intent::Heal).unwrap();
    world.sync_all();
    let roster = world.people[1].group().roster;
    assert!(roster.leaf(id).is_none() && !roster.is_away(id), "gone for good");
    assert_eq!(silent.len(), 1);
}

/// The person at `who` loses the device, and comes back by the recovery key on a new one, last among the people. Gives what
/// was lost.
pub(super) fn recover(world: &mut World, who: usize) -> super::super::world::Person {
    let mut lost = world.people.remove(who);
    let account = lost.account();
    let words = account.recovery_key().unwrap().words().unwrap();
    let mut bench = crate::testing::Bench::new(98);
    bench.now = lost.bench.now;
    let key = crate::identity::RecoveryKey::read(&words).unwrap();
    let (handle, list) = (account.handle().clone(), account.device_list());
    let again = bench.step(|cx| Account::recover(&key, handle, &list, &[], cx)).unwrap();
    let published = bench.step(|cx| crate::session::replenish(&again, crate::session::Stock::default(), cx));
    arrive(world, bench, published.unwrap().unwrap());
    lost
}

#[test]
fn who_comes_back_by_the_recovery_key_is_let_in_by_another_and_what_was_lost_is_out() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        world.say(1, "before");
        world.sync_all();
        let lost = recover(&mut world, 1);
        let sean = world.people[2].person();
        let list = world.people[2].account().device_list();
        assert_eq!(world.people[0].group().lags_behind(&list), Some(Lag::Nobody));
        world.change(0, &Intent::DevicesOf(sean)).unwrap();
        world.sync_all();
        let told = |world: &World| {
            world.people[1].received.iter().any(|received| {
                matches!(received, Received::Committed { changes, .. } if changes.contains(&Happened::Recovered(sean)))
            })
        };
        assert!(told(&world), "steve is told");
        assert_eq!(world.people[0].group().lags_behind(&list), None);
        assert_eq!(world.change(0, &Intent::DevicesOf(sean)), Err(Misuse::AlreadyMember.into()));
        world.say(2, "back");
        world.say(0, "welcome");
        world.sync_all();
        assert_eq!(world.people[0].read, ["before", "back"]);
        assert_eq!(world.people[2].read, ["welcome"]);
        let people: Vec<_> = world.people[0].group().people().map(|one| one.devices).collect();
        assert_eq!(people, [1, 1, 1]);
        // What was lost follows the log up to where it is taken out.
        let whole = world.people.len();
        world.people.push(lost);
        world.sync(whole);
        assert!(world.people[whole].group().is_out());
        assert_eq!(world.people[whole].read, [""; 0], "{scheme}");
    });
}

#[test]
fn a_device_off_the_newest_list_is_taken_out_by_whoever_sees_it_and_takes_itself_nowhere() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean"], 0);
        let laptop = second_device(&mut world);
        let (mike, id) = (world.people[0].person(), *world.people[laptop].account().device_id());
        let phone = *world.people[0].account().device_id();
        let roster = world.people[1].group().roster;
        let mut account = world.people[0].account();
        world.people[0].bench.step(|cx| account.remove_device(id, cx)).unwrap();
        let list = account.device_list();
        let change = || [Change::Devices(list.signed_bytes().into(), Vec::new())];
        assert_eq!(roster.apply(id, &change(), None).map(drop), Err(PeerFault::NotAllowed.into()));
        assert!(roster.apply(phone, &change(), None).is_ok());
        assert_eq!(world.people[1].group().lags_behind(&list), Some(Lag::Sibling));
        let gone: Vec<_> = world.people.drain(laptop..).collect();
        world.change(1, &Intent::DevicesOf(mike)).unwrap();
        world.sync_all();
        assert!(world.people[0].group().roster.leaf(id).is_none(), "{scheme}");
        world.say(0, "alone again");
        world.sync_all();
        assert_eq!(world.people[1].read, ["alone again"]);
        assert_eq!(gone.len(), 1);
    });
}
