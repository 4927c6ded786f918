//! Links: made here and handed over by people; and what comes of one that was pasted.

use super::Client;
use super::conversations::Target;
use crate::directory::{Reach, look_up};
use crate::engine::connect;
use crate::info::{ContactInfo, Delivery, Door, InviteOptions};
use crate::store::letters::Goes;
use crate::store::links::LinkRow;
use crate::store::people::Person;
use crate::store::relays::RelayFacts;
use crate::{ClientError, Result};
use conclave_protocol::group::{Bundles, Need, knock};
use conclave_protocol::identity::{Account, Link, UnverifiedLink, make_link};
use conclave_protocol::{Error as ProtocolError, PeerFault, Timestamp};
use std::time::Duration;

/// What a link that was pasted says before anybody was asked about it.
///
/// # Errors
/// `BadLink`.
pub fn read_link(text: &str) -> Result<Door> {
    let link = UnverifiedLink::read(text).map_err(bad_link)?;
    Ok(Door { relay: url_of(&link), handle: link.handle().to_string() })
}

impl Client {
    /// Makes a link: whoever brings it becomes a contact, and is added to `group` if one is named.
    ///
    /// # Errors
    /// `UnknownTarget`; `NotInGroup`.
    pub async fn invite(&self, group: Option<&str>, options: InviteOptions) -> Result<String> {
        let group = group.map(str::to_owned);
        self.store
            .step(move |tx| {
                let group = match group {
                    None => None,
                    Some(name) => match Target::read(tx, &name)? {
                        Target::Group(group) => Some(Target::Group(group).for_sending(tx)?),
                        Target::Person(..) => return Err(ClientError::UnknownTarget(name)),
                    },
                };
                let relay = tx.relay()?;
                let days = u64::from(options.days).saturating_mul(Timestamp::DAY);
                let expires = tx.now.plus(days);
                let (text, id) = tx.protocol(|cx| {
                    let account = Account::load(cx)?;
                    make_link(&account, &relay.url, relay.id, expires, cx)
                })?;
                let (uses, asks) = (options.uses, options.asks);
                tx.add_link(&id, &LinkRow { group, expires: expires.0, uses, asks })?;
                Ok(text)
            })
            .await
    }

    /// Takes a link back: nobody comes in by it any more.
    ///
    /// # Errors
    /// `BadLink`, if it is none or none of this account's.
    pub async fn revoke_link(&self, text: &str) -> Result<()> {
        let link = UnverifiedLink::read(text).map_err(bad_link)?;
        self.store
            .step(move |tx| {
                let list = tx.protocol(Account::load)?.device_list();
                // One that is past its time may be taken back all the same.
                let link = link.verify(&list, Timestamp(0)).map_err(bad_link)?;
                match tx.revoke_link(&link.id())? {
                    true => Ok(()),
                    false => Err(ClientError::BadLink("it was not made here")),
                }
            })
            .await
    }

    /// Takes somebody's link: they become a contact, and hear that one wants in. Returns once their relay has the letter,
    /// at most so long.
    ///
    /// # Errors
    /// `BadLink`, `LinkExpired`, `Yourself`; `RelayChanged` if another relay answers; `Unreachable`, `TlsFailed`.
    pub async fn join(&self, text: &str, wait: Duration) -> Result<(ContactInfo, Delivery)> {
        let link = UnverifiedLink::read(text).map_err(bad_link)?;
        let facts =
            RelayFacts { url: link.relay(), id: link.relay_id(), host: link.handle().host().to_owned() };
        let (handle, noted) = (link.handle().clone(), facts.clone());
        let own = self.store.step(move |tx| {
            tx.add_relay(&noted)?;
            Ok(tx.protocol(Account::load)?.handle().clone())
        });
        if own.await? == handle {
            return Err(ClientError::Yourself);
        }
        let near = connect(&self.store, &facts).await?;
        let person = look_up(&near, &self.store, handle.clone()).await?;
        let (list, now) = (person.device_list()?, self.store.clock().now());
        let link = link.verify(&list, now).map_err(bad_link)?;
        let need = Need { device: link.device(), handle: handle.clone(), prekey: false, join_key: false };
        let mut bundles = Bundles::default();
        Reach::new(self.store.clone()).keys((&near, &facts), &[need], &mut bundles).await?;
        let letter = self.store.step(move |tx| keep_knock(tx, &person, &link, &bundles, &facts.id));
        let (contact, letter) = letter.await?;
        let sent = self.wait_until(wait, move |tx| Ok(!tx.has_letter(letter)?)).await?;
        Ok((contact, if sent { Delivery::Sent } else { Delivery::Queued }))
    }
}

fn keep_knock(
    tx: &crate::store::Tx,
    person: &Person,
    link: &Link,
    bundles: &Bundles,
    relay: &[u8; 32],
) -> Result<(ContactInfo, i64)> {
    let list = person.device_list()?;
    tx.set_blocked(&person.person, false)?;
    super::contacts::accept_all_of(tx, &person.person)?;
    let contact = tx.befriend(&person.person)?;
    let letter = tx.protocol(|cx| {
        let handle = conclave_protocol::identity::Handle::parse(&person.handle)?;
        knock(&Account::load(cx)?, link, &list, &handle, bundles, cx)
    })?;
    tx.note_knocked(&link.id(), &person.handle)?;
    let letter = tx.add_letter(relay, &letter.device, None, &letter.body, Goes::AtOnce)?;
    Ok((super::contacts::info(&contact), letter))
}

/// With the relay's id, so that whoever connects there by it is not led elsewhere.
fn url_of(link: &UnverifiedLink) -> String {
    let (url, id) = (link.relay(), hex::encode(link.relay_id()));
    let bare = url.split_once('#').map_or(url.as_str(), |(bare, _)| bare);
    format!("{bare}#{id}")
}

pub(super) fn bad_link(error: ProtocolError) -> ClientError {
    match error {
        ProtocolError::Peer(PeerFault::Expired) => ClientError::LinkExpired,
        ProtocolError::Peer(PeerFault::BadSignature) => ClientError::BadLink("it was altered"),
        ProtocolError::Peer(PeerFault::WrongAddress) => {
            ClientError::BadLink("its relay knows somebody else under that name")
        }
        ProtocolError::Peer(PeerFault::UnknownVersion) => ClientError::BadLink("it is of a newer version"),
        ProtocolError::Peer(_) => ClientError::BadLink("it is not whole"),
        error => error.into(),
    }
}
