//! What a message says, taken in: a text is kept and shown, what devices tell each other goes where it belongs.

use super::alarms::take_disavowal;
use super::calls::take_call;
use super::history::{is_own_chat, take_history};
use super::inbox::{Taken, ignored};
use super::trust::take_attestations;
use crate::Result;
use crate::store::Tx;
use crate::store::messages::{NewMessage, TEXT};
use conclave_protocol::content::Content;
use conclave_protocol::group::{Group, ReceivedMessage};
use conclave_protocol::identity::Account;
use conclave_wire::v1;

pub(super) fn take_message(
    tx: &Tx,
    account: &Account,
    group: &Group,
    message: &ReceivedMessage,
    entry: &v1::Entry,
) -> Result<Taken> {
    let member = group.people().find(|one| one.person == message.person);
    let handle = member.map_or_else(String::new, |one| one.handle.to_string());
    let (kind, text) = match &message.content {
        Content::Text(text) => (TEXT, text.as_str()),
        Content::History(history) if is_own_chat(account, group) => {
            return take_history(tx, account, group, history).map(|()| Taken::Other);
        }
        Content::Attestations(all) => {
            take_attestations(tx, group, &handle, all)?;
            return Ok(Taken::Other);
        }
        Content::Call(step) => {
            take_call(tx, account, group, (message.person, message.device), step)?;
            return Ok(Taken::Other);
        }
        Content::Disavowal(said) => {
            take_disavowal(tx, group, &handle, said)?;
            return Ok(Taken::Other);
        }
        Content::History(_) => {
            return ignored(tx, group, &format!("{handle} tells a history that is not asked for"));
        }
        Content::Unknown { kind, .. } => (*kind, ""),
        _ => (0, ""),
    };
    let added = tx.add_message(&NewMessage {
        group: group.id(),
        id: message.id,
        person: message.person,
        handle: &handle,
        text,
        kind,
        sent_at: message.sent_at.0,
        received_at: entry.at,
        epoch: message.epoch,
        own: message.person == *account.person(),
        place: (entry.number, message.device),
    })?;
    if message.gap {
        ignored(tx, group, &format!("earlier messages of {handle} are missing here"))?;
    }
    if kind != TEXT {
        ignored(tx, group, &format!("a message of {handle} needs a newer version; it is kept"))?;
    }
    Ok(if added && kind == TEXT { Taken::Message } else { Taken::Other })
}
