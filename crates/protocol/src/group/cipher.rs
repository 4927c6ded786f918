//! The door to the group schemes: who can open a message is theirs, who is in the group is not.

use super::message::{Aad, Chat};
use super::pairwise::Pairwise;
use super::sender_keys::SenderKeys;
use crate::identity::Account;
use crate::primitives::secret::{Secret, Seed};
use crate::primitives::sign::SigningKey;
use crate::roster::{Leaf, Roster};
use crate::{Context, DeviceId, Digest, Error, GroupId, Misuse, PeerFault, Result};
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
}

/// What a scheme costs and guarantees; read by the documentation and the faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The scheme is offered up to this many devices.
    pub devices: usize,
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
    pub(super) me: DeviceId,
}

/// A group scheme. State lives in small vault rows under the group's id; values of this type hold none.
pub(super) trait GroupCipher {
    /// Costs and guarantees.
    const PROMISE: Promise;

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
    fn delivered(group: &GroupId, handed: &[DeviceId], cx: &mut Context) -> Result<()>;

    /// Moves every live chain by a commit that led to the room's roster; `gone` left it or lost their state.
    fn step(
        room: &Room,
        seed: Option<&Secret<Seed>>,
        commit: &Digest,
        gone: &[DeviceId],
        cx: &mut Context,
    ) -> Result<()>;
}

macro_rules! dispatch {
    ($scheme:expr, $call:ident ( $($argument:expr),* )) => {
        match $scheme {
            Scheme::Pairwise => Pairwise::$call($($argument),*),
            Scheme::SenderKeys => SenderKeys::$call($($argument),*),
        }
    };
}

impl Scheme {
    /// What the scheme costs and guarantees.
    pub const fn promise(self) -> Promise {
        match self {
            Self::Pairwise => Pairwise::PROMISE,
            Self::SenderKeys => SenderKeys::PROMISE,
        }
    }

    pub(super) fn number(self) -> u8 {
        match self {
            Self::Pairwise => 1,
            Self::SenderKeys => 2,
        }
    }

    pub(super) fn from_number(number: u8) -> Result<Self> {
        match number {
            1 => Ok(Self::Pairwise),
            2 => Ok(Self::SenderKeys),
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

    pub(super) fn step(
        self,
        room: &Room,
        seed: Option<&Secret<Seed>>,
        commit: &Digest,
        gone: &[DeviceId],
        cx: &mut Context,
    ) -> Result<()> {
        dispatch!(self, step(room, seed, commit, gone, cx))
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
        })
    }
}

impl FromStr for Scheme {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "pairwise" => Ok(Self::Pairwise),
            "sender-keys" => Ok(Self::SenderKeys),
            _ => Err(Misuse::SchemeUnavailable.into()),
        }
    }
}
