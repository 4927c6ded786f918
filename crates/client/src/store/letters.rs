//! Letters on their way to inboxes at relays that their post does not go to. One that belongs to a post is held until the
//! post is accepted, so that nobody is invited by a commit that lost its turn.

use super::Tx;
use super::conversations::id;
use super::messages::signed;
use crate::Result;
use conclave_protocol::{DeviceId, GroupId};
use rusqlite::{Row, params};

/// A letter to be sent.
#[derive(Clone)]
pub(crate) struct OutLetter {
    pub(crate) seq: i64,
    pub(crate) device: DeviceId,
    /// The group that it is about.
    pub(crate) group: Option<GroupId>,
    pub(crate) body: Vec<u8>,
    /// How often it was refused by a relay that may take it later.
    pub(crate) tries: u32,
}

/// A letter of a post waits for the post's fate; others may go at once.
#[derive(Clone, Copy)]
pub(crate) enum Goes {
    AtOnce,
    /// With the outbox row of this number.
    With(i64),
}

impl OutLetter {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        let group = match row.get_ref(2)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(GroupId(id(row, 2)?)),
        };
        Ok(Self {
            seq: row.get(0)?,
            device: DeviceId(id(row, 1)?),
            group,
            body: row.get(3)?,
            tries: row.get(4)?,
        })
    }
}

impl Tx<'_> {
    /// Keeps a letter until it is sent; gives its number.
    pub(crate) fn add_letter(
        &self,
        relay: &[u8; 32],
        device: &DeviceId,
        group: Option<&GroupId>,
        body: &[u8],
        goes: Goes,
    ) -> Result<i64> {
        let held = match goes {
            Goes::AtOnce => None,
            Goes::With(wish) => Some(wish),
        };
        let sql = "INSERT INTO letters (relay, device, grp, body, held) VALUES (?1, ?2, ?3, ?4, ?5)";
        let group = group.map(GroupId::as_bytes);
        self.db.prepare_cached(sql)?.execute(params![&relay[..], device.as_bytes(), group, body, held])?;
        Ok(self.db.last_insert_rowid())
    }

    /// Whether letters about a group are about to leave: free to go, not refused before, to a relay that is there.
    pub(crate) fn has_letters_leaving(&self, group: &GroupId) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM letters l JOIN relays r ON r.id = l.relay
                   WHERE l.grp = ?1 AND l.held IS NULL AND l.tries = 0 AND NOT r.away)";
        Ok(self.db.prepare_cached(sql)?.query_row([group.as_bytes()], |row| row.get(0))?)
    }

    /// Whether a letter is still to be sent.
    pub(crate) fn has_letter(&self, seq: i64) -> Result<bool> {
        let mut query = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM letters WHERE seq = ?1)")?;
        Ok(query.query_row([seq], |row| row.get(0))?)
    }

    /// The post of an outbox row was accepted: its letters may go.
    pub(crate) fn release_letters(&self, wish: i64) -> Result<()> {
        self.db.prepare_cached("UPDATE letters SET held = NULL WHERE held = ?1")?.execute([wish])?;
        Ok(())
    }

    /// The post of an outbox row came to nothing: so do its letters.
    pub(crate) fn drop_letters_of(&self, wish: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM letters WHERE held = ?1")?.execute([wish])?;
        Ok(())
    }

    /// The next letter to a relay that may go now.
    pub(crate) fn next_letter(&self, relay: &[u8; 32]) -> Result<Option<OutLetter>> {
        let sql = "SELECT seq, device, grp, body, tries FROM letters
                   WHERE relay = ?1 AND held IS NULL AND not_before <= ?2 ORDER BY seq LIMIT 1";
        let mut query = self.db.prepare_cached(sql)?;
        let mut rows = query.query_map(params![&relay[..], signed(self.now.0)], OutLetter::read)?;
        Ok(rows.next().transpose()?)
    }

    /// When the next letter to a relay may go, if there is one.
    pub(crate) fn letters_due(&self, relay: &[u8; 32]) -> Result<Option<u64>> {
        let sql = "SELECT min(not_before) FROM letters WHERE relay = ?1 AND held IS NULL";
        let due: Option<i64> = self.db.prepare_cached(sql)?.query_row([&relay[..]], |row| row.get(0))?;
        Ok(due.map(i64::unsigned_abs))
    }

    /// A letter was refused by a relay that may take it later.
    pub(crate) fn postpone_letter(&self, seq: i64, until: u64) -> Result<()> {
        let sql = "UPDATE letters SET not_before = ?2, tries = tries + 1 WHERE seq = ?1";
        Ok(self.db.prepare_cached(sql)?.execute(params![seq, signed(until)]).map(drop)?)
    }

    /// A letter was sent, or cannot be.
    pub(crate) fn drop_letter(&self, seq: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM letters WHERE seq = ?1")?.execute([seq])?;
        Ok(())
    }
}
