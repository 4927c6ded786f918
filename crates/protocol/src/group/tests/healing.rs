//! Who healed when, and who is to heal.

use super::*;
use crate::Timestamp;

fn healed(world: &mut World, who: usize) -> Vec<bool> {
    let group = world.people[who].group();
    let healed = group.healed(&world.people[who].bench.cx()).unwrap();
    healed.iter().map(|healed| healed.at.is_some()).collect()
}

fn is_due(world: &mut World, who: usize, minutes: i64) -> bool {
    let group = world.people[who].group();
    let mut cx = world.people[who].bench.cx();
    cx.now = Timestamp(cx.now.0.saturating_add_signed(minutes * 60_000));
    group.heal_is_due(&cx).unwrap()
}

#[test]
fn a_heal_is_due_after_an_hour_and_later_in_large_groups() {
    let mut world = World::new(Scheme::SenderKeys, &["mike", "sean", "steve"], 0);
    assert_eq!([0, 59, 60].map(|minutes| is_due(&mut world, 1, minutes)), [false, false, true]);
    assert_eq!([-59, -61].map(|minutes| is_due(&mut world, 1, minutes)), [false, true], "set back");
    world.change(1, &Intent::Heal).unwrap();
    world.sync_all();
    assert!(!is_due(&mut world, 1, 59));
    let names: Vec<_> = (0..40).map(|n| format!("p{n}")).collect();
    let mut large = World::new(Scheme::SenderKeys, &names.iter().map(String::as_str).collect::<Vec<_>>(), 0);
    assert_eq!([79, 80].map(|minutes| is_due(&mut large, 1, minutes)), [false, true]);
}

#[test]
fn a_device_that_is_let_in_again_has_healed_nothing() {
    over_every_scheme(|scheme| {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        for who in [1, 2] {
            world.change(who, &Intent::Heal).unwrap();
            world.sync_all();
        }
        let [mike, sean, steve] = [0, 1, 2].map(|who| healed(&mut world, who));
        // Roster order is that of the ids: as many as healed, by whoever saw it.
        let count = |seen: &[bool]| seen.iter().filter(|healed| **healed).count();
        assert_eq!([mike, sean, steve].map(|seen| count(&seen)), [3, 2, 2], "the founder's own leaf counts");
        world.ask_to_rejoin(1, 0);
        world.sync_all();
        let [mike, sean] = [0, 1].map(|who| healed(&mut world, who));
        assert_eq!([mike, sean].map(|seen| count(&seen)), [2, 0]);
    });
}
