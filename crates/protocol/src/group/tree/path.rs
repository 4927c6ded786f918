//! How many nodes the path of a commit has, read before the engine goes along it.
//!
//! mls-rs 0.57 refuses a path that is too long. One that is too short, made by a hostile member with parent hashes to
//! match, it follows out of bounds, and the process ends. So the nodes are counted in the bytes that the commit's
//! signature covers, which the engine has checked by then, and compared by `rules`.

use crate::codec::{self, Decode, VLBytes};
use mls_rs::group::LeafNode;
use mls_rs::mls_rs_codec::MlsDecode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// What the signature of a commit is over (RFC 9420 §5.1.2).
const LABEL: &[u8] = b"MLS 1.0 FramedContentTBS";
const MEMBER: u8 = 1;
const COMMIT: u8 = 3;

/// The nodes of the last path that was seen, and one more; 0: none.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<AtomicUsize>);

impl Seen {
    /// Looks at what a signature was found to cover.
    pub(super) fn look(&self, signed: &[u8]) {
        if let Some(nodes) = nodes(signed) {
            self.0.store(nodes + 1, Ordering::Relaxed);
        }
    }

    /// How many nodes the path had.
    pub(super) fn path(&self) -> Option<usize> {
        self.0.load(Ordering::Relaxed).checked_sub(1)
    }
}

/// The path of `author` has a node wherever there is somebody on the other side: so many levels have the others.
pub(super) fn expected(author: u32, others: impl Iterator<Item = u32>) -> usize {
    let levels = others.filter(|other| *other != author).map(|other| 1 << (author ^ other).ilog2());
    levels.fold(0_u32, |seen, level| seen | level).count_ones() as usize
}

/// Content and what comes before it (RFC 9420 §6, §6.1), up to the commit.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Framed {
    version: u16,
    wire_format: u16,
    group: VLBytes,
    epoch: u64,
    sender: u8,
    leaf: u32,
    authenticated_data: VLBytes,
    content_type: u8,
    proposals: VLBytes,
    has_path: u8,
}

/// A node of a path: its key, and a secret sealed to each node below the sibling.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct PathNode {
    key: VLBytes,
    sealed: VLBytes,
}

/// The nodes of the path in a signed commit; `None`: it is none, or has no path.
fn nodes(signed: &[u8]) -> Option<usize> {
    let (label, rest) = take::<VLBytes>(signed)?;
    let (content, rest) = take::<VLBytes>(rest)?;
    if label.as_slice() != LABEL || !rest.is_empty() {
        return None;
    }
    let (framed, mut path) = take::<Framed>(content.as_slice())?;
    if (framed.sender, framed.content_type, framed.has_path) != (MEMBER, COMMIT, 1) {
        return None;
    }
    LeafNode::mls_decode(&mut path).ok()?;
    let (nodes, _) = take::<VLBytes>(path)?;
    let (mut count, mut rest) = (0, nodes.as_slice());
    while !rest.is_empty() {
        (_, rest) = take::<PathNode>(rest)?;
        count += 1;
    }
    Some(count)
}

fn take<T: Decode>(bytes: &[u8]) -> Option<(T, &[u8])> {
    codec::decode_prefix(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_node_for_each_level_with_somebody_beside() {
        // Eight leaves: 0 1 2 3 4 5 6 7.
        let of = |author, others: &[u32]| expected(author, others.iter().copied());
        assert_eq!(of(0, &[0, 1, 2, 3, 4, 5, 6, 7]), 3);
        assert_eq!(of(0, &[0, 1]), 1);
        assert_eq!(of(0, &[0, 2]), 1, "beside the first pair, nobody beside itself");
        assert_eq!(of(0, &[0, 1, 7]), 2);
        assert_eq!(of(5, &[4, 5, 6]), 2);
        assert_eq!(of(3, &[3]), 0);
    }
}
