//! Pairwise: the content once under a fresh key, and that key to each device through its double ratchet.
//!
//! A message is authenticated by the session: deniable, no proof for third parties.

use super::cipher::{GroupCipher, Promise, Received, Room, Sealed};
use super::message::{Aad, Chat, KeyName};
use crate::codec;
use crate::labels;
use crate::primitives::secret::{AeadKey, MessageKey, Secret};
use crate::primitives::sign::SigningKey;
use crate::primitives::{aead, kdf};

use crate::{Context, DeviceId, Digest, PeerFault, Result, session};
use zeroize::Zeroizing;

pub(super) enum Pairwise {}

impl GroupCipher for Pairwise {
    const PROMISE: Promise = Promise { devices: 100, most: 300, signed: false };

    fn wants(room: &Room, cx: &mut Context) -> Result<Vec<DeviceId>> {
        Room::without_session(room.others(), cx)
    }

    fn seal(
        room: &Room,
        aad: &Aad,
        salt: &[u8; 16],
        _signing: &SigningKey,
        plaintext: &[u8],
        cx: &mut Context,
    ) -> Result<Sealed> {
        let bound = aad.bytes(0)?;
        let key = Secret::<MessageKey>::random(cx);
        let sealed = aead::seal(aead_key(&key, salt, &bound), &bound, plaintext)?;
        let chat = Chat { key: KeyName::Committed(commitment(&key, &bound)), sealed: sealed.into() };
        let slice_aad = slice_aad(&bound, &chat)?;
        let mut slices = Vec::new();
        for device in room.others().collect::<Vec<_>>() {
            let peer = room.roster.peer(device).ok_or(PeerFault::RosterMismatch)?;
            slices.push((device, session::seal(&peer, salt, &slice_aad, key.expose(), cx)?));
        }
        Ok(Sealed { chat, slices })
    }

    fn open(room: &Room, aad: &Aad, received: &Received, cx: &mut Context) -> Result<Zeroizing<Vec<u8>>> {
        let chat = received.chat;
        let bound = aad.bytes(0)?;
        let slice = received.slice.ok_or(PeerFault::NoSlice)?;
        let peer = room.roster.peer(received.sender.device).ok_or(PeerFault::RosterMismatch)?;
        let payload =
            session::open(room.account, &peer, received.salt, &slice_aad(&bound, chat)?, slice, cx)?;
        let key: Secret<MessageKey> = codec::decode(&payload)?;
        let KeyName::Committed(named) = &chat.key else { return Err(PeerFault::Malformed.into()) };
        if *named != commitment(&key, &bound) {
            return Err(PeerFault::HashMismatch.into());
        }
        aead::open(&aead_key(&key, received.salt, &bound), &bound, chat.sealed.as_slice())
    }
}

fn aead_key(key: &Secret<MessageKey>, salt: &[u8; 16], bound: &[u8]) -> Secret<AeadKey> {
    kdf::derive(key.expose(), salt, labels::CHAT_KEY, &[bound])
}

fn commitment(key: &Secret<MessageKey>, bound: &[u8]) -> Digest {
    kdf::hash(labels::KEY_COMMITMENT, &[key.expose(), bound])
}

/// A slice is the content key, and opens only beside the content that it was made for.
fn slice_aad(bound: &[u8], chat: &Chat) -> Result<Vec<u8>> {
    let content = kdf::hash(labels::PAIRWISE_CONTENT, &[&codec::encode(chat)?]);
    Ok([labels::PAIRWISE_SLICE.0.as_bytes(), bound, content.as_bytes()].concat())
}
