//! What was told to a group of other groups' logs, and what was heard of logs beyond what this device has of them.

use super::Tx;
use super::conversations::id;
use super::messages::signed;
use crate::Result;
use conclave_protocol::{GroupId, PersonId};
use rusqlite::params;

/// How many views of one log are kept that this device has not come to.
const HEARD: i64 = 32;

/// A view of a log that somebody told elsewhere.
#[derive(Clone)]
pub(crate) struct Heard {
    /// The group that it is of.
    pub(crate) about: GroupId,
    pub(crate) incarnation: u32,
    pub(crate) entry: u64,
    pub(crate) hash: [u8; 16],
    /// The group in which it was told.
    pub(crate) via: GroupId,
    pub(crate) person: PersonId,
    /// When it was heard.
    pub(crate) at: u64,
}

impl Heard {
    /// Of which group, by whom, and in which group it was told.
    pub(crate) fn told(&self) -> (&GroupId, &PersonId, &GroupId) {
        (&self.about, &self.person, &self.via)
    }
}

impl Tx<'_> {
    /// Groups at hand of which something may be told to the members of another one, by chance, with the incarnation and the
    /// entry that they were told last.
    pub(crate) fn tellable(&self, to: &GroupId, most: usize) -> Result<Vec<(GroupId, u32, u64)>> {
        let sql = "SELECT channels.grp, coalesce(incarnation, 0), coalesce(entry, 0) FROM channels
                   JOIN conversations ON conversations.grp = channels.grp AND state = 'member'
                   LEFT JOIN views_told ON views_told.grp = ?1 AND about = channels.grp
                   WHERE open = 1 AND lost = 0 AND channels.grp <> ?1 ORDER BY random() LIMIT ?2";
        let mut query = self.db.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row| {
            Ok((id(row, 0).map(GroupId)?, row.get(1)?, row.get::<_, i64>(2)?.unsigned_abs()))
        };
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        Ok(query.query_map(params![to.as_bytes(), most], read)?.collect::<Result<_, _>>()?)
    }

    /// The members of a group were told of another one's log up to this entry, or are not to be told of it.
    pub(crate) fn set_told(&self, to: &GroupId, about: &GroupId, incarnation: u32, entry: u64) -> Result<()> {
        let sql = "INSERT INTO views_told (grp, about, incarnation, entry) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (grp, about) DO UPDATE SET incarnation = ?3, entry = ?4";
        let values = params![to.as_bytes(), about.as_bytes(), incarnation, signed(entry)];
        Ok(self.db.prepare_cached(sql)?.execute(values).map(drop)?)
    }

    /// What was to be told there did not get there.
    pub(crate) fn forget_told(&self, to: &GroupId) -> Result<()> {
        let mut write = self.db.prepare_cached("DELETE FROM views_told WHERE grp = ?1")?;
        Ok(write.execute([to.as_bytes()]).map(drop)?)
    }

    /// Keeps a view until this device comes to its entry; of many, the newest.
    pub(crate) fn hear(&self, heard: &Heard) -> Result<()> {
        let sql = "INSERT INTO views_heard (about, incarnation, entry, hash, via, person, at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
        let Heard { about, incarnation, entry, hash, via, person, at } = heard;
        self.db.prepare_cached(sql)?.execute(params![
            about.as_bytes(),
            incarnation,
            signed(*entry),
            &hash[..],
            via.as_bytes(),
            person.as_bytes(),
            signed(*at)
        ])?;
        let sql = "DELETE FROM views_heard WHERE about = ?1 AND rowid NOT IN
                       (SELECT rowid FROM views_heard WHERE about = ?1 ORDER BY rowid DESC LIMIT ?2)";
        Ok(self.db.prepare_cached(sql)?.execute(params![about.as_bytes(), HEARD]).map(drop)?)
    }

    /// The views of a log that wait.
    pub(crate) fn heard(&self, about: &GroupId) -> Result<Vec<Heard>> {
        let sql = "SELECT incarnation, entry, hash, via, person, at FROM views_heard WHERE about = ?1";
        let mut query = self.db.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row| {
            Ok(Heard {
                about: *about,
                incarnation: row.get(0)?,
                entry: row.get::<_, i64>(1)?.unsigned_abs(),
                hash: id(row, 2)?,
                via: id(row, 3).map(GroupId)?,
                person: id(row, 4).map(PersonId)?,
                at: row.get::<_, i64>(5)?.unsigned_abs(),
            })
        };
        Ok(query.query_map([about.as_bytes()], read)?.collect::<Result<_, _>>()?)
    }

    /// A view was compared, or told.
    pub(crate) fn forget_heard(&self, heard: &Heard) -> Result<()> {
        let sql =
            "DELETE FROM views_heard WHERE about = ?1 AND incarnation = ?2 AND entry = ?3 AND hash = ?4";
        let values = params![heard.about.as_bytes(), heard.incarnation, signed(heard.entry), &heard.hash[..]];
        Ok(self.db.prepare_cached(sql)?.execute(values).map(drop)?)
    }
}
