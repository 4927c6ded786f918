//! The contract of a group, run over every scheme, against a relay in memory that keeps one log.

mod apart;
mod away;
mod call;
mod conversation;
mod devices;
mod handing_out;
mod healing;
mod hostile;
mod numbers;
mod own_name;
mod proof;
mod proposing;
mod restored;
mod size;
mod theft;
mod transcript;
mod tree;

use super::world::World;
use super::*;
use crate::PeerFault;

const SCHEMES: [Scheme; 3] = Scheme::ALL;

fn over_every_scheme(test: impl Fn(Scheme)) {
    SCHEMES.into_iter().for_each(test);
}

fn texts(world: &World, who: usize) -> Vec<&str> {
    world.people[who].read.iter().map(String::as_str).collect()
}

#[test]
fn everybody_reads_everybody() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        for (who, text) in [(0, "a"), (1, "b"), (2, "c"), (0, "d"), (1, "e")] {
            world.say(who, text);
        }
        world.sync_all();
        assert_eq!(texts(&world, 0), ["b", "c", "e"]);
        assert_eq!(texts(&world, 1), ["a", "c", "d"]);
        assert_eq!(texts(&world, 2), ["a", "b", "d", "e"]);
        let same = |received: &Received| match received {
            Received::Message(message) => message.view == ViewCheck::Same && !message.gap,
            other => !matches!(other, Received::Void(_) | Received::Unreadable { .. }),
        };
        assert!(world.people.iter().all(|person| person.received.iter().all(same)));
    });
}

#[test]
fn a_member_who_was_off_gets_everything_in_order() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        for round in 0..50 {
            world.say(round % 2, &round.to_string());
        }
        world.sync_all();
        let all: Vec<_> = (0..50).map(|round| round.to_string()).collect();
        assert_eq!(texts(&world, 2), all);
    });
}

#[test]
fn a_newcomer_talks_at_once_and_reads_nothing_from_before() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "dave"], 1);
        world.say(0, "before");
        world.sync(0);
        let dave = world.people[2].person();
        world.change(0, &Intent::Add(vec![dave])).unwrap();
        world.sync(2);
        world.say(2, "hello");
        world.say(0, "welcome");
        world.sync_all();
        assert_eq!(texts(&world, 2), ["welcome"]);
        assert_eq!(texts(&world, 1), ["before", "hello", "welcome"]);
    });
}

#[test]
fn a_commit_moves_every_chain_and_messages_go_on() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        world.say(0, "a");
        world.say(1, "b");
        world.sync_all();
        world.change(2, &Intent::Heal).unwrap();
        world.sync_all();
        world.say(0, "c");
        world.say(1, "d");
        world.say(2, "e");
        world.sync_all();
        assert_eq!(texts(&world, 2), ["a", "b", "c", "d"]);
        assert_eq!(texts(&world, 0), ["b", "d", "e"]);
        let epochs: Vec<_> = (0..3).map(|who| world.people[who].group().epoch()).collect();
        assert_eq!(epochs, [2, 2, 2]);
    });
}

#[test]
fn who_is_removed_reads_nothing_more() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        world.say(0, "a");
        world.sync_all();
        let sean = world.people[1].person();
        world.change(0, &Intent::Remove(vec![sean])).unwrap();
        world.sync(0);
        world.say(0, "b");
        // The relay gives sean all it has, even so.
        let stolen = world.people[1].bench.vault.clone();
        world.sync_all();
        assert_eq!(texts(&world, 1), ["a"]);
        assert!(world.people[1].group().is_out());
        assert_eq!(texts(&world, 2), ["a", "b"]);
        // With the keys from before the removal, the message after it does not open.
        world.people[1].bench.vault = stolen;
        let last = world.log.last().unwrap().clone();
        let mut group = world.people[1].group();
        let (account, seat) = (world.people[1].account(), world.people[1].seat);
        let mut entry = last.entry(group.cursor() + 1, seat);
        entry.turn = group.turn();
        let outcome = world.people[1].bench.step(|cx| group.receive(&account, &entry, cx)).unwrap();
        assert!(matches!(outcome, Received::Void(PeerFault::DoesNotOpen)));
    });
}

#[test]
fn who_leaves_is_taken_out_by_the_next() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        world.change(2, &Intent::Leave).unwrap();
        assert!(world.people[2].group().is_out());
        world.sync(0);
        assert_eq!(world.people[0].group().leaving().count(), 1);
        world.change(0, &Intent::Settle).unwrap();
        world.sync_all();
        assert_eq!(world.people[1].group().people().count(), 2);
        world.say(1, "just us");
        world.sync_all();
        assert_eq!(texts(&world, 0), ["just us"]);
        let seats_differ =
            |received: &Received| matches!(received, Received::Committed { seats_differ: true, .. });
        assert!(!world.people[1].received.iter().any(seats_differ));
    });
}

