//! Four words of a call: the same for all who see the same group, and nothing for whoever cheats.

use super::*;

/// A step as everybody gets it, at the same place of the log.
fn all_take(world: &mut World, by: usize, step: &CallStep) -> Vec<Option<CallNews>> {
    let from = (world.people[by].person(), *world.people[by].account().device_id());
    (0..world.people.len()).map(|who| take(world, who, from, step)).collect()
}

fn take(world: &mut World, who: usize, from: (PersonId, DeviceId), step: &CallStep) -> Option<CallNews> {
    let group = world.people[who].group();
    world.people[who].bench.step(|cx| Call::take(&group, from, step, cx)).unwrap()
}

fn begin(world: &mut World) -> CallStep {
    let (me, group) = (world.people[0].person(), world.people[0].group());
    world.people[0].bench.step(|cx| Call::begin(&group, &me, None, cx)).unwrap()
}

fn join(world: &mut World, who: usize) -> Result<CallStep> {
    let (me, group) = (world.people[who].person(), world.people[who].group());
    world.people[who].bench.step(|cx| Call::join(&group, &me, cx))
}

fn call(world: &mut World, who: usize) -> Call {
    let group = world.people[who].group();
    Call::load(&group, &world.people[who].bench.cx()).unwrap().unwrap()
}

/// Up to where all have committed; what each is to open.
fn committed(world: &mut World) -> Vec<CallStep> {
    let step = begin(world);
    assert!(all_take(world, 0, &step).iter().all(|news| *news == Some(CallNews::Begun)));
    let mut last = Vec::new();
    for who in 0..world.people.len() {
        assert!(last.iter().all(Option::is_none), "nobody opens before all have committed");
        let step = join(world, who).unwrap();
        last = all_take(world, who, &step);
    }
    let open = |news: Option<CallNews>| match news {
        Some(CallNews::Open(step)) => step,
        other => panic!("{other:?}"),
    };
    last.into_iter().map(open).collect()
}

#[test]
fn everybody_in_a_call_has_the_same_four_words_and_every_call_others() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        let mut seen = Vec::new();
        for _ in 0..2 {
            let opens = committed(&mut world);
            for (by, step) in opens.iter().enumerate() {
                assert_eq!(call(&mut world, 0).words(), None);
                let waits: Vec<_> = (by..3).map(|who| world.people[who].person()).collect();
                let missing = call(&mut world, 2).missing();
                assert!(missing.len() == waits.len() && waits.iter().all(|one| missing.contains(one)));
                let news = all_take(&mut world, by, step);
                assert_eq!(news.iter().all(|news| *news == Some(CallNews::Words)), by == 2, "{scheme}");
            }
            let words: Vec<_> = (0..3).map(|who| call(&mut world, who).words().unwrap()).collect();
            assert!(words.iter().all(|one| *one == words[0]), "{words:?}");
            seen.push(words[0]);
            // Another epoch.
            world.change(1, &Intent::Heal).unwrap();
            world.sync_all();
        }
        assert_ne!(seen[0], seen[1]);
        assert_eq!(join(&mut world, 0).err(), Some(Misuse::NoCall.into()), "it is over");
    });
}

#[test]
fn who_sees_another_group_has_other_words() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    // Steve is kept from a change that the others see.
    let behind = world.people[2].clone();
    world.change(0, &Intent::Rename(b"Trap".as_slice().into())).unwrap();
    world.sync_all();
    world.people[2] = behind;
    let opens = committed(&mut world);
    for (by, step) in opens.iter().enumerate() {
        all_take(&mut world, by, step);
    }
    let words: Vec<_> = (0..3).map(|who| call(&mut world, who).words().unwrap()).collect();
    assert_eq!(words[0], words[1]);
    assert_ne!(words[0], words[2]);
}

#[test]
fn who_opens_early_or_something_else_ends_the_call_by_name_and_who_opens_nothing_is_named() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    let sean = world.people[1].person();
    let step = begin(&mut world);
    all_take(&mut world, 0, &step);
    let CallStep::Begin(id, _) = step else { panic!() };
    let step = join(&mut world, 1).unwrap();
    all_take(&mut world, 1, &step);
    let early = all_take(&mut world, 1, &CallStep::Open(id, [7; 32]));
    assert!(early.iter().all(|news| *news == Some(CallNews::Aborted(Abort::Early(sean)))), "{early:?}");
    assert_eq!(call(&mut world, 0).words(), None);

    let opens = committed(&mut world);
    let CallStep::Open(id, _) = opens[1] else { panic!() };
    all_take(&mut world, 0, &opens[0]);
    all_take(&mut world, 2, &opens[2]);
    assert_eq!(call(&mut world, 0).missing(), [sean]);
    assert_eq!(call(&mut world, 0).words(), None, "a missing opening gives no words");
    let other = all_take(&mut world, 1, &CallStep::Open(id, [7; 32]));
    assert!(other.iter().all(|news| *news == Some(CallNews::Aborted(Abort::Differs(sean)))), "{other:?}");
    let late = all_take(&mut world, 1, &opens[1]);
    assert!(late.iter().all(Option::is_none), "nothing comes of it any more");
    assert!((0..3).all(|who| call(&mut world, who).words().is_none()));
    // Of another call, or of somebody who has not committed, it is nothing.
    let stray = all_take(&mut world, 1, &CallStep::Open(Digest([9; 32]), [7; 32]));
    assert!(stray.iter().all(Option::is_none));
}
