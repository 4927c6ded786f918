//! What a message carries about other logs: signed roots of a key log, opaque here, and views of other groups that its
//! sender is in. So a relay that shows two histories of one group must cut every other way between its members too.
//!
//! A view says nothing to who is not in the group that it is of. What a difference means is the client's concern.

use crate::codec::{Count, VLBytes};
use crate::primitives::kdf;
use crate::{Digest, GroupId, labels};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The most roots of key logs in a message.
pub const MAX_ROOTS: usize = 4;
/// The longest of them, in bytes.
pub const MAX_ROOT: usize = 512;
/// The most views of other groups in a message, of about 28 bytes each.
pub const MAX_VIEWS: usize = 16;

/// What rides beside what is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Gossip {
    /// Signed roots of key logs, at most [`MAX_ROOTS`] of at most [`MAX_ROOT`] bytes.
    pub roots: Vec<VLBytes>,
    /// Views of other groups, at most [`MAX_VIEWS`].
    pub views: Vec<LogView>,
}

/// "The log of a group that you may know has this running hash at this entry."
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct LogView {
    /// Names the group to whoever is in both: see [`tag`].
    pub tag: [u8; 8],
    pub(crate) incarnation: Count,
    pub(crate) entry: Count,
    /// The first half of the running hash there.
    pub hash: [u8; 16],
}

impl Gossip {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.views.is_empty()
    }

    /// Whether there is no more in it than one message has.
    pub fn is_bounded(&self) -> bool {
        let short = self.roots.iter().all(|root| root.as_slice().len() <= MAX_ROOT);
        short && self.roots.len() <= MAX_ROOTS && self.views.len() <= MAX_VIEWS
    }
}

impl LogView {
    /// At this entry, at the relay in this incarnation.
    pub fn new(tag: [u8; 8], incarnation: u32, entry: u64, hash: [u8; 16]) -> Self {
        Self { tag, incarnation: Count(incarnation.into()), entry: Count(entry), hash }
    }

    /// The relay's incarnation; what no relay counts up to, none is believed to.
    pub fn incarnation(&self) -> u32 {
        u32::try_from(self.incarnation.0).unwrap_or(u32::MAX)
    }

    /// The entry.
    pub fn entry(&self) -> u64 {
        self.entry.0
    }
}

/// How the group `about`, founded by the roster of this hash, is named to the members of the group `via`.
pub fn tag(about: &GroupId, creation: &Digest, via: &GroupId) -> [u8; 8] {
    let whole = kdf::hash(labels::VIEW_TAG, &[about.as_bytes(), creation.as_bytes(), via.as_bytes()]);
    let mut tag = [0; 8];
    tag.iter_mut().zip(whole.as_bytes()).for_each(|(to, from)| *to = *from);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Content, decode_carrying, encode_carrying};
    use crate::{Error, PeerFault};

    fn gossip(roots: usize, views: usize) -> Gossip {
        let view = LogView::new([7; 8], 1, 300, [9; 16]);
        Gossip { roots: vec![vec![1; MAX_ROOT].into(); roots], views: vec![view; views] }
    }

    #[test]
    fn gossip_rides_beside_what_is_said_and_has_one_encoding() {
        let content = Content::text("x").unwrap();
        for (roots, views) in [(0, 0), (0, 1), (1, 0), (MAX_ROOTS, MAX_VIEWS)] {
            let carried = encode_carrying(&gossip(roots, views), &content).unwrap();
            assert_eq!(decode_carrying(&carried).unwrap(), (gossip(roots, views), content.clone()));
            assert_eq!(Content::decode(&carried).is_ok(), (roots, views) == (0, 0), "nothing by itself");
        }
        let size = |views| encode_carrying(&gossip(0, views), &content).unwrap().len();
        assert_eq!(size(2) - size(1), 27, "bytes of a view");
        let nested = encode_carrying(&gossip(0, 1), &content).unwrap();
        let nested = Content::Unknown { kind: 6, critical: true, bytes: nested[2..].to_vec() };
        let twice = encode_carrying(&gossip(0, 1), &nested).unwrap();
        let mut quiet = encode_carrying(&gossip(0, 1), &content).unwrap();
        quiet[0] &= 0x7f;
        for wrong in [
            encode_carrying(&gossip(MAX_ROOTS + 1, 0), &content).unwrap(),
            encode_carrying(&gossip(0, MAX_VIEWS + 1), &content).unwrap(),
            vec![0x80, 6, 0, 0, 0x80, 1, b'x'],
            twice,
            quiet,
        ] {
            assert_eq!(decode_carrying(&wrong), Err(Error::Peer(PeerFault::Malformed)));
        }
    }

    #[test]
    fn a_group_goes_by_another_name_in_each_other_group() {
        let names: std::collections::BTreeSet<_> =
            (0..3).map(|via| tag(&GroupId([1; 32]), &Digest([2; 32]), &GroupId([via; 32]))).collect();
        assert_eq!(names.len(), 3);
    }
}
