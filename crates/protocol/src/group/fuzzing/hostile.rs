//! What a hostile member can do: everything under the outer seal is its to choose. Whatever it sends, nobody panics, no
//! error comes where a value should, and all honest members come out alike.

use super::super::epoch::Epoch;
use super::super::letter::open_letter;
use super::super::seal::Sealer;
use super::super::welcome::Welcome;
use super::super::world::{Kept, World};
use super::super::{Body as EntryBody, Entry, Group, Home, Inner, Invitation, Joined, Joining, Received};
use super::{letter_content, scheme_of, template};
use crate::content::padded;
use crate::primitives::kdf;
use crate::roster::{Body, Commit, Leaf, LeafKeys, Roster};
use crate::session::{UnverifiedBundle, UnverifiedJoinKey, inbox_seal};
use crate::{PeerFault, SeatId, Timestamp, codec};
use std::collections::BTreeMap;

const MIKE: usize = 0;
const DAVE: usize = 3;

/// An entry from mike's seat: the first byte says under which scheme and how, the rest is the shared part, or what mike
/// seals into it.
pub(crate) fn entry(bytes: &[u8]) -> bool {
    let Some((how, rest)) = bytes.split_first() else { return false };
    let mut world = template(scheme_of(*how));
    let sealed = how & 2 != 0;
    let shared = if sealed { sealed_by_mike(&mut world, rest) } else { rest.to_vec() };
    let turn = world.turn + u64::from(how & 4 != 0);
    let kept = kept(&world, shared, turn);
    // As it is sealed: what is cut short may be made whole by the padding.
    let mut inner = rest.to_vec();
    inner.resize(padded(rest.len()), 0);
    let known =
        codec::decode_prefix::<Inner>(&inner).is_ok_and(|(_, zeros)| zeros.iter().all(|byte| *byte == 0));
    for who in [1, 2] {
        match deliver(&mut world, who, &kept) {
            Received::Void(_) => {}
            Received::Unreadable { .. }
            | Received::Message(_)
            | Received::LeaveRequested { .. }
            | Received::Committed { .. }
            | Received::Removed { .. } => {
                assert!(known && sealed);
            }
            Received::Stranded(_) => assert!(known && sealed && how & 4 != 0),
            other => panic!("{other:?}"),
        }
    }
    sealed && known
}

/// A commit that mike signs, whatever is in it. The first byte says what of it mike gets right: its place, and the roster
/// that it leads to.
pub(crate) fn commit_by_a_member(bytes: &[u8]) -> bool {
    let Some((how, rest)) = bytes.split_first() else { return false };
    let Ok(mut body) = codec::decode::<Body>(rest) else { return false };
    let mut world = template(scheme_of(*how));
    let group = world.people[MIKE].group();
    if how & 2 != 0 {
        let draft = &mut body.draft;
        (draft.group, draft.epoch, draft.author) = (group.id, group.epoch() + 1, group.state.me);
        (draft.parent, draft.parent_change) = (group.state.commit, group.state.parent_change);
    }
    if how & 4 != 0
        && let Ok(after) =
            group.roster.apply(body.draft.author, &body.draft.changes, body.draft.leaf.as_ref())
    {
        body.draft.roster_after = after.hash().unwrap();
        // A seed goes to nobody here: who needs one cannot follow, and says so.
        body.seed_check = body.seed_check.filter(|_| body.draft.needs_seed());
    }
    let digest = body.hash().unwrap();
    let tag = Epoch::next(&group.state.keys, None, &digest).tag(&digest);
    let signing = group.leaf_secrets(&world.people[MIKE].bench.cx()).unwrap().signing;
    let commit = Commit::sign(body, tag, &signing).unwrap();
    let inner = codec::encode(&Inner::Commit(commit)).unwrap();
    let shared = sealed_by_mike(&mut world, &inner);
    let turn = world.turn + 1;
    let kept = kept(&world, shared, turn);
    let outcomes = [1, 2].map(|who| outcome(&deliver(&mut world, who, &kept)));
    // Somebody who is taken out sees that, and not what the rest sees.
    let same = outcomes[0] == outcomes[1] || outcomes.contains(&"removed");
    assert!(same, "honest members go one way: {outcomes:?}");
    let [sean, steve] = [1, 2].map(|who| world.people[who].group());
    if outcomes == ["committed", "committed"] {
        assert!(sean.epoch() == steve.epoch() && sean.state.commit == steve.state.commit);
        assert!(sean.roster.hash() == steve.roster.hash());
        assert!(Roster::verify(sean.roster.body().clone()).is_ok(), "a roster in hand is authentic");
    }
    outcomes[0] != "void"
}

