//! Taking in the channel's log, entry by entry, in its order.
//!
//! ```text
//! entry ─► running hash ─► own post?  ─► merge what was pending
//!                      └─► outer seal ─► chat   ─► cipher ─► message
//!                                    ├─► commit ─► valid for all? ─no─► void (its turn is used up all the same)
//!                                    │                └─yes─► leads me to its tag? ─no─► stranded
//!                                    └─► leave  ─► noted; the next commit takes them out
//! ```

use super::change::key_material;
use super::cipher::{Keys, Moved, Received as Incoming, Step, Way};
use super::epoch::Epoch;
use super::incarnation::Claim;
use super::message::{Chat, ChatBody, View};
use super::received::{Happened, Received, ReceivedMessage, ViewCheck, happened};
use super::seal::Sealer;
use super::send::short;
use super::{
    Body, Entry, Group, Inner, Pending, PendingChat, PendingCommit, PendingWhat, SLICE_SEALED, Scheme,
    Status, view_next,
};
use crate::codec::{self, VLBytes};
use crate::content::decode_carrying;
use crate::identity::Account;
use crate::primitives::kdf;
use crate::roster::{Change, Commit, Leaf, LeafSecrets, Roster};
use crate::session::retire;
use crate::vault::{Row, attempt, delete_all, key, load, save};
use crate::{Context, DeviceId, Digest, Error, Misuse, PeerFault, PersonId, Result, SeatId, Timestamp};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What a valid commit comes to.
enum Fate {
    Merged,
    Removed,
    Stranded(PeerFault),
}

/// The secrets that lead from a commit to its epoch.
struct Found {
    keys: Keys,
    leaf: Option<LeafSecrets>,
}

impl Group {
    /// Takes in the next entry.
    ///
    /// # Errors
    /// `OutOfOrder`, `NotInGroup`; `RelayLied` or `HashMismatch` when the relay contradicts itself: nothing has changed,
    /// and there is no going on with what it says. Faults of members are values of [`Received`].
    pub fn receive(&mut self, account: &Account, entry: &Entry, cx: &mut Context) -> Result<Received> {
        if self.state.status == Status::Out {
            return Err(Misuse::NotInGroup.into());
        }
        if entry.number != self.state.cursor + 1 {
            return Err(Misuse::OutOfOrder.into());
        }
        let rose = match entry.turn.checked_sub(self.state.turn) {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(PeerFault::RelayLied.into()),
        };
        if matches!(entry.body, Body::Whole(shared) if kdf::sha256(shared) != entry.hash) {
            return Err(PeerFault::HashMismatch.into());
        }
        let view = view_next(&self.state.view, entry.number, entry.turn, &entry.hash);
        let received = match entry.body {
            _ if self.state.status == Status::Stranded => Received::Unseen,
            Body::Whole(shared) => self.open(account, entry, shared, rose, cx)?,
            Body::Own => self.settle(account, entry, cx)?,
            // This device has been in since before this entry.
            Body::Before => return Err(PeerFault::RelayLied.into()),
            Body::Expired if rose => self.strand(PeerFault::Expired),
            Body::Expired => Received::Unseen,
        };
        (self.state.cursor, self.state.turn, self.state.view) = (entry.number, entry.turn, view);
        if self.state.status != Status::Out && self.incarnation(cx)?.blind == 0 {
            self.save_view(cx)?;
        }
        self.save(cx)?;
        Ok(received)
    }

    fn open(
        &mut self,
        account: &Account,
        entry: &Entry,
        shared: &[u8],
        rose: bool,
        cx: &mut Context,
    ) -> Result<Received> {
        let inner =
            Sealer::of(&self.state.keys, &self.place(), shared).and_then(|sealer| sealer.open_shared(shared));
        let inner = match inner {
            Ok(inner) => inner,
            Err(Error::Peer(fault)) => return self.unopened(entry.seat, fault, cx),
            Err(error) => return Err(error),
        };
        let Some((member, leaf)) = self.roster.author(entry.seat) else {
            return Ok(Received::Void(PeerFault::WrongAddress));
        };
        let author = (member.person, leaf.device);
        match inner {
            Inner::Chat(chat) => self.chat(account, entry, shared, (member.person, leaf), &chat, cx),
            _ if !rose => Ok(Received::Void(PeerFault::WrongEpoch)),
            Inner::Commit(commit) => self.follow(account, (entry, shared), author, (commit, None), cx),
            Inner::Rekeyed(commit, material) => {
                self.follow(account, (entry, shared), author, (commit, Some(material)), cx)
            }
            Inner::Leave(leave) => self.note_leave(author.1, leave),
        }
    }

