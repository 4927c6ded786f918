//! Knocks: who brings a link is looked up, and let in, asked about, or turned away.

use super::session::Session;
use crate::directory::look_up;
use crate::meeting::meet;
use crate::store::Tx;
use crate::store::letters::Goes;
use crate::store::links::{KnockRow, KnockState};
use crate::store::outbox::What;
use crate::store::people::Person;
use crate::{ClientError, Event, Result};
use conclave_protocol::group::{Bundles, Intent, Need, TurnedAway, UnverifiedKnock};
use conclave_protocol::identity::Handle;
use conclave_protocol::{DeviceId, PersonId};

/// How long to wait before somebody is looked up again whose relay is away.
const LATER: u64 = 60_000;

/// What a knock comes to.
enum Verdict {
    Settled,
    TurnAway(TurnedAway),
}

impl Session<'_> {
    /// Answers the next knock; whether there was one.
    pub(super) async fn answer_knock(&mut self) -> Result<bool> {
        let next = self.store.view(|tx| tx.next_knock()).await?;
        let Some(row) = next.filter(|_| self.own) else { return Ok(false) };
        let seq = row.seq;
        match self.answer(row).await {
            Ok(()) => {}
            Err(error) if super::is_ours(&error) || matches!(error, ClientError::Unreachable(_)) => {
                return Err(error);
            }
            Err(error) if is_later(&error) => {
                self.store.step(move |tx| tx.postpone_knock(seq, tx.now.plus(LATER).0)).await?;
            }
            Err(error) => {
                let cause = format!("whoever knocked with a link is not who they say: {error}");
                let drop = move |tx: &Tx| {
                    tx.drop_knock(seq)?;
                    tx.tell(&Event::LetterDropped { cause })
                };
                self.store.step(drop).await?;
            }
        }
        Ok(true)
    }

    async fn answer(&mut self, row: KnockRow) -> Result<()> {
        let handle = Handle::parse(&row.handle)?;
        let person = match handle.host() == self.relay.host {
            true => look_up(&self.link, self.store, handle.clone()).await?,
            false => self.look_up_elsewhere(&handle).await?,
        };
        let (kept, known) = (row.clone(), person.clone());
        let Verdict::TurnAway(why) = self.store.step(move |tx| judge(tx, &kept, &known)).await? else {
            return Ok(());
        };
        let list = person.device_list()?;
        let devices = list.devices().iter().map(|listed| listed.device);
        let need = |device: DeviceId| Need { device, handle: handle.clone(), prekey: false, join_key: false };
        let needs: Vec<_> = devices.map(need).collect();
        let mut bundles = Bundles::default();
        self.reach.keys((&self.link, &self.relay), &needs, &mut bundles).await?;
        let send = move |tx: &Tx| {
            let knock = UnverifiedKnock::read(&row.knock)?;
            let letter = tx.protocol(|cx| knock.turn_away(why, &list, &bundles, cx))?;
            tx.drop_knock(row.seq)?;
            match tx.relay_for(letter.handle.host())? {
                Some(relay) => {
                    tx.add_letter(&relay.id, &letter.device, None, &letter.body, Goes::AtOnce).map(drop)
                }
                None => Ok(()),
            }
        };
        self.store.step(send).await
    }

    async fn look_up_elsewhere(&self, handle: &Handle) -> Result<Person> {
        let away = |error| match error {
            ClientError::Unreachable(cause) => {
                ClientError::RelayAway { relay: handle.host().to_owned(), cause }
            }
            error => error,
        };
        let (link, _) = meet(self.store, handle.host()).await.map_err(away)?;
        look_up(&link, self.store, handle.clone()).await.map_err(away)
    }
}

/// Whoever knocked is who they say. What their link is worth decides.
fn judge(tx: &Tx, row: &KnockRow, known: &Person) -> Result<Verdict> {
    let person = UnverifiedKnock::read(&row.knock)?.verify(&known.device_list()?)?;
    let link = tx.link(&row.link)?;
    let Some(link) = link.filter(|_| !tx.is_blocked(&person).unwrap_or(true)) else {
        tx.drop_knock(row.seq)?;
        return Ok(Verdict::Settled);
    };
    if row.state == KnockState::Declined {
        return Ok(Verdict::TurnAway(TurnedAway::Declined));
    }
    if tx.has_used(&row.link, &person)? {
        admit(tx, row, person)?;
        return Ok(Verdict::Settled);
    }
    if tx.now.0 > link.expires {
        return Ok(Verdict::TurnAway(TurnedAway::Expired));
    }
    if link.uses == 0 {
        return Ok(Verdict::TurnAway(TurnedAway::Used));
    }
    if !link.asks {
        admit(tx, row, person)?;
        return Ok(Verdict::Settled);
    }
    tx.set_knock(row.seq, KnockState::Asks)?;
    let conversation = link.group.map(|group| tx.conversation(&group)).transpose()?.flatten();
    let name = conversation.map_or_else(|| "contact".to_owned(), |conversation| conversation.name);
    tx.tell(&Event::Request { id: row.link.to_string(), conversation: name, by: row.handle.clone() })?;
    Ok(Verdict::Settled)
}

/// Lets somebody in by a link: a contact from now on, and added to the link's group.
pub(crate) fn admit(tx: &Tx, row: &KnockRow, person: PersonId) -> Result<()> {
    tx.use_link(&row.link, &person)?;
    tx.befriend(&person)?;
    if let Some(group) = tx.link(&row.link)?.and_then(|link| link.group) {
        tx.wish(&group, &What::Change(Intent::Add(vec![person])), 0)?;
    }
    tx.drop_knock(row.seq)
}

fn is_later(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable(_) | ClientError::RelayAway { .. } | ClientError::TlsFailed(_) => true,
        ClientError::Refused { code, .. } => super::refusals::is_transient(code),
        _ => false,
    }
}
