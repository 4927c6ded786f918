//! The exported history of a membership: checked by anybody, and by nothing but itself.

use super::super::proof::File;
use super::devices::{recover, second_device};
use super::*;
use crate::codec;
use crate::roster::Change;

fn export(world: &mut World, who: usize, up_to: Option<u64>) -> Vec<u8> {
    let group = world.people[who].group();
    group.export(up_to, None, &world.people[who].bench.cx()).unwrap()
}

/// Everything that happens to a membership, with heals between.
fn a_life(scheme: Scheme) -> World {
    let mut world = World::new(scheme, &["mike", "sean", "steve", "dave"], 1);
    let step = |world: &mut World, who: usize, intent: Intent| {
        world.change(who, &intent).unwrap();
        world.sync_all();
    };
    let dave = world.people[3].person();
    let steve = world.people[2].person();
    step(&mut world, 1, Intent::Heal);
    step(&mut world, 1, Intent::Add(vec![dave]));
    step(&mut world, 0, Intent::SetRole(steve, Role::Administrator));
    step(&mut world, 2, Intent::Heal);
    step(&mut world, 2, Intent::SetPolicy(Policy { verified_only: true, ..Policy::default() }));
    step(&mut world, 3, Intent::Rename(b"Hike".as_slice().into()));
    second_device(&mut world);
    step(&mut world, 3, Intent::Heal);
    step(&mut world, 3, Intent::Leave);
    step(&mut world, 1, Intent::Settle);
    recover(&mut world, 1);
    let sean = world.people[4].person();
    step(&mut world, 0, Intent::DevicesOf(sean));
    step(&mut world, 1, Intent::Heal);
    world
}

#[test]
fn an_exported_history_holds_for_anybody_and_says_who_signed_what() {
    over_every_scheme(|scheme| {
        let mut world = a_life(scheme);
        let founders = audit(&export(&mut world, 0, None)).unwrap();
        assert_eq!((founders.begins, founders.begin_signed, founders.steps.len()), (0, false, 8), "{scheme}");
        let steves = audit(&export(&mut world, 1, None)).unwrap();
        assert_eq!((steves.begins, steves.begin_signed, steves.steps.len()), (1, true, 7));
        let roster: Vec<_> = world.people[0].group().people().map(|one| (one.person, one.devices)).collect();
        for audit in [&founders, &steves] {
            let people: Vec<_> = audit.people.iter().map(|one| (one.person, one.devices.len())).collect();
            assert_eq!(people, roster, "{scheme}");
        }
        let [mike, steve] = [0, 1].map(|who| world.people[who].person());
        let last = steves.steps.last().unwrap();
        assert_eq!(last.by, mike);
        assert!(matches!(last.changes[..], [Happened::Recovered(_)]), "{last:?}");
        let policy =
            &steves.steps.iter().find(|step| matches!(step.changes[..], [Happened::Policy(_)])).unwrap();
        assert_eq!(policy.by, steve, "who has healed since he came in");
        // Of an earlier epoch: who could read then.
        let before = audit(&export(&mut world, 0, Some(3))).unwrap();
        assert_eq!((before.people.len(), before.steps.len()), (4, 2));
    });
}

#[test]
fn a_history_with_a_commit_left_out_altered_or_by_somebody_without_the_right_does_not_hold() {
    let mut world = a_life(Scheme::SenderKeys);
    let whole = export(&mut world, 0, None);
    let read = || codec::decode_large::<File>(&whole).unwrap();
    let check = |file: &File| audit(&codec::encode(file).unwrap()).map(drop);
    let steps = read().steps.len();
    for left_out in 0..steps - 1 {
        let mut file = read();
        let lasting = file.steps[left_out].commit.body.draft.changes.iter().all(Change::is_lasting);
        file.steps.remove(left_out);
        assert!(lasting && check(&file).is_err(), "{left_out}");
    }
    let mut swapped = read();
    swapped.steps.swap(2, 3);
    assert!(check(&swapped).is_err());
    let mut twice = read();
    let again = read().steps.remove(1);
    twice.steps.insert(2, again);
    assert!(check(&twice).is_err());
    // Any bit of it: nothing that holds says anything else.
    let said = |file: &[u8]| audit(file).map(|audit| format!("{audit:?}"));
    let truth = said(&whole).unwrap();
    for at in (0..whole.len()).step_by(97) {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        assert!(said(&altered).is_err_and(|_| true) || said(&altered) == Ok(truth.clone()), "byte {at}");
    }
    assert!(audit(&whole[..whole.len() - 1]).is_err());
    assert!(audit(b"conclave audit 2").is_err());
}
