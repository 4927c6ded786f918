//! A relay that lost its last entries: it was started from a backup, and says so by a higher *incarnation*.
//!
//! ```text
//! attach ─► incarnation as known ─► head below the cursor? ─yes─► the relay contradicts itself
//!       └─► higher ─► head below the cursor? ─yes─► cursor, running hash and turn go back; keys and epoch never do
//! ```
//! Members who had seen more than the log holds now stand *ahead* of it, perhaps by a commit. They go on in their epoch;
//! who cannot open what they say then asks to be let in again. A relay that names different incarnations to different
//! members shows by what their messages claim. Telling people is the client's concern.

use super::{Group, Status};
use crate::vault::{Row, delete_all, key, load, save};
use crate::{Context, Digest, PeerFault, Result};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// Where a group stands after its seat was attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As before.
    Same,
    /// The relay was restored, and this group lost nothing that was seen here.
    Restored,
    /// The relay was restored, and lost what was seen here.
    Lost {
        /// How many entries.
        entries: u64,
        /// Whether changes of the group were among them.
        changes: bool,
    },
}

/// What is known of the relay's incarnations. None was stated yet: 0.
#[derive(Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Incarnation {
    /// What the relay stated last.
    pub(super) stated: u32,
    /// The highest that a message in the log has claimed.
    claimed: u32,
    /// It rose while this device was in the group: others may stand elsewhere.
    pub(super) rose: u8,
    /// The running hash at the cursor is not known, and none is claimed.
    pub(super) blind: u8,
}

/// What a message's claim about the incarnation comes to.
pub(super) enum Claim {
    /// No other than before.
    Known,
    /// Higher than any before: to be kept.
    Higher,
    /// The relay must have told its sender something else.
    Refused,
}

impl Incarnation {
    /// Takes a message's claim to be sealed in an incarnation: in the order of the log claims never fall, and none is
    /// ahead of the relay's own statement.
    pub(super) fn admit(&mut self, claim: u32) -> Claim {
        if self.stated == 0 || claim == 0 || claim == self.claimed {
            return Claim::Known;
        }
        if claim < self.claimed || claim > self.stated {
            return Claim::Refused;
        }
        self.claimed = claim;
        Claim::Higher
    }
}

impl Group {
    /// The relay attached this group's seat, and says where the channel stands.
    ///
    /// # Errors
    /// `RelayLied` where it goes back without a higher incarnation, or to a lower one.
    pub fn attached(&mut self, incarnation: u32, head: u64, turn: u64, cx: &mut Context) -> Result<Standing> {
        if self.state.status == Status::Out {
            return Ok(Standing::Same);
        }
        let mut known = self.incarnation(cx)?;
        let goes_back = head < self.state.cursor;
        if known.stated == incarnation || known.stated == 0 {
            if goes_back {
                return Err(PeerFault::RelayLied.into());
            }
            known.stated = incarnation;
            self.save_incarnation(&known, cx)?;
            return Ok(Standing::Same);
        }
        if incarnation < known.stated {
            return Err(PeerFault::RelayLied.into());
        }
        (known.stated, known.rose) = (incarnation, 1);
        let standing = match goes_back {
            false => Standing::Restored,
            true => self.go_back(&mut known, head, turn, cx)?,
        };
        self.save_incarnation(&known, cx)?;
        self.save(cx)?;
        Ok(standing)
    }

    /// What was seen beyond `head` is no longer in the log.
    fn go_back(
        &mut self,
        known: &mut Incarnation,
        head: u64,
        turn: u64,
        cx: &mut Context,
    ) -> Result<Standing> {
        let entries = self.state.cursor - head;
        let changes = turn != self.state.turn;
        let view: Option<Digest> = load(cx.vault, &self.entry_row(Row::View, head))?;
        known.blind |= u8::from(view.is_none() && head > 0);
        for found in cx.vault.scan(&self.row(Row::View))? {
            if found.key > self.entry_row(Row::View, head) {
                cx.vault.delete(&found.key)?;
            }
        }
        for found in cx.vault.scan(&self.row(Row::Counted))? {
            let last: u64 = load(cx.vault, &found.key)?.unwrap_or(0);
            save(cx.vault, &found.key, &last.min(head))?;
        }
        self.state.view = view.unwrap_or(Digest([0; 32]));
        (self.state.cursor, self.state.turn) = (head, turn);
        // The number of an earlier own message is not kept; none is claimed.
        if self.state.last_message > head {
            self.state.last_message = 0;
        }
        if known.blind != 0 {
            delete_all(cx.vault, &self.row(Row::View))?;
        }
        Ok(Standing::Lost { entries, changes })
    }

    pub(super) fn incarnation(&self, cx: &Context) -> Result<Incarnation> {
        Ok(load(cx.vault, &self.row(Row::Incarnation))?.unwrap_or_default())
    }

    pub(super) fn save_incarnation(&self, known: &Incarnation, cx: &mut Context) -> Result<()> {
        save(cx.vault, &self.row(Row::Incarnation), known)
    }

    pub(super) fn entry_row(&self, row: Row, entry: u64) -> Vec<u8> {
        key(row, &[self.id.as_bytes(), &entry.to_be_bytes()])
    }
}
