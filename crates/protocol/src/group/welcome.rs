//! Joining: from an invitation to a group in hand.
//!
//! The newcomer's slice of the commit is its welcome, sealed to the join key and signed by the adder. Entries between the
//! adder's view and the commit come as hashes; they extend the running hash.

use super::cipher::{Entrance, Moved};
use super::epoch::Epoch;
use super::letter::Invitation;
use super::received::{Received, happened};
use super::{Body, Entry, Group, Scheme, State, Status, view_next};
use crate::codec::{self, VLBytes};
use crate::identity::Account;
use crate::labels;
use crate::primitives::kem::{SealedTo, XWingPublic, open_sealed, seal_to};
use crate::primitives::secret::{EpochSecret, Secret};
use crate::primitives::sign::{Signature, SigningKey};
use crate::roster::{Change, Commit, Leaf, LeafKeys, LeafSecrets, Roster, RosterBody, VERSION};
use crate::session::{forget_join_key, join_key_package, join_secret, retire};
use crate::vault::{Row, key, load, save};
use crate::{Context, Digest, Error, Misuse, PeerFault, Result, SeatId};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// The most entries between an adder's view and the commit that adds.
pub(crate) const MAX_BEFORE: usize = 4096;

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Welcome {
    pub(super) version: u8,
    pub(super) roster: RosterBody,
    pub(super) commit: Commit,
    pub(super) epoch_secret: Secret<EpochSecret>,
    pub(super) parent_change: Digest,
    pub(super) creation: Digest,
    /// The adder's view: entry number and running hash.
    pub(super) after: u64,
    pub(super) view: Digest,
    pub(super) turn: u64,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct SignedWelcome {
    pub(super) welcome: VLBytes,
    pub(super) signature: Signature,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct WelcomeSlice {
    join_key: u32,
    sealed: SealedTo,
}

/// A joining under way: it waits for the commit that opened its seat.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Joining {
    invitation: Invitation,
    /// What came before the commit: entry number, turn, hash.
    before: Vec<(u64, u64, Digest)>,
}

impl Welcome {
    /// Signs by the adder's leaf key, seals to the newcomer's join key.
    /// What the scheme has for this newcomer alone follows the rest.
    pub(super) fn seal(
        &self,
        to: &Leaf,
        ticket: &[u8],
        signing: &SigningKey,
        cx: &mut Context,
    ) -> Result<Vec<u8>> {
        let LeafKeys::Joined(join_key) = &to.keys else { return Err(Misuse::JoinKeyNeeded.into()) };
        let join_key = join_key.peek()?;
        let welcome = Zeroizing::new([codec::encode(self)?.as_slice(), ticket].concat());
        let signature = signing.sign(labels::WELCOME_SIGNATURE, &welcome);
        let signed = SignedWelcome { welcome: welcome.as_slice().into(), signature };
        let signed = Zeroizing::new(codec::encode(&signed)?);
        let kem: &XWingPublic = join_key.kem();
        let sealed = seal_to(kem, labels::WELCOME, to.seat.as_bytes(), &signed, cx)?;
        codec::encode(&WelcomeSlice { join_key: join_key.id(), sealed })
    }
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

    /// Takes the next entry; with the commit that opened the seat there is a group.
    ///
    /// # Errors
    /// A peer's fault ends this joining: the invitation was none. The caller forgets it with [`Joining::forget`].
    pub fn receive(
        &mut self,
        account: &Account,
        entry: &Entry,
        cx: &mut Context,
    ) -> Result<Option<(Group, Received)>> {
        match entry.body {
            Body::Whole(shared) => self.finish(account, entry, shared, cx).map(Some),
            _ if self.before.len() >= MAX_BEFORE => Err(PeerFault::TooFarAhead.into()),
            _ => {
                self.before.push((entry.number, entry.turn, Digest(entry.hash)));
                self.save(cx)?;
                Ok(None)
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
        entry: &Entry,
        shared: &[u8],
        cx: &mut Context,
    ) -> Result<(Group, Received)> {
        if crate::primitives::kdf::sha256(shared) != entry.hash {
            return Err(PeerFault::HashMismatch.into());
        }
        let seat = self.invitation.seat;
        let slice = entry.slice.split_first().filter(|(kind, _)| **kind == super::SLICE_WELCOME);
        let (_, slice) = slice.ok_or(PeerFault::NoSlice)?;
        let WelcomeSlice { join_key, sealed } = codec::decode(slice)?;
        let secret = join_secret(join_key, cx)?;
        let signed = open_sealed(&secret.kem, labels::WELCOME, seat.as_bytes(), &sealed)?;
        let SignedWelcome { welcome: bytes, signature } = codec::decode(&signed)?;
        let (welcome, ticket): (Welcome, _) = codec::decode_prefix(bytes.as_slice())?;
        if !ticket.is_empty() && welcome.roster.scheme != Scheme::Tree.number() {
            return Err(PeerFault::Malformed.into());
        }
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
        let entrance = Entrance { commit: &welcome.commit, ticket, leaf: &leaf, key_package };
        let (scheme, room) = (group.scheme()?, group.room(account));
        scheme.join(&room, &entrance, cx)?;
        let chains = Epoch::received(welcome.epoch_secret.duplicate()).chains();
        let moved = Moved { seed: None, commit: &group.state.commit, gone: &[], chains: &chains, kept: None };
        scheme.moved(&room, &moved, cx)?;
        forget_join_key(join_key, cx)?;
        Self::forget(seat, cx)?;
        let author = group.roster.member_of(adder).ok_or(PeerFault::RosterMismatch)?.person;
        let changes = happened(&welcome.commit);
        let received = Received::Committed { author, changes, epoch: group.epoch(), seats_differ: false };
        Ok((group, received))
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

impl Welcome {
    /// The roster inside, once everything fits: the adder's right, the tag, the own leaf.
    fn check(&self, account: &Account, seat: SeatId) -> Result<Roster> {
        let draft = &self.commit.body.draft;
        if self.version != VERSION {
            return Err(PeerFault::UnknownVersion.into());
        }
        super::Scheme::from_number(self.roster.scheme)?;
        let roster = Roster::verify(self.roster.clone())?;
        let fits = draft.group == self.roster.group
            && draft.epoch == self.roster.epoch
            && draft.roster_after == roster.hash()?
            && draft.leaf.is_none();
        let author = roster.member_of(draft.author).filter(|_| fits).ok_or(PeerFault::HashMismatch)?;
        self.commit.verify_signature(&roster)?;
        let me = account.device_id();
        let added = draft.changes.iter().any(|change| match change {
            Change::Add(member) => {
                member.leaves.iter().any(|leaf| leaf.device == *me)
                    && self.roster.policy.add.granted_to(author.role)
            }
            Change::Rejoin(rejoin, _) => rejoin.request.device == *me,
            _ => false,
        });
        let mine = roster.leaf(*me).filter(|leaf| leaf.seat == seat && added);
        let member = roster.member_of(*me).filter(|member| member.person == *account.person());
        if mine.is_none() || member.is_none() {
            return Err(PeerFault::NotAllowed.into());
        }
        let epoch = Epoch::received(self.epoch_secret.duplicate());
        if !epoch.confirms(&self.commit.body.hash()?, &self.commit.tag) {
            return Err(PeerFault::HashMismatch.into());
        }
        Ok(roster)
    }
}

fn row(seat: &SeatId) -> Vec<u8> {
    key(Row::Joining, &[seat.as_bytes()])
}
