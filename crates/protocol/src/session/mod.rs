//! Sessions: what two devices say to each other, one of them perhaps off.
//!
//! Per peer device one session is active and sends; others are kept for messages still on their way. A message that opens on
//! an inactive session makes it active, so that two devices which started at once end up on one. Who a peer is, is for the
//! caller to know (from a verified device list, or a roster); which bytes go where, too.

mod bundle;
mod chain;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handshake;
mod inbox;
mod prekeys;
mod ratchet;
mod record;
mod skipped;
#[cfg(test)]
mod tests;

pub use bundle::{
    Bundle, JoinKey, OneTimePrekey, UnverifiedBundle, UnverifiedJoinKey, UnverifiedOneTimePrekey,
};
pub use inbox::{inbox_open, inbox_seal};
pub(crate) use prekeys::GRACE;
pub use prekeys::{
    Freshness, JoinSecret, Publication, Stock, forget_join_key, freshness, join_secret, replenish, retire_all,
};
pub(crate) use prekeys::{fresh_join_key, join_key_package};

use crate::codec::{self, Rest, VLBytes};
use crate::identity::{Account, PeerDevice};
use crate::primitives::secret::{AeadKey, MessageKey, Secret};
use crate::primitives::{aead, kdf};
use crate::{Context, DeviceId, Digest, Misuse, PeerFault, Result, labels};
use handshake::FirstHeader;
use ratchet::Header;
use record::{Session, SessionId, Sessions, State};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// This layer's bounds, for the page of all of them.
pub(crate) mod limits {
    pub(crate) use super::prekeys::{FULL, GRACE, LIFETIME, LOW, ROTATION};
    pub(crate) use super::ratchet::MAX_JUMP as JUMP;
    pub(crate) use super::record::MAX_INACTIVE as INACTIVE;
    pub(crate) use super::skipped::MAX as SKIPPED;
}

const VERSION: u8 = 1;

/// A message between two devices. Everything before the ciphertext is authenticated.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Message {
    head: Head,
    sealed: Rest,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Head {
    version: u8,
    session: SessionId,
    header: Header,
    first: Option<FirstHeader>,
}

#[derive(TlsSize, TlsSerialize)]
struct AssociatedData {
    handshake: Digest,
    head: VLBytes,
    caller: VLBytes,
}

/// Whether messages to `peer` can be sealed without a bundle.
pub fn has_session(peer: DeviceId, cx: &mut Context) -> Result<bool> {
    let Some(active) = Sessions::load(&peer, cx)?.active else { return Ok(false) };
    Ok(!Session::load(&active.scope(&peer), cx)?.is_expired(cx.now))
}

/// Starts a session with `peer` from what it published, and makes it the active one.
///
/// # Errors
/// `WrongAddress` if bundle or prekey are another device's; `BadKey`.
pub fn start(
    account: &Account,
    peer: &PeerDevice,
    peer_list_version: u64,
    bundle: &Bundle,
    one_time: Option<&OneTimePrekey>,
    cx: &mut Context,
) -> Result<()> {
    let (first, agreed) = handshake::initiate(account, peer, peer_list_version, bundle, one_time, cx)?;
    let id = SessionId::of(&first.session_digest()?);
    let scope = id.scope(&peer.device);
    record::save_first(&scope, &first, cx)?;
    Session::new(agreed.ratchet, agreed.ad, State::Unanswered, cx.now).save(&scope, cx)?;
    Sessions::load(&peer.device, cx)?.activate(id, &peer.device, cx)
}

/// Seals `plaintext` to `peer`; only together with the same `salt` and `aad` does it open. The salt is random, fresh with
/// every post, and not part of the message: a restored store never seals twice under one key.
///
/// # Errors
/// `BundleNeeded` if there is no session, or only one that was never answered.
pub fn seal(
    peer: &PeerDevice,
    salt: &[u8; 16],
    aad: &[u8],
    plaintext: &[u8],
    cx: &mut Context,
) -> Result<Vec<u8>> {
    let id = Sessions::load(&peer.device, cx)?.active.ok_or(Misuse::BundleNeeded)?;
    let scope = id.scope(&peer.device);
    let mut session = Session::load(&scope, cx)?;
    if session.is_expired(cx.now) {
        return Err(Misuse::BundleNeeded.into());
    }
    let (header, key) = session.ratchet.next_sending(cx)?;
    let first = match session.state {
        State::Unanswered => Some(record::load_first(&scope, cx)?),
        State::Answered => None,
    };
    let head = Head { version: VERSION, session: id, header, first };
    let associated = associated_data(&session.ad, &head, aad)?;
    let sealed = Rest(aead::seal(aead_key(&key, salt), &associated, plaintext)?);
    session.save(&scope, cx)?;
    codec::encode(&Message { head, sealed })
}

