//! A hostile member, for tests: the path of its next commit has no nodes, and its parent hash is made to match.

use std::cell::RefCell;

thread_local! {
    /// The root's key before, as it is encoded, then the one that the path would bring.
    static KEYS: RefCell<Option<(Vec<u8>, Vec<u8>)>> = const { RefCell::new(None) };
}

/// The next commit in a tree of two leaves has a short path; `root` is the key of its root, as it is encoded.
pub(super) fn next(root: Option<Vec<u8>>) {
    KEYS.set(root.map(|root| (root, Vec::new())));
}

/// A parent hash over the key that stays in the tree of those who follow.
pub(super) fn hashed(data: &[u8]) -> Option<Vec<u8>> {
    KEYS.with_borrow_mut(|keys| {
        let (old, new) = keys.as_mut()?;
        let is_parent = new.is_empty() && data.len() == old.len() + 1 + 33 && data.get(..2) == old.get(..2);
        let (key, rest) = data.split_at_checked(old.len()).filter(|_| is_parent)?;
        *new = key.to_vec();
        Some([old.as_slice(), rest].concat())
    })
}

/// Content without the path's nodes.
pub(super) fn cut(data: &[u8]) -> Option<Vec<u8>> {
    KEYS.with_borrow(|keys| {
        let (_, new) = keys.as_ref().filter(|(_, new)| !new.is_empty())?;
        let at = data.windows(new.len()).position(|part| part == new)?.checked_sub(2)?;
        let (before, nodes) = data.split_at_checked(at)?;
        let length = u16::from_be_bytes([nodes.first()? & 0x3f, *nodes.get(1)?]);
        Some([before, &[0], nodes.get(2 + usize::from(length)..)?].concat())
    })
}

/// The same, as it is signed.
pub(super) fn cut_signed(data: &[u8]) -> Option<Vec<u8>> {
    let (label, content) = data.split_at_checked(usize::from(*data.first()?) + 1)?;
    let content = cut(content.get(2..)?)?;
    let length = (u16::try_from(content.len()).ok()? | 0x4000).to_be_bytes();
    Some([label, &length, &content].concat())
}
