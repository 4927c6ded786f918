//! What a name means: a group, or the chats with a person. And how a new one begins.

use super::contacts::known;
use crate::info::ConversationRef;
use crate::store::Tx;
use crate::store::channels::Channel;
use crate::store::conversations::{Conversation, State};
use crate::store::outbox::What;
use crate::store::people::Person;
use crate::{ClientError, Result};
use conclave_protocol::group::{Group, Home, Intent, Scheme};
use conclave_protocol::identity::Account;
use conclave_protocol::{GroupId, PersonId, SeatId};

/// What a name means.
pub(super) enum Target {
    /// A group.
    Group(Conversation),
    /// A person, and all chats of two with them.
    Person(Person, Vec<Conversation>),
}

impl Target {
    /// Reads a group's name or id, or a person's name, handle or id.
    ///
    /// # Errors
    /// `UnknownTarget`.
    pub(super) fn read(tx: &Tx, text: &str) -> Result<Self> {
        let id = hex::decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let by_id = id.map(|id| tx.conversation(&GroupId(id))).transpose()?.flatten();
        if let Some(found) = by_id.or(tx.group_named(text)?) {
            let other = found.direct.map(|person| tx.person(&person)).transpose()?.flatten();
            return match other {
                Some(person) => Self::of_person(tx, person),
                None => Ok(Self::Group(found)),
            };
        }
        let person = known(tx, text)?.ok_or_else(|| ClientError::UnknownTarget(text.to_owned()))?;
        let target = Self::of_person(tx, person)?;
        match &target {
            Self::Person(person, chats) if !person.contact && chats.is_empty() => {
                Err(ClientError::UnknownTarget(text.to_owned()))
            }
            _ => Ok(target),
        }
    }

    fn of_person(tx: &Tx, person: Person) -> Result<Self> {
        let chats = tx.directs_with(&person.person)?;
        Ok(Self::Person(person, chats))
    }

    /// The conversations behind the name that may be shown, and how they are called together.
    ///
    /// # Errors
    /// `NotAccepted` if there are only requests.
    pub(super) fn shown(self) -> Result<Option<(ConversationRef, Vec<Conversation>)>> {
        let (name, all) = match self {
            Self::Group(group) => (group.name.clone(), vec![group]),
            Self::Person(person, chats) => (person.shown().to_owned(), chats),
        };
        let any = !all.is_empty();
        let shown = |one: &Conversation| !matches!(one.state, State::Request | State::Declined);
        let all: Vec<_> = all.into_iter().filter(shown).collect();
        match all.first() {
            Some(first) => Ok(Some((ConversationRef { id: first.group.to_string(), name }, all))),
            None if any => Err(ClientError::NotAccepted(name)),
            None => Ok(None),
        }
    }

    /// The group to which a new message goes; the first message to a contact begins a chat.
    ///
    /// # Errors
    /// `NotAccepted`, `NotInGroup`.
    pub(super) fn for_sending(self, tx: &Tx) -> Result<GroupId> {
        match self {
            Self::Group(group) => match group.state {
                State::Member => Ok(group.group),
                State::Request => Err(ClientError::NotAccepted(group.name)),
                _ => Err(ClientError::NotInGroup(group.name)),
            },
            Self::Person(person, chats) => {
                let alive = chats.iter().find(|chat| chat.state == State::Member);
                if let Some(chat) = alive {
                    return Ok(chat.group);
                }
                if chats.iter().any(|chat| chat.state == State::Request) {
                    return Err(ClientError::NotAccepted(person.shown().to_owned()));
                }
                begin_chat(tx, &person)
            }
        }
    }
}

/// A chat of two: a pairwise group that the other one is added to.
fn begin_chat(tx: &Tx, with: &Person) -> Result<GroupId> {
    let group = found(tx, Scheme::Pairwise, "", Some(&with.person))?;
    tx.wish(&group, &What::Change(Intent::Add(vec![with.person])), 0)?;
    Ok(group)
}

/// Founds a group here. The engine makes its channel.
pub(super) fn found(tx: &Tx, scheme: Scheme, title: &str, with: Option<&PersonId>) -> Result<GroupId> {
    let relay = tx.relay()?;
    let (channel, token): ([u8; 16], [u8; 32]) = (tx.random()?, tx.random()?);
    let seat = SeatId(tx.random()?);
    let home = Home::new(&relay.url, relay.id, channel);
    let founded = tx.protocol(|cx| {
        let account = Account::load(cx)?;
        let direct = with.is_some();
        Group::create(&account, scheme, title, home, seat, direct, cx)
    })?;
    crate::engine::plan_heal(tx, &founded)?;
    let own = *tx.protocol(Account::load)?.person();
    crate::engine::note_begin(tx, &founded, "founded", (own, tx.now.0))?;
    let group = *founded.id();
    tx.add_channel(&Channel {
        group,
        relay: relay.id,
        channel,
        seat,
        token,
        made: false,
        posts: 0,
        asked_at: 0,
        lost: 0,
        behind: false,
    })?;
    tx.add_conversation(&group, title, with, None, State::Member)?;
    if tx.protocol(Account::load)?.device_list().devices().len() > 1 {
        crate::engine::want_devices(tx, &group)?;
    }
    Ok(group)
}