/// Opens a message that is claimed to come from `peer`, the first of a session or a later one.
///
/// # Errors
/// `UnknownVersion`, `Malformed`, `UnknownSession`, `UnknownPrekey`, `WrongAddress` if it is not from that device,
/// `Duplicate`, `TooFarAhead`, `BadKey`, `DoesNotOpen`.
pub fn open(
    account: &Account,
    peer: &PeerDevice,
    salt: &[u8; 16],
    aad: &[u8],
    message: &[u8],
    cx: &mut Context,
) -> Result<Zeroizing<Vec<u8>>> {
    if message.first() != Some(&VERSION) {
        let empty = message.is_empty();
        return Err(if empty { PeerFault::Malformed } else { PeerFault::UnknownVersion }.into());
    }
    let Message { head, sealed: Rest(sealed) } = codec::decode(message)?;
    let sessions = Sessions::load(&peer.device, cx)?;
    let scope = head.session.scope(&peer.device);
    let (mut session, new) = match &head.first {
        _ if sessions.contains(&head.session) => (Session::load(&scope, cx)?, None),
        Some(first) => (respond(account, peer, &head, first, cx)?, Some(first)),
        None => return Err(PeerFault::UnknownSession.into()),
    };
    let plaintext = open_in(&mut session, &scope, &Incoming { head: &head, salt, aad, sealed: &sealed }, cx)?;
    // The message is authentic from here on; nothing has been written before.
    if let Some(first) = new {
        first.accept(cx)?;
    }
    if session.state == State::Unanswered {
        session.state = State::Answered;
        record::forget_first(&scope, cx)?;
    }
    session.save(&scope, cx)?;
    sessions.activate(head.session, &peer.device, cx)?;
    Ok(plaintext)
}

/// Stops sending on the session with `peer`: the next message needs a new one. What is on its way still opens.
pub(crate) fn retire(peer: DeviceId, cx: &mut Context) -> Result<()> {
    Sessions::load(&peer, cx)?.retire(&peer, cx)
}

/// Stops sending on every session: the next message to each device needs a new one.
pub(crate) fn retire_every(cx: &mut Context) -> Result<()> {
    record::peers(cx)?.into_iter().try_for_each(|peer| retire(peer, cx))
}

/// Drops all sessions with a device, for good: one that was revoked, or that is to start anew.
pub fn forget(peer: DeviceId, cx: &mut Context) -> Result<()> {
    record::forget_peer(&peer, cx)
}

fn respond(
    account: &Account,
    peer: &PeerDevice,
    head: &Head,
    first: &FirstHeader,
    cx: &Context,
) -> Result<Session> {
    if SessionId::of(&first.session_digest()?) != head.session {
        return Err(PeerFault::HashMismatch.into());
    }
    let agreed = handshake::respond(account, peer, first, cx)?;
    Ok(Session::new(agreed.ratchet, agreed.ad, State::Answered, cx.now))
}

/// A message to be opened.
struct Incoming<'a> {
    head: &'a Head,
    salt: &'a [u8; 16],
    aad: &'a [u8],
    sealed: &'a [u8],
}

fn open_in(
    session: &mut Session,
    scope: &[u8],
    incoming: &Incoming,
    cx: &mut Context,
) -> Result<Zeroizing<Vec<u8>>> {
    let Incoming { head, salt, aad, sealed } = *incoming;
    let associated = associated_data(&session.ad, head, aad)?;
    let (ratchet, number) = (head.header.ratchet, head.header.number()?);
    if let Some(key) = skipped::find(scope, &ratchet, number, cx)? {
        let plaintext = aead::open(&aead_key(&key, salt), &associated, sealed)?;
        session.line.remove(scope, &ratchet, number, cx)?;
        return Ok(plaintext);
    }
    let received = session.ratchet.receive(&head.header)?;
    let plaintext = aead::open(&aead_key(&received.key, salt), &associated, sealed)?;
    session.line.keep(scope, received.skipped, cx)?;
    Ok(plaintext)
}

fn associated_data(handshake: &Digest, head: &Head, caller: &[u8]) -> Result<Vec<u8>> {
    let head = codec::encode(head)?.into();
    codec::encode(&AssociatedData { handshake: *handshake, head, caller: caller.into() })
}

fn aead_key(key: &Secret<MessageKey>, salt: &[u8; 16]) -> Secret<AeadKey> {
    kdf::derive(key.expose(), salt, labels::SESSION_MESSAGE, &[])
}
