//! Sender keys that heal: one ratcheting chain per sender, handed out lazily through the sessions, moved by every commit.
//!
//! ```text
//! on every commit:  (chain, heal root) ← KDF(heal root, seed or none, commit hash); the counter starts at 0 again
//! on every message: message key ← HMAC(chain, "message"), chain ← HMAC(chain, "next")
//! ```
//! A message is signed inside the seal, over associated data, a commitment to its key, and the content.

use super::cipher::{GroupCipher, Promise, Received, Room, Sealed};
use super::message::{Aad, Chat, KeyName};
use crate::codec::{self, Count, Rest};
use crate::labels;
use crate::primitives::secret::{AeadKey, ChainKey, HealRoot, MessageKey, Secret, Seed};
use crate::primitives::sign::{Signature, SigningKey};
use crate::primitives::{aead, kdf};
use crate::vault::{Row, key, load, save};
use crate::{Context, DeviceId, Digest, Error, GroupId, PeerFault, Result, session};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// The furthest that a message may be ahead of its chain.
pub(crate) const MAX_JUMP: u64 = 1000;

pub(super) enum SenderKeys {}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Chain {
    key: Secret<ChainKey>,
    heal_root: Secret<HealRoot>,
    /// The number of the next message.
    next: u64,
}

/// The inside of a message: the sender's signature and what it says.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Signed {
    signature: Signature,
    body: Rest,
}

impl GroupCipher for SenderKeys {
    const PROMISE: Promise = Promise { devices: 300, signed: true };

    fn wants(room: &Room, cx: &mut Context) -> Result<Vec<DeviceId>> {
        let lacking = lacking(room, cx)?;
        Room::without_session(lacking.into_iter(), cx)
    }

    fn seal(
        room: &Room,
        aad: &Aad,
        salt: &[u8; 16],
        signing: &SigningKey,
        plaintext: &[u8],
        cx: &mut Context,
    ) -> Result<Sealed> {
        let row = chain_row(&aad.group, &room.me);
        let mut chain = match load::<Chain>(cx.vault, &row)? {
            Some(chain) => chain,
            None => Chain { key: Secret::random(cx), heal_root: Secret::random(cx), next: 0 },
        };
        let distribution = Zeroizing::new(codec::encode(&chain)?);
        let mut slices = Vec::new();
        for device in lacking(room, cx)? {
            let peer = room.roster.peer(device).ok_or(PeerFault::RosterMismatch)?;
            slices.push((device, session::seal(&peer, salt, &slice_aad(aad)?, &distribution, cx)?));
        }
        let counter = chain.next;
        let bound = aad.bytes(counter)?;
        let (message_key, commitment) = chain.advance(salt, &bound);
        let signature = signing.sign(labels::CHAT_SIGNATURE, &signed(&bound, &commitment, plaintext));
        let inside = Zeroizing::new(codec::encode(&Signed { signature, body: Rest(plaintext.to_vec()) })?);
        let sealed = aead::seal(message_key, &bound, &inside)?.into();
        save(cx.vault, &row, &chain)?;
        Ok(Sealed { chat: Chat { key: KeyName::Chain(Count(counter)), sealed }, slices })
    }

    fn open(room: &Room, aad: &Aad, received: &Received, cx: &mut Context) -> Result<Zeroizing<Vec<u8>>> {
        let chat = received.chat;
        let KeyName::Chain(Count(counter)) = chat.key else { return Err(PeerFault::Malformed.into()) };
        let row = chain_row(&aad.group, &received.sender.device);
        let mut chain = match received.slice {
            Some(slice) => {
                let peer = room.roster.peer(received.sender.device).ok_or(PeerFault::RosterMismatch)?;
                let distribution =
                    session::open(room.account, &peer, received.salt, &slice_aad(aad)?, slice, cx)?;
                codec::decode::<Chain>(&distribution)?
            }
            None => load::<Chain>(cx.vault, &row)?.ok_or(PeerFault::NoSlice)?,
        };
        if counter < chain.next {
            return Err(PeerFault::Duplicate.into());
        }
        if counter - chain.next > MAX_JUMP {
            return Err(PeerFault::TooFarAhead.into());
        }
        // Numbers in between belong to posts that the relay refused: in the order of the log they can't come any more.
        while chain.next < counter {
            chain.skip();
        }
        let bound = aad.bytes(counter)?;
        let (message_key, commitment) = chain.advance(received.salt, &bound);
        let inside = aead::open(&message_key, &bound, chat.sealed.as_slice())?;
        let Signed { signature, body: Rest(body) } = codec::decode(&inside)?;
        let signed = signed(&bound, &commitment, &body);
        room.roster.key_of(received.sender)?.verify(labels::CHAT_SIGNATURE, &signed, &signature)?;
        save(cx.vault, &row, &chain)?;
        Ok(Zeroizing::new(body))
    }

