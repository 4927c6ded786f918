//! Contacts: looked up once, pinned, verified by safety number.

use super::Client;
use crate::directory::{handle_of, look_up};
use crate::info::ContactInfo;
use crate::meeting::meet;
use crate::store::Tx;
use crate::store::conversations::State;
use crate::store::people::Person;
use crate::{ClientError, Result};
use conclave_protocol::PersonId;
use conclave_protocol::identity::{Account, SafetyNumber};

impl Client {
    /// Looks somebody up and makes them a contact. What they had sent is accepted by that.
    ///
    /// # Errors
    /// `UnknownPerson`, `BadHandle`, `Yourself`; `IdentityChanged`; `Unreachable`.
    pub async fn add_contact(&self, who: &str) -> Result<ContactInfo> {
        let person = self.find(who).await?.person;
        self.store
            .step(move |tx| {
                tx.set_blocked(&person, false)?;
                accept_all_of(tx, &person)?;
                tx.befriend(&person).map(|contact| info(&contact))
            })
            .await
    }

    /// The contacts, by name.
    pub async fn contacts(&self) -> Result<Vec<ContactInfo>> {
        self.store.view(|tx| Ok(tx.contacts()?.iter().map(info).collect())).await
    }

    /// The safety number with a contact: 60 digits that both see alike.
    ///
    /// # Errors
    /// `UnknownTarget`.
    pub async fn safety_number(&self, who: &str) -> Result<String> {
        let who = who.to_owned();
        self.store.view(move |tx| Ok(number_with(tx, &who)?.1.digits())).await
    }

    /// What a screen shows for a contact's camera: the safety number with them.
    ///
    /// # Errors
    /// `UnknownTarget`.
    pub async fn scannable(&self, who: &str) -> Result<Vec<u8>> {
        let who = who.to_owned();
        self.store.view(move |tx| Ok(number_with(tx, &who)?.1.scannable())).await
    }

    /// Compares with what was scanned from a contact's screen; if it is the same, that is noted as
    /// [`Client::mark_verified`] does.
    ///
    /// # Errors
    /// `UnknownTarget`; `Scan` with the reason.
    pub async fn verify_scanned(&self, who: &str, scanned: Vec<u8>) -> Result<()> {
        let who = who.to_owned();
        self.store
            .step(move |tx| {
                let (person, number) = number_with(tx, &who)?;
                number.compare(&scanned)?;
                crate::engine::met(tx, &[person])
            })
            .await
    }

    /// Notes that both saw the same safety number, and says so in the groups that both are in.
    ///
    /// # Errors
    /// `UnknownTarget`.
    pub async fn mark_verified(&self, who: &str) -> Result<()> {
        let who = who.to_owned();
        self.store
            .step(move |tx| {
                let person = known(tx, &who)?.ok_or(ClientError::UnknownTarget(who))?;
                crate::engine::met(tx, &[person])
            })
            .await
    }

    /// Somebody known here, or else looked up at the relay.
    pub(super) async fn find(&self, who: &str) -> Result<Person> {
        let name = who.to_owned();
        let (found, relay, own) = self
            .store
            .view(move |tx| {
                let own = tx.protocol(Account::load)?.handle().to_string();
                Ok((known(tx, &name)?, tx.relay()?, own))
            })
            .await?;
        if let Some(found) = found {
            return Ok(found);
        }
        let handle = handle_of(who, &relay.host)?;
        if handle.as_str() == own {
            return Err(ClientError::Yourself);
        }
        let (link, _) = meet(&self.store, handle.host()).await?;
        look_up(&link, &self.store, handle).await
    }
}

fn number_with(tx: &Tx, who: &str) -> Result<(Person, SafetyNumber)> {
    let person = known(tx, who)?.ok_or_else(|| ClientError::UnknownTarget(who.to_owned()))?;
    let account = tx.protocol(Account::load)?;
    let list = person.device_list()?;
    let mine = (account.person(), account.identity_public());
    Ok((person, SafetyNumber::between(mine, (list.person(), list.identity()))))
}

/// Somebody known here, by local name, handle, id, or the name that they have at this relay.
pub(super) fn known(tx: &Tx, who: &str) -> Result<Option<Person>> {
    if let Some(person) = tx.person_named(who)? {
        return Ok(Some(person));
    }
    let id = hex::decode(who).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    if let Some(id) = id {
        return tx.person(&PersonId(id));
    }
    if who.contains('@') {
        return tx.person_at(who);
    }
    tx.person_at(&format!("{who}@{}", tx.relay()?.host))
}

/// Requests of somebody who is a contact now need no answer.
pub(super) fn accept_all_of(tx: &Tx, person: &PersonId) -> Result<()> {
    for request in tx.open_requests()? {
        if request.inviter == Some(*person) {
            tx.set_state(&request.group, State::Member)?;
        }
    }
    let offers = tx.offers()?.into_iter().filter(|offer| offer.inviter == *person);
    offers.map(|offer| offer.seat).try_for_each(|seat| tx.accept_offer(&seat))
}

pub(super) fn info(person: &Person) -> ContactInfo {
    ContactInfo {
        name: person.shown().to_owned(),
        handle: person.handle.clone(),
        person: person.person.to_string(),
        verified: person.verified,
        blocked: person.blocked,
    }
}
