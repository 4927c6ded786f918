//! Valid encodings of everything a group sends and keeps, from one played-through world under each scheme.

use super::super::epoch::Epoch;
use super::super::message::{ChatBody, View};
use super::super::welcome::{SignedWelcome, Welcome};
use super::super::world::World;
use super::super::{
    Inner, Intent, Joining, Letter, PendingCommit, PendingWhat, Post, Role, Scheme, open_letter,
};
use super::super::{Pending, SLICE_WELCOME, letter};
use super::template;
use crate::codec::{Count, Rest};
use crate::content::Content;
use crate::primitives::secret::Secret;
use crate::roster::{LeaveRequest, SignedLeave, SignedRejoin};
use crate::session::fuzzing::one_of_each_kind;
use crate::vault::{Row, load};
use crate::{Digest, MessageId, Timestamp, codec};

type Seeds = Vec<(&'static str, Vec<u8>)>;

pub(crate) fn seeds() -> Seeds {
    let mut seeds = [plain(), conversations()].concat();
    for (scheme, how) in Scheme::ALL.into_iter().zip([0, 1, 0x80]) {
        messages(scheme, how, &mut seeds);
        commits(scheme, how, &mut seeds);
        newcomer(scheme, how, &mut seeds);
        rejoin(scheme, &mut seeds);
        history(scheme, &mut seeds);
    }
    seeds
}

/// Steps of conversations, as [`super::conversation()`] reads them.
fn conversations() -> Seeds {
    let every_kind: Vec<u8> = (0..16_u8).flat_map(|kind| [kind, kind.wrapping_mul(7)]).collect();
    let restores = [[0, 1], [12, 1], [0, 1], [0, 2], [13, 1], [6, 1], [0, 1], [0, 0]].concat();
    let comings =
        [[14, 0], [0, 3], [14, 5], [0, 0], [14, 2], [0, 1], [14, 1], [7, 6], [9, 2], [10, 1], [5, 2]];
    [every_kind, restores, comings.concat()].map(|steps| ("conversation", steps)).to_vec()
}

fn plain() -> Seeds {
    let text = Content::text("Meet at nine").unwrap().encode().unwrap();
    let newer = Content::Unknown { kind: 9, critical: false, bytes: vec![1, 2, 3] }.encode().unwrap();
    let body = ChatBody {
        id: MessageId([3; 16]),
        sent_at: Timestamp(1_790_000_000_000),
        view: View::new(1, 7, [4; 16]),
        since: Count(3),
        content: Rest(text.clone()),
    };
    let intents = [
        Intent::Add(vec![crate::PersonId([1; 32])]),
        Intent::Remove(vec![crate::PersonId([1; 32]), crate::PersonId([2; 32])]),
        Intent::Leave,
        Intent::Rename(b"Trip".as_slice().into()),
        Intent::SetRole(crate::PersonId([1; 32]), Role::Administrator),
        Intent::Heal,
        Intent::Settle,
        Intent::Readmit(b"request".as_slice().into()),
        Intent::AddFor(vec![crate::PersonId([1; 32])], b"new here".as_slice().into()),
        Intent::Endorse(crate::PersonId([1; 32])),
        Intent::Object(crate::PersonId([1; 32])),
        Intent::Admit(vec![crate::PersonId([1; 32])]),
        Intent::RemoveSince(vec![crate::PersonId([1; 32])], 7),
    ];
    let begin = crate::group::CallStep::Begin(Digest([5; 32]), vec![crate::PersonId([1; 32])]);
    let begin = Content::Call(begin).encode().unwrap();
    let nobody = Content::Attestations(Vec::new()).encode().unwrap();
    let history = Content::History(crate::history::fuzz_seed()).encode().unwrap();
    let mut seeds = vec![
        ("content", nobody),
        ("content", begin),
        ("content", text),
        ("content", newer),
        ("content", history),
        ("chat_body", codec::encode(&body).unwrap()),
    ];
    seeds.extend(intents.iter().map(|intent| ("intent", codec::encode(intent).unwrap())));
    seeds
}

fn messages(scheme: Scheme, how: u8, seeds: &mut Seeds) {
    let mut world = template(scheme);
    let post = world.draft_message(0, "Meet at nine").unwrap();
    let inner = inner(&mut world, &post);
    seeds.push(("entry", [&[how | 2][..], &inner].concat()));
    seeds.push(("shared_part", inner));
    seeds.extend(one_of_each_kind(&world.people[0].bench));
}

fn commits(scheme: Scheme, how: u8, seeds: &mut Seeds) {
    let people = {
        let mut world = template(scheme);
        [1, 2, 3].map(|who| world.people[who].person())
    };
    let intents = [
        Intent::Heal,
        Intent::Remove(vec![people[1]]),
        Intent::Rename(b"Trap".as_slice().into()),
        Intent::SetRole(people[0], Role::Administrator),
        Intent::Add(vec![people[2]]),
    ];
    for intent in intents {
        let mut world = template(scheme);
        let post = world.draft(0, &intent).unwrap();
        let commit = pending(&mut world).commit;
        seeds.push(("entry", [&[how | 6][..], &inner(&mut world, &post)].concat()));
        if scheme == Scheme::Tree {
            // What it carries for everybody is not in its body; entries have it.
            seeds.push(("commit", codec::encode(&commit).unwrap()));
            continue;
        }
        seeds.push(("commit_by_a_member", [&[how | 6][..], &codec::encode(&commit.body).unwrap()].concat()));
        seeds.push(("commit", codec::encode(&commit).unwrap()));
    }
    let mut world = template(scheme);
    let (person, mut group) = (world.people[1].person(), world.people[1].group());
    let signing = group.leaf_secrets(&world.people[1].bench.cx()).unwrap().signing;
    let request = LeaveRequest { group: group.id, person, device: group.state.me };
    let leave = SignedLeave::sign(request, &signing).unwrap();
    seeds.push(("leave_request", codec::encode(&leave).unwrap()));
    seeds.push(("shared_part", codec::encode(&Inner::Leave(leave.clone())).unwrap()));
    group.state.leaving.push(leave);
    seeds.push(("vault_row", [&[Row::Group as u8][..], &codec::encode(&group.state).unwrap()].concat()));
    seeds.push(("roster", codec::encode(group.roster.body()).unwrap()));
    let post = world.draft(0, &Intent::Heal).unwrap();
    if let Some(slice) = post.slices.first() {
        let opened = open_slice(&mut world, &post, &slice.bytes[1..]);
        seeds.push(("seed_wrap", opened));
    }
}

/// An add: its letter, its welcome, and the joining under way.
fn newcomer(scheme: Scheme, how: u8, seeds: &mut Seeds) {
    let mut world = template(scheme);
    let dave = world.people[3].person();
    let post = world.draft(0, &Intent::Add(vec![dave])).unwrap();
    let slice = post.slices.iter().find(|slice| slice.bytes[0] == SLICE_WELCOME).unwrap();
    seeds.push(("welcome_slice", slice.bytes[1..].to_vec()));
    let PendingCommit { commit, seed, .. } = pending(&mut world);
    let group = world.people[0].group();
    let after = commit.verify(&group.roster, &group.state.commit, &group.state.parent_change).unwrap();
    let epoch_secret = Epoch::next(&group.state.keys, seed.as_ref(), &commit.body.hash().unwrap()).secret();
    let welcome = Welcome {
        version: crate::roster::VERSION,
        roster: after.body().clone(),
        parent_change: commit.hash().unwrap(),
        commit,
        epoch_secret,
        creation: group.state.creation,
        after: group.state.cursor,
        view: group.state.view,
        turn: group.state.turn + 1,
    };
    let bytes = codec::encode(&welcome).unwrap();
    let signing = group.leaf_secrets(&world.people[0].bench.cx()).unwrap().signing;
    let signature = signing.sign(crate::labels::WELCOME_SIGNATURE, &bytes);
    let signed = SignedWelcome { welcome: bytes.as_slice().into(), signature };
    seeds.push(("welcome", codec::encode(&signed).unwrap()));
    if scheme != Scheme::Tree {
        // A tree's has more, which only its own commit can have made.
        seeds.push(("welcome_by_a_member", [&[how | 2][..], &bytes].concat()));
    }
    seeds.push(("welcome", bytes));
    let account = world.people[3].account();
    let bench = &mut world.people[3].bench;
    let letter = bench.step(|cx| open_letter(&account, &post.letters[0].body, cx)).unwrap();
    let Letter::Invitation(invitation) = letter else { panic!("an invitation") };
    let body = letter::Body::Invitation(invitation.clone());
    seeds.push(("letter_inside", codec::encode(&body).unwrap()));
    bench.step(|cx| Joining::begin(invitation, cx)).unwrap();
    seeds.extend(one_of_each_kind(bench).into_iter().filter(|(_, row)| row[0] == Row::Joining as u8));
    let _: Digest = welcome.creation;
    let _: Secret<_> = welcome.epoch_secret;
}

fn history(scheme: Scheme, seeds: &mut Seeds) {
    let mut world = template(scheme);
    world.change(0, &Intent::Rename(b"Trap".as_slice().into())).unwrap();
    world.sync_all();
    let group = world.people[0].group();
    seeds.push(("audit_file", group.export(None, None, &world.people[0].bench.cx()).unwrap()));
}

fn rejoin(scheme: Scheme, seeds: &mut Seeds) {
    let mut world = template(scheme);
    let (account, group) = (world.people[1].account(), world.people[1].group());
    let (request, _) = world.people[1].bench.step(|cx| group.rejoin_request(&account, cx)).unwrap();
    let (signed, key_package) = codec::decode_prefix(&request).unwrap();
    seeds.push(("rejoin_request", codec::encode::<SignedRejoin>(&signed).unwrap()));
    let body = letter::Body::RejoinTree(signed, codec::Rest(key_package.to_vec()));
    seeds.push(("letter_inside", codec::encode(&body).unwrap()));
}

/// The commit that mike has drafted.
fn pending(world: &mut World) -> PendingCommit {
    let row = world.people[0].group().row(Row::Pending);
    let pending: Pending = load(&world.people[0].bench.vault, &row).unwrap().unwrap();
    match pending.what {
        PendingWhat::Commit(pending) | PendingWhat::Rekeyed(pending, _) => pending,
        _ => panic!("a commit"),
    }
}

fn inner(world: &mut World, post: &Post) -> Vec<u8> {
    let group = world.people[0].group();
    let sealer = super::super::seal::Sealer::of(&group.state.keys, &group.place(), &post.shared).unwrap();
    codec::encode(&sealer.open_shared::<Inner>(&post.shared).unwrap()).unwrap()
}

fn open_slice(world: &mut World, post: &Post, slice: &[u8]) -> Vec<u8> {
    let group = world.people[0].group();
    let sealer = super::super::seal::Sealer::of(&group.state.keys, &group.place(), &post.shared).unwrap();
    sealer.open_slice(&post.slices[0].seat, slice).unwrap().to_vec()
}