    fn delivered(group: &GroupId, handed: &[DeviceId], cx: &mut Context) -> Result<()> {
        if handed.is_empty() {
            return Ok(());
        }
        let mut have = handed_out(group, cx)?;
        have.extend_from_slice(handed);
        have.sort_unstable();
        have.dedup();
        save(cx.vault, &handed_row(group), &have)
    }

    fn step(
        room: &Room,
        seed: Option<&Secret<Seed>>,
        commit: &Digest,
        gone: &[DeviceId],
        cx: &mut Context,
    ) -> Result<()> {
        let group = &room.roster.body().group;
        for device in gone {
            cx.vault.delete(&chain_row(group, device))?;
        }
        let mut have = handed_out(group, cx)?;
        let before = have.len();
        have.retain(|device| !gone.contains(device));
        if have.len() != before {
            save(cx.vault, &handed_row(group), &have)?;
        }
        for found in cx.vault.scan(&key(Row::Chain, &[group.as_bytes()]))? {
            let chain: Chain = codec::decode(&found.value).map_err(|_| Error::CorruptStore)?;
            save(cx.vault, &found.key, &chain.mix(seed, commit))?;
        }
        Ok(())
    }
}

impl Chain {
    /// The key of the next message with the commitment to it; the chain moves on.
    fn advance(&mut self, salt: &[u8; 16], bound: &[u8]) -> (Secret<AeadKey>, Digest) {
        let message: Secret<MessageKey> = kdf::step(&self.key, labels::CHAIN_MESSAGE);
        self.skip();
        let commitment = kdf::hash(labels::KEY_COMMITMENT, &[message.expose(), salt, bound]);
        (kdf::derive(message.expose(), salt, labels::CHAT_KEY, &[bound]), commitment)
    }

    fn skip(&mut self) {
        self.key = kdf::step(&self.key, labels::CHAIN_NEXT);
        self.next += 1;
    }

    fn mix(self, seed: Option<&Secret<Seed>>, commit: &Digest) -> Self {
        let salt: &[u8] = seed.map_or(&[], |seed| seed.expose());
        let parts: [&[u8]; 1] = [commit.as_bytes()];
        let (key, heal_root) =
            kdf::derive_two(self.heal_root.expose(), salt, labels::SENDER_CHAIN_MIX, &parts);
        Self { key, heal_root, next: 0 }
    }
}

/// The devices that do not have this device's chain.
fn lacking(room: &Room, cx: &mut Context) -> Result<Vec<DeviceId>> {
    let have = handed_out(&room.roster.body().group, cx)?;
    Ok(room.others().filter(|device| have.binary_search(device).is_err()).collect())
}

/// The devices that have it, in order: one row, so that a message costs one look whatever the group's size.
fn handed_out(group: &GroupId, cx: &Context) -> Result<Vec<DeviceId>> {
    Ok(load(cx.vault, &handed_row(group))?.unwrap_or_default())
}

fn signed(bound: &[u8], commitment: &Digest, body: &[u8]) -> Vec<u8> {
    [bound, commitment.as_bytes(), body].concat()
}

fn slice_aad(aad: &Aad) -> Result<Vec<u8>> {
    Ok([labels::SENDER_KEY_SLICE.0.as_bytes(), &codec::encode(aad)?].concat())
}

fn chain_row(group: &GroupId, device: &DeviceId) -> Vec<u8> {
    key(Row::Chain, &[group.as_bytes(), device.as_bytes()])
}

fn handed_row(group: &GroupId) -> Vec<u8> {
    key(Row::HandedOut, &[group.as_bytes()])
}
