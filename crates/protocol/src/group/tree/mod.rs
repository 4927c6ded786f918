//! Tree: MLS agrees on each epoch's secret, in which every sender has a chain of its own.
//!
//! ```text
//! MLS commit ─► export ─► seed of the roster's commit ─► epoch secret ─► secret tree ─► a chain for each sender
//! ```
//! MLS does key agreement only: messages are those of sender keys, and who is in is the roster's word.

mod bare;
mod engine;
mod kept;
mod path;
#[cfg(any(test, fuzzing))]
pub(super) use engine::{reads_key_package, reads_node};
#[cfg(test)]
pub(super) use provider::spoil;

mod pool;
mod provider;
mod rules;
mod secret_tree;
mod shelf;
#[cfg(test)]
mod short;

pub use bare::BareTree;
pub use pool::NodeKeys;

use super::chain::Chain;
use super::change::seed_check;
use super::cipher::{Entrance, GroupCipher, Keys, Moved, Promise, Received, Rekey, Room, Sealed, Step, Way};
use super::message::Aad;
use crate::codec;
use crate::primitives::sign::SigningKey;
use crate::roster::{Commit, Leaf, LeafSecrets};
use crate::vault::{Row, delete_all, key, load, save};
use crate::{Context, DeviceId, Error, GroupId, Misuse, PeerFault, Result, Timestamp};
use engine::{Made, Move, Outcome, Wanted};
use zeroize::Zeroizing;

pub(super) enum Tree {}

/// The next commit of this thread has a path without nodes, in a tree of two leaves: what a hostile member could make.
#[cfg(test)]
pub(super) fn shorten_next(group: &GroupId, cx: &Context) {
    short::next(engine::root_key(&tree_bytes(group, cx)));
}

/// Commits are honest again.
#[cfg(test)]
pub(super) fn shorten_no_more() {
    short::next(None);
}

/// The ratchet tree as it is kept.
#[cfg(test)]
pub(super) fn tree_bytes(group: &GroupId, cx: &Context) -> Vec<u8> {
    kept::load(group, cx).unwrap_or_else(|_| unreachable!("the group has a tree")).tree
}

/// A key package for one of this device's join keys, whose signing key vouches for it; and the secrets behind it.
pub(crate) fn key_package(
    device: &DeviceId,
    signing: &SigningKey,
    lifetime: (Timestamp, Timestamp),
    cx: &mut Context,
) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    engine::key_package(device, signing, lifetime, cx)
}

impl GroupCipher for Tree {
    const PROMISE: Promise = Promise { devices: 1000, most: 10_000, signed: true };

    fn found(room: &Room, leaf: (&Leaf, &LeafSecrets), cx: &mut Context) -> Result<()> {
        let group = &room.roster.body().group;
        let moved = engine::create(group, leaf.0, &leaf.1.signing, cx)?;
        kept::save(group, &moved, cx)
    }

    fn wants(_room: &Room, _cx: &mut Context) -> Result<Vec<DeviceId>> {
        Ok(Vec::new())
    }

    fn seal(
        room: &Room,
        aad: &Aad,
        salt: &[u8; 16],
        signing: &SigningKey,
        plaintext: &[u8],
        cx: &mut Context,
    ) -> Result<Sealed> {
        let (row, mut chain) = chain(room, room.me, cx)?;
        let chat = chain.seal(aad, salt, signing, plaintext)?;
        save(cx.vault, &row, &chain)?;
        Ok(Sealed { chat, slices: Vec::new() })
    }

    fn open(room: &Room, aad: &Aad, received: &Received, cx: &mut Context) -> Result<Zeroizing<Vec<u8>>> {
        let (row, mut chain) = chain(room, received.sender.device, cx)?;
        let plaintext = chain.open(room.roster, aad, received)?;
        save(cx.vault, &row, &chain)?;
        Ok(plaintext)
    }