#[test]
fn the_last_administrator_names_a_successor() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean"], 0);
    assert_eq!(world.change(0, &Intent::Leave), Err(Misuse::LastAdministrator.into()));
    let sean = world.people[1].person();
    world.change(0, &Intent::SetRole(sean, Role::Administrator)).unwrap();
    world.sync_all();
    world.change(0, &Intent::Leave).unwrap();
    world.sync_all();
    world.change(1, &Intent::Settle).unwrap();
    world.sync_all();
    assert_eq!(world.people[1].group().people().count(), 1);
}

#[test]
fn two_commits_at_once_the_loser_follows_and_tries_again() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve", "dave"], 1);
        let dave = world.people[3].person();
        let winner = world.draft(0, &Intent::Rename(b"Road".as_slice().into())).unwrap();
        let loser = world.draft(1, &Intent::Add(vec![dave])).unwrap();
        assert!(world.post(0, winner));
        assert!(!world.post(1, loser));
        world.sync_all();
        world.change(1, &Intent::Add(vec![dave])).unwrap();
        world.sync_all();
        for who in 0..4 {
            assert_eq!(world.people[who].group().name().unwrap(), "Road");
            assert_eq!(world.people[who].group().people().count(), 4);
        }
        world.say(3, "hi");
        world.sync_all();
        assert_eq!(texts(&world, 0), ["hi"]);
    });
}

#[test]
fn a_refused_message_is_sealed_again_and_no_number_is_a_gap() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean"], 0);
        world.say(0, "first");
        world.sync_all();
        let stale = world.draft_message(0, "second").unwrap();
        world.change(1, &Intent::Heal).unwrap();
        assert!(!world.post(0, stale));
        world.say(0, "second");
        world.sync_all();
        assert_eq!(texts(&world, 1), ["first", "second"]);
        let gap = |received: &Received| matches!(received, Received::Message(message) if message.gap);
        assert!(!world.people[1].received.iter().any(gap));
    });
}

#[test]
fn a_damaged_entry_is_void_and_changes_nothing() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean"], 0);
        world.say(0, "x");
        let honest = world.log.last().unwrap().clone();
        for at in [0, 1, 20, honest.shared.len() - 1] {
            let mut damaged = honest.clone();
            damaged.shared[at] ^= 1;
            let before = world.people[1].bench.vault.clone();
            let number = world.people[1].group().cursor() + 1;
            world.deliver(1, number, &damaged).unwrap();
            assert!(matches!(world.people[1].received.last(), Some(Received::Void(_))));
            world.people[1].bench.vault = before;
        }
        world.sync_all();
        assert_eq!(texts(&world, 1), ["x"]);
    });
}

#[test]
fn an_entry_under_another_seat_or_turn_is_refused() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        world.say(0, "x");
        let mut moved = world.log.last().unwrap().clone();
        moved.seat = world.people[2].seat;
        let number = world.people[1].group().cursor() + 1;
        let before = world.people[1].bench.vault.clone();
        world.deliver(1, number, &moved).unwrap();
        assert!(matches!(world.people[1].received.last(), Some(Received::Unreadable { .. })));
        world.people[1].bench.vault = before;
        let mut leaping = world.log.last().unwrap().clone();
        leaping.turn += 5;
        assert_eq!(world.deliver(1, number, &leaping), Err(PeerFault::RelayLied.into()));
        let replayed = world.log.last().unwrap().clone();
        assert_eq!(world.deliver(1, number + 1, &replayed), Err(Misuse::OutOfOrder.into()));
    });
}

#[test]
fn a_replayed_entry_is_not_shown_twice() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean"], 0);
        world.say(0, "x");
        let again = world.log.last().unwrap().clone();
        world.log.push(again);
        world.sync(1);
        assert_eq!(texts(&world, 1), ["x"]);
    });
}

#[test]
fn a_member_without_its_slice_is_stranded_and_rejoins() {
    // Commits of a tree have no slices; `tree` has its own test of this.
    [Scheme::Pairwise, Scheme::SenderKeys].into_iter().for_each(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        world.say(1, "a");
        world.sync_all();
        world.change(0, &Intent::Heal).unwrap();
        let seat = world.people[2].seat;
        world.log.last_mut().unwrap().slices.remove(&seat);
        world.sync_all();
        assert!(world.people[2].group().is_stranded());
        world.say(0, "lost on steve");
        world.ask_to_rejoin(2, 0);
        world.sync_all();
        assert!(!world.people[2].group().is_stranded());
        world.say(0, "back");
        world.say(1, "good");
        world.say(2, "yes");
        world.sync_all();
        assert_eq!(texts(&world, 2), ["a", "back", "good"]);
        assert_eq!(texts(&world, 1), ["lost on steve", "back", "yes"]);
    });
}

