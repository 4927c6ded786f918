//! How sessions lie in the vault: one small row each, and a list per peer device that says which is active.

use super::handshake::FirstHeader;
use super::prekeys::RETENTION;
use super::ratchet::Ratchet;
use super::skipped::{self, Line};
use crate::vault::{Row, delete_all, key, load, save};
use crate::{Context, DeviceId, Digest, Error, Result, Timestamp};
use tls_codec::{TlsDeserialize, TlsDeserializeBytes, TlsSerialize, TlsSize};

const FORMAT: u8 = 1;
/// Inactive sessions kept per peer device, for messages that are still on their way.
pub(crate) const MAX_INACTIVE: usize = 40;

/// Names a session between two devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
pub(super) struct SessionId(pub(super) [u8; 8]);

/// A session.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Session {
    format: u8,
    pub(super) ad: Digest,
    pub(super) ratchet: Ratchet,
    pub(super) line: Line,
    pub(super) state: State,
    started: Timestamp,
    used: Timestamp,
}

/// Whether the peer is known to have the session.
#[derive(Clone, Copy, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(super) enum State {
    Unanswered = 0,
    Answered = 1,
}

/// The sessions with one peer device; the inactive ones newest first.
#[derive(Default, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Sessions {
    pub(super) active: Option<SessionId>,
    inactive: Vec<SessionId>,
}

impl SessionId {
    pub(super) fn of(digest: &Digest) -> Self {
        let mut id = [0; 8];
        id.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
        Self(id)
    }

    /// The prefix under which everything of the session lies.
    pub(super) fn scope(&self, peer: &DeviceId) -> Vec<u8> {
        [&peer.as_bytes()[..], &self.0].concat()
    }
}

impl Session {
    pub(super) fn new(ratchet: Ratchet, ad: Digest, state: State, now: Timestamp) -> Self {
        Self { format: FORMAT, ad, ratchet, line: Line::default(), state, started: now, used: now }
    }

    pub(super) fn load(scope: &[u8], cx: &Context) -> Result<Self> {
        let session: Option<Self> = load(cx.vault, &key(Row::Session, &[scope]))?;
        session.filter(|session| session.format == FORMAT).ok_or(Error::CorruptStore)
    }

    pub(super) fn save(&mut self, scope: &[u8], cx: &mut Context) -> Result<()> {
        self.used = cx.now;
        save(cx.vault, &key(Row::Session, &[scope]), self)
    }

    /// A session that nobody has answered for as long as anything is kept will not be answered any more.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.state == State::Unanswered && now >= self.started.plus(RETENTION)
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        now >= self.used.plus(RETENTION)
    }
}

impl Sessions {
    pub(super) fn load(peer: &DeviceId, cx: &Context) -> Result<Self> {
        Ok(load(cx.vault, &list_key(peer))?.unwrap_or_default())
    }

    pub(super) fn contains(&self, id: &SessionId) -> bool {
        self.active.as_ref() == Some(id) || self.inactive.contains(id)
    }

    /// Makes `id` the active session; the one before is kept for late messages.
    pub(super) fn activate(mut self, id: SessionId, peer: &DeviceId, cx: &mut Context) -> Result<()> {
        if self.active == Some(id) {
            return Ok(());
        }
        self.inactive.retain(|other| *other != id);
        if let Some(before) = self.active.replace(id) {
            self.inactive.insert(0, before);
        }
        for dropped in self.inactive.drain(MAX_INACTIVE.min(self.inactive.len())..) {
            forget_scope(&dropped.scope(peer), cx)?;
        }
        save(cx.vault, &list_key(peer), &self)
    }

    /// Moves the active session among the inactive ones.
    pub(super) fn retire(mut self, peer: &DeviceId, cx: &mut Context) -> Result<()> {
        let Some(before) = self.active.take() else { return Ok(()) };
        self.inactive.insert(0, before);
        save(cx.vault, &list_key(peer), &self)
    }

    /// Drops inactive sessions that nothing can arrive on any more, and old skipped keys of the others.
    fn tidy(mut self, peer: &DeviceId, cx: &mut Context) -> Result<()> {
        let mut kept = Vec::new();
        for id in self.inactive.drain(..) {
            // One that does not decode is of no use and in no way: the sessions beside it are.
            match Session::load(&id.scope(peer), cx) {
                Ok(session) if !session.is_idle(cx.now) => kept.push(id),
                Ok(_) | Err(Error::CorruptStore) => forget_scope(&id.scope(peer), cx)?,
                Err(error) => return Err(error),
            }
        }
        self.inactive = kept;
        for scope in self.active.iter().chain(&self.inactive).map(|id| id.scope(peer)) {
            if let Ok(mut session) = Session::load(&scope, cx) {
                session.line.trim(&scope, cx)?;
                save(cx.vault, &key(Row::Session, &[&scope]), &session)?;
            }
        }
        save(cx.vault, &list_key(peer), &self)
    }
}

/// Keeps what is sent with each message until the first answer.
pub(super) fn save_first(scope: &[u8], first: &FirstHeader, cx: &mut Context) -> Result<()> {
    save(cx.vault, &key(Row::FirstHeader, &[scope]), first)
}

/// What is sent with each message until the first answer.
pub(super) fn load_first(scope: &[u8], cx: &Context) -> Result<FirstHeader> {
    load(cx.vault, &key(Row::FirstHeader, &[scope]))?.ok_or(Error::CorruptStore)
}

/// Drops it.
pub(super) fn forget_first(scope: &[u8], cx: &mut Context) -> Result<()> {
    Ok(cx.vault.delete(&key(Row::FirstHeader, &[scope]))?)
}

/// Drops everything with a peer device.
pub(super) fn forget_peer(peer: &DeviceId, cx: &mut Context) -> Result<()> {
    cx.vault.delete(&list_key(peer))?;
    forget_scope(peer.as_bytes(), cx)
}

/// Drops what no message can need any more, in all sessions.
pub(super) fn tidy(cx: &mut Context) -> Result<()> {
    peers(cx)?.into_iter().try_for_each(|peer| Sessions::load(&peer, cx)?.tidy(&peer, cx))
}

/// Everybody with whom there are sessions.
pub(super) fn peers(cx: &Context) -> Result<Vec<DeviceId>> {
    let found = cx.vault.scan(&key(Row::ActiveSession, &[]))?.into_iter();
    let peer = found.map(|found| found.key.get(1..).and_then(|peer| DeviceId::try_from(peer).ok()));
    peer.map(|peer| peer.ok_or(Error::CorruptStore)).collect()
}

fn forget_scope(scope: &[u8], cx: &mut Context) -> Result<()> {
    delete_all(cx.vault, &key(Row::Session, &[scope]))?;
    delete_all(cx.vault, &key(Row::FirstHeader, &[scope]))?;
    skipped::forget(scope, cx)
}

fn list_key(peer: &DeviceId) -> Vec<u8> {
    key(Row::ActiveSession, &[peer.as_bytes()])
}