    fn rekey(step: &Step, leaf: Option<&LeafSecrets>, cx: &mut Context) -> Result<Rekey> {
        let wanted = wanted(step)?;
        let kept = kept::load(&step.before.body().group, cx)?;
        let package = |device: &DeviceId| {
            step.key_packages.get(device).map(Vec::as_slice).filter(|package| !package.is_empty())
        };
        let packages = step.newcomers().map(|leaf| package(&leaf.device).ok_or(Misuse::JoinKeyNeeded.into()));
        let packages = packages.collect::<Result<Vec<_>>>()?;
        let renewed = leaf.map(|leaf| &leaf.signing);
        let Made { message, welcomes, tree, export, moved } =
            engine::commit(&kept, &wanted, &packages, renewed, cx)?;
        let tickets = step.newcomers().map(|leaf| leaf.device).zip(welcomes).collect();
        let kept = Some(Zeroizing::new(codec::encode(&moved)?));
        Ok(Rekey { seed: Some(export), material: message, slices: Vec::new(), tree, tickets, kept })
    }

    fn follow(
        step: &Step,
        (commit, material): (&Commit, &[u8]),
        _slice: Result<Option<&[u8]>, PeerFault>,
        _leaf: &LeafSecrets,
        cx: &mut Context,
    ) -> Result<Way> {
        let Some(check) = commit.body.seed_check else { return Ok(Way::Void(PeerFault::NotAllowed)) };
        let kept = kept::load(&step.before.body().group, cx)?;
        Ok(match engine::follow(&kept, &wanted(step)?, material, cx)? {
            Outcome::Void(fault) => Way::Void(fault),
            Outcome::Lost(fault) => Way::Lost(fault),
            Outcome::Removed => Way::Open(Keys::default()),
            Outcome::Followed(seed, _) if seed_check(&seed) != check => Way::Lost(PeerFault::HashMismatch),
            Outcome::Followed(seed, moved) => {
                Way::Open(Keys { seed: Some(seed), kept: Some(Zeroizing::new(codec::encode(&moved)?)) })
            }
        })
    }

    fn join(room: &Room, entrance: &Entrance, cx: &mut Context) -> Result<()> {
        let draft = entrance.commit.body.draft.hash()?;
        let own = (room.me, &entrance.leaf.signing, entrance.key_package.ok_or(PeerFault::UnknownPrekey)?);
        let trees = (entrance.ticket, entrance.tree);
        let (seed, moved) = engine::join(room.roster, &draft, own, trees, cx)?;
        if Some(seed_check(&seed)) != entrance.commit.body.seed_check {
            return Err(PeerFault::HashMismatch.into());
        }
        kept::save(&room.roster.body().group, &moved, cx)
    }

    fn moved(room: &Room, moved: &Moved, cx: &mut Context) -> Result<()> {
        let group = &room.roster.body().group;
        if let Some(kept) = moved.kept {
            let kept: Move = codec::decode(kept).map_err(|_| Error::CorruptStore)?;
            kept::save(group, &kept, cx)?;
        }
        delete_all(cx.vault, &key(Row::Chain, &[group.as_bytes()]))?;
        secret_tree::plant(group, moved.chains, room.roster, cx)
    }

    fn forget(group: &GroupId, cx: &mut Context) -> Result<()> {
        secret_tree::fell(group, cx)?;
        kept::forget(group, cx)
    }
}

fn wanted<'a>(step: &'a Step) -> Result<Wanted<'a>> {
    let (before, after, author) = (step.before, step.after, step.draft.author);
    Ok(Wanted { before, after, author, draft: step.draft.hash()? })
}

/// The chain of a sender, and the row it is kept in from now on.
fn chain(room: &Room, sender: DeviceId, cx: &mut Context) -> Result<(Vec<u8>, Chain)> {
    let group = &room.roster.body().group;
    let row = key(Row::Chain, &[group.as_bytes(), sender.as_bytes()]);
    match load(cx.vault, &row)? {
        Some(chain) => Ok((row, chain)),
        None => Ok((row, secret_tree::take(group, sender, room.roster, cx)?)),
    }
}
