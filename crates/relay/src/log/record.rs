//! The bytes of the tree's nodes as they lie in the database. Numbers are big-endian.
//!
//! `label` = bits (2) ‖ as many bytes as hold them. A node's key is its label, that of the whole tree's state is empty. A
//! node: epoch it changed last (8) ‖ least epoch below it (8) ‖ bits of its parent's label, which is a prefix of its own (1)
//! ‖ kind (1) ‖ hash (32) ‖ the labels of its children, 65535 for none. The state: epoch (8) ‖ number of nodes (8).
//!
//! The node of an epoch before, which akd would read while an epoch is half written, is not kept: here none ever is.

use akd::storage::types::DbRecord;
use akd::tree_node::TreeNode;
use akd::{Azks, NodeLabel};
use bytes::Bytes;

/// The key of the state of the whole tree.
pub(super) const STATE: Bytes = Bytes::new();
const NONE: u16 = u16::MAX;

/// The key of a node.
pub(super) fn key(label: &NodeLabel) -> Bytes {
    let mut out = Vec::new();
    put(&mut out, Some(label));
    out.into()
}

pub(super) fn encode_node(node: &TreeNode) -> Option<Bytes> {
    let parent = u8::try_from(node.parent.label_len).ok()?;
    if node.parent != node.label.get_prefix(parent.into()) {
        return None;
    }
    let epochs = [node.last_epoch, node.min_descendant_epoch].map(u64::to_be_bytes).concat();
    let mut out = [&epochs[..], &[parent, node.node_type as u8], &node.hash.0].concat();
    put(&mut out, node.left_child.as_ref());
    put(&mut out, node.right_child.as_ref());
    Some(out.into())
}

pub(super) fn decode_node(label: NodeLabel, bytes: &[u8]) -> Option<DbRecord> {
    let (last, rest) = number(bytes)?;
    let (least, rest) = number(rest)?;
    let ([parent, kind], rest) = rest.split_first_chunk()?;
    let (hash, rest) = rest.split_first_chunk()?;
    let (left, rest) = get(rest)?;
    let (right, rest) = get(rest)?;
    let parent = label.get_prefix(u32::from(*parent));
    let node = DbRecord::build_tree_node_with_previous_value(
        label.label_val,
        label.label_len,
        last,
        least,
        parent.label_val,
        parent.label_len,
        *kind,
        left,
        right,
        *hash,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
    );
    rest.is_empty().then_some(DbRecord::TreeNode(node))
}

pub(super) fn encode_state(state: &Azks) -> Bytes {
    [state.latest_epoch, state.num_nodes].map(u64::to_be_bytes).concat().into()
}

pub(super) fn decode_state(bytes: &[u8]) -> Option<DbRecord> {
    let (epoch, rest) = number(bytes)?;
    let (nodes, rest) = number(rest)?;
    rest.is_empty().then(|| DbRecord::Azks(DbRecord::build_azks(epoch, nodes)))
}

fn put(out: &mut Vec<u8>, label: Option<&NodeLabel>) {
    let Some(label) = label else { return out.extend(NONE.to_be_bytes()) };
    // A label has 256 bits at most.
    let bits = u16::try_from(label.label_len).unwrap_or(NONE);
    out.extend(bits.to_be_bytes());
    out.extend(label.label_val.iter().take(usize::from(bits).div_ceil(8)));
}

fn get(bytes: &[u8]) -> Option<(Option<NodeLabel>, &[u8])> {
    let (bits, rest) = bytes.split_first_chunk()?;
    let bits = u16::from_be_bytes(*bits);
    if bits == NONE {
        return Some((None, rest));
    }
    let (given, rest) = rest.split_at_checked(usize::from(bits).div_ceil(8))?;
    let mut value = [0; 32];
    value.get_mut(..given.len())?.copy_from_slice(given);
    Some((Some(NodeLabel::new(value, bits.into())), rest))
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}
