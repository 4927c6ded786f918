//! Adding people where the policy asks for more than one person's word, and removing whom a removed one brought in.

use super::*;
use crate::roster::{Change, Proposed};
use std::num::NonZeroU8;

/// Mike, sean and steve, in a group where one more has to agree; dave is outside.
fn watched(scheme: Scheme) -> (World, PersonId) {
    let mut world = World::new(scheme, &["mike", "sean", "steve", "dave"], 1);
    let endorsers = Some(Endorsers { count: NonZeroU8::MIN, above: 2 });
    world.change(0, &Intent::SetPolicy(Policy { endorsers, ..Policy::default() })).unwrap();
    world.sync_all();
    let dave = world.people[3].person();
    (world, dave)
}

fn step(world: &mut World, who: usize, intent: &Intent) {
    world.change(who, intent).unwrap();
    world.sync_all();
}

fn refused(world: &mut World, who: usize, intent: &Intent) -> Misuse {
    match world.change(who, intent) {
        Err(crate::Error::Misuse(misuse)) => misuse,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_is_proposed_comes_in_once_somebody_else_agrees() {
    over_every_scheme(|scheme| {
        let (mut world, dave) = watched(scheme);
        let [mike, sean] = [0, 1].map(|who| world.people[who].person());
        let add = Intent::add(vec![dave], "new here").unwrap();
        step(&mut world, 1, &add);
        let proposed = world.people[2].group().proposed();
        assert_eq!((proposed.len(), proposed[0].by, proposed[0].missing), (1, sean, 1), "{scheme}");
        assert_eq!(proposed[0].reason, "new here");
        assert!(world.people[0].group().people().all(|one| one.person != dave));
        assert_eq!(refused(&mut world, 1, &Intent::Admit(vec![dave])), Misuse::NotAMember);
        assert_eq!(refused(&mut world, 1, &Intent::Endorse(dave)), Misuse::AlreadyMember);
        assert_eq!(refused(&mut world, 1, &add), Misuse::AlreadyMember);
        // Who wants to add somebody whom another proposed agrees.
        step(&mut world, 0, &Intent::Add(vec![dave]));
        let proposed = world.people[2].group().proposed();
        assert_eq!((proposed[0].endorsers.clone(), proposed[0].missing), (vec![mike], 0));
        step(&mut world, 2, &Intent::Admit(vec![dave]));
        world.say(3, "hello");
        world.sync_all();
        assert_eq!(texts(&world, 2), ["hello"], "{scheme}");
        assert!(world.people[3].group().proposed().is_empty());
        let export = world.people[2].group().export(None, None, &world.people[2].bench.cx()).unwrap();
        let audited = audit(&export).unwrap();
        let by = |wanted: &Happened| {
            audited.steps.iter().find(|step| step.changes.contains(wanted)).map(|step| step.by)
        };
        assert_eq!(by(&Happened::Endorsed(dave)), Some(mike), "anybody sees who agreed");
    });
}

#[test]
fn nobody_adds_alone_where_another_has_to_agree_whatever_is_signed() {
    let (mut world, dave) = watched(Scheme::SenderKeys);
    let bundles = world.bundles();
    let newcomer =
        world.people[1].bench.step(|cx| super::super::change::newcomer(dave, &bundles, cx)).unwrap();
    let group = world.people[1].group();
    let [sean, steve] = [1, 2].map(|who| world.people[who].group().state.me);
    let handle = newcomer.handle.clone();
    let propose =
        || Change::Propose(Proposed { person: dave, handle: handle.clone(), reason: [][..].into() });
    let add = || Change::Add(newcomer.clone());
    let for_a_reason = || Change::AddFor(newcomer.clone(), b"why not"[..].into());
    let fault = |changes: &[Change]| group.roster.apply(sean, changes, None).map(drop).unwrap_err();
    let not_allowed = crate::Error::from(PeerFault::NotAllowed);
    assert_eq!(fault(&[add()]), not_allowed);
    assert_eq!(fault(&[for_a_reason()]), not_allowed);
    assert_eq!(fault(&[propose(), add()]), not_allowed, "all at once");
    assert_eq!(fault(&[propose(), Change::Endorse(dave)]), not_allowed, "by oneself");
    assert_eq!(fault(&[propose(), propose()]), PeerFault::RosterMismatch.into(), "twice");
    assert_eq!(fault(&[Change::Endorse(dave)]), PeerFault::RosterMismatch.into(), "unproposed");
    let proposed = group.roster.apply(sean, &[propose()], None).unwrap();
    let endorsed = proposed.apply(steve, &[Change::Endorse(dave)], None).unwrap();
    assert!(endorsed.apply(steve, &[Change::Endorse(dave)], None).is_err(), "one person agrees once");
    assert!(endorsed.apply(sean, &[add()], None).is_ok());
    assert!(proposed.apply(sean, &[add()], None).is_err());
    let long =
        Change::Propose(Proposed { person: dave, handle: handle.clone(), reason: vec![b'x'; 257].into() });
    assert_eq!(fault(&[long]), PeerFault::Malformed.into());
}

#[test]
fn who_objects_or_is_removed_ends_what_was_proposed_and_nothing_old_is_endorsed_again() {
    over_every_scheme(|scheme| {
        let (mut world, dave) = watched(scheme);
        let sean = world.people[1].person();
        let add = Intent::Add(vec![dave]);
        step(&mut world, 1, &add);
        assert_eq!(
            refused(&mut world, 2, &Intent::Object(dave)),
            Misuse::NotAllowed,
            "he may not remove either"
        );
        step(&mut world, 0, &Intent::Object(dave));
        assert!(world.people[2].group().proposed().is_empty(), "{scheme}");
        assert_eq!(refused(&mut world, 2, &Intent::Endorse(dave)), Misuse::NotProposed);
        step(&mut world, 2, &add);
        step(&mut world, 1, &add);
        assert_eq!(world.people[0].group().proposed()[0].missing, 0);
        step(&mut world, 0, &Intent::Remove(vec![sean]));
        assert_eq!(world.people[2].group().proposed().len(), 1, "steve proposes it still");
        assert_eq!(world.people[2].group().proposed()[0].missing, 0, "two are left: above two, it said");
        step(&mut world, 2, &Intent::Object(dave));
        assert!(world.people[0].group().proposed().is_empty(), "taken back by who proposed it");
    });
}

#[test]
fn a_removal_takes_along_whoever_the_removed_one_added_meanwhile() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve", "dave"], 1);
        let [sean, dave] = [1, 3].map(|who| world.people[who].person());
        let decided = Intent::RemoveSince(vec![sean], world.people[0].group().epoch());
        let removal = world.draft(0, &decided).unwrap();
        world.change(1, &Intent::Add(vec![dave])).unwrap();
        assert!(!world.post(0, removal), "the addition was first");
        world.sync_all();
        step(&mut world, 0, &decided);
        let left: Vec<_> = world.people[2].group().people().map(|one| one.person).collect();
        assert_eq!(left, [0, 2].map(|who| world.people[who].person()), "{scheme}");
        assert!(world.people[3].group().is_out());
        assert_eq!(refused(&mut world, 0, &decided), Misuse::NotAMember);
    });
}

#[test]
fn a_time_to_object_needs_a_proposal_and_no_clock_makes_an_addition_invalid() {
    let mut world = World::new(Scheme::Tree, &["mike", "sean", "dave"], 1);
    let dave = world.people[2].person();
    step(&mut world, 0, &Intent::SetPolicy(Policy { cooling_off: 10, ..Policy::default() }));
    step(&mut world, 1, &Intent::Add(vec![dave]));
    assert!(world.people[0].group().people().all(|one| one.person != dave));
    // That sean waited is for clients to see.
    step(&mut world, 1, &Intent::Admit(vec![dave]));
    assert!(world.people[0].group().people().any(|one| one.person == dave));
}
