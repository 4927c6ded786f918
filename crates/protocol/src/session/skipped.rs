//! Message keys that were passed over and may still be needed: one row each, found in one look, bounded in number and age.
//!
//! A second row per key keeps its place in line, so that the oldest is found without a search.

use super::ratchet::SkippedKey;
use crate::primitives::dh::DhPublic;
use crate::primitives::secret::{MessageKey, Secret};
use crate::vault::{Row, delete_all, key, load, save};
use crate::{Context, Error, Result, Timestamp};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The most that a session keeps.
pub(crate) const MAX: usize = 2000;
/// The longest that one is kept.
const MAX_AGE: u64 = super::prekeys::RETENTION;

/// The line of a session's skipped keys; part of its row.
#[derive(Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Line {
    oldest: u64,
    next: u64,
    kept: u32,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Kept {
    key: Secret<MessageKey>,
    place: u64,
    at: Timestamp,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Place {
    ratchet: DhPublic,
    number: u32,
    at: Timestamp,
}

/// The kept key for a message, if there is one that is not too old.
pub(super) fn find(
    scope: &[u8],
    ratchet: &DhPublic,
    number: u32,
    cx: &Context,
) -> Result<Option<Secret<MessageKey>>> {
    let kept: Option<Kept> = load(cx.vault, &kept_key(scope, ratchet, number))?;
    Ok(kept.filter(|kept| !is_old(kept.at, cx)).map(|kept| kept.key))
}

impl Line {
    /// Keeps `keys`, dropping the oldest above the bound.
    pub(super) fn keep(
        &mut self,
        scope: &[u8],
        keys: impl IntoIterator<Item = SkippedKey>,
        cx: &mut Context,
    ) -> Result<()> {
        let at = cx.now;
        for SkippedKey { ratchet, number, key } in keys {
            let place = self.next;
            save(cx.vault, &kept_key(scope, &ratchet, number), &Kept { key, place, at })?;
            save(cx.vault, &place_key(scope, place), &Place { ratchet, number, at })?;
            (self.next, self.kept) = (self.next + 1, self.kept + 1);
        }
        self.trim(scope, cx)
    }

    /// Deletes a key that has served.
    pub(super) fn remove(
        &mut self,
        scope: &[u8],
        ratchet: &DhPublic,
        number: u32,
        cx: &mut Context,
    ) -> Result<()> {
        let row = kept_key(scope, ratchet, number);
        let kept: Kept = load(cx.vault, &row)?.ok_or(Error::CorruptStore)?;
        cx.vault.delete(&row)?;
        cx.vault.delete(&place_key(scope, kept.place))?;
        self.kept = self.kept.saturating_sub(1);
        Ok(())
    }

    /// Drops what is above the bound or too old. Each place is passed once, so a message pays for its own.
    pub(super) fn trim(&mut self, scope: &[u8], cx: &mut Context) -> Result<()> {
        while self.oldest < self.next {
            let row = place_key(scope, self.oldest);
            if let Some(place) = load::<Place>(cx.vault, &row)? {
                if self.kept as usize <= MAX && !is_old(place.at, cx) {
                    break;
                }
                cx.vault.delete(&kept_key(scope, &place.ratchet, place.number))?;
                cx.vault.delete(&row)?;
                self.kept = self.kept.saturating_sub(1);
            }
            self.oldest += 1;
        }
        Ok(())
    }
}

/// Deletes all keys under `scope`: a session's, or a peer's.
pub(super) fn forget(scope: &[u8], cx: &mut Context) -> Result<()> {
    delete_all(cx.vault, &key(Row::Skipped, &[scope]))?;
    delete_all(cx.vault, &key(Row::SkippedOrder, &[scope]))
}

fn is_old(at: Timestamp, cx: &Context) -> bool {
    cx.now >= at.plus(MAX_AGE)
}

fn kept_key(scope: &[u8], ratchet: &DhPublic, number: u32) -> Vec<u8> {
    key(Row::Skipped, &[scope, ratchet.as_bytes(), &number.to_be_bytes()])
}

fn place_key(scope: &[u8], place: u64) -> Vec<u8> {
    key(Row::SkippedOrder, &[scope, &place.to_be_bytes()])
}
