//! Sending: the next wish of a group that stands at the head of its channel is sealed, stored, sent, and met by its fate.
//!
//! ```text
//! wish ─► keys fetched ─► sealed and stored ─► sent ─┬─ posted ──► its entry settles it (inbox)
//!             ▲                                      ├─ stale ───► wiped, followed, sealed again
//!             └──────────────────────────────────────┘  refused ─► given up, or later
//! ```

use super::changes::{end, named};
use super::doubts::contradiction;
use super::forms::wire_post;
use super::healing::comes_first;
use super::refusals::{is_fatal, is_fulfilled, is_transient};
use super::session::{Hold, Session};
use crate::directory::answer_fault;
use crate::store::Tx;
use crate::store::conversations::State;
use crate::store::letters::Goes;
use crate::store::outbox::{Heal, What, Wish, WishState};
use crate::store::posts::StoredPost;
use crate::{ClientError, Event, Result};
use conclave_protocol::content::Content;
use conclave_protocol::group::{Bundles, Group, Intent, Need, OutgoingLetter, Post};
use conclave_protocol::identity::Account;
use conclave_protocol::{Error as ProtocolError, GroupId, Misuse, PeerFault, SeatId};
use conclave_wire::v1::server_frame::Body;
use prost::Message;
use std::time::Duration;
use tokio::time::Instant;

/// Wishes looked at to find one that may go now.
const LOOK_AHEAD: usize = 32;
/// How long a post waits when the relay asks for patience.
const PATIENCE: Duration = Duration::from_secs(1);
/// An own new device is looked for again after so long, in milliseconds.
const KEYS_LATER: u64 = 2_000;
/// How long it waits when somebody's relay cannot be reached.
const LONG_PATIENCE: Duration = Duration::from_secs(10);

/// What a group's outbox comes to.
enum Next {
    Nothing,
    /// Something is to be said, and a heal comes before it.
    Heal,
    Send(StoredPost),
    Seal(Wish),
}

/// What sealing comes to.
enum Sealed {
    Ready,
    /// There is nothing left to do: the wish is fulfilled, or not possible now.
    Settled,
    NotNow,
}

