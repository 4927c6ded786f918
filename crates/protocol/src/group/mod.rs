//! A group is a roster and a cipher: this is where they meet.
//!
//! A [`Group`] is loaded from the vault for a step and dropped after it; only the vault is true. It makes posts and takes
//! entries strictly in the order of its channel's log. Carrying them, and deciding when to heal or whom to invite, is the
//! client's concern.

mod apart;
mod bundles;
mod call;
mod chain;
mod change;
mod cipher;
mod code;
mod devices;
mod epoch;
mod follow;
mod founding;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod healing;
mod home;
mod incarnation;
mod intent;
mod joining;
mod knock;
mod leave;
mod letter;
mod linking;
mod message;
mod numbers;
mod pairwise;
mod pending;
mod post;
mod proof;
mod proposing;
mod received;
mod rejoin;
mod seal;
mod seats;
mod send;
mod sender_keys;
#[cfg(test)]
mod tests;
mod tree;
mod views;
mod welcome;
#[cfg(any(test, fuzzing))]
mod world;
mod wraps;

pub use crate::roster::{Endorsers, MAX_REASON, Policy, Right, Role};
pub use apart::Blobs;
pub use bundles::{Bundles, Need};
pub use call::{Abort, Call, CallNews, CallStep};
pub use cipher::{Promise, Scheme};
pub use code::Code;
pub use devices::Lag;
pub use healing::{AWAY_AFTER, Healed};
pub use home::Home;
pub use incarnation::Standing;
pub use intent::Intent;
pub use joining::{Joined, Joining};
pub use knock::{TurnedAway, UnverifiedKnock, knock};
pub use letter::{Invitation, Letter, open_letter};
pub use linking::{UnverifiedLinking, ask_to_link};
pub use post::{Blob, Body, Entry, OutgoingLetter, Post, SeatChange, Slice};
#[cfg(any(test, fuzzing))]
pub(crate) use proof::audit_file;
pub use proof::{AboutMessage, Audit, AuditPerson, AuditStep, audit};
pub use proposing::Proposed;
pub use received::{Happened, Received, ReceivedMessage, ViewCheck};
pub(crate) use tree::key_package;
pub use tree::{BareTree, NodeKeys};
pub use views::Compared;
use views::view_next;

use crate::codec::VLBytes;
use crate::identity::{Account, DeviceList, Handle};
use crate::primitives::sign::VerifyingKey;
use crate::roster::{Commit, LeafSecrets, Roster, SignedLeave, VERSION};
use crate::vault::{Row, delete_all, key, load, save};
use crate::{Context, DeviceId, Digest, Error, GroupId, Misuse, PersonId, Result, SeatId};
use cipher::Room;
use epoch::{Epoch, EpochKeys};
use pending::{Pending, PendingChat, PendingCommit, PendingWhat};
use seal::Place;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// First byte of a slice: sealed under the epoch.
const SLICE_SEALED: u8 = 0;
/// First byte of a slice: a welcome, sealed to a join key.
const SLICE_WELCOME: u8 = 1;
/// First byte of a slice: a welcome whose larger part lies apart.
const SLICE_WELCOME_APART: u8 = 2;
/// How many own values of the running hash are kept.
pub(crate) const VIEWS_KEPT: u64 = 1024;

/// This layer's bounds, for the page of all of them.
pub(crate) mod limits {
    pub(crate) use super::VIEWS_KEPT as VIEWS;
    pub(crate) use super::apart::{MOST as PIECES, PIECE};
    pub(crate) use super::chain::MAX_JUMP as JUMP;
    pub(crate) use super::healing::{LEAST as HEAL_LEAST, PER_DEVICE as HEAL_PER_DEVICE};
    pub(crate) use super::joining::MAX_BEFORE as BEFORE;
    pub(crate) use super::numbers::{NUMBERS, WIPED};
}

/// A group as this device knows it.
pub struct Group {
    id: GroupId,
    state: State,
    roster: Roster,
}

