//! Links that this person handed out, by their ids, and knocks of those who bring one. The secrets in links are not kept.

use super::Tx;
use super::conversations::id;
use super::messages::signed;
use crate::Result;
use conclave_protocol::{Digest, GroupId, PersonId};
use rusqlite::{OptionalExtension, Row, params};

/// A link that was handed out.
pub(crate) struct LinkRow {
    /// The group that it leads into; none: it makes a contact.
    pub(crate) group: Option<GroupId>,
    /// Unix milliseconds.
    pub(crate) expires: u64,
    /// How many more people may use it.
    pub(crate) uses: u32,
    /// Whether the person is asked each time.
    pub(crate) asks: bool,
}

/// Where a knock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnockState {
    /// Nobody has looked who it is.
    New,
    /// The person is asked.
    Asks,
    /// The person has said no; the one who knocked is to be told.
    Declined,
}

/// Somebody who wants in.
#[derive(Clone)]
pub(crate) struct KnockRow {
    pub(crate) seq: i64,
    pub(crate) link: Digest,
    pub(crate) handle: String,
    pub(crate) knock: Vec<u8>,
    pub(crate) state: KnockState,
}

const KNOCK: &str = "SELECT seq, link, handle, knock, state FROM knocks";

impl KnockState {
    fn number(self) -> i64 {
        match self {
            Self::New => 0,
            Self::Asks => 1,
            Self::Declined => 2,
        }
    }
}

impl KnockRow {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        let state = match row.get::<_, i64>(4)? {
            1 => KnockState::Asks,
            2 => KnockState::Declined,
            _ => KnockState::New,
        };
        Ok(Self {
            seq: row.get(0)?,
            link: Digest(id(row, 1)?),
            handle: row.get(2)?,
            knock: row.get(3)?,
            state,
        })
    }
}

impl Tx<'_> {
    /// Keeps a link that is handed out.
    pub(crate) fn add_link(&self, link: &Digest, row: &LinkRow) -> Result<()> {
        let sql = "INSERT INTO links (id, grp, expires, uses, asks) VALUES (?1, ?2, ?3, ?4, ?5)";
        let group = row.group.as_ref().map(GroupId::as_bytes);
        let values = params![link.as_bytes(), group, signed(row.expires), row.uses, row.asks];
        Ok(self.db.prepare_cached(sql)?.execute(values).map(drop)?)
    }

    /// A link that was handed out.
    pub(crate) fn link(&self, link: &Digest) -> Result<Option<LinkRow>> {
        let mut query = self.db.prepare_cached("SELECT grp, expires, uses, asks FROM links WHERE id = ?1")?;
        let read = |row: &Row| {
            let group = match row.get_ref(0)? {
                rusqlite::types::ValueRef::Null => None,
                _ => Some(GroupId(id(row, 0)?)),
            };
            let expires = row.get::<_, i64>(1)?.unsigned_abs();
            Ok(LinkRow { group, expires, uses: row.get(2)?, asks: row.get(3)? })
        };
        Ok(query.query_row([link.as_bytes()], read).optional()?)
    }

    /// Takes a link back; `false` if there is none.
    pub(crate) fn revoke_link(&self, link: &Digest) -> Result<bool> {
        let mut write = self.db.prepare_cached("UPDATE links SET uses = 0 WHERE id = ?1")?;
        Ok(write.execute([link.as_bytes()])? > 0)
    }

    /// Somebody uses a link; the same person uses it once only.
    pub(crate) fn use_link(&self, link: &Digest, person: &PersonId) -> Result<()> {
        let sql = "INSERT INTO link_uses (link, person) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        if self.db.prepare_cached(sql)?.execute([link.as_bytes(), person.as_bytes()])? > 0 {
            let sql = "UPDATE links SET uses = uses - 1 WHERE id = ?1 AND uses > 0";
            self.db.prepare_cached(sql)?.execute([link.as_bytes()])?;
        }
        Ok(())
    }

    /// Whether somebody has used a link.
    pub(crate) fn has_used(&self, link: &Digest, person: &PersonId) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM link_uses WHERE link = ?1 AND person = ?2)";
        let mut query = self.db.prepare_cached(sql)?;
        Ok(query.query_row([link.as_bytes(), person.as_bytes()], |row| row.get(0))?)
    }

    /// Keeps a knock; a repeated one is kept once.
    pub(crate) fn add_knock(&self, link: &Digest, handle: &str, knock: &[u8]) -> Result<()> {
        let sql = "INSERT INTO knocks (link, handle, knock) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        Ok(self.db.prepare_cached(sql)?.execute(params![link.as_bytes(), handle, knock]).map(drop)?)
    }

    /// The next knock that something is to be done about.
    pub(crate) fn next_knock(&self) -> Result<Option<KnockRow>> {
        let sql = format!("{KNOCK} WHERE state <> 1 AND not_before <= ?1 ORDER BY seq LIMIT 1");
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_row([signed(self.now.0)], KnockRow::read).optional()?)
    }

    /// When the next knock is to be looked at, if there is one.
    pub(crate) fn knocks_due(&self) -> Result<Option<u64>> {
        let sql = "SELECT min(not_before) FROM knocks WHERE state <> 1";
        let due: Option<i64> = self.db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(due.map(i64::unsigned_abs))
    }

    /// The knocks that the person is asked about.
    pub(crate) fn knocks_to_answer(&self) -> Result<Vec<KnockRow>> {
        let mut query = self.db.prepare_cached(&format!("{KNOCK} WHERE state = 1 ORDER BY seq"))?;
        Ok(query.query_map([], KnockRow::read)?.collect::<Result<_, _>>()?)
    }

    /// Moves a knock on.
    pub(crate) fn set_knock(&self, seq: i64, state: KnockState) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE knocks SET state = ?2 WHERE seq = ?1")?;
        Ok(write.execute(params![seq, state.number()]).map(drop)?)
    }

    /// Whoever knocked cannot be looked up now.
    pub(crate) fn postpone_knock(&self, seq: i64, until: u64) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE knocks SET not_before = ?2 WHERE seq = ?1")?;
        Ok(write.execute(params![seq, signed(until)]).map(drop)?)
    }

    /// A knock is answered.
    pub(crate) fn drop_knock(&self, seq: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM knocks WHERE seq = ?1")?.execute([seq])?;
        Ok(())
    }

    /// Notes that this person knocked with somebody's link.
    pub(crate) fn note_knocked(&self, link: &Digest, handle: &str) -> Result<()> {
        let sql = "INSERT INTO knocked (link, handle) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        Ok(self.db.prepare_cached(sql)?.execute(params![link.as_bytes(), handle]).map(drop)?)
    }

    /// At whose link this person knocked; it is forgotten by asking.
    pub(crate) fn take_knocked(&self, link: &Digest) -> Result<Option<String>> {
        let sql = "DELETE FROM knocked WHERE link = ?1 RETURNING handle";
        let mut query = self.db.prepare_cached(sql)?;
        Ok(query.query_row([link.as_bytes()], |row| row.get(0)).optional()?)
    }
}
