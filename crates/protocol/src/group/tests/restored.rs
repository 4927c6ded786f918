//! A relay that was started from a backup: it lost its last entries, and says so.

use super::World;
use super::*;

/// The relay keeps its first `kept` entries, and attaches everybody but those `absent` in its next incarnation.
fn restore(world: &mut World, kept: usize, absent: &[usize]) -> Vec<Standing> {
    world.log.truncate(kept);
    world.turn = world.log.last().map_or(0, |last| last.turn);
    (0..world.people.len())
        .filter(|who| !absent.contains(who))
        .map(|who| attach(world, who, 2).unwrap())
        .collect()
}

fn attach(world: &mut World, who: usize, incarnation: u32) -> Result<Standing> {
    let (head, turn) = (world.log.len() as u64, world.turn);
    let mut group = world.people[who].group();
    world.people[who].bench.step(|cx| group.attached(incarnation, head, turn, cx))
}

/// Three people, a message each, everybody attached in the first incarnation.
fn world(scheme: Scheme) -> World {
    let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
    for who in 0..3 {
        attach(&mut world, who, 1).unwrap();
    }
    for (who, text) in [(0, "a"), (1, "b"), (2, "c")] {
        world.say(who, text);
    }
    world.sync_all();
    world
}

fn forked(world: &World, who: usize) -> bool {
    let differs = |received: &Received| matches!(received, Received::Message(message) if message.view == ViewCheck::Differs || message.gap);
    world.people[who].received.iter().any(differs)
}

#[test]
fn a_restored_relay_that_lost_nothing_changes_nothing() {
    over_every_scheme(|scheme| {
        let mut world = world(scheme);
        let all = world.log.len();
        assert_eq!(restore(&mut world, all, &[]), [Standing::Restored; 3]);
        world.say(0, "d");
        world.sync_all();
        assert_eq!(texts(&world, 1), ["a", "c", "d"]);
        assert!((0..3).all(|who| !forked(&world, who)));
    });
}

#[test]
fn what_a_relay_lost_is_counted_and_everybody_goes_on_without_a_false_alarm() {
    over_every_scheme(|scheme| {
        let mut world = world(scheme);
        let kept = world.log.len();
        for text in ["lost 1", "lost 2"] {
            world.say(0, text);
        }
        world.sync(0);
        world.sync(1);
        let lost = Standing::Lost { entries: 2, changes: false };
        assert_eq!(restore(&mut world, kept, &[]), [lost, lost, Standing::Restored]);
        for (who, text) in [(0, "d"), (1, "e"), (2, "f"), (0, "g")] {
            world.say(who, text);
        }
        world.sync_all();
        assert_eq!(texts(&world, 1), ["a", "c", "lost 1", "lost 2", "d", "f", "g"]);
        assert_eq!(texts(&world, 2), ["a", "b", "d", "e", "g"]);
        assert!((0..3).all(|who| !forked(&world, who)));
        assert!((0..3).all(|who| !world.people[who].group().is_stranded()));
    });
}

#[test]
fn a_change_that_a_relay_lost_stands_for_those_who_saw_it_and_the_others_are_let_in_again() {
    over_every_scheme(|scheme| {
        let mut world = world(scheme);
        let kept = world.log.len();
        world.change(0, &Intent::Heal).unwrap();
        world.sync(0);
        world.sync(1);
        let ahead = Standing::Lost { entries: 1, changes: true };
        assert_eq!(restore(&mut world, kept, &[2]), [ahead, ahead]);
        world.say(0, "d");
        world.say(1, "e");
        world.sync_all();
        assert_eq!(texts(&world, 0), ["b", "c", "e"]);
        assert_eq!(texts(&world, 1), ["a", "c", "d"]);
        // steve never saw the change: what is said since, he cannot open.
        attach(&mut world, 2, 2).unwrap();
        world.say(0, "f");
        world.sync(2);
        let last = world.people[2].received.last();
        assert!(matches!(last, Some(Received::Unreadable { .. } | Received::Void(_))), "{last:?}");
        world.people[2].bench.now = world.people[2].bench.now.plus(1);
        world.ask_to_rejoin(2, 0);
        world.say(0, "g");
        world.say(2, "h");
        world.sync_all();
        assert_eq!(texts(&world, 2).last(), Some(&"g"));
        assert_eq!(texts(&world, 1).last(), Some(&"h"));
        assert!((0..3).all(|who| !forked(&world, who)));
    });
}

#[test]
fn a_relay_that_goes_back_without_saying_so_contradicts_itself() {
    let mut world = world(Scheme::SenderKeys);
    let kept = world.log.len() - 1;
    world.log.truncate(kept);
    assert_eq!(attach(&mut world, 0, 1), Err(PeerFault::RelayLied.into()));
    attach(&mut world, 0, 2).unwrap();
    assert_eq!(attach(&mut world, 0, 1), Err(PeerFault::RelayLied.into()));
}

#[test]
fn a_relay_that_tells_members_different_incarnations_is_found_out_by_what_they_claim() {
    over_every_scheme(|scheme| {
        let mut world = world(scheme);
        attach(&mut world, 0, 2).unwrap();
        world.say(0, "as of the second");
        world.sync_all();
        assert!(forked(&world, 1) && forked(&world, 2));

        // And the reverse: who is told of the restore hears a member who is not.
        world.say(1, "as of the first");
        world.sync_all();
        assert!(forked(&world, 0));
    });
}