/// One person of a roster, as shown.
pub struct PersonView<'a> {
    /// Who.
    pub person: PersonId,
    /// Where found.
    pub handle: &'a Handle,
    /// The identity key.
    pub identity: &'a VerifyingKey,
    /// The device list that the roster holds.
    pub list: &'a DeviceList,
    /// The role.
    pub role: Role,
    /// How many devices are in.
    pub devices: usize,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct State {
    scheme: u8,
    home: Home,
    seat: SeatId,
    me: DeviceId,
    commit: Digest,
    parent_change: Digest,
    creation: Digest,
    keys: EpochKeys,
    cursor: u64,
    turn: u64,
    view: Digest,
    status: Status,
    leaving: Vec<SignedLeave>,
    last_message: u64,
}

/// Where a device stands in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The last entry taken in.
    pub cursor: u64,
    /// Whether the group has moved on without this device.
    pub stranded: bool,
    /// Whether this device is no longer in the group.
    pub out: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
enum Status {
    Active = 0,
    Stranded = 1,
    Out = 2,
}

/// The shared part of an entry, opened.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[allow(clippy::large_enum_variant, reason = "lives for one step; boxing would only move the copy")]
#[repr(u8)]
enum Inner {
    Chat(message::Chat) = 0,
    Commit(Commit) = 1,
    Leave(SignedLeave) = 2,
    /// A commit with the shared key material that it names.
    Rekeyed(Commit, VLBytes) = 3,
}

impl Group {
    /// A group from the vault.
    ///
    /// # Errors
    /// `NoSuchGroup`.
    pub fn load(id: &GroupId, cx: &mut Context) -> Result<Self> {
        let state = load(cx.vault, &key(Row::Group, &[id.as_bytes()]))?.ok_or(Misuse::NoSuchGroup)?;
        Ok(Self { id: *id, state, roster: Roster::load(id, cx)? })
    }

    /// Where this device stands in a group: what [`Group::load`] knows without the roster, which may be large.
    ///
    /// # Errors
    /// `NoSuchGroup`.
    pub fn position(id: &GroupId, cx: &mut Context) -> Result<Position> {
        let state: State = load(cx.vault, &key(Row::Group, &[id.as_bytes()]))?.ok_or(Misuse::NoSuchGroup)?;
        Ok(Position {
            cursor: state.cursor,
            stranded: state.status == Status::Stranded,
            out: state.status == Status::Out,
        })
    }

    /// The group's id.
    pub fn id(&self) -> &GroupId {
        &self.id
    }

    /// The scheme.
    pub fn scheme(&self) -> Result<Scheme> {
        Scheme::from_number(self.state.scheme).map_err(|_| Error::CorruptStore)
    }

    /// The name that its members gave it.
    pub fn name(&self) -> Result<String> {
        crate::roster::name_text(&self.roster.body().name)
    }

    /// The epoch.
    pub fn epoch(&self) -> u64 {
        self.roster.body().epoch
    }

    /// Where it lives.
    pub fn home(&self) -> &Home {
        &self.state.home
    }

    /// The own seat there.
    pub fn seat(&self) -> &SeatId {
        &self.state.seat
    }

    /// Whether it is a chat of two.
    pub fn is_direct(&self) -> bool {
        self.roster.body().direct != 0
    }

    /// The number of the last entry taken in.
    pub fn cursor(&self) -> u64 {
        self.state.cursor
    }

    /// The channel's turn at the cursor.
    pub fn turn(&self) -> u64 {
        self.state.turn
    }

    /// The hash of the founding roster: names this group, whatever happens to it.
    pub fn creation(&self) -> &Digest {
        &self.state.creation
    }

    /// Whether this device can't follow any more and must rejoin.
    pub fn is_stranded(&self) -> bool {
        self.state.status == Status::Stranded
    }

    /// Whether this device has left or was removed.
    pub fn is_out(&self) -> bool {
        self.state.status == Status::Out
    }

    /// Who may do what in a group: what [`Group::load`] knows without the roster, which may be large.
    ///
    /// # Errors
    /// `CorruptStore` if there is no such group.
    pub fn policy_of(id: &GroupId, cx: &Context) -> Result<Policy> {
        Roster::policy(id, cx)
    }

    /// Who may do what.
    pub fn policy(&self) -> Policy {
        self.roster.body().rules.policy
    }

