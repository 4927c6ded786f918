//! Requests: groups and chats of people who are no contacts. They are followed and kept, and wait for an answer.

use super::Client;
use crate::info::RequestInfo;
use crate::store::Tx;
use crate::store::conversations::{Conversation, State};
use crate::store::outbox::What;
use crate::{ClientError, Result};
use conclave_protocol::group::Intent;

impl Client {
    /// The requests that wait for an answer.
    pub async fn requests(&self) -> Result<Vec<RequestInfo>> {
        self.store.view(|tx| tx.open_requests()?.iter().map(|request| info(tx, request)).collect()).await
    }

    /// Takes part. Somebody who wants to chat becomes a contact by it.
    ///
    /// # Errors
    /// `NoSuchRequest`.
    pub async fn accept(&self, request: &str) -> Result<()> {
        let request = request.to_owned();
        self.store
            .step(move |tx| {
                let request = open(tx, &request)?;
                tx.set_state(&request.group, State::Member)?;
                if let Some(person) = request.direct {
                    tx.befriend(&person)?;
                    super::contacts::accept_all_of(tx, &person)?;
                }
                Ok(())
            })
            .await
    }

    /// Leaves it.
    ///
    /// # Errors
    /// `NoSuchRequest`.
    pub async fn decline(&self, request: &str) -> Result<()> {
        let request = request.to_owned();
        self.store.step(move |tx| decline(tx, &open(tx, &request)?)).await
    }

    /// Leaves it, and takes no further request from that person.
    ///
    /// # Errors
    /// `NoSuchRequest`.
    pub async fn block(&self, request: &str) -> Result<()> {
        let request = request.to_owned();
        self.store
            .step(move |tx| {
                let request = open(tx, &request)?;
                let Some(inviter) = request.inviter else { return decline(tx, &request) };
                tx.set_blocked(&inviter, true)?;
                let all = tx.open_requests()?.into_iter().filter(|one| one.inviter == Some(inviter));
                all.collect::<Vec<_>>().iter().try_for_each(|one| decline(tx, one))
            })
            .await
    }
}

fn decline(tx: &Tx, request: &Conversation) -> Result<()> {
    tx.set_state(&request.group, State::Declined)?;
    if tx.channel(&request.group)?.is_some() {
        tx.wish(&request.group, &What::Change(Intent::Leave), 0)?;
    }
    Ok(())
}

/// A request, by id, name, or who sent it.
fn open(tx: &Tx, text: &str) -> Result<Conversation> {
    let requests = tx.open_requests()?;
    let exact = requests.iter().find(|one| one.group.to_string() == text || one.name == text);
    let from = || {
        requests.iter().find(|one| {
            let from = from(tx, one).unwrap_or_default();
            from == text || from.split('@').next() == Some(text)
        })
    };
    exact.or_else(from).cloned().ok_or_else(|| ClientError::NoSuchRequest(text.to_owned()))
}

fn from(tx: &Tx, request: &Conversation) -> Result<String> {
    let inviter = request.inviter.map(|inviter| tx.person(&inviter)).transpose()?.flatten();
    Ok(inviter.map(|inviter| inviter.handle).unwrap_or_default())
}

fn info(tx: &Tx, request: &Conversation) -> Result<RequestInfo> {
    Ok(RequestInfo {
        id: request.group.to_string(),
        name: request.name.clone(),
        from: from(tx, request)?,
        direct: request.direct.is_some(),
    })
}
