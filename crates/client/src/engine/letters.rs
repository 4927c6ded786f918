//! Letters: invitations, and requests of members' devices to be let in again. What a letter says is noted, then the
//! letter is acknowledged; a repeated one changes nothing.

use super::session::Session;
use crate::directory::answer_fault;
use crate::store::Tx;
use crate::store::letters::{Goes, OutLetter};
use crate::store::meta::Fact;
use crate::store::outbox::What;
use crate::store::relays::RelayFacts;
use crate::store::requests::{Offer, Wanted};
use crate::{ClientError, Event, Result};
use conclave_protocol::group::{
    Bundles, Group, Intent, Invitation, Joining, Letter, TurnedAway, UnverifiedLinking, open_letter,
};
use conclave_protocol::identity::Account;
use conclave_protocol::{Error as ProtocolError, GroupId};
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};

/// Invitations of unknown people that wait for an answer; more are dropped.
pub(crate) const MOST_REQUESTS: usize = 64;
/// A device asks to be let in again at most so often, and twice as long later each time: inboxes are small.
const ASK_AGAIN: u64 = 60 * 60 * 1000;
/// How long a letter waits that was refused by a relay that may take it later, the first time; each next time twice as long.
const FIRST_WAIT: u64 = 30_000;
const LONGEST_WAIT: u64 = 60 * 60 * 1000;
/// As often the pause doubles.
const MOST_DOUBLINGS: u32 = 7;
/// How long the second in rank waits for the first to act, and so on.
const RANK_DELAY: u64 = 2_000;