impl Session<'_> {
    /// Sends what can be sent; whether there was anything.
    pub(super) async fn flush(&mut self) -> Result<bool> {
        let now = Instant::now();
        self.held.retain(|_, hold| hold.until > now);
        let mut busy = false;
        let waiting = self.groups_with_work().await?;
        for (seat, group) in self.seats.caught_up() {
            if self.held.contains_key(&group) || !waiting.contains(&group) {
                continue;
            }
            busy |= self.advance(seat, group).await?;
        }
        Ok(busy)
    }

    async fn advance(&mut self, seat: SeatId, group: GroupId) -> Result<bool> {
        match self.store.view(move |tx| next(tx, &group)).await? {
            Next::Nothing => Ok(false),
            Next::Send(post) => self.transmit(seat, post).await.map(|()| true),
            Next::Heal => {
                let heal = What::Change(Intent::Heal);
                self.store.step(move |tx| tx.wish_beyond(&group, &heal, 0).map(drop)).await.map(|()| true)
            }
            Next::Seal(wish) => {
                let (seq, say) = (wish.seq, !matches!(wish.what, What::Change(_)));
                match self.seal(wish).await {
                    Ok(Sealed::NotNow) => Ok(false),
                    Ok(Sealed::Settled) => Ok(true),
                    Ok(Sealed::Ready) => {
                        let post = self.store.view(move |tx| tx.post(&group)).await?;
                        match post {
                            Some(post) => self.transmit(seat, post).await.map(|()| true),
                            None => Ok(true),
                        }
                    }
                    Err(ClientError::Refused { code, .. }) if is_transient(&code) => {
                        self.hold(group);
                        Ok(false)
                    }
                    Err(ClientError::RelayAway { relay, cause }) => {
                        self.hold_long(group, Event::RelayAway { relay, cause }).await?;
                        Ok(false)
                    }
                    Err(ClientError::Protocol(ProtocolError::Peer(fault))) if fault != PeerFault::Expired => {
                        self.distrust(group, format!("its directory gives keys that do not hold: {fault}"))
                            .await
                    }
                    Err(ClientError::KeyLog(_)) => {
                        // An alarm is raised; what waits goes once the relay is honest again.
                        self.hold(group);
                        Ok(false)
                    }
                    Err(ClientError::RelayFault(cause)) => self.distrust(group, cause.into()).await,
                    Err(error) if is_fatal(&error) => Err(error),
                    Err(error) => {
                        self.store.step(move |tx| give_up(tx, &group, seq, say, &error)).await?;
                        Ok(true)
                    }
                }
            }
        }
    }

    /// Fetches what is needed, then seals and stores in one step.
    async fn seal(&mut self, wish: Wish) -> Result<Sealed> {
        let mut bundles = Bundles::default();
        let people = match &wish.what {
            What::Change(intent) => intent.people().to_vec(),
            _ => Vec::new(),
        };
        if !people.is_empty() {
            self.reach.people((&self.link, &self.relay), &people, &mut bundles).await?;
        }
        let (what, group) = (wish.what.clone(), wish.group);
        let needs = self.store.view(move |tx| {
            let needs = needs(tx, &group, &what, &bundles)?;
            Ok((needs, bundles))
        });
        let (needs, mut bundles) = needs.await?;
        self.reach.keys((&self.link, &self.relay), &needs, &mut bundles).await?;
        self.store.step(move |tx| seal(tx, &wish, &bundles)).await
    }

    async fn transmit(&mut self, seat: SeatId, post: StoredPost) -> Result<()> {
        let request = post.request()?;
        let (group, at_turn, takes_turn) = (post.group, request.at_turn, request.takes_turn);
        match self.post(group, request).await {
            Ok(Body::Posted(posted)) => {
                self.seats.grown(&seat, posted.entry);
                let over = self.store.step(move |tx| taken(tx, &post)).await?;
                if over {
                    self.seats.remove(&seat);
                }
                Ok(())
            }
            Ok(Body::Stale(stale)) => {
                self.seats.grown(&seat, stale.head);
                let nothing_more = self.seats.stands_at_head(&seat);
                let step = move |tx: &Tx| {
                    drop_sealed(tx, &group)?;
                    // Late it is if a turn came after its sealing, be it followed already or not.
                    let turn = tx.protocol(|cx| Ok(Group::load(&group, cx)?.turn()))?;
                    let lied = nothing_more && turn == at_turn;
                    if lied {
                        contradiction(tx, &group, "it calls a post late, and none is before it".into())?;
                    }
                    Ok(lied)
                };
                match self.store.step(step).await? {
                    true => self.seats.give_rest(&seat),
                    false if takes_turn => self.hold_back(group),
                    false => {}
                }
                Ok(())
            }
            Ok(_) => Err(answer_fault()),
            Err(ClientError::Refused { code, message }) => self.refused(seat, post, code, message).await,
            Err(error) => Err(error),
        }
    }

    async fn refused(&mut self, seat: SeatId, post: StoredPost, code: String, message: String) -> Result<()> {
        let group = post.group;
        if is_transient(&code) {
            self.hold(group);
            return Ok(());
        }
        match code.as_str() {
            // The relay knows of posts that this store does not, has lost some, or has another idea of the seat: follow,
            // then count anew.
            "wrong_number" | "closed" | "unknown_seat" | "unknown_channel" | "wrong_token" | "unclaimed"
            | "seat_taken" | "bad_cursor" => {
                self.store.step(move |tx| drop_sealed(tx, &group)).await?;
                self.seats.remove(&seat);
                self.hold(group);
                Ok(())
            }
            "malformed" | "too_large" | "unknown_device" => {
                let error = ClientError::Refused { code, message };
                self.store
                    .step(move |tx| {
                        drop_sealed(tx, &group)?;
                        give_up(tx, &group, post.intent, true, &error)
                    })
                    .await
            }
            // No honest relay refuses a post so: the post stays.
            _ => Err(ClientError::RelayFault("it refuses a post for a reason that no post has")),
        }
    }

    /// What the relay says does not hold: the person hears of it, and the post waits.
    async fn distrust(&mut self, group: GroupId, cause: String) -> Result<bool> {
        self.hold(group);
        self.store.step(move |tx| tx.tell_once(&Event::RelayFault { cause })).await?;
        Ok(false)
    }

    fn hold(&mut self, group: GroupId) {
        self.held.insert(group, Hold { until: Instant::now() + PATIENCE, away: false });
    }

    /// Somebody's relay cannot be reached: the person hears of it, and the post waits.
    async fn hold_long(&mut self, group: GroupId, why: Event) -> Result<()> {
        self.held.insert(group, Hold { until: Instant::now() + LONG_PATIENCE, away: true });
        self.store.step(move |tx| tx.tell_once(&why)).await
    }
}

