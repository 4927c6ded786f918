//! Letters: invitations, and requests of members' devices to be let in again. What a letter says is noted, then the
//! letter is acknowledged; a repeated one changes nothing.

use super::session::Session;
use crate::directory::fetch_keys;
use crate::store::Tx;
use crate::store::outbox::What;
use crate::store::requests::Offer;
use crate::{ClientError, Event, Result};
use conclave_protocol::group::{Bundles, Group, Intent, Invitation, Joining, Letter, open_letter};
use conclave_protocol::identity::Account;
use conclave_protocol::{DeviceId, Error as ProtocolError, GroupId};
use conclave_wire::v1::{self, client_frame::Request};

/// Invitations of unknown people that wait for an answer; more are dropped.
const MOST_REQUESTS: usize = 64;
/// A device asks to be let in again at most so often.
const ASK_AGAIN: u64 = 60 * 60 * 1000;
/// How long the second in rank waits for the first to act, and so on.
const RANK_DELAY: u64 = 2_000;

impl Session<'_> {
    /// Takes in what lay in the inbox.
    pub(super) async fn take_letters(&mut self, letters: Vec<v1::InboxLetter>) -> Result<()> {
        let Some(last) = letters.iter().map(|letter| letter.number).max() else { return Ok(()) };
        let relay = self.relay.id;
        self.store
            .step(move |tx| {
                let account = tx.protocol(Account::load)?;
                letters.iter().try_for_each(|letter| take_letter(tx, &account, &relay, &letter.body))
            })
            .await?;
        self.link.say(Request::AckLetters(v1::AckLetters { up_to: last })).await
    }

    /// Where this device cannot follow any more, it asks the others' devices to let it in again.
    pub(super) async fn ask_to_rejoin(&mut self) -> Result<()> {
        let lost = self.store.view(lost_groups).await?;
        for group in lost {
            let step = self.store.step(move |tx| {
                tx.set_asked(&group)?;
                tx.protocol(|cx| Group::load(&group, cx)?.rejoin_request(&Account::load(cx)?, cx))
            });
            let (request, needs) = step.await?;
            let mut bundles = Bundles::default();
            fetch_keys(&self.link, &needs, &mut bundles).await?;
            for device in needs.iter().map(|need| need.device) {
                let letter = self.store.view({
                    let (request, bundles) = (request.clone(), std::mem::take(&mut bundles));
                    move |tx| {
                        let letter = tx.protocol(|cx| {
                            Group::load(&group, cx)?.rejoin_letter(&request, device, &bundles, cx)
                        });
                        Ok((letter, bundles))
                    }
                });
                let (letter, back) = letter.await?;
                bundles = back;
                self.send_rejoin(device, letter).await?;
            }
        }
        Ok(())
    }

    async fn send_rejoin(
        &mut self,
        device: DeviceId,
        letter: Result<conclave_protocol::group::OutgoingLetter>,
    ) -> Result<()> {
        // A device without keys, or with a full inbox, is passed over: any other one will do.
        let Ok(letter) = letter else { return Ok(()) };
        let letter = v1::Letter { device: device.0.to_vec().into(), body: letter.body.into() };
        match self.link.ask(Request::SendLetter(v1::SendLetter { letter: Some(letter) })).await {
            Ok(_) | Err(ClientError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Groups that this device cannot follow, and has not asked about lately.
fn lost_groups(tx: &Tx) -> Result<Vec<GroupId>> {
    let mut lost = Vec::new();
    for channel in tx.channels()? {
        let asked_lately = tx.now.0 < channel.asked_at.saturating_add(ASK_AGAIN);
        let stranded = tx.protocol(|cx| Ok(Group::load(&channel.group, cx)?.is_stranded()))?;
        if !asked_lately && (stranded || channel.lost) {
            lost.push(channel.group);
        }
    }
    Ok(lost)
}

fn take_letter(tx: &Tx, account: &Account, relay: &[u8; 32], body: &[u8]) -> Result<()> {
    let dropped = |cause: String| tx.tell(&Event::LetterDropped { cause });
    match tx.savepoint(|tx| tx.protocol(|cx| open_letter(account, body, cx))) {
        Ok(Letter::Invitation(invitation)) => match objection(tx, &invitation, relay)? {
            Some(cause) => dropped(cause),
            None => note(tx, invitation),
        },
        Ok(Letter::Rejoin { group, request, .. }) => readmit(tx, group, request),
        Err(ClientError::Protocol(ProtocolError::Peer(fault))) => dropped(fault.to_string()),
        Err(error) => Err(error),
    }
}

/// Why an invitation is not followed, if so.
fn objection(tx: &Tx, invitation: &Invitation, relay: &[u8; 32]) -> Result<Option<String>> {
    let inviter = tx.person(&invitation.inviter)?;
    if inviter.as_ref().is_some_and(|known| known.blocked) {
        return Ok(Some("it is from somebody blocked".into()));
    }
    if invitation.home.relay_id != *relay {
        return Ok(Some("its group lives at another relay, which is not built yet".into()));
    }
    let known = inviter.is_some_and(|known| known.contact);
    let waiting = tx.open_requests()?.len() + tx.offers()?.len();
    if !known && waiting >= MOST_REQUESTS {
        return Ok(Some("too many requests wait for an answer".into()));
    }
    Ok(None)
}

/// Notes an offered seat, with the token that will be its secret.
fn note(tx: &Tx, invitation: Invitation) -> Result<()> {
    let seat = invitation.seat;
    if tx.offer(&seat)?.is_some() || tx.channel_of_seat(&seat)?.is_some() {
        return Ok(());
    }
    let Invitation { home, group, claim, .. } = &invitation;
    let (group, channel, claim) = (*group, home.channel, *claim);
    tx.add_offer(&Offer { seat, group, channel, claim, token: tx.random()?, claimed: false })?;
    tx.protocol(|cx| Joining::begin(invitation, cx).map(drop))
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
