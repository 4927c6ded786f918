//! The MLS state of a group in the vault: one row for the state, one for each node of the tree, so that a commit writes
//! what it changes.

use super::engine::{Kept, Move, Node};
use crate::vault::{Row, delete_all, key};
use crate::{Context, Error, GroupId, Result};
use zeroize::Zeroizing;

/// What is kept of the group.
pub(super) fn load(group: &GroupId, cx: &Context) -> Result<Kept> {
    let row = cx.vault.get(&state_row(group))?.ok_or(Error::CorruptStore)?;
    let (width, state) = row.split_at_checked(4).ok_or(Error::CorruptStore)?;
    let width = u32::from_be_bytes(width.try_into().map_err(|_| Error::CorruptStore)?);
    let mut nodes = Vec::new();
    let prefix = nodes_row(group);
    let mut next = 0;
    for found in cx.vault.scan(&prefix)? {
        let index = found.key.get(prefix.len()..).and_then(|index| index.try_into().ok());
        let index = u32::from_be_bytes(index.ok_or(Error::CorruptStore)?);
        let blanks = index.checked_sub(next).filter(|_| index < width).ok_or(Error::CorruptStore)?;
        nodes.resize(nodes.len() + blanks as usize, 0);
        nodes.push(1);
        nodes.extend_from_slice(&found.value);
        next = index + 1;
    }
    nodes.resize(nodes.len() + width.saturating_sub(next) as usize, 0);
    Ok(Kept { state: Zeroizing::new(state.to_vec()), tree: with_length(nodes)? })
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

/// A vector of RFC 9420 §2.1.2: its length, then its bytes.
fn with_length(bytes: Vec<u8>) -> Result<Vec<u8>> {
    crate::codec::encode(&crate::codec::VLBytes::from(bytes))
}

fn state_row(group: &GroupId) -> Vec<u8> {
    key(Row::Tree, &[group.as_bytes()])
}

fn nodes_row(group: &GroupId) -> Vec<u8> {
    key(Row::TreeNode, &[group.as_bytes()])
}
