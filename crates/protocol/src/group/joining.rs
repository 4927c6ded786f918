//! Joining: from an invitation to a group in hand.
//!
//! The newcomer's slice of the commit that opened its seat is its welcome. Entries between the adder's view and that commit
//! come as hashes; they extend the running hash.

use super::apart::Blobs;
use super::cipher::{Entrance, Moved};
use super::epoch::Epoch;
use super::letter::Invitation;
use super::received::{Received, happened};
use super::welcome::{Opened, SignedWelcome, Welcome, WelcomeSlice, read};
use super::{Body, Entry, Group, SLICE_WELCOME, SLICE_WELCOME_APART, State, Status, view_next};
use crate::codec;
use crate::identity::Account;
use crate::labels;
use crate::primitives::kem::open_sealed;
use crate::roster::{LeafSecrets, Roster};
use crate::session::{forget_join_key, join_key_package, join_secret, retire};
use crate::vault::{Row, key, load, save};
use crate::{Context, Digest, Error, Misuse, PeerFault, Result, SeatId};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The most entries between an adder's view and the commit that adds.
pub(crate) const MAX_BEFORE: usize = 4096;

/// What an entry brings a newcomer.
pub enum Joined {
    /// The commit that lets it in is still to come.
    Waits,
    /// These pieces, by their SHA-256, are to be fetched; the entry is to be given again with them.
    Needs(Vec<Digest>),
    /// The group is in hand.
    In(Box<(Group, Received)>),
}

/// A joining under way: it waits for the commit that opened its seat.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Joining {
    invitation: Invitation,
    /// What came before the commit: entry number, turn, hash.
    before: Vec<(u64, u64, Digest)>,
}

impl Joining {
    /// Begins to join, and notes it in the vault.
    pub fn begin(invitation: Invitation, cx: &mut Context) -> Result<Self> {
        let joining = Self { invitation, before: Vec::new() };
        joining.save(cx)?;
        Ok(joining)
    }

    /// A joining begun earlier.
    pub fn load(seat: SeatId, cx: &mut Context) -> Result<Option<Self>> {
        load(cx.vault, &row(&seat))
    }

    /// The invitation that is followed.
    pub fn invitation(&self) -> &Invitation {
        &self.invitation
    }

    /// The number of the last entry received; 0: none.
    pub fn cursor(&self) -> u64 {
        self.before.last().map_or(0, |(number, ..)| *number)
    }

    /// Takes the next entry; with the commit that opened the seat there is a group. `blobs` are the pieces at hand.
    ///
    /// # Errors
    /// A peer's fault ends this joining: the invitation was none. The caller forgets it with [`Joining::forget`].
    pub fn receive(
        &mut self,
        account: &Account,
        entry: &Entry,
        blobs: &Blobs,
        cx: &mut Context,
    ) -> Result<Joined> {
        match entry.body {
            Body::Whole(shared) => self.finish(account, (entry, shared), blobs, cx),
            _ if self.before.len() >= MAX_BEFORE => Err(PeerFault::TooFarAhead.into()),
            _ => {
                self.before.push((entry.number, entry.turn, Digest(entry.hash)));
                self.save(cx)?;
                Ok(Joined::Waits)
            }
        }
    }

    /// Ends a joining that came to nothing.
    pub fn forget(seat: SeatId, cx: &mut Context) -> Result<()> {
        Ok(cx.vault.delete(&row(&seat))?)
    }

    fn save(&self, cx: &mut Context) -> Result<()> {
        save(cx.vault, &row(&self.invitation.seat), self)
    }

