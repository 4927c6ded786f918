//! Fuzz targets of groups: what is inside the seals, and what a hostile member or relay can put there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "part of tests only"
)]

mod conversation;
mod hostile;
#[cfg(test)]
mod seeds;

pub(crate) use conversation::conversation;
pub(crate) use hostile::{commit_by_a_member, entry, letter_inside, welcome_by_a_member};
#[cfg(test)]
pub(crate) use seeds::seeds;

use super::chain::{Chain, Signed};
use super::letter::Body as LetterBody;
use super::message::{Chat, ChatBody};
use super::sender_keys::SenderKey;
use super::welcome::{SignedWelcome, Welcome, WelcomeSlice};
use super::world::World;
use super::{Home, Inner, Joining, Pending, Scheme, State};
use crate::DeviceId;
use crate::fuzzing::{Run, canonical};
use crate::primitives::secret::{Secret, TreeNode};
use crate::roster::{LeafSecrets, Member, RosterBody, RosterHead};
use crate::vault::Row;
use std::sync::OnceLock;

/// The shared part of an entry, opened, and a message inside.
pub(crate) fn shared_part(bytes: &[u8]) -> bool {
    let chat = canonical::<Chat>(bytes);
    canonical::<Inner>(bytes) || chat
}

/// What a cipher carries: the body of a message, signed or not, or a key handed out.
pub(crate) fn chat_body(bytes: &[u8]) -> bool {
    let (signed, chain) = (canonical::<Signed>(bytes), canonical::<SenderKey>(bytes));
    canonical::<ChatBody>(bytes) || signed || chain
}

/// A welcome as its newcomer gets it.
pub(crate) fn welcome_slice(bytes: &[u8]) -> bool {
    canonical::<WelcomeSlice>(bytes)
}

/// A welcome, opened.
pub(crate) fn welcome(bytes: &[u8]) -> bool {
    let signed = canonical::<SignedWelcome>(bytes);
    canonical::<Welcome>(bytes) || signed
}

/// This layer's rows of the vault; `None` for the others'.
pub(crate) fn row(kind: u8, value: &[u8]) -> Option<bool> {
    let mark: Run = |value| value == [1];
    let sender: Run = |value| canonical::<SenderKey>(value) || canonical::<Chain>(value);
    let rows: [(Row, Run); 23] = [
        (Row::Group, canonical::<State>),
        (Row::Roster, canonical::<RosterBody>),
        (Row::RosterHead, canonical::<RosterHead>),
        (Row::Member, canonical::<Member>),
        (Row::Leaf, canonical::<LeafSecrets>),
        (Row::Pending, canonical::<Pending>),
        (Row::Joining, canonical::<Joining>),
        (Row::View, canonical::<crate::Digest>),
        (Row::Counted, canonical::<u64>),
        (Row::Chain, sender),
        (Row::HandedOut, canonical::<Vec<DeviceId>>),
        (Row::HandedToAll, canonical::<crate::Digest>),
        (Row::Healed, canonical::<crate::Timestamp>),
        (Row::ProofBase, super::proof::reads_base),
        (Row::ProofStep, super::proof::reads_step),
        (Row::Call, canonical::<crate::group::Call>),
        (Row::SecretTree, canonical::<Secret<TreeNode>>),
        (Row::Tree, |value| value.len() > 4),
        (Row::TreeNode, super::tree::reads_node),
        (Row::KeyPackage, super::tree::reads_key_package),
        (Row::Wiped, canonical::<Vec<crate::Digest>>),
        (Row::Numbered, canonical::<crate::Digest>),
        (Row::AcceptedBase, mark),
    ];
    rows.iter().find(|(row, _)| *row as u8 == kind).map(|(_, read)| read(value))
}

/// What is inside a letter, and where a group lives.
fn letter_content(bytes: &[u8]) -> bool {
    let home = canonical::<Home>(bytes);
    canonical::<LetterBody>(bytes) || home
}

/// Three in a group, dave outside; everybody has spoken. Made once, as its keys cost time.
pub(super) fn template(scheme: Scheme) -> World {
    static WORLDS: OnceLock<[World; 3]> = OnceLock::new();
    let worlds = WORLDS.get_or_init(|| {
        Scheme::ALL.map(|scheme| {
            let mut world = World::new(scheme, &["mike", "sean", "steve", "dave"], 1);
            (0..3).for_each(|who| world.say(who, "hello"));
            world.sync_all();
            world.people.iter_mut().for_each(|person| {
                person.read.clear();
                person.received.clear();
            });
            world
        })
    });
    let [pairwise, sender_keys, tree] = worlds;
    match scheme {
        Scheme::Pairwise => pairwise.clone(),
        Scheme::SenderKeys => sender_keys.clone(),
        Scheme::Tree => tree.clone(),
    }
}

/// Its lowest and its highest bit; the others say something else.
fn scheme_of(byte: u8) -> Scheme {
    match byte & 0x81 {
        0 => Scheme::Pairwise,
        1 => Scheme::SenderKeys,
        _ => Scheme::Tree,
    }
}
