//! A group's MLS state with nothing of ours around it: what the engine alone takes, for measuring the rest beside it.

use super::engine::{self, Config};
use super::kept;
use super::rules::Rules;
use super::shelf::Shelf;
use crate::roster::Roster;
use crate::{Context, DeviceId, Error, GroupId, PeerFault, Result};
use mls_rs::MlsMessage;

/// The MLS state of a group, as it is kept: every call loads it, and leaves it as it was.
pub struct BareTree {
    kept: engine::Kept,
    roster: Roster,
}

impl BareTree {
    /// Takes what is kept of a group under *tree*.
    ///
    /// # Errors
    /// `CorruptStore` for a group under another scheme.
    pub fn of(group: &GroupId, cx: &Context) -> Result<Self> {
        Ok(Self { kept: kept::load(group, cx)?, roster: Roster::load(group, cx)? })
    }

    /// Loads, makes an empty commit with a path by `author`, applies it, and writes the state; gives the message.
    ///
    /// # Errors
    /// `CorruptStore`.
    pub fn heal(&self, author: DeviceId, cx: &mut Context) -> Result<Vec<u8>> {
        let rules = Rules::of(&self.roster, &self.roster, author)?;
        let (shelf, mut group) = self.load(rules, cx)?;
        let built = group.commit_builder().commit_time((cx.now.0 / 1000).into()).build_detached();
        let (output, secrets) = built.map_err(|_| Error::CorruptStore)?;
        group.apply_detached_commit(secrets).map_err(|_| Error::CorruptStore)?;
        engine::write(&mut group, &shelf)?;
        output.commit_message().to_bytes().map_err(|_| Error::CorruptStore)
    }

    /// Loads, processes the message of [`Self::heal`] by `author`, and writes the state.
    ///
    /// # Errors
    /// A peer's fault if it does not open.
    pub fn follow(&self, author: DeviceId, message: &[u8], cx: &mut Context) -> Result<()> {
        let rules = Rules::of(&self.roster, &self.roster, author)?;
        let (shelf, mut group) = self.load(rules, cx)?;
        let message = MlsMessage::from_bytes(message).map_err(|_| PeerFault::Malformed)?;
        group.process_incoming_message(message).map_err(|_| PeerFault::DoesNotOpen)?;
        engine::write(&mut group, &shelf).map(drop)
    }

    fn load(&self, rules: Rules, cx: &mut Context) -> Result<(Shelf, mls_rs::Group<Config>)> {
        engine::open(&self.kept, rules, &self.roster.body().group, cx)
    }
}
