//! Every decoder a peer or the relay can reach is total: any bytes give a value or an error, and leave no trace.

use super::SCHEMES;
use crate::codec;
use crate::group::fuzzing::template;
use crate::group::world::World;
use crate::group::{Body, Entry, Home, Intent, Invitation, Joining, Received, open_letter};
use crate::roster::{Commit, RosterBody, SignedRejoin};
use crate::{Misuse, PeerFault, SeatId, Timestamp};
use proptest::prelude::*;

fn entry<'a>(number: u64, turn: u64, shared: &'a [u8], slice: &'a [u8]) -> Entry<'a> {
    let hash = crate::primitives::kdf::sha256(shared);
    let body = Body::Whole(shared);
    Entry { number, turn, seat: SeatId([1; 16]), hash, body, slice, at: Timestamp(0), seats: &[] }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_as_an_entry_are_void(shared: Vec<u8>, slice: Vec<u8>) {
        let mut world = template(SCHEMES[1]);
        let (account, mut group) = (world.people[1].account(), world.people[1].group());
        let (number, turn) = (group.cursor() + 1, group.turn());
        let entry = entry(number, turn, &shared, &slice);
        let received = world.people[1].bench.step(|cx| group.receive(&account, &entry, cx)).unwrap();
        prop_assert!(matches!(received, Received::Void(_)));
        let name = group.name().unwrap();
        prop_assert_eq!(name, "Trip");
    }

    #[test]
    fn any_bytes_as_a_letter_are_refused(body: Vec<u8>) {
        let mut world = template(SCHEMES[0]);
        let account = world.people[0].account();
        let outcome = world.people[0].bench.step(|cx| open_letter(&account, &body, cx).map(drop));
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn any_bytes_as_a_welcome_are_refused(slice: Vec<u8>, first in 0..3_u8) {
        let mut world = template(SCHEMES[0]);
        let group = world.people[0].group.unwrap();
        let person = &mut world.people[3];
        let account = person.account();
        let invitation = Invitation {
            home: Home::new("ws://relay.test", [7; 32], [9; 16]),
            seat: SeatId([5; 16]),
            claim: [6; 32],
            group,
            inviter: *account.person(),
            inviter_handle: account.handle().clone(),
        };
        let slice = [&[first][..], &slice].concat();
        let entry = entry(1, 1, b"sealed under an epoch we never saw", &slice);
        let outcome = person.bench.step(|cx| {
            let mut joining = Joining::begin(invitation, cx)?;
            joining.receive(&account, &entry, &super::Blobs::default(), cx).map(drop)
        });
        prop_assert!(outcome.is_err());
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes: Vec<u8>) {
        if let Ok(commit) = codec::decode::<Commit>(&bytes) {
            prop_assert_eq!(&codec::encode(&commit).unwrap(), &bytes);
        }
        if let Ok(roster) = codec::decode::<RosterBody>(&bytes) {
            prop_assert_eq!(&codec::encode(&roster).unwrap(), &bytes);
        }
        if let Ok(intent) = codec::decode::<Intent>(&bytes) {
            prop_assert_eq!(&codec::encode(&intent).unwrap(), &bytes);
        }
        prop_assert!(codec::decode::<SignedRejoin>(&bytes).is_err());
    }

    /// One flipped bit in an honest commit: void, or (in the own slice) stranded; never another roster.
    #[test]
    fn a_flipped_bit_never_leads_elsewhere(at: prop::sample::Index, bit in 0..8_u8, in_slice: bool) {
        for scheme in SCHEMES {
            let mut world = template(scheme);
            let epoch = world.people[1].group().epoch();
            let steve = world.people[2].person();
            world.change(0, &Intent::Remove(vec![steve])).unwrap();
            let seat = world.people[1].seat;
            let mut kept = world.log.last().unwrap().clone();
            let bytes = match (in_slice, kept.slices.get_mut(&seat)) {
                (true, Some(slice)) => slice,
                // Commits of a tree have no slices.
                (true, None) => continue,
                (false, _) => &mut kept.shared,
            };
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let number = world.people[1].group().cursor() + 1;
            world.deliver(1, number, &kept).unwrap();
            let expected = match world.people[1].received.last() {
                Some(Received::Void(_)) => !in_slice,
                Some(Received::Stranded(_)) => in_slice,
                _ => false,
            };
            prop_assert!(expected);
            prop_assert_eq!(world.people[1].group().epoch(), epoch);
        }
    }
}

#[test]
fn a_commit_posted_from_another_seat_is_void() {
    for scheme in SCHEMES {
        let mut world = World::new(scheme, &["mike", "sean", "steve"], 0);
        world.change(0, &Intent::Heal).unwrap();
        let mut kept = world.log.last().unwrap().clone();
        kept.seat = world.people[2].seat;
        let number = world.people[1].group().cursor() + 1;
        world.deliver(1, number, &kept).unwrap();
        let last = world.people[1].received.last();
        assert!(matches!(last, Some(Received::Void(PeerFault::WrongAddress))));
    }
}

#[test]
fn a_commit_that_took_no_turn_is_void() {
    let mut world = World::new(SCHEMES[1], &["mike", "sean"], 0);
    world.change(0, &Intent::Heal).unwrap();
    let mut kept = world.log.last().unwrap().clone();
    kept.turn -= 1;
    let number = world.people[1].group().cursor() + 1;
    world.deliver(1, number, &kept).unwrap();
    assert!(matches!(world.people[1].received.last(), Some(Received::Void(PeerFault::WrongEpoch))));
}

#[test]
fn a_group_of_two_schemes_does_not_mix() {
    let mut pairwise = World::new(SCHEMES[0], &["mike", "sean"], 0);
    let mut sender_keys = World::new(SCHEMES[1], &["mike", "sean"], 0);
    sender_keys.say(0, "x");
    let foreign = sender_keys.log.last().unwrap().clone();
    let number = pairwise.people[1].group().cursor() + 1;
    pairwise.deliver(1, number, &foreign).unwrap();
    assert!(matches!(pairwise.people[1].received.last(), Some(Received::Void(_))));
}

#[test]
fn a_second_post_waits_for_the_first() {
    for scheme in SCHEMES {
        let mut world = World::new(scheme, &["mike", "sean"], 0);
        world.draft_message(0, "x").unwrap();
        assert_eq!(world.draft_message(0, "y"), Err(Misuse::PostPending.into()));
        assert_eq!(world.draft(0, &Intent::Heal), Err(Misuse::PostPending.into()));
    }
}
