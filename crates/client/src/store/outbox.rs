//! The outbox: what the person wants said and done, in order. Plain words and wishes; sealing happens when their group is
//! caught up. Any process adds rows and watches them; the one with the engine carries them out.

use super::Tx;
use super::conversations::id;
use super::messages::signed;
use crate::{ClientError, Result};
use conclave_protocol::codec;
use conclave_protocol::group::Intent;
use conclave_protocol::{GroupId, MessageId};
use rusqlite::{OptionalExtension, Row, params};
use std::collections::HashSet;

/// The most rows that wait.
pub(crate) const MOST: usize = 10_000;
/// Rows that met their fate are kept this many rows long, for those who watch them.
const KEPT: i64 = 20_000;

/// A row that waits.
#[derive(Clone)]
pub(crate) struct Wish {
    pub(crate) seq: i64,
    pub(crate) group: GroupId,
    pub(crate) what: What,
    pub(crate) not_before: u64,
    pub(crate) state: WishState,
}

/// What is wanted.
#[derive(Clone)]
pub(crate) enum What {
    /// Say this.
    Say { id: MessageId, text: String },
    /// Tell the devices of the group something that no person says: a part of the history, who has met whom.
    Tell { id: MessageId, content: Vec<u8> },
    /// Change the group.
    Change(Intent),
}

/// Where a row stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WishState {
    /// Not sealed, or sealed and not yet taken.
    Queued,
    /// The relay holds it.
    Sent,
    /// It is in the log.
    Done,
    /// It was given up.
    Failed { code: String, error: String },
}

/// A heal that was given up is tried again after so long, in milliseconds.
const TRIED_AGAIN_AFTER: u64 = 60 * 60 * 1000;
const COLUMNS: &str = "seq, grp, kind, message, body, not_before, state, code, error";
const WAITS: &str = "state IN ('queued', 'sealed', 'sent')";

/// What has become of a group's heal.
pub(crate) enum Heal {
    None,
    Waits(Wish),
    Failed,
}

impl Wish {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        let body: Vec<u8> = row.get(4)?;
        let damaged = || rusqlite::Error::InvalidColumnType(4, "body".into(), rusqlite::types::Type::Blob);
        let what = match row.get::<_, String>(2)?.as_str() {
            "say" => What::Say {
                id: id(row, 3).map(MessageId)?,
                text: String::from_utf8(body).map_err(|_| damaged())?,
            },
            "tell" => What::Tell { id: id(row, 3).map(MessageId)?, content: body },
            _ => What::Change(codec::decode(&body).map_err(|_| damaged())?),
        };
        Ok(Self {
            seq: row.get(0)?,
            group: id(row, 1).map(GroupId)?,
            what,
            not_before: row.get::<_, i64>(5)?.unsigned_abs(),
            state: WishState::read(row)?,
        })
    }
}

impl WishState {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(match row.get::<_, String>(6)?.as_str() {
            "sent" => Self::Sent,
            "done" => Self::Done,
            "failed" => Self::Failed {
                code: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
                error: row.get::<_, Option<String>>(8)?.unwrap_or_default(),
            },
            _ => Self::Queued,
        })
    }
}

