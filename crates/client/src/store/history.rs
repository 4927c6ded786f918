//! What is told to a new device of the same person: who is known, and what was said, newest first; and where it stands.

use super::Tx;
use super::conversations::{Conversation, State, id};
use super::messages::{TEXT, signed};
use super::meta::Fact;
use crate::{ClientError, Result};
use conclave_protocol::codec;
use conclave_protocol::group::Intent;
use conclave_protocol::history::{Ended, Item, Known, Said};
use conclave_protocol::identity::Handle;
use conclave_protocol::{DeviceId, GroupId, MessageId, PersonId, Timestamp};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

/// How far the telling has come.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Telling {
    /// To whom.
    device: [u8; 16],
    /// People up to here were told.
    pub(crate) people: u64,
    /// Ended conversations up to here were told.
    pub(crate) ended: u64,
    /// Messages from here on were told.
    pub(crate) before: u64,
    /// So many.
    pub(crate) told: u64,
}

impl Telling {
    /// To whom.
    pub(crate) fn device(&self) -> DeviceId {
        DeviceId(self.device)
    }
}

/// Nothing was told yet: what is told begins with what is newest then.
const UNSET: u64 = u64::MAX;
const CONTACT: u8 = 1;
const COMPARED: u8 = 2;
const BLOCKED: u8 = 4;