/// Whether the group waits only for the relay to confirm the own leave.
pub(super) fn is_leaving(tx: &Tx, group: &GroupId) -> Result<bool> {
    let Some(post) = tx.post(group)? else { return Ok(false) };
    let wish = tx.wish_at(post.intent)?;
    Ok(wish.is_some_and(|wish| matches!(wish.what, What::Change(Intent::Leave))))
}

fn next(tx: &Tx, group: &GroupId) -> Result<Next> {
    if let Some(post) = tx.post(group)? {
        return Ok(if post.accepted { Next::Nothing } else { Next::Send(post) });
    }
    let loaded = tx.protocol(|cx| Group::load(group, cx))?;
    if loaded.is_stranded() || loaded.is_out() {
        return Ok(Next::Nothing);
    }
    let wishes = tx.wishes(group, LOOK_AHEAD)?;
    let due = wishes.iter().find(|wish| wish.not_before <= tx.now.0);
    let Some(due) = due else { return Ok(Next::Nothing) };
    if !matches!(due.what, What::Change(_)) && comes_first(tx, &loaded)? {
        match tx.heal_of(group)? {
            Heal::Waits(wish) => return Ok(Next::Seal(wish)),
            Heal::None => return Ok(Next::Heal),
            // What was tried and given up must not keep what is to be said for ever.
            Heal::Failed => {}
        }
    }
    // Who asked to leave is taken out before anything else is said.
    let settle = wishes.iter().find(|wish| matches!(wish.what, What::Change(Intent::Settle)));
    let leaves = matches!(due.what, What::Change(Intent::Leave));
    let somebody_leaves = loaded.leaving().next().is_some() && !leaves;
    Ok(Next::Seal(settle.filter(|_| somebody_leaves).unwrap_or(due).clone()))
}

fn needs(tx: &Tx, group: &GroupId, what: &What, bundles: &Bundles) -> Result<Vec<Need>> {
    tx.protocol(|cx| {
        let group = Group::load(group, cx)?;
        match what {
            What::Say { .. } | What::Tell { .. } => group.needs_for_send(&Account::load(cx)?, cx),
            What::Change(intent) => group.needs_for(&Account::load(cx)?, intent, bundles),
        }
    })
}

fn seal(tx: &Tx, wish: &Wish, bundles: &Bundles) -> Result<Sealed> {
    let waits = tx.wish_at(wish.seq)?.is_some_and(|now| now.state == WishState::Queued);
    let (Some(channel), false, true) = (tx.channel(&wish.group)?, tx.post(&wish.group)?.is_some(), waits)
    else {
        return Ok(Sealed::Settled);
    };
    if matches!(wish.what, What::Say { .. }) && !super::trust::may_speak(tx, wish)? {
        return Ok(Sealed::Settled);
    }
    let mut post = match tx.savepoint(|tx| sealed(tx, wish, bundles)) {
        Ok(post) => post,
        Err(ClientError::Protocol(error)) if is_fulfilled(&wish.what, &error) => {
            tx.set_wish(wish.seq, &WishState::Done)?;
            return Ok(Sealed::Settled);
        }
        Err(ClientError::Protocol(ProtocolError::Misuse(Misuse::Stranded))) => return Ok(Sealed::NotNow),
        Err(ClientError::Protocol(ProtocolError::Misuse(Misuse::BundleNeeded | Misuse::JoinKeyNeeded)))
            if matches!(wish.what, What::Change(Intent::Devices)) =>
        {
            // An own device has no keys in the directory yet: it has just been linked, or is gone.
            tx.postpone_wish(wish.seq, tx.now.plus(KEYS_LATER).0)?;
            return Ok(Sealed::Settled);
        }
        Err(error) => return Err(error),
    };
    if matches!(wish.what, What::Change(Intent::Heal)) {
        tx.heal_is_tried(&wish.group)?;
    }
    let letters = std::mem::take(&mut post.letters);
    post.letters = keep_letters(tx, wish, &channel.relay, letters)?;
    let blobs = std::mem::take(&mut post.blobs);
    let number = channel.posts + 1;
    let request = wire_post(post, &channel.channel, &channel.seat, &channel.token, number)?;
    tx.add_post(&StoredPost {
        group: wish.group,
        intent: wish.seq,
        number,
        bytes: request.encode_to_vec(),
        sealed_at: tx.now.0,
        accepted: false,
    })?;
    tx.add_blobs(&wish.group, &blobs)?;
    Ok(Sealed::Ready)
}

