//! The signed history of who is in a group, exported and checked: who can read a message, and who signed what.

use super::Client;
use crate::info::ConversationRef;
use crate::store::Tx;
use crate::who::{AuditReport, AuditedStep, MessageReaders, Reader};
use crate::{ClientError, Result};
use conclave_protocol::group::{AboutMessage, AuditPerson, AuditStep, Group, Happened, audit};
use conclave_protocol::{Error, GroupId, MessageId, Misuse};

impl Client {
    /// Who can read a message, by the signed history of who is in.
    ///
    /// # Errors
    /// `UnknownTarget` for a message that is not here, or is from before what this device knows of the group.
    pub async fn readers(&self, message: &str) -> Result<MessageReaders> {
        let id = message.to_owned();
        self.store
            .view(move |tx| {
                let (group, from, about) = message_of(tx, &id)?;
                let held = audit(&export(tx, &group, Some(&about), &id)?)?;
                let people: Vec<_> = held.people.iter().map(reader).collect();
                let name = tx.conversation(&group)?.map_or_else(String::new, |known| known.name);
                Ok(MessageReaders {
                    id,
                    conversation: ConversationRef { id: group.to_string(), name },
                    from,
                    epoch: about.epoch,
                    devices: people.iter().map(|one| one.devices.len()).sum(),
                    people,
                })
            })
            .await
    }

    /// The signed history of who could read a message, as a file that anybody checks with [`crate::audit_file`].
    ///
    /// # Errors
    /// As [`Client::readers`].
    pub async fn export_readers(&self, message: &str) -> Result<Vec<u8>> {
        let id = message.to_owned();
        self.store
            .view(move |tx| {
                let (group, _, about) = message_of(tx, &id)?;
                export(tx, &group, Some(&about), &id)
            })
            .await
    }

    /// The signed history of who is in a group since this device is, as a file that anybody checks.
    ///
    /// # Errors
    /// `UnknownTarget`.
    pub async fn export_membership(&self, group: &str) -> Result<Vec<u8>> {
        let id = self.group_id(group).await?;
        self.store.view(move |tx| export(tx, &id, None, &id.to_string())).await
    }
}

fn message_of(tx: &Tx, text: &str) -> Result<(GroupId, String, AboutMessage)> {
    let id = hex::decode(text).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()).map(MessageId);
    let found = id.map(|id| tx.message(&id)).transpose()?.flatten();
    found.ok_or_else(|| ClientError::UnknownTarget(text.to_owned()))
}

fn export(tx: &Tx, group: &GroupId, about: Option<&AboutMessage>, named: &str) -> Result<Vec<u8>> {
    let up_to = about.map(|about| about.epoch);
    let file = tx.protocol(|cx| Group::load(group, cx)?.export(up_to, about.cloned(), cx));
    match file {
        Err(ClientError::Protocol(Error::Misuse(Misuse::NoSuchGroup))) => {
            Err(ClientError::UnknownTarget(named.to_owned()))
        }
        file => file,
    }
}

/// Checks an exported history of a group's membership; needs no account.
///
/// # Errors
/// The fault of what does not hold.
pub fn audit_file(file: &[u8]) -> Result<AuditReport> {
    let held = audit(file)?;
    let step = |step: &AuditStep| AuditedStep {
        epoch: step.epoch,
        by: step.handle.to_string(),
        by_person: step.by.to_string(),
        device: step.device.to_string(),
        what: step.changes.iter().map(words).collect(),
        commit: step.commit.to_string(),
    };
    let people: Vec<_> = held.people.iter().map(reader).collect();
    Ok(AuditReport {
        group: held.group.to_string(),
        begins: held.begins,
        begin_signed: held.begin_signed,
        message: held.message.as_ref().map(|message| message.id.to_string()),
        message_epoch: held.message.as_ref().map(|message| message.epoch),
        steps: held.steps.iter().map(step).collect(),
        devices: people.iter().map(|one| one.devices.len()).sum(),
        people,
    })
}

fn reader(one: &AuditPerson) -> Reader {
    Reader {
        handle: one.handle.to_string(),
        person: one.person.to_string(),
        devices: one.devices.iter().map(ToString::to_string).collect(),
    }
}

/// What a commit changed; people and devices by their ids, since the checker knows no names.
fn words(change: &Happened) -> String {
    match change {
        Happened::Added(person) => format!("added {person}"),
        Happened::AddedFor(person, reason) => format!("added {person}: {reason}"),
        Happened::Proposed(person, ..) => format!("proposed {person}"),
        Happened::Endorsed(person) => format!("endorsed {person}"),
        Happened::Objected(person) => format!("objected to {person}"),
        Happened::Removed(person) => format!("removed {person}"),
        Happened::Left(person) => format!("took out {person}, who left"),
        Happened::Renamed(_) => "renamed the group".to_owned(),
        Happened::Role(person, _) => format!("changed the role of {person}"),
        Happened::Policy(_) => "changed the policy".to_owned(),
        Happened::Rejoined(device) => format!("let the device {device} in again"),
        Happened::Away(_, device) => format!("put the device {device} away"),
        Happened::Healed(device) => format!("healed {device}"),
        Happened::DeviceAdded(person)
        | Happened::DeviceRemoved(person)
        | Happened::NewKeys(person)
        | Happened::NewIdentity(person)
        | Happened::Recovered(person) => format!("changed the devices of {person}, by their own list"),
    }
}
