//! What came under which number: messages of a chain, so that two under one number are noticed, and own posts that were
//! wiped, so that one of these that the relay had after all is not taken for somebody else's.
//!
//! The second message under a number is not opened: its key is gone. So it proves nothing to third parties; see
//! docs/decisions/0022.

use super::Group;
use super::message::{Chat, KeyName};
use super::pending::Pending;
use crate::codec::Count;
use crate::primitives::kdf;
use crate::vault::{Row, key, load, save};
use crate::{Context, DeviceId, Digest, Result};

/// How far back numbers of a sender are remembered.
pub(crate) const NUMBERS: u64 = 64;
/// How many wiped posts are remembered.
pub(crate) const WIPED: usize = 64;

impl Group {
    /// Whether another message came under this one's number, as far as is remembered. Under pairwise none is numbered.
    pub(super) fn is_numbered_otherwise(&self, sender: &DeviceId, chat: &Chat, cx: &Context) -> Result<bool> {
        let KeyName::Chain(Count(number)) = chat.key else { return Ok(false) };
        let known: Option<Digest> = load(cx.vault, &self.number_row(sender, number))?;
        Ok(known.is_some_and(|known| known != hash_of(chat)))
    }

    /// Remembers what came under a number.
    pub(super) fn note_number(&self, sender: &DeviceId, chat: &Chat, cx: &mut Context) -> Result<()> {
        let KeyName::Chain(Count(number)) = chat.key else { return Ok(()) };
        save(cx.vault, &self.number_row(sender, number), &hash_of(chat))?;
        match number.checked_sub(NUMBERS) {
            Some(old) => Ok(cx.vault.delete(&self.number_row(sender, old))?),
            None => Ok(()),
        }
    }

    /// Wipes the pending post, and remembers that it was there.
    pub(super) fn wipe_pending(&self, cx: &mut Context) -> Result<()> {
        let row = self.row(Row::Pending);
        let Some(Pending { hash, .. }) = load(cx.vault, &row)? else { return Ok(()) };
        let mut wiped: Vec<Digest> = load(cx.vault, &self.row(Row::Wiped))?.unwrap_or_default();
        wiped.push(Digest(hash));
        let surplus = wiped.len().saturating_sub(WIPED);
        wiped.drain(..surplus);
        save(cx.vault, &self.row(Row::Wiped), &wiped)?;
        Ok(cx.vault.delete(&row)?)
    }

    /// Whether an own post of this hash was wiped here.
    pub(super) fn was_wiped(&self, hash: &[u8; 32], cx: &Context) -> Result<bool> {
        let wiped: Option<Vec<Digest>> = load(cx.vault, &self.row(Row::Wiped))?;
        Ok(wiped.unwrap_or_default().iter().any(|wiped| wiped.as_bytes() == hash))
    }

    /// Whether a post of this hash is, or was, this device's.
    pub(super) fn is_own_post(&self, hash: &[u8; 32], cx: &Context) -> Result<bool> {
        let pending: Option<Pending> = load(cx.vault, &self.row(Row::Pending))?;
        Ok(pending.is_some_and(|pending| pending.hash == *hash) || self.was_wiped(hash, cx)?)
    }

    fn number_row(&self, sender: &DeviceId, number: u64) -> Vec<u8> {
        key(Row::Numbered, &[self.id.as_bytes(), sender.as_bytes(), &number.to_be_bytes()])
    }
}

fn hash_of(chat: &Chat) -> Digest {
    Digest(kdf::sha256(chat.sealed.as_slice()))
}
