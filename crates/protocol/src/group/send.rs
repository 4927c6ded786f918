//! Sealing a chat message.

use super::cipher::Sealed;
use super::message::{Aad, ChatBody, View};
use super::seal::Sealer;
use super::{Bundles, Group, Inner, Need, Pending, PendingChat, PendingWhat, Post, SLICE_SEALED, Slice};
use crate::codec::{self, Count, Rest};
use crate::content::{Content, encode_carrying};
use crate::gossip::{Gossip, MAX_VIEWS};
use crate::identity::Account;
use crate::primitives::kdf;
use crate::roster::VERSION;
use crate::vault::{Row, save};
use crate::{Context, DeviceId, MessageId, Misuse, PeerFault, Result};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

impl Group {
    /// What must be fetched before [`Group::send`]: keys of devices without a session.
    pub fn needs_for_send(&self, account: &Account, cx: &mut Context) -> Result<Vec<Need>> {
        let devices = self.scheme()?.wants(&self.room(account), cx)?;
        Ok(devices.into_iter().filter_map(|device| self.need(device, true)).collect())
    }

    /// What to fetch of a device of the roster.
    pub(super) fn need(&self, device: DeviceId, prekey: bool) -> Option<Need> {
        let handle = self.roster.member_of(device)?.handle.clone();
        Some(Need { device, handle, prekey, join_key: false })
    }

    /// Seals a message at the head. It waits in the vault until its entry arrives or [`Group::refused`] drops it.
    ///
    /// # Errors
    /// `PostPending`, `Stranded`, `NotInGroup`; `BundleNeeded` without the keys of [`Group::needs_for_send`].
    pub fn send(
        &mut self,
        account: &Account,
        id: MessageId,
        content: &Content,
        bundles: &Bundles,
        cx: &mut Context,
    ) -> Result<Post> {
        self.send_carrying(account, id, (content, &Gossip::default()), bundles, cx)
    }

    /// As [`Group::send`], with gossip beside what is said.
    ///
    /// # Errors
    /// As [`Group::send`]; `TooLong` for more gossip than one message has.
    pub fn send_carrying(
        &mut self,
        account: &Account,
        id: MessageId,
        (content, gossip): (&Content, &Gossip),
        bundles: &Bundles,
        cx: &mut Context,
    ) -> Result<Post> {
        if !gossip.is_bounded() {
            return Err(Misuse::TooLong(MAX_VIEWS).into());
        }
        self.check_active(cx)?;
        let scheme = self.scheme()?;
        let room = self.room(account);
        for device in scheme.wants(&room, cx)? {
            let peer = self.roster.peer(device).ok_or(PeerFault::RosterMismatch)?;
            let version = self.roster.list(peer.person).map_or(0, |list| list.version());
            bundles.start(account, &peer, version, cx)?;
        }
        let view = self.own_view(cx)?;
        let body = ChatBody {
            id,
            sent_at: cx.now,
            view,
            since: Count(self.since_last(&view)),
            content: Rest(encode_carrying(gossip, content)?),
        };
        let body = Zeroizing::new(codec::encode(&body)?);
        let sealer = Sealer::fresh(&self.state.keys, &self.place(), cx)?;
        let signing = self.leaf_secrets(cx)?.signing;
        let aad = self.aad(self.state.me);
        let Sealed { chat, slices } = scheme.seal(&room, &aad, sealer.salt(), &signing, &body, cx)?;
        let shared = sealer.seal_shared(codec::encode(&Inner::Chat(chat))?)?;
        let handed = slices.iter().map(|(device, _)| *device).collect();
        let slices = sorted(self.sealed_slices(&sealer, &slices)?);
        let hash = kdf::sha256(&shared);
        let incarnation = view.incarnation();
        let pending = Pending { hash, what: PendingWhat::Chat(PendingChat { id, incarnation, handed }) };
        save(cx.vault, &self.row(Row::Pending), &pending)?;
        let at_turn = self.state.turn;
        Ok(Post {
            shared,
            slices,
            at_turn,
            takes_turn: false,
            seats: Vec::new(),
            blobs: Vec::new(),
            letters: Vec::new(),
        })
    }

    /// What single devices get, each for its seat.
    pub(super) fn sealed_slices(&self, sealer: &Sealer, parts: &[(DeviceId, Vec<u8>)]) -> Result<Vec<Slice>> {
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let seats: BTreeMap<_, _> = self.roster.leaves().map(|leaf| (leaf.device, leaf.seat)).collect();
        let mut slices = Vec::new();
        for (device, plaintext) in parts {
            let seat = *seats.get(device).ok_or(PeerFault::RosterMismatch)?;
            let mut bytes = vec![SLICE_SEALED];
            bytes.extend(sealer.seal_slice(&seat, plaintext)?);
            slices.push(Slice { seat, bytes });
        }
        Ok(slices)
    }

    pub(super) fn aad(&self, sender: DeviceId) -> Aad {
        Aad { version: VERSION, group: self.id, epoch: self.epoch(), commit: self.state.commit, sender }
    }

    fn own_view(&self, cx: &Context) -> Result<View> {
        let relay = self.incarnation(cx)?;
        let (entry, hash) = match relay.blind {
            0 => (self.state.cursor, short(self.state.view.as_bytes())),
            _ => (0, [0; 16]),
        };
        Ok(View::new(relay.stated, entry, hash))
    }

    fn since_last(&self, view: &View) -> u64 {
        match self.state.last_message {
            0 => 0,
            last => (view.entry.0 + 1).saturating_sub(last),
        }
    }
}

/// A running hash as it is stated: its first 16 bytes.
pub(super) fn short(hash: &[u8; 32]) -> [u8; 16] {
    let mut short = [0; 16];
    short.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    short
}

pub(super) fn sorted(mut slices: Vec<Slice>) -> Vec<Slice> {
    slices.sort_by_key(|slice| slice.seat);
    slices
}
