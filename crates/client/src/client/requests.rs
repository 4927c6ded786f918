//! Requests: groups and chats of people who are no contacts. Those at the own relay are followed and kept, and wait for an
//! answer; those elsewhere are not looked at before there is one. And people who want in by a link that asks.

use super::Client;
use super::contacts::known;
use crate::info::RequestInfo;
use crate::store::Tx;
use crate::store::conversations::{Conversation, State};
use crate::store::links::{KnockRow, KnockState};
use crate::store::outbox::What;
use crate::store::requests::{Offer, Wanted};
use crate::{ClientError, Result};
use conclave_protocol::PersonId;
use conclave_protocol::group::{Intent, Joining};

/// What waits for an answer.
enum Request {
    /// A group that is in hand.
    Followed(Conversation),
    /// A seat somewhere else, known from a letter only.
    Offered(Offer),
    /// Somebody with a link that this person handed out.
    Knocking(KnockRow),
}

impl Client {
    /// The requests that wait for an answer.
    pub async fn requests(&self) -> Result<Vec<RequestInfo>> {
        self.store.view(|tx| all(tx)?.iter().map(|request| request.info(tx)).collect()).await
    }

    /// Takes part. Somebody who wants to chat becomes a contact by it.
    ///
    /// # Errors
    /// `NoSuchRequest`.
    pub async fn accept(&self, request: &str) -> Result<()> {
        let request = request.to_owned();
        self.store
            .step(move |tx| match find(tx, &request)? {
                Request::Offered(offer) => tx.accept_offer(&offer.seat),
                Request::Knocking(row) => match known(tx, &row.handle)? {
                    Some(person) => crate::engine::admit(tx, &row, person.person),
                    None => Err(ClientError::NoSuchRequest(request)),
                },
                Request::Followed(request) => {
                    tx.set_state(&request.group, State::Member)?;
                    let Some(person) = request.direct else { return Ok(()) };
                    tx.befriend(&person)?;
                    super::contacts::accept_all_of(tx, &person)
                }
            })
            .await
    }

    /// Leaves it.
    ///
    /// # Errors
    /// `NoSuchRequest`.
    pub async fn decline(&self, request: &str) -> Result<()> {
        let request = request.to_owned();
        self.store.step(move |tx| find(tx, &request)?.decline(tx)).await
    }

    /// Leaves it, and takes no further request from that person.
    ///
    /// # Errors
    /// `NoSuchRequest`.
    pub async fn block(&self, request: &str) -> Result<()> {
        let request = request.to_owned();
        self.store
            .step(move |tx| {
                let request = find(tx, &request)?;
                let Some(inviter) = request.inviter(tx)? else { return request.decline(tx) };
                tx.set_blocked(&inviter, true)?;
                for one in all(tx)? {
                    if one.inviter(tx)? == Some(inviter) {
                        one.decline(tx)?;
                    }
                }
                Ok(())
            })
            .await
    }
}

fn all(tx: &Tx) -> Result<Vec<Request>> {
    let offers = tx.offers()?.into_iter().filter(|offer| offer.wanted == Wanted::Asks).map(Request::Offered);
    let knocks = tx.knocks_to_answer()?.into_iter().map(Request::Knocking);
    Ok(tx.open_requests()?.into_iter().map(Request::Followed).chain(offers).chain(knocks).collect())
}

/// A request, by id, name, or who sent it.
fn find(tx: &Tx, text: &str) -> Result<Request> {
    let (mut exact, mut from) = (None, None);
    for request in all(tx)? {
        let info = request.info(tx)?;
        if info.id == text || info.name == text {
            exact = exact.or(Some(request));
        } else if info.from == text || info.from.split('@').next() == Some(text) {
            from = from.or(Some(request));
        }
    }
    exact.or(from).ok_or_else(|| ClientError::NoSuchRequest(text.to_owned()))
}

impl Request {
    fn inviter(&self, tx: &Tx) -> Result<Option<PersonId>> {
        Ok(match self {
            Self::Followed(conversation) => conversation.inviter,
            Self::Offered(offer) => Some(offer.inviter),
            Self::Knocking(row) => known(tx, &row.handle)?.map(|person| person.person),
        })
    }

    fn decline(&self, tx: &Tx) -> Result<()> {
        match self {
            Self::Knocking(row) => tx.set_knock(row.seq, KnockState::Declined),
            Self::Offered(offer) => {
                tx.drop_offer(&offer.seat)?;
                tx.protocol(|cx| Joining::forget(offer.seat, cx))
            }
            Self::Followed(request) => {
                tx.set_state(&request.group, State::Declined)?;
                if tx.channel(&request.group)?.is_some() {
                    tx.wish(&request.group, &What::Change(Intent::Leave), 0)?;
                }
                Ok(())
            }
        }
    }

    fn info(&self, tx: &Tx) -> Result<RequestInfo> {
        Ok(match self {
            Self::Offered(offer) => RequestInfo {
                id: offer.group.to_string(),
                name: "group".to_owned(),
                from: offer.inviter_handle.clone(),
                direct: false,
            },
            Self::Knocking(row) => {
                let group = tx.link(&row.link)?.and_then(|link| link.group);
                let group = group.map(|group| tx.conversation(&group)).transpose()?.flatten();
                RequestInfo {
                    id: row.link.to_string(),
                    name: group.map_or_else(|| "contact".to_owned(), |group| group.name),
                    from: row.handle.clone(),
                    direct: false,
                }
            }
            Self::Followed(request) => {
                let inviter = request.inviter.map(|inviter| tx.person(&inviter)).transpose()?.flatten();
                RequestInfo {
                    id: request.group.to_string(),
                    name: request.name.clone(),
                    from: inviter.map(|inviter| inviter.handle).unwrap_or_default(),
                    direct: request.direct.is_some(),
                }
            }
        })
    }
}
