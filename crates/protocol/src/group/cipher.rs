//! The door to the group schemes: who can open a message is theirs, who is in the group is not.

use super::message::{Aad, Chat};
use super::pairwise::Pairwise;
use super::sender_keys::SenderKeys;
use super::tree::Tree;
use super::wraps;
use crate::identity::Account;
use crate::primitives::secret::{Secret, Seed, TreeNode};
use crate::primitives::sign::SigningKey;
use crate::roster::{Commit, Draft, Leaf, LeafSecrets, Roster};
use crate::{Context, DeviceId, Digest, Error, GroupId, Misuse, PeerFault, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// A group scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A message through each pair's double ratchet.
    Pairwise,
    /// One ratcheting key per sender, handed out through the pairwise sessions.
    SenderKeys,
    /// MLS (RFC 9420) agrees on the keys, in a tree of them.
    Tree,
}

/// What a scheme costs and guarantees; read by the documentation and the faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The scheme is offered up to this many devices.
    pub devices: usize,
    /// And was measured up to so many: more do not get in.
    pub most: usize,
    /// Whether a message can be shown to third parties as its sender's.
    pub signed: bool,
}

/// A sealed message: one part for all, small ones for single devices.
pub(super) struct Sealed {
    pub(super) chat: Chat,
    pub(super) slices: Vec<(DeviceId, Vec<u8>)>,
}

/// What an opening cipher sees of a message.
pub(super) struct Received<'a> {
    pub(super) chat: &'a Chat,
    pub(super) slice: Option<&'a [u8]>,
    pub(super) salt: &'a [u8; 16],
    pub(super) sender: &'a Leaf,
}

/// What every step of a cipher works with.
pub(super) struct Room<'a> {
    pub(super) account: &'a Account,
    pub(super) roster: &'a Roster,
    /// Which led to the roster.
    pub(super) commit: &'a Digest,
    pub(super) me: DeviceId,
}

/// A commit whose keys are being made or found.
pub(super) struct Step<'a> {
    pub(super) draft: &'a Draft,
    pub(super) before: &'a Roster,
    pub(super) after: &'a Roster,
    /// What newcomers published for a tree, verified with the join keys in their leaves. Empty for who follows.
    pub(super) key_packages: &'a BTreeMap<DeviceId, Vec<u8>>,
}

/// The keys of an own commit, made.
#[derive(Default)]
pub(super) struct Rekey {
    pub(super) seed: Option<Secret<Seed>>,
    /// For everybody, beside the commit, which names its hash.
    pub(super) material: Vec<u8>,
    /// For single devices that stay.
    pub(super) slices: Vec<(DeviceId, Vec<u8>)>,
    /// For all newcomers alike; large.
    pub(super) tree: Vec<u8>,
    /// For single newcomers, in their welcomes.
    pub(super) tickets: BTreeMap<DeviceId, Vec<u8>>,
    /// What the cipher stores once the commit counts.
    pub(super) kept: Option<Zeroizing<Vec<u8>>>,
}

/// The keys that lead to a commit's epoch.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) seed: Option<Secret<Seed>>,
    /// As in [`Rekey`].
    pub(super) kept: Option<Zeroizing<Vec<u8>>>,
}

/// What somebody's commit comes to, for this device.
pub(super) enum Way {
    Open(Keys),
    /// It is no commit, for anybody.
    Void(PeerFault),
    /// It counts, and this device cannot follow.
    Lost(PeerFault),
}

/// What a newcomer holds at the door.
pub(super) struct Entrance<'a> {
    pub(super) commit: &'a Commit,
    /// As in [`Rekey`].
    pub(super) tree: &'a [u8],
    /// The own one.
    pub(super) ticket: &'a [u8],
    pub(super) leaf: &'a LeafSecrets,
    /// The secrets of the own key package, if the join key came with one.
    pub(super) key_package: Option<&'a [u8]>,
}

/// An epoch that has begun.
pub(super) struct Moved<'a> {
    pub(super) seed: Option<&'a Secret<Seed>>,
    pub(super) commit: &'a Digest,
    /// Devices that left the roster, or lost their state.
    pub(super) gone: &'a [DeviceId],
    pub(super) chains: &'a Secret<TreeNode>,
    /// As in [`Rekey`].
    pub(super) kept: Option<&'a [u8]>,
}

/// A group scheme: what it does not say itself is as in those whose commits carry a wrap for each leaf, and whose state lies
/// with the sessions. State lives in small vault rows under the group's id; values of this type hold none.
pub(super) trait GroupCipher {
    /// Costs and guarantees.
    const PROMISE: Promise;

    /// Founds the scheme's state, this device alone.
    fn found(_room: &Room, _leaf: (&Leaf, &LeafSecrets), _cx: &mut Context) -> Result<()> {
        Ok(())
    }

    /// The devices that `seal` must have a session with.
    fn wants(room: &Room, cx: &mut Context) -> Result<Vec<DeviceId>>;

    /// Seals a message to everybody in the roster.
    fn seal(
        room: &Room,
        aad: &Aad,
        salt: &[u8; 16],
        signing: &SigningKey,
        plaintext: &[u8],
        cx: &mut Context,
    ) -> Result<Sealed>;

    /// Opens a message.
    fn open(room: &Room, aad: &Aad, received: &Received, cx: &mut Context) -> Result<Zeroizing<Vec<u8>>>;

    /// The relay has taken a message whose slices went to `handed`.
    fn delivered(_group: &GroupId, _handed: &[DeviceId], _cx: &mut Context) -> Result<()> {
        Ok(())
    }

    /// Makes the keys of an own commit; `leaf` is the author's new one, if it brings one. Stores nothing.
    fn rekey(step: &Step, _leaf: Option<&LeafSecrets>, cx: &mut Context) -> Result<Rekey> {
        wraps::wrap(step, cx)
    }

