//! Sender keys that heal: one ratcheting chain per sender, handed out lazily through the sessions, moved by every commit.
//!
//! ```text
//! on every commit: (chain, heal root) ← KDF(heal root, seed or none, commit hash); the counter starts at 0 again
//! ```

use super::chain::Chain;
use super::cipher::{GroupCipher, Moved, Promise, Received, Room, Sealed};
use super::message::Aad;
use crate::codec;
use crate::labels;
use crate::primitives::kdf;
use crate::primitives::secret::{ChainKey, HealRoot, Secret, Seed};
use crate::primitives::sign::SigningKey;
use crate::vault::{Row, key, load, save};
use crate::{Context, DeviceId, Digest, Error, GroupId, PeerFault, Result, session};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

pub(super) enum SenderKeys {}

/// A sender's key as it is handed out and kept: its chain, and what moves it with each commit.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct SenderKey {
    key: Secret<ChainKey>,
    heal_root: Secret<HealRoot>,
    /// The number of the next message.
    next: u64,
}

impl GroupCipher for SenderKeys {
    const PROMISE: Promise = Promise { devices: 300, most: 1000, signed: true };

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
        let key = match load::<SenderKey>(cx.vault, &row)? {
            Some(key) => key,
            None => SenderKey { key: Secret::random(cx), heal_root: Secret::random(cx), next: 0 },
        };
        let distribution = Zeroizing::new(codec::encode(&key)?);
        let lacking = lacking(room, cx)?;
        if lacking.is_empty() {
            note_all_have_it(room, cx)?;
        }
        let mut slices = Vec::new();
        for device in lacking {
            let peer = room.roster.peer(device).ok_or(PeerFault::RosterMismatch)?;
            slices.push((device, session::seal(&peer, salt, &slice_aad(aad)?, &distribution, cx)?));
        }
        let (mut chain, heal_root) = key.apart();
        let chat = chain.seal(aad, salt, signing, plaintext)?;
        save(cx.vault, &row, &SenderKey::of(chain, heal_root))?;
        Ok(Sealed { chat, slices })
    }

    fn open(room: &Room, aad: &Aad, received: &Received, cx: &mut Context) -> Result<Zeroizing<Vec<u8>>> {
        let row = chain_row(&aad.group, &received.sender.device);
        let key = match received.slice {
            Some(slice) => {
                let peer = room.roster.peer(received.sender.device).ok_or(PeerFault::RosterMismatch)?;
                let distribution =
                    session::open(room.account, &peer, received.salt, &slice_aad(aad)?, slice, cx)?;
                codec::decode::<SenderKey>(&distribution)?
            }
            None => load::<SenderKey>(cx.vault, &row)?.ok_or(PeerFault::NoSlice)?,
        };
        let (mut chain, heal_root) = key.apart();
        let plaintext = chain.open(room.roster, aad, received)?;
        save(cx.vault, &row, &SenderKey::of(chain, heal_root))?;
        Ok(plaintext)
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

    fn moved(room: &Room, moved: &Moved, cx: &mut Context) -> Result<()> {
        let group = &room.roster.body().group;
        for device in moved.gone {
            cx.vault.delete(&chain_row(group, device))?;
        }
        let mut have = handed_out(group, cx)?;
        let before = have.len();
        have.retain(|device| !moved.gone.contains(device));
        if have.len() != before {
            save(cx.vault, &handed_row(group), &have)?;
        }
        for found in cx.vault.scan(&key(Row::Chain, &[group.as_bytes()]))? {
            let key: SenderKey = codec::decode(&found.value).map_err(|_| Error::CorruptStore)?;
            save(cx.vault, &found.key, &key.mix(moved.seed, moved.commit))?;
        }
        Ok(())
    }
}

impl SenderKey {
    fn apart(self) -> (Chain, Secret<HealRoot>) {
        (Chain { key: self.key, next: self.next }, self.heal_root)
    }

    fn of(chain: Chain, heal_root: Secret<HealRoot>) -> Self {
        Self { key: chain.key, heal_root, next: chain.next }
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
fn lacking(room: &Room, cx: &Context) -> Result<Vec<DeviceId>> {
    if all_have_it(room, cx)? {
        return Ok(Vec::new());
    }
    let have = handed_out(&room.roster.body().group, cx)?;
    Ok(room.others().filter(|device| have.binary_search(device).is_err()).collect())
}

/// Whether everybody was found to have it since the last commit: a message then costs one short row whatever the group's size.
/// Within an epoch nobody comes and nobody loses it, and a commit's hash names one roster, whatever became of this store.
fn all_have_it(room: &Room, cx: &Context) -> Result<bool> {
    let all: Option<Digest> = load(cx.vault, &all_row(&room.roster.body().group))?;
    Ok(all.as_ref() == Some(room.commit))
}

fn note_all_have_it(room: &Room, cx: &mut Context) -> Result<()> {
    match all_have_it(room, cx)? {
        true => Ok(()),
        false => save(cx.vault, &all_row(&room.roster.body().group), room.commit),
    }
}

/// The devices that have it, in order.
fn handed_out(group: &GroupId, cx: &Context) -> Result<Vec<DeviceId>> {
    Ok(load(cx.vault, &handed_row(group))?.unwrap_or_default())
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

fn all_row(group: &GroupId) -> Vec<u8> {
    key(Row::HandedToAll, &[group.as_bytes()])
}