    /// The outer seal does not open: void, unless the relay was restored. Then a member may stand ahead of this device.
    fn unopened(&self, seat: SeatId, fault: PeerFault, cx: &Context) -> Result<Received> {
        match self.roster.author(seat) {
            Some((author, _)) if self.incarnation(cx)?.rose != 0 && fault == PeerFault::DoesNotOpen => {
                Ok(Received::Unreadable { person: author.person, fault })
            }
            _ => Ok(Received::Void(fault)),
        }
    }

    fn chat(
        &self,
        account: &Account,
        entry: &Entry,
        shared: &[u8],
        (person, leaf): (PersonId, &Leaf),
        chat: &Chat,
        cx: &mut Context,
    ) -> Result<Received> {
        let author = leaf.device;
        // A post of this device that the relay shows as another's says nothing about that one.
        if self.is_numbered_otherwise(&author, chat, cx)? && !self.is_own_post(&entry.hash, cx)? {
            return Ok(Received::NumberTwice { person, device: author });
        }
        let opened = attempt(cx, |cx| {
            let sealer = Sealer::of(&self.state.keys, &self.place(), shared)?;
            let slice = self.own_slice(&sealer, entry)?;
            let slice = slice.as_ref().map(|slice| slice.as_slice());
            let incoming = Incoming { chat, slice, salt: sealer.salt(), sender: leaf };
            let aad = self.aad(author);
            let plaintext = self.scheme()?.open(&self.room(account), &aad, &incoming, cx)?;
            let body: ChatBody = codec::decode(&plaintext)?;
            let carried = decode_carrying(&body.content.0)?;
            Ok((body, carried))
        })?;
        let (body, (gossip, content)) = match opened {
            Ok(opened) => opened,
            Err(fault) => return Ok(Received::Unreadable { person, fault }),
        };
        self.note_number(&author, chat, cx)?;
        let row = key(Row::Counted, &[self.id.as_bytes(), author.as_bytes()]);
        let known: Option<u64> = load(cx.vault, &row)?;
        save(cx.vault, &row, &entry.number)?;
        Ok(Received::Message(ReceivedMessage {
            id: body.id,
            person,
            device: author,
            content,
            sent_at: body.sent_at,
            epoch: self.epoch(),
            view: self.check_view(&body.view, cx)?,
            gap: known.is_some_and(|known| body.last() > known),
            gossip,
        }))
    }

    fn check_view(&self, view: &View, cx: &mut Context) -> Result<ViewCheck> {
        let mut relay = self.incarnation(cx)?;
        match relay.admit(view.incarnation()) {
            Claim::Refused => return Ok(ViewCheck::Differs),
            Claim::Higher => self.save_incarnation(&relay, cx)?,
            Claim::Known => {}
        }
        let same_log = relay.stated == view.incarnation();
        if same_log && view.entry.0 > self.state.cursor {
            // Seen before it was written: the log is in another order there.
            return Ok(ViewCheck::Differs);
        }
        let own: Option<Digest> = load(cx.vault, &self.entry_row(Row::View, view.entry.0))?;
        Ok(match own.filter(|_| same_log && view.entry.0 > 0) {
            None => ViewCheck::Unchecked,
            Some(own) if short(own.as_bytes()) == view.hash => ViewCheck::Same,
            Some(_) => ViewCheck::Differs,
        })
    }

