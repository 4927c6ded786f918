//! Own history for a new device of the same person: told by the device that listed it, inside the chat of the own devices,
//! batch by batch. Each batch goes into the outbox in the transaction that moves the place on, so that a crash repeats and
//! loses nothing.

use super::changes::named;
use super::session::Session;
use crate::alarm::AlarmCause;
use crate::store::Tx;
use crate::store::history::Telling;
use crate::store::outbox::What;
use crate::{ClientError, Event, Result};
use conclave_protocol::content::Content;
use conclave_protocol::group::{Group, Happened};
use conclave_protocol::history::{BATCH, History, Item};
use conclave_protocol::identity::Account;
use conclave_protocol::{GroupId, MessageId, codec};

/// The most that is looked at for one batch.
const ITEMS: usize = 512;

impl Session<'_> {
    /// Puts the next batch into the outbox if the one before is through.
    pub(super) async fn tell_history(&mut self) -> Result<()> {
        self.store.step(next_batch).await
    }
}

/// Whether there is something to be told now.
pub(super) fn is_due(tx: &Tx) -> Result<bool> {
    Ok(due(tx)?.is_some())
}

/// The chat of the own devices, once the device that is to be told is in it and nothing waits there.
fn due(tx: &Tx) -> Result<Option<(Telling, GroupId)>> {
    let Some(telling) = tx.telling()? else { return Ok(None) };
    let account = tx.protocol(Account::load)?;
    if account.device_list().device(telling.device()).is_none() {
        return Ok(None);
    }
    let Some(chat) = own_chat(tx, &account)? else { return Ok(None) };
    // What is said in a group before the device is in is told too.
    if tx.devices_are_wished()? || tx.post(&chat)?.is_some() || !tx.wishes(&chat, 1)?.is_empty() {
        return Ok(None);
    }
    let reached = tx.protocol(|cx| Ok(Group::load(&chat, cx)?.reaches(telling.device())))?;
    Ok(reached.then_some((telling, chat)))
}

/// The chat that the own devices share.
pub(crate) fn own_chat(tx: &Tx, account: &Account) -> Result<Option<GroupId>> {
    let chats = tx.directs_with(account.person())?;
    let alive = |chat: &&crate::store::conversations::Conversation| {
        chat.state == crate::store::conversations::State::Member
    };
    Ok(chats.iter().find(alive).map(|chat| chat.group))
}

fn next_batch(tx: &Tx) -> Result<()> {
    let Some((mut telling, chat)) = due(tx)? else { return Ok(()) };
    tx.newest_to_tell(&mut telling)?;
    let mut history = History::default();
    let mut room = BATCH;
    let mut take = |items: Vec<(u64, Item)>, history: &mut History, place: &mut u64| -> Result<bool> {
        let full = items.len() == ITEMS;
        for (at, item) in items {
            let size = codec::encode(&item)?.len();
            if size > room && !history.items.is_empty() {
                return Ok(false);
            }
            room = room.saturating_sub(size);
            history.items.push(item);
            *place = at;
        }
        Ok(!full)
    };
    let people = tx.people_to_tell(telling.people, ITEMS)?;
    let ended = tx.ended_to_tell(telling.ended, ITEMS)?;
    let known =
        take(people, &mut history, &mut telling.people)? && take(ended, &mut history, &mut telling.ended)?;
    if known {
        take(tx.messages_to_tell(telling.before, ITEMS)?, &mut history, &mut telling.before)?;
    }
    let said = |item: &&Item| matches!(item, Item::Said(_));
    telling.told += history.items.iter().filter(said).count() as u64;
    history.told = telling.told;
    let left = tx.left_to_tell(&telling)?;
    let over = known && left == 0;
    history.left = if over { 0 } else { left.max(1) };
    if !history.items.is_empty() {
        let id = MessageId(tx.random()?);
        tx.wish_beyond(&chat, &What::Tell { id, content: Content::History(history).encode()? }, 0)?;
    }
    tx.set_telling(if over { None } else { Some(&telling) })
}

/// Takes over what a sibling told.
pub(super) fn take_history(tx: &Tx, account: &Account, group: &Group, history: &History) -> Result<()> {
    for item in &history.items {
        match item {
            Item::Person(known) => match tx.savepoint(|tx| tx.learn_person(known)) {
                Err(ClientError::IdentityChanged(who)) => {
                    tx.alarm(&AlarmCause::IdentityReplaced { who }, None)?;
                }
                Err(ClientError::Protocol(fault)) => tell_unusable(tx, group, &fault.to_string())?,
                learned => learned?,
            },
            Item::Ended(ended) => tx.learn_ended(ended)?,
            Item::Said(said) => tx.learn_said(said, account.person())?,
        }
    }
    match history.left {
        0 => tx.tell(&Event::History { messages: history.told }),
        _ => Ok(()),
    }
}

fn tell_unusable(tx: &Tx, group: &Group, fault: &str) -> Result<()> {
    let Some(chat) = tx.conversation(group.id())? else { return Ok(()) };
    let (id, conversation) = named(&chat);
    let cause = format!("keys that another of your devices told do not hold: {fault}");
    tx.tell(&Event::Ignored { id, conversation, cause })
}

/// An own device that was let in again has missed something of what it was told: it is told anew, by the first device.
pub(super) fn tell_again(tx: &Tx, group: &Group, changes: &[Happened]) -> Result<()> {
    let account = tx.protocol(Account::load)?;
    if !account.is_primary() || !is_own_chat(&account, group) {
        return Ok(());
    }
    let back = changes.iter().find_map(|change| match change {
        Happened::Rejoined(device) if device != account.device_id() => Some(*device),
        _ => None,
    });
    back.map_or(Ok(()), |device| tx.tell_all(device))
}

/// Whether a group is the chat that the own devices share, and nobody else is in.
pub(super) fn is_own_chat(account: &Account, group: &Group) -> bool {
    group.is_direct() && group.people().all(|one| one.person == *account.person())
}