impl Session<'_> {
    /// Takes in what lay in the inbox.
    pub(super) async fn take_letters(&mut self, letters: Vec<v1::InboxLetter>) -> Result<()> {
        let Some(last) = letters.iter().map(|letter| letter.number).max() else { return Ok(()) };
        self.store
            .step(move |tx| {
                let account = tx.protocol(Account::load)?;
                letters.iter().try_for_each(|letter| take_letter(tx, &account, &letter.body))
            })
            .await?;
        self.link.say(Request::AckLetters(v1::AckLetters { up_to: last })).await
    }

    /// Where this device cannot follow any more, it asks the others' devices to let it in again.
    pub(super) async fn ask_to_rejoin(&mut self) -> Result<()> {
        let relay = self.relay.id;
        for group in self.store.view(move |tx| lost_groups(tx, &relay)).await? {
            let step = self.store.step(move |tx| {
                tx.protocol(|cx| Group::load(&group, cx)?.rejoin_request(&Account::load(cx)?, cx))
            });
            let (request, needs) = step.await?;
            let mut bundles = Bundles::default();
            for need in &needs {
                // A device whose relay is away, or that has no keys, is passed over: any other one will do.
                let one = std::slice::from_ref(need);
                match self.reach.keys((&self.link, &self.relay), one, &mut bundles).await {
                    Ok(()) | Err(ClientError::RelayAway { .. } | ClientError::Refused { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            // Asked is what letters were written about: whatever ends this before is tried again.
            let write = self.store.step(move |tx| {
                tx.set_asked(&group)?;
                let letter = |need: &conclave_protocol::group::Need| {
                    let letter = tx.protocol(|cx| {
                        Group::load(&group, cx)?.rejoin_letter(&request, need.device, &bundles, cx)
                    });
                    let (Ok(letter), Some(relay)) = (letter, tx.relay_for(need.handle.host())?) else {
                        return Ok(());
                    };
                    tx.add_letter(&relay.id, &letter.device, Some(&group), &letter.body, Goes::AtOnce)
                        .map(drop)
                };
                needs.iter().try_for_each(letter)
            });
            write.await?;
        }
        Ok(())
    }

    /// Sends the next letter that may go to this relay; whether there was one. Sending one twice is harmless.
    pub(super) async fn send_letter(&mut self) -> Result<bool> {
        let relay = self.relay.id;
        let Some(letter) = self.store.view(move |tx| tx.next_letter(&relay)).await? else { return Ok(false) };
        let sent = v1::Letter { device: letter.device.0.to_vec().into(), body: letter.body.clone().into() };
        let seq = letter.seq;
        match self.link.ask(Request::SendLetter(v1::SendLetter { letter: Some(sent) })).await {
            Ok(Body::Done(_)) => self.store.step(move |tx| tx.drop_letter(seq)).await?,
            Ok(_) => return Err(answer_fault()),
            Err(ClientError::Refused { code, .. }) if super::refusals::is_transient(&code) => {
                let wait = FIRST_WAIT.saturating_mul(1 << letter.tries.min(16)).min(LONGEST_WAIT);
                self.store.step(move |tx| tx.postpone_letter(seq, tx.now.plus(wait).0)).await?;
            }
            Err(ClientError::Refused { code, .. }) => {
                self.store.step(move |tx| undeliverable(tx, &letter, &code)).await?
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }
}

/// A letter that no waiting helps: nobody at that relay has the inbox.
fn undeliverable(tx: &Tx, letter: &OutLetter, code: &str) -> Result<()> {
    tx.drop_letter(letter.seq)?;
    let conversation = letter.group.map(|group| tx.conversation(&group)).transpose()?.flatten();
    let Some(conversation) = conversation else { return Ok(()) };
    let (id, conversation) = super::changes::named(&conversation);
    let cause = format!("the relay of the addressee refuses it ({code})");
    tx.tell(&Event::GivenUp { id, conversation, what: "a letter".into(), cause })
}

/// Groups that this device cannot follow, and has not asked about lately.
fn lost_groups(tx: &Tx, relay: &[u8; 32]) -> Result<Vec<GroupId>> {
    let mut lost = Vec::new();
    for channel in tx.channels_at(relay)? {
        let pause = ASK_AGAIN << channel.lost.saturating_sub(2).min(MOST_DOUBLINGS);
        let asked_lately = tx.now.0 < channel.asked_at.saturating_add(pause);
        let stranded = tx.protocol(|cx| Group::position(&channel.group, cx))?.stranded;
        if !asked_lately && (stranded || channel.lost > 0) {
            lost.push(channel.group);
        }
    }
    Ok(lost)
}

fn take_letter(tx: &Tx, account: &Account, body: &[u8]) -> Result<()> {
    let dropped = |cause: String| tx.tell(&Event::LetterDropped { cause });
    match tx.savepoint(|tx| tx.protocol(|cx| open_letter(account, body, cx))) {
        Ok(Letter::Invitation(invitation)) => match objection(tx, &invitation)? {
            Some(cause) => dropped(cause),
            None => note(tx, invitation),
        },
        Ok(Letter::Rejoin { group, request, .. }) => readmit(tx, group, request),
        Ok(Letter::Knock(knock)) => match tx.link(&knock.link())? {
            Some(_) => tx.add_knock(&knock.link(), knock.handle().as_str(), &knock.bytes()?),
            None => dropped("it brings a link that is none of this account's".into()),
        },
        Ok(Letter::Linking(asks)) => match device_asks(tx, &asks)? {
            None => tx.tell(&Event::DeviceAsks),
            Some(cause) => dropped(cause.into()),
        },
        Ok(Letter::Turned(link, why)) => match tx.take_knocked(&link)? {
            Some(by) => tx.tell(&Event::TurnedAway { by, why: turned_away(why).into() }),
            None => dropped("it answers a question that was not asked".into()),
        },
        Err(ClientError::Protocol(ProtocolError::Peer(fault))) => dropped(fault.to_string()),
        Err(error) => Err(error),
    }
}

/// Keeps what a new device asks until the person compares its code; or why not.
fn device_asks(tx: &Tx, asks: &UnverifiedLinking) -> Result<Option<&'static str>> {
    let good = tx.now.0 <= tx.number(Fact::DeviceLinkUntil)?.unsigned_abs();
    if !good || tx.blob(Fact::DeviceLink)?.as_deref() != Some(asks.link().as_bytes()) {
        return Ok(Some("a device asks by a link that is none of this account's, or past its time"));
    }
    let (before, asks) = (tx.blob(Fact::DeviceAsks)?.unwrap_or_default(), asks.bytes()?);
    if !before.is_empty() && before != asks {
        // One of them is not the person's, and could have been made to show the code of the other.
        tx.set_blob(Fact::DeviceLink, &[])?;
        tx.set_blob(Fact::DeviceAsks, &[])?;
        return Ok(Some("two devices ask by one link: somebody else has seen it; make a new one"));
    }
    tx.set_blob(Fact::DeviceAsks, &asks)?;
    Ok(None)
}

fn turned_away(why: TurnedAway) -> &'static str {
    match why {
        TurnedAway::Expired => "the link is past its time",
        TurnedAway::Used => "the link was used as often as it may be, or taken back",
        TurnedAway::Declined => "they said no",
    }
}

/// Why an invitation is not followed, if so.
fn objection(tx: &Tx, invitation: &Invitation) -> Result<Option<String>> {
    if tx.is_blocked(&invitation.inviter)? {
        return Ok(Some("it is from somebody blocked".into()));
    }
    let waiting = tx.open_requests()?.len() + tx.offers()?.len();
    if !is_contact(tx, invitation)? && waiting >= MOST_REQUESTS {
        return Ok(Some("too many requests wait for an answer".into()));
    }
    Ok(None)
}

/// Notes an offered seat, with the token that will be its secret. A group of somebody unknown at a relay that this device
/// has nothing to do with is not even looked at before the person accepts: looking shows that relay an address.
fn note(tx: &Tx, invitation: Invitation) -> Result<()> {
    let seat = invitation.seat;
    if tx.offer(&seat)?.is_some() || tx.channel_of_seat(&seat)?.is_some() {
        return Ok(());
    }
    let Invitation { home, group, claim, inviter, inviter_handle, .. } = invitation.clone();
    let at_hand = home.relay_id == tx.relay()?.id;
    let (group, (relay, channel)) = (group, (home.relay_id, home.channel));
    let known = tx.channel(&group)?.is_some();
    let wanted = if at_hand || known || is_contact(tx, &invitation)? { Wanted::Taken } else { Wanted::Asks };
    tx.add_relay(&RelayFacts { url: home.relay(), id: relay, host: String::new() })?;
    let (token, inviter_handle) = (tx.random()?, inviter_handle.to_string());
    tx.add_offer(&Offer {
        seat,
        group,
        inviter,
        inviter_handle,
        wanted,
        relay,
        channel,
        claim,
        token,
        claimed: false,
    })?;
    if wanted == Wanted::Asks {
        let (id, conversation) = (group.to_string(), "a group at another relay".to_owned());
        tx.tell(&Event::Request { id, conversation, by: invitation.inviter_handle.to_string() })?;
    }
    tx.protocol(|cx| Joining::begin(invitation, cx).map(drop))
}

fn is_contact(tx: &Tx, invitation: &Invitation) -> Result<bool> {
    let own = *tx.protocol(Account::load)?.person();
    Ok(invitation.inviter == own || tx.person(&invitation.inviter)?.is_some_and(|known| known.contact))
}

/// Somebody's device asks: the first in rank lets it in, the others wait for that.
fn readmit(tx: &Tx, group: GroupId, request: Vec<u8>) -> Result<()> {
    if tx.channel(&group)?.is_none() {
        return Ok(());
    }
    let rank = tx.protocol(|cx| Ok(Group::load(&group, cx)?.rank()))?;
    let due = tx.now.plus(RANK_DELAY.saturating_mul(rank as u64));
    tx.wish(&group, &What::Change(Intent::Readmit(request.into())), due.0).map(drop)
}
