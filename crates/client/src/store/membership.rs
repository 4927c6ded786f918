//! What happened to a group's membership since this device is in it, and who signed it.

use super::Tx;
use super::conversations::id;
use super::messages::signed;
use crate::Result;
use conclave_protocol::{Digest, GroupId, PersonId};
use rusqlite::{OptionalExtension, params};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) epoch: u64,
    /// By the relay's clock.
    pub(crate) at: u64,
    /// Who signed the commit.
    pub(crate) by: PersonId,
    /// To whom.
    pub(crate) person: Option<PersonId>,
    /// `added`, `removed`, `left`, `renamed`, `role`, `device-added`, `device-removed`, `new-keys`, `new-identity`,
    /// `recovered`, `away`, `rejoined`, `proposed`, `endorsed`, `objected`; `founded` or `joined` at the beginning.
    pub(crate) kind: String,
    /// A new name, role or policy; a reason.
    pub(crate) detail: String,
    /// The commit's hash; for the beginning, that of the founding roster or of the commit that let this device in.
    pub(crate) commit: Digest,
}

impl Tx<'_> {
    /// Notes what happened.
    pub(crate) fn add_membership(&self, group: &GroupId, what: &Membership) -> Result<()> {
        let sql = "INSERT INTO membership (grp, epoch, at, by, person, kind, detail, commit_hash)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        self.db.prepare_cached(sql)?.execute(params![
            group.as_bytes(),
            signed(what.epoch),
            signed(what.at),
            what.by.as_bytes(),
            what.person.as_ref().map(PersonId::as_bytes),
            what.kind,
            what.detail,
            what.commit.as_bytes()
        ])?;
        Ok(())
    }

    /// All that happened after an epoch, in order.
    pub(crate) fn membership(&self, group: &GroupId, after: Option<u64>) -> Result<Vec<Membership>> {
        let sql = "SELECT epoch, at, by, person, kind, detail, commit_hash FROM membership
                   WHERE grp = ?1 AND epoch > ?2 ORDER BY seq";
        let mut query = self.db.prepare_cached(sql)?;
        let rows = query.query_map(params![group.as_bytes(), after.map_or(-1, signed)], |row| {
            Ok(Membership {
                epoch: row.get::<_, i64>(0)?.unsigned_abs(),
                at: row.get::<_, i64>(1)?.unsigned_abs(),
                by: id(row, 2).map(PersonId)?,
                person: row.get::<_, Option<[u8; 32]>>(3)?.map(PersonId),
                kind: row.get(4)?,
                detail: row.get(5)?,
                commit: id(row, 6).map(Digest)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The code that was last shown, and the epoch it was of.
    pub(crate) fn code_shown(&self, group: &GroupId) -> Result<Option<(String, u64)>> {
        let sql = "SELECT code, epoch FROM codes WHERE grp = ?1";
        let mut query = self.db.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()));
        Ok(query.query_row([group.as_bytes()], read).optional()?)
    }

    /// Notes the code that is shown.
    pub(crate) fn set_code_shown(&self, group: &GroupId, code: &str, epoch: u64) -> Result<()> {
        let sql = "INSERT INTO codes (grp, code, epoch) VALUES (?1, ?2, ?3)
                   ON CONFLICT (grp) DO UPDATE SET code = ?2, epoch = ?3";
        Ok(self.db.prepare_cached(sql)?.execute(params![group.as_bytes(), code, signed(epoch)]).map(drop)?)
    }
}
