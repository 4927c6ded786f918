//! How pairwise groups and sender keys agree on the seed of a commit: it is wrapped to the leaf key of each who stays.

use super::change::seed_check;
use super::cipher::{Keys, Rekey, Step, Way};
use crate::codec;
use crate::labels;
use crate::primitives::kem::{open_sealed, seal_to_with};
use crate::primitives::parallel;
use crate::primitives::secret::{Secret, Seed};
use crate::roster::{Commit, Leaf, LeafSecrets};
use crate::{Context, DeviceId, PeerFault, Result, SeatId};
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// Draws the seed, if the draft needs one, and wraps it.
pub(super) fn wrap(step: &Step, cx: &mut Context) -> Result<Rekey> {
    let seed = step.draft.needs_seed().then(|| Secret::<Seed>::random(cx));
    let mut slices = Vec::new();
    if let Some(seed) = &seed {
        let draft = step.draft.hash()?;
        let drawn: Vec<_> = followers(step).map(|leaf| (leaf, Zeroizing::new(cx.random()))).collect();
        slices = parallel::each(&drawn, |(leaf, random): &(&Leaf, Zeroizing<[u8; 64]>)| {
            let (to, random) = (leaf.kem()?, random.clone());
            let wrap = seal_to_with(&to, labels::SEED_WRAP, draft.as_bytes(), seed.expose(), random)?;
            Ok((leaf.device, codec::encode(&wrap)?))
        })?;
    }
    Ok(Rekey { seed, slices, ..Rekey::default() })
}

/// The seed in the own slice.
pub(super) fn unwrap(commit: &Commit, slice: Result<Option<&[u8]>, PeerFault>, leaf: &LeafSecrets) -> Way {
    let Some(check) = commit.body.seed_check else { return Way::Open(Keys::default()) };
    let open = || {
        let draft = commit.body.draft.hash()?;
        let wrap = codec::decode(slice?.ok_or(PeerFault::NoSlice)?)?;
        let opened = open_sealed(&leaf.kem, labels::SEED_WRAP, draft.as_bytes(), &wrap)?;
        let seed = codec::decode::<Secret<Seed>>(&opened)?;
        if seed_check(&seed) != check {
            return Err(PeerFault::HashMismatch.into());
        }
        Ok(Keys { seed: Some(seed), kept: None })
    };
    match open() {
        Ok(keys) => Way::Open(keys),
        Err(crate::Error::Peer(fault)) => Way::Lost(fault),
        // What was opened is not larger than what came.
        Err(_) => Way::Lost(PeerFault::Malformed),
    }
}

/// Leaves that must get the seed: in both rosters, not the author's.
fn followers<'a>(step: &'a Step) -> impl Iterator<Item = &'a Leaf> {
    let new: BTreeSet<SeatId> = step.newcomers().map(|leaf| leaf.seat).collect();
    let author: DeviceId = step.draft.author;
    step.after.leaves().filter(move |leaf| leaf.device != author && !new.contains(&leaf.seat))
}
