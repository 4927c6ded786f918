//! An epoch's secret tree: every sender's chain from one root, each taken out once.
//!
//! As in RFC 9420 §9, but over the roster's leaves in their order and from our epoch secret. Whoever has what is kept
//! after a chain was taken out cannot make that chain again.

use super::super::chain::Chain;
use crate::labels;
use crate::primitives::kdf;
use crate::primitives::secret::{ChainKey, Secret, TreeNode};
use crate::roster::Roster;
use crate::vault::{Row, delete_all, key, load, save};
use crate::{Context, DeviceId, GroupId, PeerFault, Result};

/// Starts an epoch: only its root is kept.
pub(super) fn plant(
    group: &GroupId,
    root: &Secret<TreeNode>,
    roster: &Roster,
    cx: &mut Context,
) -> Result<()> {
    fell(group, cx)?;
    save(cx.vault, &node_row(group, height(roster), 0), root)
}

/// Deletes what is left of an epoch.
pub(super) fn fell(group: &GroupId, cx: &mut Context) -> Result<()> {
    delete_all(cx.vault, &key(Row::SecretTree, &[group.as_bytes()]))
}

/// The first chain of a sender: the nodes above its leaf are deleted, their other children kept.
///
/// # Errors
/// `Duplicate` if it was taken out before.
pub(super) fn take(group: &GroupId, sender: DeviceId, roster: &Roster, cx: &mut Context) -> Result<Chain> {
    let leaf = roster.leaves().position(|leaf| leaf.device == sender).ok_or(PeerFault::RosterMismatch)?;
    let leaf = u32::try_from(leaf).map_err(|_| PeerFault::RosterMismatch)?;
    let mut found = None;
    for level in 0..=height(roster) {
        let row = node_row(group, level, leaf >> level);
        if let Some(secret) = load::<Secret<TreeNode>>(cx.vault, &row)? {
            cx.vault.delete(&row)?;
            found = Some((level, secret));
            break;
        }
    }
    let (level, mut secret) = found.ok_or(PeerFault::Duplicate)?;
    for below in (0..level).rev() {
        let on_path = leaf >> below;
        let beside: Secret<TreeNode> = child(&secret, on_path ^ 1);
        save(cx.vault, &node_row(group, below, on_path ^ 1), &beside)?;
        secret = child(&secret, on_path);
    }
    let key: Secret<ChainKey> = kdf::derive(secret.expose(), &[], labels::SECRET_TREE, &[b"chain"]);
    Ok(Chain { key, next: 0 })
}

fn child(parent: &Secret<TreeNode>, index: u32) -> Secret<TreeNode> {
    let side: &[u8] = if index & 1 == 0 { b"left" } else { b"right" };
    kdf::derive(parent.expose(), &[], labels::SECRET_TREE, &[side])
}

/// The level of the root; leaves are at level 0.
fn height(roster: &Roster) -> u8 {
    let leaves = roster.leaves().count().max(1);
    leaves.next_power_of_two().trailing_zeros() as u8
}

fn node_row(group: &GroupId, level: u8, index: u32) -> Vec<u8> {
    key(Row::SecretTree, &[group.as_bytes(), &[level], &index.to_be_bytes()])
}