    fn finish(
        &self,
        account: &Account,
        (entry, shared): (&Entry, &[u8]),
        blobs: &Blobs,
        cx: &mut Context,
    ) -> Result<Joined> {
        if crate::primitives::kdf::sha256(shared) != entry.hash {
            return Err(PeerFault::HashMismatch.into());
        }
        let seat = self.invitation.seat;
        let is_welcome = |kind: &u8| [SLICE_WELCOME, SLICE_WELCOME_APART].contains(kind);
        let slice = entry.slice.split_first().filter(|(kind, _)| is_welcome(kind));
        let (kind, slice) = slice.ok_or(PeerFault::NoSlice)?;
        let WelcomeSlice { join_key, sealed } = codec::decode(slice)?;
        let secret = join_secret(join_key, cx)?;
        let signed = open_sealed(&secret.kem, labels::WELCOME, seat.as_bytes(), &sealed)?;
        let SignedWelcome { welcome: bytes, signature } = codec::decode(&signed)?;
        let Opened { welcome, tree, ticket } = match read(*kind, bytes.as_slice(), blobs)? {
            Ok(opened) => opened,
            Err(missing) => return Ok(Joined::Needs(missing)),
        };
        let roster = welcome.check(account, seat)?;
        let adder = welcome.commit.body.draft.author;
        let adder_leaf = roster.leaf(adder).ok_or(PeerFault::RosterMismatch)?;
        adder_leaf.signing()?.verify(labels::WELCOME_SIGNATURE, bytes.as_slice(), &signature)?;
        if entry.seat != adder_leaf.seat || entry.turn != welcome.turn {
            return Err(PeerFault::WrongAddress.into());
        }
        let view = self.view(&welcome, entry)?;
        let group = self.found_group(account, &welcome, roster, (entry, view), cx)?;
        let leaf = LeafSecrets { kem: secret.kem, signing: secret.signing };
        group.save_leaf(&leaf, cx)?;
        let key_package = join_key_package(join_key, cx)?;
        let key_package = key_package.as_ref().map(|secrets| secrets.as_slice());
        let (tree, ticket) = (tree.as_slice(), ticket.as_slice());
        group.enter(account, &welcome, (tree, ticket), (&leaf, key_package), cx)?;
        forget_join_key(join_key, cx)?;
        Self::forget(seat, cx)?;
        let author = group.roster.member_of(adder).ok_or(PeerFault::RosterMismatch)?.person;
        let changes = happened(&welcome.commit, &group.roster);
        let (device, epoch) = (adder, group.epoch());
        let received = Received::Committed { author, device, changes, epoch, seats_differ: false };
        Ok(Joined::In(Box::new((group, received))))
    }

    fn found_group(
        &self,
        account: &Account,
        welcome: &Welcome,
        roster: Roster,
        at: (&Entry, Digest),
        cx: &mut Context,
    ) -> Result<Group> {
        let Invitation { home, seat, group: id, .. } = &self.invitation;
        if roster.body().group != *id {
            return Err(PeerFault::WrongEpoch.into());
        }
        let before = match Group::load(id, cx) {
            Ok(before) if before.epoch() >= roster.body().epoch => return Err(PeerFault::RolledBack.into()),
            Ok(before) => Some(before),
            Err(Error::Misuse(Misuse::NoSuchGroup)) => None,
            Err(error) => return Err(error),
        };
        if let Some(before) = before {
            before.forget(cx)?;
            for leaf in roster.leaves() {
                retire(leaf.device, cx)?;
            }
        }
        let (entry, view) = at;
        let state = State {
            scheme: roster.body().scheme,
            home: home.clone(),
            seat: *seat,
            me: *account.device_id(),
            commit: welcome.commit.hash()?,
            parent_change: welcome.parent_change,
            creation: welcome.creation,
            keys: Epoch::received(welcome.epoch_secret.duplicate()).keys(),
            cursor: entry.number,
            turn: entry.turn,
            view,
            status: Status::Active,
            leaving: Vec::new(),
            last_message: 0,
        };
        let group = Group { id: *id, state, roster };
        group.roster.save(None, cx)?;
        group.begin_proof(Some(&welcome.commit), cx)?;
        group.save_view(cx)?;
        group.note_joined(cx)?;
        group.save(cx)?;
        Ok(group)
    }

    /// The running hash at the commit: the adder's view, then what came in between, then the commit.
    fn view(&self, welcome: &Welcome, entry: &Entry) -> Result<Digest> {
        let (mut at, mut view) = (welcome.after, welcome.view);
        let commit = (entry.number, entry.turn, Digest(entry.hash));
        for (number, turn, hash) in self.before.iter().chain([&commit]) {
            if *number != at + 1 {
                return Err(PeerFault::RelayLied.into());
            }
            view = view_next(&view, *number, *turn, hash.as_bytes());
            at = *number;
        }
        Ok(view)
    }
}

impl Group {
    /// The scheme's keys, from the welcome.
    fn enter(
        &self,
        account: &Account,
        welcome: &Welcome,
        (tree, ticket): (&[u8], &[u8]),
        (leaf, key_package): (&LeafSecrets, Option<&[u8]>),
        cx: &mut Context,
    ) -> Result<()> {
        let entrance = Entrance { commit: &welcome.commit, tree, ticket, leaf, key_package };
        let (scheme, room) = (self.scheme()?, self.room(account));
        scheme.join(&room, &entrance, cx)?;
        let chains = Epoch::received(welcome.epoch_secret.duplicate()).chains();
        let moved = Moved { seed: None, commit: &self.state.commit, gone: &[], chains: &chains, kept: None };
        scheme.moved(&room, &moved, cx)
    }
}

fn row(seat: &SeatId) -> Vec<u8> {
    key(Row::Joining, &[seat.as_bytes()])
}
