//! What copies may open, by the stated bound: bookkeeping over what the entries really were, with no key in hand.

use super::{Kit, context};
use crate::simulator::{Kept, Loot, Tape, What};
use crate::{LabError, Result};
use conclave_protocol::group::{Group, Scheme};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;

/// The entries with messages that these copies may open. From its place on, a room is followed through every commit whose seed
/// was wrapped to a leaf key that is in some copy: that of another device than the author's, made at that device's last heal
/// before; or that was pending in a copy of the author's own. And the seal of the epoch in which a copy was taken is known from
/// the epoch's beginning: with `sessions` that were stolen even earlier, what was said in it before may open, or the chain
/// under which it was said.
pub fn bound(loot: &[Loot], tape: &Tape, sessions: bool) -> Result<BTreeSet<u64>> {
    let mut within = BTreeSet::new();
    for room in loot {
        let place = room.place()?;
        let earlier = loot.iter().map(Loot::place).collect::<Result<Vec<_>>>()?;
        let earliest = earlier.into_iter().min().filter(|_| sessions).unwrap_or(place);
        let since = earliest.max(epoch_began(place, tape));
        for kept in tape.after(since) {
            let known = kept.number <= place || !kept.what.is_seeded() || leads_on(kept, loot, tape)?;
            if !known {
                break;
            }
            if let What::Said(_) = kept.what {
                within.insert(kept.number);
            }
        }
    }
    Ok(within)
}

/// The last commit up to a place.
fn epoch_began(place: u64, tape: &Tape) -> u64 {
    let before = tape.entries.iter().take_while(|kept| kept.number <= place);
    before.filter(|kept| !matches!(kept.what, What::Said(_))).last().map_or(0, |kept| kept.number)
}

/// Whether some copy has the seed of this commit.
fn leads_on(kept: &Kept, loot: &[Loot], tape: &Tape) -> Result<bool> {
    for copy in loot {
        let pending = copy.who == kept.who && copy.disk.sealed_last(&kept.shared);
        let seat = Kit::of(&copy.disk)?.seat;
        // A tree's commit is sealed to all who stay, and has no slices.
        let is_for_all = copy.scheme()? == Scheme::Tree;
        let wrapped = copy.who != kept.who && (is_for_all || kept.slices.contains_key(&seat));
        if pending || (wrapped && copy.holds_leaf_of(kept.number, tape)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Loot {
    /// The last entry that the device had taken in.
    pub fn place(&self) -> Result<u64> {
        Ok(self.group()?.cursor())
    }

    fn scheme(&self) -> Result<Scheme> {
        Ok(self.group()?.scheme()?)
    }

    fn group(&self) -> Result<Group> {
        let group = self.disk.group.ok_or_else(|| LabError::unexpected("a copy of a device in no group"))?;
        let mut vault = self.disk.vault.clone();
        let mut rng = ChaCha20Rng::seed_from_u64(0);
        Ok(Group::load(&group, &mut context(&mut vault, &mut rng))?)
    }

    /// Whether the leaf that the device had when the entry was posted is in the copy: no heal of its own lies between, other
    /// than one that the copy had pending.
    fn holds_leaf_of(&self, number: u64, tape: &Tape) -> Result<bool> {
        let place = self.place()?;
        let mine = |kept: &&Kept| kept.who == self.who && kept.what == What::Healed;
        Ok(match number > place {
            true => {
                let between = tape.after(place).iter().take_while(|kept| kept.number < number);
                between.filter(mine).all(|kept| self.disk.sealed_last(&kept.shared))
            }
            false => {
                let between = tape.after(number).iter().take_while(|kept| kept.number <= place);
                !between.filter(mine).any(|_| true)
            }
        })
    }
}
