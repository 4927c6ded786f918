//! The running hash of a group's log: kept, told elsewhere, and held against what others tell elsewhere. No roster is loaded
//! for it, which may be large.

use super::incarnation::Incarnation;
use super::send::short;
use super::{Group, State, Status, VIEWS_KEPT};
use crate::gossip::{LogView, tag};
use crate::primitives::kdf;
use crate::roster::Roster;
use crate::vault::{Row, key, load};
use crate::{Context, Digest, GroupId, Misuse, PersonId, Result, labels};

/// How somebody's view of a group's log, told elsewhere, compares with the own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// The same.
    Same,
    /// Another history: the relay shows two.
    Differs,
    /// At an entry that this device has not seen, or at a relay restored more often than it has said here.
    Ahead,
    /// Too old to be held against anything, or of a relay that was restored since.
    Unchecked,
}

impl Group {
    /// How a group is named to the members of the group `via`.
    ///
    /// # Errors
    /// `NoSuchGroup`.
    pub fn tag_in(id: &GroupId, via: &GroupId, cx: &Context) -> Result<[u8; 8]> {
        Ok(tag(id, &state(id, cx)?.creation, via))
    }

    /// Who is in a group: what [`Group::load`] knows without the members' keys, which may be many.
    ///
    /// # Errors
    /// `CorruptStore` if there is no such group.
    pub fn people_of(id: &GroupId, cx: &Context) -> Result<Vec<PersonId>> {
        Roster::people(id, cx)
    }

    /// What is told of a group's log to the members of the group `via`; `None` where this device has no view to tell.
    ///
    /// # Errors
    /// `NoSuchGroup`.
    pub fn view_for(id: &GroupId, via: &GroupId, cx: &Context) -> Result<Option<LogView>> {
        let (state, relay) = (state(id, cx)?, incarnation(id, cx)?);
        if state.status != Status::Active || relay.blind != 0 || relay.stated == 0 || state.cursor == 0 {
            return Ok(None);
        }
        let tag = tag(id, &state.creation, via);
        Ok(Some(LogView::new(tag, relay.stated, state.cursor, short(state.view.as_bytes()))))
    }

    /// Whether a group's relay says that it was once restored from a backup. Who had seen more than was left then, and came
    /// back when others had gone on, has another view of the same log without anybody's fault.
    ///
    /// # Errors
    /// `CorruptStore`.
    pub fn relay_was_restored(id: &GroupId, cx: &Context) -> Result<bool> {
        Ok(incarnation(id, cx)?.stated > 1)
    }

    /// Holds what somebody told of this group's log against the own view.
    ///
    /// # Errors
    /// `NoSuchGroup`.
    pub fn compare(
        id: &GroupId,
        (stated, entry, hash): (u32, u64, &[u8; 16]),
        cx: &Context,
    ) -> Result<Compared> {
        let (state, relay) = (state(id, cx)?, incarnation(id, cx)?);
        if state.status == Status::Out || relay.stated == 0 || relay.blind != 0 || entry == 0 {
            return Ok(Compared::Unchecked);
        }
        if stated != relay.stated {
            return Ok(if stated > relay.stated { Compared::Ahead } else { Compared::Unchecked });
        }
        if entry > state.cursor {
            return Ok(Compared::Ahead);
        }
        let own: Option<Digest> = load(cx.vault, &key(Row::View, &[id.as_bytes(), &entry.to_be_bytes()]))?;
        Ok(match own {
            None => Compared::Unchecked,
            Some(own) if short(own.as_bytes()) == *hash => Compared::Same,
            Some(_) => Compared::Differs,
        })
    }

    /// Keeps the running hash at the cursor, drops the oldest.
    pub(super) fn save_view(&self, cx: &mut Context) -> Result<()> {
        cx.vault.put(&self.entry_row(Row::View, self.state.cursor), self.state.view.as_bytes())?;
        match self.state.cursor.checked_sub(VIEWS_KEPT) {
            Some(old) => Ok(cx.vault.delete(&self.entry_row(Row::View, old))?),
            None => Ok(()),
        }
    }
}

/// h_k = H(h_{k−1}, k, turn, H(shared part)).
pub(super) fn view_next(view: &Digest, number: u64, turn: u64, hash: &[u8; 32]) -> Digest {
    kdf::hash(labels::VIEW, &[view.as_bytes(), &number.to_be_bytes(), &turn.to_be_bytes(), hash])
}

fn state(id: &GroupId, cx: &Context) -> Result<State> {
    load(cx.vault, &key(Row::Group, &[id.as_bytes()]))?.ok_or_else(|| Misuse::NoSuchGroup.into())
}

fn incarnation(id: &GroupId, cx: &Context) -> Result<Incarnation> {
    Ok(load(cx.vault, &key(Row::Incarnation, &[id.as_bytes()]))?.unwrap_or_default())
}
