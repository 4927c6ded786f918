//! The welcome: what a newcomer gets from whoever adds it, signed by the adder, sealed to the join key.
//!
//! In a small group it is one piece; in a large one, what all newcomers of a commit need alike lies apart.

use super::apart::{self, Apart, Blobs};
use super::epoch::Epoch;
use super::{Blob, SLICE_WELCOME, SLICE_WELCOME_APART, Scheme};
use crate::codec::{self, VLBytes};
use crate::identity::Account;
use crate::labels;
use crate::primitives::kem::{SealedTo, XWingPublic, seal_to};
use crate::primitives::secret::{EpochSecret, Secret};
use crate::primitives::sign::{Signature, SigningKey};
use crate::roster::{Change, Commit, Leaf, LeafKeys, Roster, RosterBody, VERSION};
use crate::{Context, Digest, Misuse, PeerFault, Result, SeatId};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// Welcomes of one commit that have more than this together, in bytes, are kept small.
const WHOLE: usize = 64 * 1024;

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
    pub(super) join_key: u32,
    pub(super) sealed: SealedTo,
}

/// The welcomes of one commit.
#[allow(clippy::large_enum_variant, reason = "lives for one step; boxing would only move the copy")]
pub(super) enum Welcomes {
    /// All is inside each of them.
    Whole { welcome: Welcome, tree: Vec<u8> },
    /// The larger part lies apart.
    Small { epoch_secret: Secret<EpochSecret>, apart: Apart },
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
pub(super) struct Opened {
    pub(super) welcome: Welcome,
    pub(super) tree: VLBytes,
    pub(super) ticket: VLBytes,
}

/// Reads a welcome; of one that lies apart, the pieces that are missing.
pub(super) fn read(
    kind: u8,
    bytes: &[u8],
    blobs: &Blobs,
) -> Result<std::result::Result<Opened, Vec<Digest>>> {
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

impl Welcome {
    /// The roster inside, once everything fits: the adder's right, the tag, the own leaf.
    pub(super) fn check(&self, account: &Account, seat: SeatId) -> Result<Roster> {
        let draft = &self.commit.body.draft;
        if self.version != VERSION {
            return Err(PeerFault::UnknownVersion.into());
        }
        Scheme::from_number(self.roster.scheme)?;
        let roster = Roster::verify(self.roster.clone())?;
        let fits = draft.group == self.roster.group
            && draft.epoch == self.roster.epoch
            && draft.roster_after == roster.hash()?
            && draft.leaf.is_none();
        let author = roster.member_of(draft.author).filter(|_| fits).ok_or(PeerFault::HashMismatch)?;
        self.commit.verify_signature(&roster)?;
        let me = account.device_id();
        let added = draft.changes.iter().any(|change| match change {
            Change::Add(member) | Change::AddFor(member, _) => {
                member.present().any(|leaf| leaf.device == *me)
                    && self.roster.rules.policy.add.granted_to(author.role)
            }
            Change::Rejoin(rejoin, _) => rejoin.request.device == *me,
            // By a sibling, or whoever saw first that the person has this device.
            Change::Devices(_, leaves) => leaves.iter().any(|leaf| leaf.device == *me),
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
