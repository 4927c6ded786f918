//! Conversations: groups as the person knows them, under a local name. Chats of two have their person's name, and all
//! chats with one person show as one.

use super::Tx;
use crate::{ClientError, Result};
use conclave_protocol::{GroupId, PersonId};
use rusqlite::{OptionalExtension, Row, params};

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conversation {
    pub(crate) group: GroupId,
    pub(crate) name: String,
    pub(crate) direct: Option<PersonId>,
    pub(crate) inviter: Option<PersonId>,
    pub(crate) state: State,
}

/// How the person stands to a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// In it.
    Member,
    /// Invited by somebody unknown: followed and kept, not shown until accepted.
    Request,
    /// Declined.
    Declined,
    /// Left by own will.
    Left,
    /// Taken out by others.
    Removed,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Request => "request",
            Self::Declined => "declined",
            Self::Left => "left",
            Self::Removed => "removed",
        }
    }

    fn parse(text: &str) -> Self {
        let all = [Self::Member, Self::Request, Self::Declined, Self::Removed];
        all.into_iter().find(|state| state.as_str() == text).unwrap_or(Self::Left)
    }
}

impl Conversation {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        let person = |column| match row.get_ref(column)? {
            rusqlite::types::ValueRef::Null => Ok(None),
            _ => id(row, column).map(PersonId).map(Some),
        };
        Ok(Self {
            group: id(row, 0).map(GroupId)?,
            name: row.get(1)?,
            direct: person(2)?,
            inviter: person(3)?,
            state: State::parse(&row.get::<_, String>(4)?),
        })
    }
}

/// The bytes of an id in a column.
pub(crate) fn id<const N: usize>(row: &Row, column: usize) -> rusqlite::Result<[u8; N]> {
    row.get(column)
}

/// Chats of two go by the name of their person.
const SELECT: &str = "SELECT c.grp, coalesce(p.name, p.handle, c.name), c.direct, c.inviter, c.state
                      FROM conversations c LEFT JOIN people p ON p.person = c.direct";

impl Tx<'_> {
    /// A conversation, by its group.
    pub(crate) fn conversation(&self, group: &GroupId) -> Result<Option<Conversation>> {
        let mut query = self.db.prepare_cached(&format!("{SELECT} WHERE c.grp = ?1"))?;
        Ok(query.query_row([group.as_bytes()], Conversation::read).optional()?)
    }

    /// A group, by its local name.
    pub(crate) fn group_named(&self, name: &str) -> Result<Option<Conversation>> {
        let mut query =
            self.db.prepare_cached(&format!("{SELECT} WHERE c.direct IS NULL AND c.name = ?1"))?;
        Ok(query.query_row([name], Conversation::read).optional()?)
    }

    /// All chats of two with somebody, by id: new messages go to the first one that is alive.
    pub(crate) fn directs_with(&self, person: &PersonId) -> Result<Vec<Conversation>> {
        self.conversations("c.direct = ?1 ORDER BY c.grp", &[person.as_bytes()])
    }

    /// Every conversation, by name.
    pub(crate) fn all_conversations(&self) -> Result<Vec<Conversation>> {
        self.conversations("1 ORDER BY 2, c.grp", &[])
    }

    /// The requests that wait for an answer.
    pub(crate) fn open_requests(&self) -> Result<Vec<Conversation>> {
        self.conversations("c.state = 'request' ORDER BY c.rowid", &[])
    }

    fn conversations(&self, which: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<Conversation>> {
        let mut query = self.db.prepare_cached(&format!("{SELECT} WHERE {which}"))?;
        Ok(query.query_map(values, Conversation::read)?.collect::<Result<_, _>>()?)
    }

    /// Notes a new conversation. A group's name is made unique here.
    pub(crate) fn add_conversation(
        &self,
        group: &GroupId,
        title: &str,
        direct: Option<&PersonId>,
        inviter: Option<&PersonId>,
        state: State,
    ) -> Result<Conversation> {
        let title = if title.is_empty() { "group" } else { title };
        let name = if direct.is_some() { title.to_owned() } else { self.free_name(title)? };
        let sql = "INSERT INTO conversations (grp, name, direct, inviter, state) VALUES (?1, ?2, ?3, ?4, ?5)";
        let (direct, inviter) = (direct.map(PersonId::as_bytes), inviter.map(PersonId::as_bytes));
        let mut write = self.db.prepare_cached(sql)?;
        write.execute(params![group.as_bytes(), name, direct, inviter, state.as_str()])?;
        self.conversation(group)?.ok_or_else(|| ClientError::StoreDamaged("a conversation vanished".into()))
    }

    /// Changes how the person stands to a conversation.
    pub(crate) fn set_state(&self, group: &GroupId, state: State) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE conversations SET state = ?2 WHERE grp = ?1")?;
        Ok(write.execute(params![group.as_bytes(), state.as_str()]).map(drop)?)
    }

    /// Gives a group another local name, made unique.
    pub(crate) fn rename_conversation(&self, group: &GroupId, title: &str) -> Result<()> {
        let Some(known) = self.conversation(group)? else { return Ok(()) };
        if known.direct.is_some() || known.name == title || title.is_empty() {
            return Ok(());
        }
        let name = self.free_name(title)?;
        let mut write = self.db.prepare_cached("UPDATE conversations SET name = ?2 WHERE grp = ?1")?;
        Ok(write.execute(params![group.as_bytes(), name]).map(drop)?)
    }
}
