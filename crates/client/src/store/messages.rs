//! What was said, in the order of the channels. A message is kept once, whatever the relay repeats.

use super::Tx;
use super::conversations::{Conversation, id};
use crate::Result;
use crate::info::{ConversationRef, Doubt, Message};
use conclave_protocol::group::AboutMessage;
use conclave_protocol::{DeviceId, GroupId, MessageId, PersonId, Timestamp};
use rusqlite::{OptionalExtension, Row, params};
use std::collections::HashMap;

/// A message to be kept.
pub(crate) struct NewMessage<'a> {
    pub(crate) group: &'a GroupId,
    pub(crate) id: MessageId,
    pub(crate) person: PersonId,
    pub(crate) handle: &'a str,
    pub(crate) text: &'a str,
    /// 1: text. Others are kept for newer versions, and not shown.
    pub(crate) kind: u16,
    pub(crate) sent_at: u64,
    pub(crate) received_at: u64,
    pub(crate) epoch: u64,
    pub(crate) own: bool,
    /// The entry of the log, and the device that posted it.
    pub(crate) place: (u64, DeviceId),
}

/// A text.
pub(crate) const TEXT: u16 = 1;

impl Tx<'_> {
    /// When each person last said something in a group, by the relay's clock. Goes through all that was said there.
    pub(crate) fn last_said(&self, group: &GroupId) -> Result<HashMap<PersonId, Timestamp>> {
        let sql = "SELECT person, max(received_at) FROM messages WHERE grp = ?1 GROUP BY person";
        let mut query = self.db.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row| {
            Ok((id(row, 0).map(PersonId)?, Timestamp(row.get::<_, i64>(1)?.unsigned_abs())))
        };
        Ok(query.query_map([group.as_bytes()], read)?.collect::<Result<_, _>>()?)
    }

    /// Keeps a message; `false` if it was kept before.
    pub(crate) fn add_message(&self, message: &NewMessage) -> Result<bool> {
        let sql =
            "INSERT INTO messages (grp, id, person, handle, text, kind, sent_at, received_at, epoch, own, entry,
             device)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT (grp, id) DO NOTHING";
        let added = self.db.prepare_cached(sql)?.execute(params![
            message.group.as_bytes(),
            message.id.as_bytes(),
            message.person.as_bytes(),
            message.handle,
            message.text,
            message.kind,
            signed(message.sent_at),
            signed(message.received_at),
            signed(message.epoch),
            message.own,
            signed(message.place.0),
            message.place.1.as_bytes(),
        ])?;
        Ok(added > 0)
    }

    /// The messages of these groups after `after`, the last `limit` of them, oldest first, each with its place.
    pub(crate) fn messages(
        &self,
        groups: &[Conversation],
        shown: &ConversationRef,
        after: i64,
        limit: Option<usize>,
    ) -> Result<Vec<(i64, Message)>> {
        // At most a handful: the chats with one person.
        let groups: Vec<String> = groups.iter().map(|one| format!("x'{}'", one.group)).collect();
        let sql = format!(
            "SELECT seq, id, handle, text, sent_at, received_at, epoch, (
                 SELECT signed IS NOT NULL FROM frozen
                 WHERE frozen.grp = messages.grp AND frozen.device = messages.device
                     AND since <= entry AND (until IS NULL OR entry < until) ORDER BY signed IS NULL LIMIT 1
             ) FROM messages
             WHERE grp IN ({}) AND seq > ?1 AND kind = {TEXT} ORDER BY seq DESC LIMIT ?2",
            groups.join(", ")
        );
        let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        let mut query = self.db.prepare(&sql)?;
        let rows = query.query_map(params![after, limit], |row| read(row, shown))?;
        let mut messages: Vec<_> = rows.collect::<Result<_, _>>()?;
        messages.reverse();
        Ok(messages)
    }

    /// A message, by its id: its group, who said it and when, and the epoch.
    pub(crate) fn message(&self, id: &MessageId) -> Result<Option<(GroupId, String, AboutMessage)>> {
        let sql = "SELECT grp, handle, person, epoch, sent_at FROM messages WHERE id = ?1 LIMIT 1";
        let mut query = self.db.prepare_cached(sql)?;
        let read = |row: &Row| {
            let about = AboutMessage {
                id: *id,
                person: super::conversations::id(row, 2).map(PersonId)?,
                epoch: row.get::<_, i64>(3)?.unsigned_abs(),
                sent_at: Timestamp(row.get::<_, i64>(4)?.unsigned_abs()),
            };
            Ok((super::conversations::id(row, 0).map(GroupId)?, row.get(1)?, about))
        };
        Ok(query.query_row([id.as_bytes()], read).optional()?)
    }

    /// The place of the last message of all.
    pub(crate) fn last_message(&self) -> Result<i64> {
        Ok(self.db.query_row("SELECT coalesce(max(seq), 0) FROM messages", [], |row| row.get(0))?)
    }

    /// Up to where a conversation was read with "only new".
    pub(crate) fn read_up_to(&self, group: &GroupId) -> Result<i64> {
        let mut query = self.db.prepare_cached("SELECT read_up_to FROM conversations WHERE grp = ?1")?;
        Ok(query.query_row([group.as_bytes()], |row| row.get(0))?)
    }

    /// Notes up to where a conversation was read.
    pub(crate) fn set_read_up_to(&self, group: &GroupId, seq: i64) -> Result<()> {
        let sql = "UPDATE conversations SET read_up_to = max(read_up_to, ?2) WHERE grp = ?1";
        Ok(self.db.prepare_cached(sql)?.execute(params![group.as_bytes(), seq]).map(drop)?)
    }
}

fn read(row: &Row, shown: &ConversationRef) -> rusqlite::Result<(i64, Message)> {
    let message = Message {
        id: hex::encode(row.get::<_, [u8; 16]>(1)?),
        conversation: shown.clone(),
        from: row.get(2)?,
        text: row.get(3)?,
        sent_at: row.get(4)?,
        received_at: row.get(5)?,
        epoch: row.get::<_, i64>(6)?.unsigned_abs(),
        doubtful: row.get::<_, Option<bool>>(7)?.map(|said| match said {
            true => Doubt::Disavowed,
            false => Doubt::NumberTwice,
        }),
    };
    Ok((row.get(0)?, message))
}

/// Numbers of peers and relays, as the database has them: what does not fit is the largest that does.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
