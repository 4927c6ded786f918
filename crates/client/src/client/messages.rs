//! Saying and reading.

use super::Client;
use super::conversations::Target;
use crate::info::{Delivery, Message, Outcome, ReadOptions, Ticket};
use crate::store::outbox::What;
use crate::{ClientError, Result, store::Tx};
use conclave_protocol::content::Content;
use conclave_protocol::{GroupId, MessageId};
use std::time::Duration;

impl Client {
    /// Puts a message into the outbox of a group or a contact. It is on disk when this returns; [`Client::wait`] sees it
    /// to the relay.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotAccepted`, `NotInGroup`, `TooLong`, `OutboxFull`; `NotVerified` with the unchecked members of a
    /// group whose policy is *verified only*.
    pub async fn send(&self, target: &str, text: &str) -> Result<Ticket> {
        Content::text(text)?;
        let (target, text) = (target.to_owned(), text.to_owned());
        self.store
            .step(move |tx| {
                let group = Target::read(tx, &target)?.for_sending(tx)?;
                refuse_unchecked(tx, &group)?;
                let id = MessageId(tx.random()?);
                let outbox = tx.wish(&group, &What::Say { id, text }, 0)?;
                Ok(Ticket { message: id, group, outbox })
            })
            .await
    }

    /// Waits until the relay holds a message, at most so long.
    ///
    /// # Errors
    /// `GivenUp` with the reason; what no waiting helps against, such as `RelayChanged`.
    pub async fn wait(&self, ticket: &Ticket, timeout: Duration) -> Result<Delivery> {
        Ok(match self.wait_for(ticket.outbox, timeout).await? {
            Outcome::Done => Delivery::Sent,
            Outcome::Queued => Delivery::Queued,
        })
    }

    /// The stored messages of a conversation, oldest first. What is new at the relay comes with [`Client::sync`].
    ///
    /// # Errors
    /// `UnknownTarget`, `NotAccepted`.
    pub async fn read(&self, target: &str, options: ReadOptions) -> Result<Vec<Message>> {
        let target = target.to_owned();
        match options.only_new {
            true => self.store.step(move |tx| read(tx, &target, options)).await,
            false => self.store.view(move |tx| read(tx, &target, options)).await,
        }
    }
}

fn refuse_unchecked(tx: &Tx, group: &GroupId) -> Result<()> {
    let unchecked = crate::engine::unchecked(tx, group)?;
    if unchecked.is_empty() {
        return Ok(());
    }
    let name =
        |person| Ok(tx.person(person)?.map_or_else(|| person.to_string(), |one| one.shown().to_owned()));
    let names: Vec<String> = unchecked.iter().map(name).collect::<Result<_>>()?;
    Err(ClientError::NotVerified(names.join(", ")))
}

fn read(tx: &Tx, target: &str, options: ReadOptions) -> Result<Vec<Message>> {
    let Some((shown, all)) = Target::read(tx, target)?.shown()? else { return Ok(Vec::new()) };
    // What a device was told of the time before it stands below zero, and is not new.
    let mut after = if options.only_new { 0 } else { i64::MIN };
    if options.only_new {
        for one in &all {
            after = after.max(tx.read_up_to(&one.group)?);
        }
    }
    let messages = tx.messages(&all, &shown, after, options.limit)?;
    if options.only_new
        && let Some((last, _)) = messages.last()
    {
        for one in &all {
            tx.set_read_up_to(&one.group, *last)?;
        }
    }
    Ok(messages.into_iter().map(|(_, message)| message).collect())
}
