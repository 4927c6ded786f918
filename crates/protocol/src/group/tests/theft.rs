//! A thief has a full copy of a member's state and gets all that is ever posted: what opens, and up to when.

use super::super::world::Kept;
use super::*;
use crate::content::Content;

const VICTIM: usize = 1;

/// What a copy of somebody's state opens of these entries: it takes every post as another's, and skips what leads nowhere.
fn opened(copy: &World, log: &[Kept]) -> Vec<String> {
    let mut thief = copy.clone();
    for kept in log {
        let mut try_out = thief.clone();
        let group = try_out.people[VICTIM].group();
        let turn = group.turn() + u64::from(kept.turn > group.turn());
        let foreign = SeatId([0; 16]);
        let mut entry = kept.entry(group.cursor() + 1, foreign);
        entry.turn = turn;
        let slice = kept.slices.get(group.seat()).cloned().unwrap_or_default();
        entry.slice = &slice;
        let account = try_out.people[VICTIM].account();
        let mut group = group;
        let person = &mut try_out.people[VICTIM];
        match person.bench.step(|cx| group.receive(&account, &entry, cx)) {
            Ok(Received::Message(message)) => {
                let Content::Text(text) = message.content else { panic!("a text") };
                person.read.push(text);
                thief = try_out;
            }
            Ok(Received::Committed { .. }) => thief = try_out,
            _ => {}
        }
    }
    thief.people[VICTIM].read.clone()
}

/// Everybody has spoken; the theft; messages; a heal by `healer`; messages. The victim itself says nothing but its heal: under
/// pairwise what it says would heal its pairs already.
fn played(scheme: Scheme, healer: usize) -> (World, Vec<Kept>) {
    let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
    for who in [0, 1, 2, 0] {
        world.say(who, "old");
    }
    world.sync_all();
    let mut stolen = world.clone();
    stolen.people[VICTIM].read.clear();
    let from = world.log.len();
    for who in [0, 2] {
        world.say(who, &format!("then {who}"));
    }
    world.sync_all();
    world.change(healer, &Intent::Heal).unwrap();
    world.sync_all();
    for who in [0, 2, 0, 2] {
        world.say(who, &format!("healed {who}"));
    }
    (stolen, world.log[from..].to_vec())
}

#[test]
fn a_thief_of_everything_reads_up_to_the_victims_heal_and_nothing_after() {
    over_every_scheme(|scheme| {
        let (stolen, log) = played(scheme, VICTIM);
        let read = opened(&stolen, &log);
        assert!(read.contains(&"then 0".into()) && read.contains(&"then 2".into()), "{scheme}: {read:?}");
        assert!(!read.iter().any(|text| text.starts_with("healed")), "{scheme}: {read:?}");
    });
}

#[test]
fn a_heal_by_somebody_else_does_not_lock_the_thief_out() {
    over_every_scheme(|scheme| {
        let (stolen, log) = played(scheme, 0);
        let read = opened(&stolen, &log);
        assert!(read.contains(&"healed 0".into()) && read.contains(&"healed 2".into()), "{scheme}: {read:?}");
    });
}
