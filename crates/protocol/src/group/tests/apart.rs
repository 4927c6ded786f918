//! Welcomes of large groups: small themselves, the rest fetched once by its hash.

use super::super::world::Kept;
use super::*;

const MANY: [&str; 13] =
    ["mike", "sean", "steve", "dave", "anna", "ben", "carl", "dora", "emma", "fred", "gina", "hugo", "ida"];

/// Everybody is added by one commit; nobody has joined yet.
fn invited(scheme: Scheme) -> World {
    let mut world = World::new(scheme, &MANY, MANY.len() - 1);
    let others = (1..MANY.len()).map(|who| world.people[who].person()).collect();
    world.change(0, &Intent::Add(others)).unwrap();
    world.sync(0);
    world
}

#[test]
fn a_welcome_stays_small_and_what_all_need_is_sealed_once() {
    over_every_scheme(|scheme| {
        let mut world = invited(scheme);
        let slices = world.log.last().unwrap().slices.values().map(Vec::len);
        assert!(slices.max().unwrap() < 4 * 1024, "{scheme}");
        let apart = world.blobs.bytes();
        assert!(apart > 12 * 1024 && apart < MANY.len() * 8 * 1024, "{scheme}: {apart} bytes");
        world.sync_all();
        (0..MANY.len()).for_each(|who| world.say(who, "here"));
        world.sync_all();
        let heard = (0..MANY.len()).map(|who| texts(&world, who).len());
        assert!(heard.into_iter().all(|heard| heard == MANY.len() - 1), "{scheme}");
    });
}

#[test]
fn a_newcomer_says_which_pieces_it_lacks_and_takes_no_others() {
    over_every_scheme(|scheme| {
        let mut world = invited(scheme);
        let number = world.log.len() as u64;
        let kept: Kept = world.log.last().unwrap().clone();
        let device = *world.people[1].account().device_id();
        let letter = world.letters.iter().find(|letter| letter.device == device).unwrap().body.clone();
        let whole = world.blobs.clone();
        let sean = &mut world.people[1];
        let account = sean.account();
        let opened = sean.bench.step(|cx| open_letter(&account, &letter, cx)).unwrap();
        let Letter::Invitation(invitation) = opened else { panic!("an invitation") };
        let seat = invitation.seat;
        let mut joining = sean.bench.step(|cx| Joining::begin(invitation, cx)).unwrap();
        let entry = kept.entry(number, seat);
        let mut receive = |blobs: &Blobs| sean.bench.step(|cx| joining.receive(&account, &entry, blobs, cx));
        let Ok(Joined::Needs(pieces)) = receive(&Blobs::default()) else { panic!("pieces are needed") };
        let mut altered = Blobs::default();
        for piece in &pieces {
            let mut bytes = whole.get(piece).unwrap().to_vec();
            bytes[0] ^= 1;
            altered.add(bytes);
        }
        assert!(matches!(receive(&altered), Ok(Joined::Needs(again)) if again == pieces));
        assert!(matches!(receive(&whole), Ok(Joined::In(_))));
    });
}
