//! Whether one root follows another: the hashes between, and the chain that both roots state.
//!
//! Within an incarnation the epochs follow each other without a gap. A relay that is restored from a backup begins its next
//! incarnation by stating the restored epoch once more, with the same root hash; from there it goes on. Whoever knew a later
//! epoch of the incarnation before hears of a rewinding: nothing connects what was lost with what is.

use crate::root::step;
use crate::{KeyLogError, VerifiedRoot, read::Reader};

/// The size of an encoded link: incarnation (8) ‖ epoch (8) ‖ root hash (32).
pub const LINK_BYTES: usize = 48;

/// One root between two others, unsigned: the chain speaks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its incarnation.
    pub incarnation: u64,
    /// Its epoch.
    pub epoch: u64,
    /// Its root hash.
    pub hash: [u8; 32],
}

impl Link {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&self.incarnation.to_be_bytes()[..], &self.epoch.to_be_bytes(), &self.hash].concat()
    }

    /// Reads links that stand one after the other.
    ///
    /// # Errors
    /// [`KeyLogError::Malformed`] if the last one is cut short.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<Self>, KeyLogError> {
        let mut reader = Reader::new(bytes);
        let links = reader.many(bytes.len() / LINK_BYTES, |reader| {
            Ok(Self { incarnation: reader.u64()?, epoch: reader.u64()?, hash: reader.array()? })
        })?;
        reader.end()?;
        Ok(links)
    }
}

/// Checks that `links`, those after `from` up to `to` itself, lead from one to the other; gives the chain at each of them.
///
/// # Errors
/// [`KeyLogError::OtherLog`]; [`KeyLogError::WentBack`] if `to` is older; [`KeyLogError::Rewound`] if a link says that the log
/// was restored to before `from`; [`KeyLogError::NotConnected`] for everything else. To find out whether the relay has forked
/// its log, ask it for its root at the position of `from` and compare ([`crate::Fork::between`]).
pub fn follow(from: &VerifiedRoot, links: &[Link], to: &VerifiedRoot) -> Result<Vec<[u8; 32]>, KeyLogError> {
    let (start, end) = (from.statement(), to.statement());
    if from.relay_key() != to.relay_key() || start.vrf_key != end.vrf_key {
        return Err(KeyLogError::OtherLog);
    }
    if to.position() < from.position() {
        return Err(KeyLogError::WentBack);
    }
    let mut at = Link { incarnation: start.incarnation, epoch: start.epoch, hash: start.hash };
    let mut chain = start.chain;
    let mut chains = Vec::with_capacity(links.len());
    for link in links {
        let same = link.incarnation == at.incarnation;
        let restored = link.incarnation > at.incarnation;
        if restored && link.epoch < at.epoch {
            return Err(KeyLogError::Rewound { had: at.epoch, kept: link.epoch });
        }
        let next = same && at.epoch.checked_add(1) == Some(link.epoch);
        if !(next || restored && link.epoch == at.epoch && link.hash == at.hash) {
            return Err(KeyLogError::NotConnected);
        }
        chain = step(&chain, link.incarnation, link.epoch, &link.hash);
        at = *link;
        chains.push(chain);
    }
    let reached = (at.incarnation, at.epoch) == to.position() && at.hash == end.hash && chain == end.chain;
    if reached { Ok(chains) } else { Err(KeyLogError::NotConnected) }
}