    /// The people, in roster order.
    pub fn people(&self) -> impl Iterator<Item = PersonView<'_>> {
        self.roster.body().members.iter().filter_map(|member| {
            let list = self.roster.list(member.person)?;
            Some(PersonView {
                person: member.person,
                handle: &member.handle,
                identity: list.identity(),
                list,
                role: member.role,
                devices: member.present().count(),
            })
        })
    }

    /// The hash of the last commit; that of the founding roster before the first.
    pub fn last_commit(&self) -> &Digest {
        &self.state.commit
    }

    /// People who asked to leave and are still in the roster: [`Intent::Settle`] is due before the next own message.
    pub fn leaving(&self) -> impl Iterator<Item = PersonId> {
        self.state.leaving.iter().map(|leave| leave.request.person)
    }

    /// This device's place among the roster's: who acts first when anybody may.
    pub fn rank(&self) -> usize {
        self.roster.leaves().position(|leaf| leaf.device == self.state.me).unwrap_or(0)
    }

    /// Whether an own post waits for its fate.
    pub fn has_pending(&self, cx: &mut Context) -> Result<bool> {
        Ok(cx.vault.get(&self.row(Row::Pending))?.is_some())
    }

    /// The relay refused the pending post: its keys are wiped; the content is to be sealed again at the head.
    pub fn refused(&mut self, cx: &mut Context) -> Result<()> {
        self.wipe_pending(cx)
    }

    /// The relay took the pending post. Only a leave is settled by that; everything else by its entry, in log order.
    pub fn posted(&mut self, cx: &mut Context) -> Result<()> {
        let pending: Option<Pending> = load(cx.vault, &self.row(Row::Pending))?;
        if let Some(Pending { what: PendingWhat::Leave, .. }) = pending {
            self.end(cx)?;
        }
        Ok(())
    }

    /// Wipes everything about the group.
    pub fn forget(self, cx: &mut Context) -> Result<()> {
        self.wipe_keys(cx)?;
        for row in [Row::ProofBase, Row::ProofStep] {
            delete_all(cx.vault, &self.row(row))?;
        }
        Roster::forget(&self.id, cx)?;
        Ok(cx.vault.delete(&self.row(Row::Group))?)
    }

    /// This device is out: keys are wiped, what was known of the group stays.
    fn end(&mut self, cx: &mut Context) -> Result<()> {
        self.wipe_keys(cx)?;
        self.state.status = Status::Out;
        self.state.keys = Epoch::first(cx).keys();
        self.save(cx)
    }

    fn wipe_keys(&self, cx: &mut Context) -> Result<()> {
        let rows = [
            Row::Leaf,
            Row::Pending,
            Row::View,
            Row::Counted,
            Row::Chain,
            Row::HandedOut,
            Row::HandedToAll,
            Row::Incarnation,
            Row::Healed,
            Row::Call,
            Row::Wiped,
            Row::Numbered,
        ];
        for row in rows {
            delete_all(cx.vault, &self.row(row))?;
        }
        self.scheme()?.forget(&self.id, cx)
    }

    fn room<'a>(&'a self, account: &'a Account) -> Room<'a> {
        Room { account, roster: &self.roster, commit: &self.state.commit, me: self.state.me }
    }

    fn place(&self) -> Place {
        Place { version: VERSION, group: self.id, epoch: self.epoch(), commit: self.state.commit }
    }

    fn check_active(&self, cx: &mut Context) -> Result<()> {
        match self.state.status {
            Status::Stranded => Err(Misuse::Stranded.into()),
            Status::Out => Err(Misuse::NotInGroup.into()),
            Status::Active if self.has_pending(cx)? => Err(Misuse::PostPending.into()),
            Status::Active => Ok(()),
        }
    }

    fn leaf_secrets(&self, cx: &Context) -> Result<LeafSecrets> {
        load(cx.vault, &self.row(Row::Leaf))?.ok_or(Error::CorruptStore)
    }

    fn save(&self, cx: &mut Context) -> Result<()> {
        save(cx.vault, &self.row(Row::Group), &self.state)
    }

    fn save_leaf(&self, leaf: &LeafSecrets, cx: &mut Context) -> Result<()> {
        save(cx.vault, &self.row(Row::Leaf), leaf)
    }

    fn row(&self, row: Row) -> Vec<u8> {
        key(row, &[self.id.as_bytes()])
    }
}