    /// Finds the keys of somebody's commit, `leaf` being the own one. Stores nothing.
    fn follow(
        _step: &Step,
        (commit, _): (&Commit, &[u8]),
        slice: Result<Option<&[u8]>, PeerFault>,
        leaf: &LeafSecrets,
        _cx: &mut Context,
    ) -> Result<Way> {
        Ok(wraps::unwrap(commit, slice, leaf))
    }

    /// Takes a newcomer's keys from its welcome.
    fn join(_room: &Room, _entrance: &Entrance, _cx: &mut Context) -> Result<()> {
        Ok(())
    }

    /// Moves every live chain into an epoch that has begun; the room has its roster.
    fn moved(_room: &Room, _moved: &Moved, _cx: &mut Context) -> Result<()> {
        Ok(())
    }

    /// Deletes the scheme's state.
    fn forget(_group: &GroupId, _cx: &mut Context) -> Result<()> {
        Ok(())
    }
}

macro_rules! dispatch {
    ($scheme:expr, $call:ident ( $($argument:expr),* )) => {
        match $scheme {
            Scheme::Pairwise => Pairwise::$call($($argument),*),
            Scheme::SenderKeys => SenderKeys::$call($($argument),*),
            Scheme::Tree => Tree::$call($($argument),*),
        }
    };
}

impl Scheme {
    /// Every scheme there is.
    pub const ALL: [Self; 3] = [Self::Pairwise, Self::SenderKeys, Self::Tree];

    /// What the scheme costs and guarantees.
    pub const fn promise(self) -> Promise {
        match self {
            Self::Pairwise => Pairwise::PROMISE,
            Self::SenderKeys => SenderKeys::PROMISE,
            Self::Tree => Tree::PROMISE,
        }
    }

    pub(super) fn number(self) -> u8 {
        match self {
            Self::Pairwise => 1,
            Self::SenderKeys => 2,
            Self::Tree => 3,
        }
    }

    pub(super) fn from_number(number: u8) -> Result<Self> {
        match number {
            1 => Ok(Self::Pairwise),
            2 => Ok(Self::SenderKeys),
            3 => Ok(Self::Tree),
            _ => Err(PeerFault::UnknownVersion.into()),
        }
    }

    pub(super) fn wants(self, room: &Room, cx: &mut Context) -> Result<Vec<DeviceId>> {
        dispatch!(self, wants(room, cx))
    }

    pub(super) fn seal(
        self,
        room: &Room,
        aad: &Aad,
        salt: &[u8; 16],
        signing: &SigningKey,
        plaintext: &[u8],
        cx: &mut Context,
    ) -> Result<Sealed> {
        dispatch!(self, seal(room, aad, salt, signing, plaintext, cx))
    }

    pub(super) fn open(
        self,
        room: &Room,
        aad: &Aad,
        received: &Received,
        cx: &mut Context,
    ) -> Result<Zeroizing<Vec<u8>>> {
        dispatch!(self, open(room, aad, received, cx))
    }

    pub(super) fn delivered(self, group: &GroupId, handed: &[DeviceId], cx: &mut Context) -> Result<()> {
        dispatch!(self, delivered(group, handed, cx))
    }

    pub(super) fn found(self, room: &Room, leaf: (&Leaf, &LeafSecrets), cx: &mut Context) -> Result<()> {
        dispatch!(self, found(room, leaf, cx))
    }

    pub(super) fn rekey(self, step: &Step, leaf: Option<&LeafSecrets>, cx: &mut Context) -> Result<Rekey> {
        dispatch!(self, rekey(step, leaf, cx))
    }

    pub(super) fn follow(
        self,
        step: &Step,
        commit: (&Commit, &[u8]),
        slice: Result<Option<&[u8]>, PeerFault>,
        leaf: &LeafSecrets,
        cx: &mut Context,
    ) -> Result<Way> {
        dispatch!(self, follow(step, commit, slice, leaf, cx))
    }

    pub(super) fn join(self, room: &Room, entrance: &Entrance, cx: &mut Context) -> Result<()> {
        dispatch!(self, join(room, entrance, cx))
    }

    pub(super) fn moved(self, room: &Room, moved: &Moved, cx: &mut Context) -> Result<()> {
        dispatch!(self, moved(room, moved, cx))
    }

    pub(super) fn forget(self, group: &GroupId, cx: &mut Context) -> Result<()> {
        dispatch!(self, forget(group, cx))
    }
}

impl<'a> Step<'a> {
    /// The leaves that need a welcome, in roster order.
    pub(super) fn newcomers(&self) -> impl Iterator<Item = &'a Leaf> {
        self.after.leaves_not_in(self.before)
    }
}

impl Room<'_> {
    /// Everybody else's devices.
    pub(super) fn others(&self) -> impl Iterator<Item = DeviceId> {
        self.roster.leaves().map(|leaf| leaf.device).filter(|device| *device != self.me)
    }

    /// Those of `devices` with which there is no session.
    pub(super) fn without_session(
        devices: impl Iterator<Item = DeviceId>,
        cx: &mut Context,
    ) -> Result<Vec<DeviceId>> {
        let mut missing = Vec::new();
        for device in devices {
            if !crate::session::has_session(device, cx)? {
                missing.push(device);
            }
        }
        Ok(missing)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pairwise => "pairwise",
            Self::SenderKeys => "sender-keys",
            Self::Tree => "tree",
        })
    }
}

impl FromStr for Scheme {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "pairwise" => Ok(Self::Pairwise),
            "sender-keys" => Ok(Self::SenderKeys),
            "tree" => Ok(Self::Tree),
            _ => Err(Misuse::SchemeUnavailable.into()),
        }
    }
}
