//! The MLS state of a group in the vault: one row for the state, one for each node of the tree, so that a commit writes
//! what it changes.

use super::engine::{Kept, Move, Node};
use crate::codec::{self, Count};
use crate::vault::{Row, delete_all, key};
use crate::{Context, Error, GroupId, Result};
use std::ops::Range;
use zeroize::Zeroizing;

/// What is kept of the group.
pub(super) fn load(group: &GroupId, cx: &Context) -> Result<Kept> {
    let row = cx.vault.get(&state_row(group))?.ok_or(Error::CorruptStore)?;
    let (width, state) = row.split_at_checked(4).ok_or(Error::CorruptStore)?;
    let width = u32::from_be_bytes(width.try_into().map_err(|_| Error::CorruptStore)?);
    let prefix = nodes_row(group);
    let rows = cx.vault.scan(&prefix)?;
    // A vector of RFC 9420 §2.1.2: its length, then its bytes; a node has one more, which says that it is not blank.
    let length = width as usize + rows.iter().map(|row| row.value.len()).sum::<usize>();
    let mut tree = codec::encode(&Count(length as u64))?;
    tree.reserve_exact(length);
    let mut nodes = Vec::new();
    for row in rows {
        let index = row.key.get(prefix.len()..).and_then(|index| index.try_into().ok());
        let index = u32::from_be_bytes(index.ok_or(Error::CorruptStore)?);
        if index >= width || nodes.len() > index as usize {
            return Err(Error::CorruptStore);
        }
        blanks(index, &mut tree, &mut nodes);
        tree.push(1);
        let start = tree.len();
        tree.extend_from_slice(&row.value);
        nodes.push(start..tree.len());
    }
    blanks(width, &mut tree, &mut nodes);
    Ok(Kept { state: Zeroizing::new(state.to_vec()), tree, nodes })
}

/// Nodes that have no row, up to the one of this index.
fn blanks(end: u32, tree: &mut Vec<u8>, nodes: &mut Vec<Range<usize>>) {
    let missing = (end as usize).saturating_sub(nodes.len());
    tree.resize(tree.len() + missing, 0);
    nodes.resize(nodes.len() + missing, 0..0);
}

/// Stores what a step changed.
pub(super) fn save(group: &GroupId, moved: &Move, cx: &mut Context) -> Result<()> {
    let state = [moved.width.to_be_bytes().as_slice(), moved.state.expose()].concat();
    cx.vault.put(&state_row(group), &Zeroizing::new(state))?;
    for Node { index, bytes } in &moved.nodes {
        let row = key(Row::TreeNode, &[group.as_bytes(), &index.to_be_bytes()]);
        match bytes {
            Some(bytes) => cx.vault.put(&row, bytes.as_slice())?,
            None => cx.vault.delete(&row)?,
        }
    }
    Ok(())
}

/// Deletes it all.
pub(super) fn forget(group: &GroupId, cx: &mut Context) -> Result<()> {
    cx.vault.delete(&state_row(group))?;
    delete_all(cx.vault, &nodes_row(group))
}

fn state_row(group: &GroupId) -> Vec<u8> {
    key(Row::Tree, &[group.as_bytes()])
}

fn nodes_row(group: &GroupId) -> Vec<u8> {
    key(Row::TreeNode, &[group.as_bytes()])
}