/// A welcome that mike signs and seals to dave, whatever is in it. The first byte says whether mike makes the commit and
/// the tag in it fit the rest.
pub(crate) fn welcome_by_a_member(bytes: &[u8]) -> bool {
    let Some((how, rest)) = bytes.split_first() else { return false };
    let mut world = template(scheme_of(*how));
    let Ok(mut welcome) = codec::decode::<Welcome>(rest) else { return false };
    let signing = {
        let group = world.people[MIKE].group();
        group.leaf_secrets(&world.people[MIKE].bench.cx()).unwrap().signing
    };
    if how & 2 != 0
        && let Ok(roster) = Roster::verify(welcome.roster.clone())
    {
        let mut body = welcome.commit.body.clone();
        (body.draft.group, body.draft.epoch) = (roster.body().group, roster.body().epoch);
        body.draft.roster_after = roster.hash().unwrap();
        let digest = body.hash().unwrap();
        let tag = Epoch::received(welcome.epoch_secret.duplicate()).tag(&digest);
        welcome.commit = Commit::sign(body, tag, &signing).unwrap();
    }
    let seat =
        welcome.roster.members.iter().flat_map(|member| &member.leaves).map(|leaf| leaf.seat).next_back();
    let seat = seat.unwrap_or(SeatId([5; 16]));
    let account = world.people[DAVE].account();
    let join_key = world.people[DAVE].published.join_keys[0].clone();
    let keys = LeafKeys::Joined(UnverifiedJoinKey::read_first(&join_key).unwrap().0);
    let leaf = Leaf { device: *account.device_id(), seat, asked: 0, keys };
    let mut slice = vec![super::super::SLICE_WELCOME];
    let bytes = codec::encode(&welcome).unwrap();
    slice.extend(
        super::super::welcome::seal(&bytes, &leaf, &signing, &mut world.people[MIKE].bench.cx()).unwrap(),
    );
    let invitation = Invitation {
        home: Home::new("ws://relay.test", [7; 32], [9; 16]),
        seat,
        claim: [6; 32],
        group: welcome.roster.group,
        inviter: world.people[MIKE].person(),
        inviter_handle: world.people[MIKE].account().handle().clone(),
    };
    let mut kept = kept(&world, b"sealed under an epoch that dave has not".to_vec(), welcome.turn);
    kept.slices = BTreeMap::from([(seat, slice)]);
    let number = welcome.after.wrapping_add(1);
    let dave = &mut world.people[DAVE];
    let entry = kept.entry(number, seat);
    let joined = dave.bench.step(|cx| {
        let mut joining = Joining::begin(invitation, cx)?;
        joining.receive(&account, &entry, &super::super::Blobs::default(), cx)
    });
    let Ok(Joined::In(joined)) = joined else { return false };
    let (group, _) = *joined;
    let again = Group::load(&group.id, &mut dave.bench.cx()).unwrap();
    assert!(Roster::verify(again.roster.body().clone()).is_ok(), "a roster in hand is authentic");
    let me = again.roster.leaf(*account.device_id());
    assert!(me.is_some_and(|leaf| leaf.seat == seat), "who joins is in");
    true
}

/// A letter that somebody seals to dave, whatever is in it.
pub(crate) fn letter_inside(bytes: &[u8]) -> bool {
    let known = letter_content(bytes);
    let mut world = template(super::Scheme::Pairwise);
    let account = world.people[DAVE].account();
    let bundle = world.people[DAVE].published.bundle.clone().unwrap();
    let bundle = UnverifiedBundle::read(&bundle).unwrap();
    let bench = &mut world.people[DAVE].bench;
    let bundle = bundle.verify(&account.as_peer(), bench.now).unwrap();
    let letter = inbox_seal(&bundle, bytes, &mut bench.cx()).unwrap();
    let opened = bench.step(|cx| open_letter(&account, &letter, cx));
    assert!(opened.is_err() || known);
    known
}

fn sealed_by_mike(world: &mut World, inner: &[u8]) -> Vec<u8> {
    let group = world.people[MIKE].group();
    let sealer =
        Sealer::fresh(&group.state.keys, &group.place(), &mut world.people[MIKE].bench.cx()).unwrap();
    sealer.seal_shared(inner.to_vec()).unwrap()
}

fn kept(world: &World, shared: Vec<u8>, turn: u64) -> Kept {
    let seat = world.people[MIKE].seat;
    Kept { turn, seat, shared, slices: BTreeMap::new(), seats: Vec::new() }
}

/// Delivers the next entry. It is sound as far as the relay is concerned, so a member's fault is a value, never an error.
fn deliver(world: &mut World, who: usize, kept: &Kept) -> Received {
    let person = &mut world.people[who];
    let (account, mut group, seat) = (person.account(), person.group(), person.seat);
    let entry: Entry = kept.entry(group.cursor() + 1, seat);
    assert!(matches!(entry.body, EntryBody::Whole(_)) && entry.hash == kdf::sha256(&kept.shared));
    let received = person.bench.step(|cx| group.receive(&account, &entry, cx));
    let again = person.group();
    assert_eq!(again.cursor(), entry.number, "the entry is passed, whatever it was");
    assert_eq!(entry.at, Timestamp(0));
    received.unwrap()
}

fn outcome(received: &Received) -> &'static str {
    match received {
        Received::Committed { .. } => "committed",
        Received::Removed { .. } => "removed",
        Received::Stranded(PeerFault::NoSlice) => "without the seed",
        Received::Stranded(_) => "stranded",
        Received::Void(_) => "void",
        other => panic!("a commit cannot be {other:?}"),
    }
}