impl Tx<'_> {
    /// The telling that is under way.
    pub(crate) fn telling(&self) -> Result<Option<Telling>> {
        let kept = self.blob(Fact::Telling)?.filter(|kept| !kept.is_empty());
        let damaged = |_| ClientError::StoreDamaged("how far a history was told is not readable".into());
        kept.map(|kept| serde_json::from_slice(&kept).map_err(damaged)).transpose()
    }

    /// Begins to tell a device what was before, goes on, or ends it.
    pub(crate) fn set_telling(&self, telling: Option<&Telling>) -> Result<()> {
        let kept = telling.and_then(|telling| serde_json::to_vec(telling).ok()).unwrap_or_default();
        self.set_blob(Fact::Telling, &kept)
    }

    /// A telling from the start.
    pub(crate) fn tell_all(&self, device: DeviceId) -> Result<()> {
        let before = UNSET;
        self.set_telling(Some(&Telling { device: device.0, people: 0, ended: 0, before, told: 0 }))
    }

    /// Up to where messages are told, at the beginning: everything that is there by now.
    pub(crate) fn newest_to_tell(&self, telling: &mut Telling) -> Result<()> {
        if telling.before == UNSET {
            telling.before = (self.last_message()? + 1 + SHIFT).unsigned_abs();
        }
        Ok(())
    }

    /// Whether a group at a relay that can be reached has yet to hear of the own devices.
    pub(crate) fn devices_are_wished(&self) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox o JOIN channels c ON c.grp = o.grp JOIN relays r ON r.id = c.relay
                   WHERE o.state IN ('queued', 'sealed', 'sent') AND o.kind = 'change' AND o.body = ?1 AND r.away = 0)";
        let body = codec::encode(&Intent::Devices)?;
        Ok(self.db.prepare_cached(sql)?.query_row([body], |row| row.get(0))?)
    }

    /// People after a place, each with theirs.
    pub(crate) fn people_to_tell(&self, after: u64, limit: usize) -> Result<Vec<(u64, Item)>> {
        let sql = "SELECT rowid, handle, coalesce(name, ''), list, contact, verified,
                   EXISTS (SELECT 1 FROM blocked b WHERE b.person = people.person)
                   FROM people WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";
        self.items(sql, after, limit, |row| {
            let Ok(handle) = Handle::parse(&row.get::<_, String>(1)?) else { return Ok(None) };
            let flag = |column, flag| row.get::<_, bool>(column).map(|set| if set { flag } else { 0 });
            Ok(Some(Item::Person(Known {
                handle,
                name: row.get::<_, String>(2)?.into_bytes().into(),
                list: row.get::<_, Vec<u8>>(3)?.into(),
                flags: flag(4, CONTACT)? | flag(5, COMPARED)? | flag(6, BLOCKED)?,
            })))
        })
    }

    /// Conversations after a place that are over, each with theirs.
    pub(crate) fn ended_to_tell(&self, after: u64, limit: usize) -> Result<Vec<(u64, Item)>> {
        let sql = "SELECT rowid, grp, name, direct, state FROM conversations
                   WHERE rowid > ?1 AND state IN ('left', 'removed', 'declined') ORDER BY rowid LIMIT ?2";
        self.items(sql, after, limit, |row| {
            let how = match row.get::<_, String>(4)?.as_str() {
                "removed" => 1,
                "declined" => 2,
                _ => 0,
            };
            let direct: Option<[u8; 32]> = row.get(3)?;
            let name = row.get::<_, String>(2)?.into_bytes().into();
            Ok(Some(Item::Ended(Ended {
                group: id(row, 1).map(GroupId)?,
                name,
                direct: direct.map(PersonId),
                how,
            })))
        })
    }

    /// Messages before a place, newest first, each with its own.
    pub(crate) fn messages_to_tell(&self, before: u64, limit: usize) -> Result<Vec<(u64, Item)>> {
        // Places of what this device was told itself are below zero: in the same order, shifted.
        let sql = format!(
            "SELECT seq + {SHIFT}, grp, id, person, handle, text, sent_at, received_at, epoch FROM messages
             WHERE seq < ?1 - {SHIFT} AND kind = {TEXT} ORDER BY seq DESC LIMIT ?2"
        );
        self.items(&sql, before, limit, |row| {
            Ok(Some(Item::Said(Said {
                group: id(row, 1).map(GroupId)?,
                id: id(row, 2).map(MessageId)?,
                person: id(row, 3).map(PersonId)?,
                handle: row.get::<_, String>(4)?.into_bytes().into(),
                text: row.get::<_, String>(5)?.into_bytes().into(),
                sent_at: Timestamp(row.get::<_, i64>(6)?.unsigned_abs()),
                received_at: Timestamp(row.get::<_, i64>(7)?.unsigned_abs()),
                epoch: row.get::<_, i64>(8)?.unsigned_abs(),
            })))
        })
    }

    fn items(
        &self,
        sql: &str,
        place: u64,
        limit: usize,
        read: impl Fn(&Row) -> rusqlite::Result<Option<Item>>,
    ) -> Result<Vec<(u64, Item)>> {
        let mut query = self.db.prepare_cached(sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = query.query_map(params![signed(place), limit], |row| {
            Ok(read(row)?.map(|item| (row.get::<_, i64>(0).map(i64::unsigned_abs), item)))
        })?;
        let mut items = Vec::new();
        for row in rows {
            if let Some((place, item)) = row? {
                items.push((place?, item));
            }
        }
        Ok(items)
    }

    /// How many messages a telling has still to tell.
    pub(crate) fn left_to_tell(&self, telling: &Telling) -> Result<u64> {
        let sql = format!("SELECT count(*) FROM messages WHERE seq < ?1 - {SHIFT} AND kind = {TEXT}");
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_row([signed(telling.before)], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    /// Takes over what a sibling knows of somebody; nothing that is known here is changed by it.
    ///
    /// # Errors
    /// `IdentityChanged` if other keys are pinned here.
    pub(crate) fn learn_person(&self, known: &Known) -> Result<()> {
        let list = known.device_list()?;
        let person = self.pin(known.handle.as_str(), &list)?;
        if known.flags & BLOCKED != 0 {
            self.set_blocked(&person.person, true)?;
        }
        let name = text(known.name.as_slice());
        if person.name.is_none() && !name.is_empty() {
            self.set_name(&person.person, &self.free_name(&name)?)?;
        }
        if known.flags & CONTACT != 0 {
            self.befriend(&person.person)?;
        }
        if known.flags & COMPARED != 0 {
            self.set_verified(&person.person)?;
        }
        Ok(())
    }

    /// Whether a conversation is known by the word of another own device alone: this one was never in it.
    pub(crate) fn was_told_of(&self, known: &Conversation) -> Result<bool> {
        Ok(known.state != State::Member && self.channel(&known.group)?.is_none())
    }

    /// Notes a conversation that the person is not in any more.
    pub(crate) fn learn_ended(&self, ended: &Ended) -> Result<()> {
        if self.conversation(&ended.group)?.is_some() {
            return Ok(());
        }
        let state = match ended.how {
            1 => State::Removed,
            2 => State::Declined,
            _ => State::Left,
        };
        let name = text(ended.name.as_slice());
        self.add_conversation(&ended.group, &name, ended.direct.as_ref(), None, state).map(drop)
    }

    /// Keeps what was said before this device was there: before everything that is kept.
    pub(crate) fn learn_said(&self, said: &Said, own: &PersonId) -> Result<()> {
        let sql =
            "INSERT INTO messages (seq, grp, id, person, handle, text, kind, sent_at, received_at, epoch, own)
             SELECT min(0, coalesce(min(seq), 0)) - 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM messages WHERE true
             ON CONFLICT (grp, id) DO NOTHING";
        self.db.prepare_cached(sql)?.execute(params![
            said.group.as_bytes(),
            said.id.as_bytes(),
            said.person.as_bytes(),
            text(said.handle.as_slice()),
            text(said.text.as_slice()),
            TEXT,
            signed(said.sent_at.0),
            signed(said.received_at.0),
            signed(said.epoch),
            said.person == *own,
        ])?;
        Ok(())
    }
}

/// Larger than the number of messages that any device was ever told.
const SHIFT: i64 = 1 << 40;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