#[test]
fn a_restored_store_knows_it_and_rejoins() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean"], 0);
        let copy = world.people[1].bench.vault.clone();
        world.say(1, "after the copy");
        world.sync_all();
        world.people[1].bench.vault = copy;
        world.sync(1);
        assert!(world.people[1].group().is_stranded());
        world.people[1].bench.now = world.people[1].bench.now.plus(1);
        world.ask_to_rejoin(1, 0);
        world.say(1, "again");
        world.say(0, "fine");
        world.sync_all();
        assert_eq!(texts(&world, 0), ["after the copy", "again"]);
        assert_eq!(texts(&world, 1), ["fine"]);
    });
}

#[test]
fn a_rejoin_request_is_good_once() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean"], 0);
    let account = world.people[1].account();
    let group = world.people[1].group();
    let (request, _) = world.people[1].bench.step(|cx| group.rejoin_request(&account, cx)).unwrap();
    let readmit = Intent::Readmit(request.into());
    world.change(0, &readmit).unwrap();
    world.sync_all();
    assert_eq!(world.change(0, &readmit), Err(PeerFault::RolledBack.into()));
}

#[test]
fn policy_holds_for_the_author_and_for_everybody_else() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    let steve = world.people[2].person();
    assert_eq!(world.change(1, &Intent::Remove(vec![steve])), Err(Misuse::NotAllowed.into()));
    let sean = world.people[1].person();
    let promote = Intent::SetRole(sean, Role::Administrator);
    assert_eq!(world.change(1, &promote), Err(Misuse::NotAllowed.into()));
    assert_eq!(world.change(0, &Intent::Add(vec![steve])), Err(Misuse::AlreadyMember.into()));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    over_every_scheme(|scheme| {
        let run = || {
            let mut world = World::new(scheme, &["mike", "sean"], 0);
            world.say(0, "x");
            world.log.iter().map(|kept| kept.shared.clone()).collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
    });
}

#[test]
fn a_text_costs_one_upload_and_a_small_one() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    world.say(0, "first, with the key for both");
    world.sync_all();
    let post = world.draft_message(0, &"x".repeat(1024)).unwrap();
    assert!(post.slices.is_empty());
    let unpadded = post.shared.len() - (crate::content::padded(1024 + 180) - 1024 - 180);
    assert!(unpadded <= 1024 + 260, "{}", post.shared.len());
}

#[test]
fn the_longest_text_arrives_and_a_longer_one_is_refused_here() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean"], 0);
        let longest = "x".repeat(crate::content::MAX_TEXT);
        world.say(0, &longest);
        world.sync(1);
        assert_eq!(texts(&world, 1), [&longest]);
        let longer = format!("{longest}x");
        let refused = Err(Misuse::TooLong(crate::content::MAX_TEXT).into());
        assert_eq!(world.draft_message(0, &longer), refused);
    });
}

#[test]
fn burned_numbers_are_passed_over_up_to_a_bound() {
    for (burned, reads) in [(1000, true), (1001, false)] {
        let mut world = World::new(Scheme::SenderKeys, &["mike", "sean"], 0);
        world.say(0, "the key");
        world.sync_all();
        for _ in 0..burned {
            world.draft_message(0, "never sent").unwrap();
            let mut group = world.people[0].group();
            world.people[0].bench.step(|cx| group.refused(cx)).unwrap();
        }
        world.say(0, "after all those");
        world.sync(1);
        assert_eq!(texts(&world, 1).len() == 2, reads);
        let last = world.people[1].received.last();
        let too_far = matches!(last, Some(Received::Unreadable { fault: PeerFault::TooFarAhead, .. }));
        assert_eq!(too_far, !reads);
    }
}

#[test]
fn a_device_that_never_got_the_key_says_so_and_changes_nothing() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean"], 0);
    world.say(0, "the key is on its way");
    let seat = world.people[1].seat;
    world.log.last_mut().unwrap().slices.remove(&seat);
    world.sync_all();
    let last = world.people[1].received.last();
    assert!(matches!(last, Some(Received::Unreadable { fault: PeerFault::NoSlice, .. })));
    world.ask_to_rejoin(1, 0);
    world.say(0, "here it is again");
    world.sync_all();
    assert_eq!(texts(&world, 1), ["here it is again"]);
}

/// 300 devices, the most that sender keys promise, fit the relay's bound of 1 MiB for a slice.
#[test]
fn a_welcome_costs_less_than_2_kib_a_device() {
    let names = ["mike", "sean", "steve", "dave", "anna", "ben"];
    let mut world = World::new(Scheme::SenderKeys, &names, 1);
    let ben = world.people[5].person();
    let post = world.draft(0, &Intent::Add(vec![ben])).unwrap();
    let welcome = post.slices.iter().map(|slice| slice.bytes.len()).max().unwrap();
    let fixed = 2 * 1024 + 1120 + 2 * 1024;
    assert!(welcome <= fixed + 6 * 2048, "{welcome}");
    assert!(fixed + Scheme::SenderKeys.promise().devices * 2048 <= 1 << 20);
}