    /// An entry of this seat: what was pending takes effect.
    fn settle(&mut self, account: &Account, entry: &Entry, cx: &mut Context) -> Result<Received> {
        let row = self.row(Row::Pending);
        let pending = load::<Pending>(cx.vault, &row)?.filter(|pending| pending.hash == entry.hash);
        let Some(Pending { what, .. }) = pending else {
            // What was wiped here all the same may be on its way to the relay still.
            let wiped = self.was_wiped(&entry.hash, cx)?;
            let stranded = self.strand(PeerFault::RolledBack);
            return Ok(if wiped { stranded } else { Received::NotPosted });
        };
        cx.vault.delete(&row)?;
        let epoch = self.epoch();
        match what {
            PendingWhat::Chat(PendingChat { id, incarnation, handed }) => {
                self.scheme()?.delivered(&self.id, &handed, cx)?;
                let mut relay = self.incarnation(cx)?;
                if let Claim::Higher = relay.admit(incarnation) {
                    self.save_incarnation(&relay, cx)?;
                }
                self.state.last_message = entry.number;
                Ok(Received::Accepted { message: Some(id), changes: Vec::new(), epoch })
            }
            PendingWhat::Leave => {
                self.end(cx)?;
                Ok(Received::Accepted {
                    message: None,
                    changes: vec![Happened::Left(*account.person())],
                    epoch,
                })
            }
            PendingWhat::Commit(pending) => self.merge(account, pending, None, cx),
            PendingWhat::Rekeyed(pending, kept) => self.merge(account, pending, Some(kept.into()), cx),
        }
    }

    /// The own commit counts.
    fn merge(
        &mut self,
        account: &Account,
        PendingCommit { commit, seed, leaf }: PendingCommit,
        kept: Option<Zeroizing<Vec<u8>>>,
        cx: &mut Context,
    ) -> Result<Received> {
        let after = commit.verify(&self.roster, &self.state.commit, &self.state.parent_change)?;
        let changes = happened(&commit, &self.roster);
        let found = Found { keys: Keys { seed, kept }, leaf };
        match self.advance(account, (&commit, cx.now), after, Ok(found), cx)? {
            Fate::Stranded(fault) => Ok(self.strand(fault)),
            _ => Ok(Received::Accepted { message: None, changes, epoch: self.epoch() }),
        }
    }

    fn follow(
        &mut self,
        account: &Account,
        (entry, shared): (&Entry, &[u8]),
        (by, author): (PersonId, DeviceId),
        (commit, material): (Commit, Option<VLBytes>),
        cx: &mut Context,
    ) -> Result<Received> {
        let material = material.as_ref().map(VLBytes::as_slice);
        let own = commit.body.draft.author == self.state.me && author != self.state.me;
        let follows = || commit.verify(&self.roster, &self.state.commit, &self.state.parent_change).is_ok();
        // Not where the relay shows what this device did make as another's.
        if own && !self.is_own_post(&entry.hash, cx)? && follows() {
            return Ok(Received::Impersonated);
        }
        let valid = match (commit.body.draft.author == author, self.scheme()? == Scheme::Tree) {
            (false, _) => Err(PeerFault::WrongAddress.into()),
            (_, tree) if tree != material.is_some() => Err(PeerFault::WrongEpoch.into()),
            _ if commit.body.key_material != key_material(material) => Err(PeerFault::HashMismatch.into()),
            _ => commit.verify(&self.roster, &self.state.commit, &self.state.parent_change),
        };
        let after = match valid {
            Ok(after) => after,
            Err(Error::Peer(fault)) => return Ok(Received::Void(fault)),
            Err(error) => return Err(error),
        };
        let seats_differ = !self.seats_fit(&after, entry.seats);
        let found = match self.keys(&commit, &after, material, (entry, shared), cx)? {
            Way::Void(fault) => return Ok(Received::Void(fault)),
            Way::Open(keys) => Ok(Found { keys, leaf: None }),
            Way::Lost(fault) => Err(fault),
        };
        // The group has moved, whether or not this device can follow: a pending post is void.
        self.wipe_pending(cx)?;
        let changes = happened(&commit, &self.roster);
        Ok(match self.advance(account, (&commit, entry.at), after, found, cx)? {
            Fate::Merged => {
                let epoch = self.epoch();
                Received::Committed { author: by, device: author, changes, epoch, seats_differ }
            }
            Fate::Removed => Received::Removed { by },
            Fate::Stranded(fault) => self.strand(fault),
        })
    }

