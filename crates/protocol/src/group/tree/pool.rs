//! Private node keys taken out of MLS states and put into others, as far as they fit: what a thief does with copies of several
//! devices. For laboratories, like `bare`; nothing here is part of a group's work.

use super::engine::Kept;
use super::kept;
use crate::codec::{self, Decode, VLBytes};
use crate::primitives::kem::XWingSecret;
use crate::primitives::secret::Secret;
use crate::vault::{Row, key};
use crate::{Context, DeviceId, Error, GroupId, Result};
use std::collections::BTreeMap;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// Private node keys of trees, by their public halves.
#[derive(Clone, Default)]
pub struct NodeKeys(BTreeMap<Vec<u8>, Zeroizing<Vec<u8>>>);

/// What the engine writes of a group (mls-rs 0.57, `group/snapshot.rs`), up to the private keys. The node secrets of the secret
/// tree, the key schedule and the signing key follow.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Front {
    format: u16,
    version: u16,
    suite: u16,
    group: VLBytes,
    epoch: u64,
    tree_hash: VLBytes,
    transcript_hash: VLBytes,
    extensions: VLBytes,
    /// None: they are kept apart.
    nodes: VLBytes,
    node_hashes: VLBytes,
    interim_hash: VLBytes,
    /// There is never one.
    reinit: u8,
    confirmation_tag: VLBytes,
    own_leaf: u32,
    /// Of the own leaf, and of the nodes above it up to the root.
    keys: Vec<Option<VLBytes>>,
}

/// What a node of a tree begins with (RFC 9420 §7.8).
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct NodeFront {
    kind: u8,
    key: VLBytes,
}

/// What follows it in a leaf (§7.2).
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct LeafFront {
    signing: VLBytes,
    credential: u16,
    identity: VLBytes,
}

const LEAF: u8 = 1;

impl NodeKeys {
    /// Adds those in the state that is kept of a group.
    ///
    /// # Errors
    /// `CorruptStore` for a group under another scheme.
    pub fn learn(&mut self, group: &GroupId, cx: &Context) -> Result<()> {
        let (front, _) = read::<Front>(&kept::load(group, cx)?.state)?;
        for secret in front.keys.iter().flatten() {
            let seed = secret.as_slice().try_into().map_err(|_| Error::CorruptStore)?;
            let public = XWingSecret::from_seed(Secret::new(seed)).public();
            self.0.insert(public.as_bytes().to_vec(), Zeroizing::new(secret.as_slice().to_vec()));
        }
        Ok(())
    }

    /// Makes the state that is kept of a group `device`'s: of the nodes above its leaf, those keys are in it that are known here.
    /// False: it has no leaf.
    ///
    /// # Errors
    /// `CorruptStore` for a group under another scheme.
    pub fn seat(&self, group: &GroupId, device: &DeviceId, cx: &mut Context) -> Result<bool> {
        let kept = kept::load(group, cx)?;
        let Some(leaf) = leaf_of(device, &kept) else { return Ok(false) };
        let (mut front, rest) = read::<Front>(&kept.state)?;
        front.own_leaf = leaf;
        front.keys = path(leaf, kept.nodes.len()).map(|node| self.of(node, &kept)).collect();
        let state = Zeroizing::new([codec::encode(&front)?.as_slice(), rest].concat());
        let width = kept.nodes.len() as u32;
        let row = Zeroizing::new([width.to_be_bytes().as_slice(), &state].concat());
        cx.vault.put(&key(Row::Tree, &[group.as_bytes()]), &row)?;
        Ok(true)
    }

    fn of(&self, node: u32, kept: &Kept) -> Option<VLBytes> {
        let (node, _) = read::<NodeFront>(kept.node(node)?).ok()?;
        self.0.get(node.key.as_slice()).map(|secret| secret.as_slice().into())
    }
}

fn leaf_of(device: &DeviceId, kept: &Kept) -> Option<u32> {
    let mut leaves = (0..kept.nodes.len() as u32).step_by(2);
    leaves.find(|index| stands_for(kept.node(*index), device)).map(|index| index / 2)
}

fn stands_for(node: Option<&[u8]>, device: &DeviceId) -> bool {
    let front = || {
        let (node, rest) = read::<NodeFront>(node?).ok()?;
        let (leaf, _) = read::<LeafFront>(rest).ok()?;
        Some(node.kind == LEAF && leaf.identity.as_slice() == device.as_bytes())
    };
    front().unwrap_or(false)
}

/// A leaf and the nodes above it, by their indices in a tree of so many (RFC 9420, appendix C).
fn path(leaf: u32, nodes: usize) -> impl Iterator<Item = u32> {
    let levels = nodes.div_ceil(2).next_power_of_two().trailing_zeros();
    (0..=levels).map(move |level| ((leaf >> level) << (level + 1)) + (1 << level) - 1)
}

fn read<T: Decode>(bytes: &[u8]) -> Result<(T, &[u8])> {
    codec::decode_prefix(bytes).map_err(|_| Error::CorruptStore)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::world::World;
    use crate::group::{Intent, Scheme};

    #[test]
    fn a_path_goes_from_the_leaf_to_the_root() {
        // Leaves at even indices: 0 2 4 6 8 10 12 14, the root at 7.
        assert_eq!(path(0, 1).collect::<Vec<_>>(), [0]);
        assert_eq!(path(1, 3).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(path(2, 5).collect::<Vec<_>>(), [4, 5, 3]);
        assert_eq!(path(5, 15).collect::<Vec<_>>(), [10, 9, 11, 7]);
    }

    /// If the engine writes its state otherwise, this is the place where it shows.
    #[test]
    fn an_own_state_taken_apart_and_put_together_has_the_same_keys() {
        let mut world = World::new(Scheme::Tree, &["mike", "sean", "steve"], 0);
        for who in 0..3 {
            world.sync(who);
            world.change(who, &Intent::Heal).unwrap();
        }
        world.sync_all();
        for person in &mut world.people {
            let (group, device) = (*person.group().id(), *person.account().device_id());
            let state = |cx: &mut Context| kept::load(&group, cx).map(|kept| kept.state);
            let (before, others, unknown, known) = person
                .bench
                .step(|cx| {
                    let (mut keys, before) = (NodeKeys::default(), state(cx)?);
                    let others = keys.seat(&group, &DeviceId([7; 16]), cx)?;
                    keys.learn(&group, cx)?;
                    assert!(NodeKeys::default().seat(&group, &device, cx)?);
                    let unknown = state(cx)?;
                    assert!(keys.seat(&group, &device, cx)?);
                    Ok((before, others, unknown, state(cx)?))
                })
                .unwrap();
            let (front, rest) = read::<Front>(&before).unwrap();
            assert_eq!((front.group.as_slice(), front.reinit), (group.as_bytes().as_slice(), 0));
            assert_eq!([codec::encode(&front).unwrap().as_slice(), rest].concat(), *before);
            assert!(!others, "a device without a leaf has no seat");
            let (without, rest_without) = read::<Front>(&unknown).unwrap();
            assert!(without.keys.iter().all(Option::is_none) && rest_without == rest);
            assert!(front.keys.iter().flatten().count() > 1, "the leaf and what is above it");
            let (with, rest_with) = read::<Front>(&known).unwrap();
            assert!(rest_with == rest && (with.epoch, with.own_leaf) == (front.epoch, front.own_leaf));
            // The engine writes one more place, which is empty.
            assert_eq!(with.keys, front.keys[..with.keys.len()]);
            assert!(front.keys[with.keys.len()..].iter().all(Option::is_none));
        }
    }
}