/// The post that does what a wish wants, its key steps made.
fn sealed(tx: &Tx, wish: &Wish, bundles: &Bundles) -> Result<Post> {
    let gossip = super::gossip::of_wish(tx, wish)?;
    tx.protocol(|cx| {
        let account = Account::load(cx)?;
        let mut group = Group::load(&wish.group, cx)?;
        if group.has_pending(cx)? {
            // Without a stored post nothing of it can have left.
            group.refused(cx)?;
        }
        let (id, content) = match &wish.what {
            What::Say { id, text } => (id, Content::text(text.as_str())?),
            What::Tell { id, content } => (id, Content::decode(content)?),
            What::Change(intent) => return group.change(&account, intent, bundles, cx),
        };
        group.send_carrying(&account, *id, (&content, &gossip), bundles, cx)
    })
}

/// Letters to inboxes at other relays than the channel's wait for the post's fate; the others ride along.
fn keep_letters(
    tx: &Tx,
    wish: &Wish,
    home: &[u8; 32],
    letters: Vec<OutgoingLetter>,
) -> Result<Vec<OutgoingLetter>> {
    let mut riding = Vec::new();
    for letter in letters {
        let relay = tx.relay_for(letter.handle.host())?.ok_or(ClientError::RelayFault("it is not known"))?;
        if relay.id == *home {
            riding.push(letter);
        } else {
            tx.add_letter(&relay.id, &letter.device, Some(&wish.group), &letter.body, Goes::With(wish.seq))?;
        }
    }
    Ok(riding)
}

/// The relay took the post. Everything but a leave is settled by its entry; `true` if the seat is over with.
fn taken(tx: &Tx, post: &StoredPost) -> Result<bool> {
    let leaving = is_leaving(tx, &post.group)?;
    tx.set_accepted(&post.group, true)?;
    tx.release_letters(post.intent)?;
    tx.protocol(|cx| Group::load(&post.group, cx)?.posted(cx))?;
    if !leaving {
        if tx.wish_at(post.intent)?.is_some() {
            tx.set_wish(post.intent, &WishState::Sent)?;
        }
        return Ok(false);
    }
    tx.set_wish(post.intent, &WishState::Done)?;
    end(tx, &post.group, State::Left, None)?;
    Ok(true)
}

/// The relay did not take the post: its keys are wiped, its wish stays.
pub(super) fn drop_sealed(tx: &Tx, group: &GroupId) -> Result<()> {
    tx.protocol(|cx| Group::load(group, cx)?.refused(cx))?;
    tx.forget_told(group)?;
    tx.forget_roots_told(group)?;
    if let Some(post) = tx.post(group)? {
        tx.drop_letters_of(post.intent)?;
    }
    tx.drop_post(group)
}

fn give_up(tx: &Tx, group: &GroupId, seq: i64, say: bool, error: &ClientError) -> Result<()> {
    let (code, text) = (error.code().to_owned(), error.to_string());
    tx.set_wish(seq, &WishState::Failed { code: code.clone(), error: text.clone() })?;
    let Some(conversation) = tx.conversation(group)? else { return Ok(()) };
    let alone = tx.protocol(|cx| Ok(Group::load(group, cx)?.people().count() < 2))?;
    let own = conversation.direct == Some(*tx.protocol(Account::load)?.person());
    if conversation.direct.is_some() && alone && !own {
        // The other one could not be brought in: there is nobody to say the rest to.
        tx.give_up_all(group, &code, &text)?;
    }
    let what = if say { "a message" } else { "a change" }.to_owned();
    let (id, conversation) = named(&conversation);
    tx.tell(&Event::GivenUp { id, conversation, what, cause: text })
}