impl Tx<'_> {
    /// Adds a row, and returns its number.
    ///
    /// # Errors
    /// `OutboxFull`.
    pub(crate) fn wish(&self, group: &GroupId, what: &What, not_before: u64) -> Result<i64> {
        let waiting = format!("SELECT count(*) FROM outbox WHERE {WAITS}");
        let waiting: i64 = self.db.prepare_cached(&waiting)?.query_row([], |row| row.get(0))?;
        if usize::try_from(waiting).is_ok_and(|waiting| waiting >= MOST) {
            return Err(ClientError::OutboxFull(MOST));
        }
        self.wish_beyond(group, what, not_before)
    }

    /// As [`Tx::wish`], for what must come before rows that wait: however many they are.
    pub(crate) fn wish_beyond(&self, group: &GroupId, what: &What, not_before: u64) -> Result<i64> {
        let (kind, message, body) = match what {
            What::Say { id, text } => ("say", Some(id.0), text.as_bytes().to_vec()),
            What::Tell { id, content } => ("tell", Some(id.0), content.clone()),
            What::Change(intent) => ("change", None, codec::encode(intent)?),
        };
        let sql = "INSERT INTO outbox (grp, kind, message, body, composed_at, not_before, state)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued')";
        let (now, not_before) = (signed(self.now.0), signed(not_before));
        let message = message.as_ref().map(|id| &id[..]);
        self.db.prepare_cached(sql)?.execute(params![
            group.as_bytes(),
            kind,
            message,
            body,
            now,
            not_before
        ])?;
        let seq = self.db.last_insert_rowid();
        let tidy = "DELETE FROM outbox WHERE seq <= ?1 AND state IN ('done', 'failed')";
        self.db.prepare_cached(tidy)?.execute([seq - KEPT])?;
        Ok(seq)
    }

    /// The rows of a group that wait, oldest first, at most `limit`.
    pub(crate) fn wishes(&self, group: &GroupId, limit: usize) -> Result<Vec<Wish>> {
        let sql = format!("SELECT {COLUMNS} FROM outbox WHERE grp = ?1 AND {WAITS} ORDER BY seq LIMIT ?2");
        let mut query = self.db.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Ok(query.query_map(params![group.as_bytes(), limit], Wish::read)?.collect::<Result<_, _>>()?)
    }

    /// The groups for which something waits, or whose post has not met its fate.
    pub(crate) fn groups_with_wishes(&self) -> Result<HashSet<GroupId>> {
        let sql = format!("SELECT grp FROM outbox WHERE {WAITS} UNION SELECT grp FROM posts");
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_map([], |row| id(row, 0).map(GroupId))?.collect::<Result<_, _>>()?)
    }

    /// When the next row may go that may not go yet.
    pub(crate) fn next_due(&self) -> Result<Option<u64>> {
        let sql = format!("SELECT min(not_before) FROM outbox WHERE {WAITS} AND not_before > ?1");
        let due: Option<i64> =
            self.db.prepare_cached(&sql)?.query_row([signed(self.now.0)], |row| row.get(0))?;
        Ok(due.map(i64::unsigned_abs))
    }

    /// Gives up everything of a group that waits.
    pub(crate) fn give_up_all(&self, group: &GroupId, code: &str, error: &str) -> Result<()> {
        for wish in self.wishes(group, usize::MAX)? {
            let failed = WishState::Failed { code: code.to_owned(), error: error.to_owned() };
            self.set_wish(wish.seq, &failed)?;
        }
        Ok(())
    }

    /// The heal of a group that waits, or was given up lately.
    pub(crate) fn heal_of(&self, group: &GroupId) -> Result<Heal> {
        let sql = format!(
            "SELECT {COLUMNS} FROM outbox WHERE grp = ?1 AND kind = 'change' AND body = ?2
             AND (({WAITS}) OR (state = 'failed' AND composed_at > ?3)) ORDER BY seq DESC LIMIT 1"
        );
        let (body, lately) = (codec::encode(&Intent::Heal)?, self.now.0.saturating_sub(TRIED_AGAIN_AFTER));
        let mut query = self.db.prepare_cached(&sql)?;
        let found =
            query.query_row(params![group.as_bytes(), body, signed(lately)], Wish::read).optional()?;
        Ok(match found {
            None => Heal::None,
            Some(Wish { state: WishState::Failed { .. }, .. }) => Heal::Failed,
            Some(wish) => Heal::Waits(wish),
        })
    }

    /// One row, whatever its state.
    pub(crate) fn wish_at(&self, seq: i64) -> Result<Option<Wish>> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM outbox WHERE seq = ?1"))?;
        Ok(query.query_row([seq], Wish::read).optional()?)
    }

    /// A wish is looked at again at that time; those after it need not wait.
    pub(crate) fn postpone_wish(&self, seq: i64, until: u64) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE outbox SET not_before = ?2 WHERE seq = ?1")?;
        Ok(write.execute(params![seq, signed(until)]).map(drop)?)
    }

    /// Moves a row on.
    pub(crate) fn set_wish(&self, seq: i64, state: &WishState) -> Result<()> {
        let (name, code, error) = match state {
            WishState::Queued => ("queued", None, None),
            WishState::Sent => ("sent", None, None),
            WishState::Done => ("done", None, None),
            WishState::Failed { code, error } => ("failed", Some(code), Some(error)),
        };
        // What was said is in the history once it is done: no second copy is kept.
        let sql = "UPDATE outbox SET state = ?2, code = ?3, error = ?4,
                   body = CASE WHEN ?2 IN ('done', 'failed') AND kind IN ('say', 'tell') THEN x'' ELSE body END WHERE seq = ?1";
        Ok(self.db.prepare_cached(sql)?.execute(params![seq, name, code, error]).map(drop)?)
    }
}
