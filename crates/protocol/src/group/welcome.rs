//! Joining: from an invitation to a group in hand.
//!
//! The newcomer's slice of the commit is its welcome, sealed to the join key and signed by the adder. Entries between the
//! adder's view and the commit come as hashes; they extend the running hash.

use super::apart::{self, Apart};
use super::cipher::{Entrance, Moved};
use super::epoch::Epoch;
use super::letter::Invitation;
use super::received::{Received, happened};
use super::{
    Blob, Blobs, Body, Entry, Group, SLICE_WELCOME, SLICE_WELCOME_APART, Scheme, State, Status, view_next,
};
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

/// Welcomes of one commit that have more than this together, in bytes, are kept small.
const WHOLE: usize = 64 * 1024;

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

/// What follows a welcome of a tree that has it all inside.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Tail {
    tree: VLBytes,
    ticket: VLBytes,
}

/// A welcome whose larger part lies apart.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Small {
    version: u8,
    epoch_secret: Secret<EpochSecret>,
    apart: Apart,
    ticket: VLBytes,
}

/// What lies apart: the same for all newcomers of a commit.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Common {
    roster: RosterBody,
    commit: Commit,
    parent_change: Digest,
    creation: Digest,
    after: u64,
    view: Digest,
    turn: u64,
    tree: VLBytes,
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

/// The welcomes of one commit.
pub(super) enum Welcomes {
    /// All is inside each of them.
    Whole { welcome: Welcome, tree: Vec<u8> },
    /// The larger part lies apart.
    Small { epoch_secret: Secret<EpochSecret>, apart: Apart },
}

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

impl Welcomes {
    /// For so many newcomers.
    pub(super) fn new(
        welcome: Welcome,
        tree: Vec<u8>,
        newcomers: usize,
        cx: &mut Context,
    ) -> Result<(Self, Vec<Blob>)> {
        let common = Common {
            roster: welcome.roster.clone(),
            commit: welcome.commit.clone(),
            parent_change: welcome.parent_change,
            creation: welcome.creation,
            after: welcome.after,
            view: welcome.view,
            turn: welcome.turn,
            tree: tree.into(),
        };
        let bytes = codec::encode(&common)?;
        if bytes.len() * newcomers <= WHOLE {
            return Ok((Self::Whole { welcome, tree: common.tree.into() }, Vec::new()));
        }
        let (apart, blobs) = apart::seal(&bytes, cx)?;
        Ok((Self::Small { epoch_secret: welcome.epoch_secret, apart }, blobs))
    }

    /// The slice of one newcomer.
    pub(super) fn seal(
        &self,
        to: &Leaf,
        ticket: &[u8],
        signing: &SigningKey,
        cx: &mut Context,
    ) -> Result<Vec<u8>> {
        let (kind, welcome) = match self {
            Self::Whole { welcome, tree } if tree.is_empty() => (SLICE_WELCOME, codec::encode(welcome)?),
            Self::Whole { welcome, tree } => {
                let tail = Tail { tree: tree.as_slice().into(), ticket: ticket.into() };
                (SLICE_WELCOME, [codec::encode(welcome)?, codec::encode(&tail)?].concat())
            }
            Self::Small { epoch_secret, apart } => {
                let (epoch_secret, apart) = (epoch_secret.duplicate(), apart.duplicate());
                let small = Small { version: VERSION, epoch_secret, apart, ticket: ticket.into() };
                (SLICE_WELCOME_APART, codec::encode(&small)?)
            }
        };
        let mut slice = vec![kind];
        slice.extend(seal(&Zeroizing::new(welcome), to, signing, cx)?);
        Ok(slice)
    }
}

/// Signs by the adder's leaf key, seals to the newcomer's join key.
pub(super) fn seal(welcome: &[u8], to: &Leaf, signing: &SigningKey, cx: &mut Context) -> Result<Vec<u8>> {
    let LeafKeys::Joined(join_key) = &to.keys else { return Err(Misuse::JoinKeyNeeded.into()) };
    let join_key = join_key.peek()?;
    let signature = signing.sign(labels::WELCOME_SIGNATURE, welcome);
    let signed = SignedWelcome { welcome: welcome.into(), signature };
    let signed = Zeroizing::new(codec::encode(&signed)?);
    let kem: &XWingPublic = join_key.kem();
    let sealed = seal_to(kem, labels::WELCOME, to.seat.as_bytes(), &signed, cx)?;
    codec::encode(&WelcomeSlice { join_key: join_key.id(), sealed })
}

/// A welcome with what the scheme gave this newcomer.
struct Opened {
    welcome: Welcome,
    tree: VLBytes,
    ticket: VLBytes,
}

/// Reads a welcome; of one that lies apart, the pieces that are missing.
fn read(kind: u8, bytes: &[u8], blobs: &Blobs) -> Result<std::result::Result<Opened, Vec<Digest>>> {
    if kind == SLICE_WELCOME {
        let (welcome, rest): (Welcome, _) = codec::decode_prefix(bytes)?;
        let is_tree = welcome.roster.scheme == Scheme::Tree.number();
        let Tail { tree, ticket } = match is_tree {
            true => codec::decode(rest)?,
            false if rest.is_empty() => Tail { tree: VLBytes::default(), ticket: VLBytes::default() },
            false => return Err(PeerFault::Malformed.into()),
        };
        return Ok(Ok(Opened { welcome, tree, ticket }));
    }
    let Small { version, epoch_secret, apart, ticket } = codec::decode(bytes)?;
    let missing = apart.missing(blobs)?;
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    let common = codec::decode_large(&apart.open(blobs)?)?;
    let Common { roster, commit, parent_change, creation, after, view, turn, tree } = common;
    let welcome =
        Welcome { version, roster, commit, epoch_secret, parent_change, creation, after, view, turn };
    Ok(Ok(Opened { welcome, tree, ticket }))
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
        let changes = happened(&welcome.commit);
        let received = Received::Committed { author, changes, epoch: group.epoch(), seats_differ: false };
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