    /// The keys that somebody's commit leads to.
    fn keys(
        &self,
        commit: &Commit,
        after: &Roster,
        material: Option<&[u8]>,
        (entry, shared): (&Entry, &[u8]),
        cx: &mut Context,
    ) -> Result<Way> {
        let sealer = Sealer::of(&self.state.keys, &self.place(), shared)?;
        let slice = match self.own_slice(&sealer, entry) {
            Ok(slice) => Ok(slice),
            Err(Error::Peer(fault)) => Err(fault),
            Err(error) => return Err(error),
        };
        let slice = slice.as_ref().map(|slice| slice.as_ref().map(|slice| slice.as_slice()));
        let (draft, key_packages) = (&commit.body.draft, BTreeMap::new());
        let step = Step { draft, before: &self.roster, after, key_packages: &key_packages };
        let commit = (commit, material.unwrap_or_default());
        let slice = slice.map_err(|fault| *fault);
        self.scheme()?.follow(&step, commit, slice, &self.leaf_secrets(cx)?, cx)
    }

    fn own_slice(&self, sealer: &Sealer, entry: &Entry) -> Result<Option<Zeroizing<Vec<u8>>>> {
        match entry.slice.split_first() {
            None => Ok(None),
            Some((&SLICE_SEALED, sealed)) => sealer.open_slice(&self.state.seat, sealed).map(Some),
            Some(_) => Err(PeerFault::Malformed.into()),
        }
    }

    /// Moves this group by a valid commit.
    fn advance(
        &mut self,
        account: &Account,
        (commit, at): (&Commit, Timestamp),
        after: Roster,
        found: std::result::Result<Found, PeerFault>,
        cx: &mut Context,
    ) -> Result<Fate> {
        if after.leaf_by_seat(self.state.seat).is_none() {
            if after.is_away(self.state.me) {
                return Ok(Fate::Stranded(PeerFault::Expired));
            }
            let replaced = after.leaf(self.state.me).is_some();
            if replaced {
                return Ok(Fate::Stranded(PeerFault::RolledBack));
            }
            self.keep_proof(commit, cx)?;
            self.move_to(after, cx)?;
            self.end(cx)?;
            return Ok(Fate::Removed);
        }
        let Found { keys: Keys { seed, kept }, leaf } = match found {
            Ok(found) => found,
            Err(fault) => return Ok(Fate::Stranded(fault)),
        };
        let body = commit.body.hash()?;
        let epoch = Epoch::next(&self.state.keys, seed.as_ref(), &body);
        if !epoch.confirms(&body, &commit.tag) {
            return Ok(Fate::Stranded(PeerFault::HashMismatch));
        }
        let chains = epoch.chains();
        self.keep_proof(commit, cx)?;
        self.state.keys = epoch.keys();
        self.state.commit = commit.hash()?;
        if commit.body.draft.changes.iter().any(Change::is_lasting) {
            self.state.parent_change = self.state.commit;
        }
        let gone: Vec<_> = self.roster.leaves_not_in(&after).map(|leaf| leaf.device).collect();
        for device in gone.iter().filter(|device| after.leaf(**device).is_some() || after.is_away(**device)) {
            retire(*device, cx)?;
        }
        let come: Vec<_> = after.leaves_not_in(&self.roster).map(|leaf| leaf.device).collect();
        self.move_to(after, cx)?;
        for device in &gone {
            self.forget_heal(device, cx)?;
        }
        for device in &come {
            self.note_added(device, at, cx)?;
        }
        if let Some(renewed) = &commit.body.draft.leaf {
            self.note_heal(&renewed.device, at, cx)?;
        }
        self.state.leaving.retain(|leave| self.roster.member(leave.request.person).is_some());
        if let Some(leaf) = leaf {
            self.save_leaf(&leaf, cx)?;
        }
        let (seed, kept) = (seed.as_ref(), kept.as_ref().map(|kept| kept.as_slice()));
        let moved = Moved { seed, commit: &self.state.commit, gone: &gone, chains: &chains, kept };
        self.scheme()?.moved(&self.room(account), &moved, cx)?;
        delete_all(cx.vault, &self.row(Row::Numbered))?;
        Ok(Fate::Merged)
    }

    /// The roster that a commit led to.
    fn move_to(&mut self, after: Roster, cx: &mut Context) -> Result<()> {
        let before = std::mem::replace(&mut self.roster, after);
        self.roster.save(Some(&before), cx)
    }

    fn strand(&mut self, fault: PeerFault) -> Received {
        self.state.status = Status::Stranded;
        Received::Stranded(fault)
    }
}
