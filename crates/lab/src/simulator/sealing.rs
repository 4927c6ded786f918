//! What a device posts next: sealed at the head, on disk before it leaves. A heal that is due comes before what is said.

use super::START;
use super::device::{Device, Disk, Outgoing, Wish, bytes};
use super::tape::What;
use crate::{LabError, Result};
use bytes::Bytes;
use conclave_protocol::content::Content;
use conclave_protocol::gossip::Gossip;
use conclave_protocol::group::{Bundles, Intent, Need, Post};
use conclave_protocol::identity::Handle;
use conclave_protocol::{DeviceId, Error, PersonId};
use conclave_relay::Direct;
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use rand_chacha::ChaCha20Rng;

/// A request to be let in again is repeated after so long, in milliseconds.
const ASK_AGAIN: u64 = 600_000;

/// What a device can reach besides the relay's channel: keys, and who is who.
pub(super) struct Town<'a> {
    pub(super) relay: &'a Direct,
    pub(super) people: &'a [(PersonId, Handle, Vec<u8>)],
}

impl Device {
    /// Seals what is to be posted next, if there is something: the sealed post is on disk before it leaves.
    pub(super) fn seal_next(&mut self, town: &Town, now: u64) -> Result<()> {
        let (heals, gossip) = (self.heals, self.gossip.clone());
        self.step(|disk, rng| {
            let (stranded, out) =
                disk.in_group(rng, now, |_, group, _| Ok((group.is_stranded(), group.is_out())))?;
            if stranded {
                return ask_to_rejoin(disk, rng, town, now);
            }
            if out {
                return Ok(());
            }
            let Some(wish) = disk.wishes.front().cloned() else { return Ok(()) };
            let due = heals && disk.in_group(rng, now, |_, group, cx| group.heal_is_due(cx))?;
            let (wish, wished) = match wish {
                Wish::Say(..) if due => (Wish::Change(Intent::Heal), false),
                wish => (wish, true),
            };
            match seal(disk, rng, town, (&wish, &gossip), now) {
                Ok(post) => {
                    let (seat, token, number) = (disk.seat, disk.token, disk.posts + 1);
                    let what = kind(&wish);
                    disk.sealed = Some(post.shared.clone());
                    disk.outgoing = Some(Outgoing { seat, token, number, post, what, wished });
                    Ok(())
                }
                // There is nothing left to do, or it is not allowed any more.
                Err(LabError::Protocol(Error::Misuse(_) | Error::Peer(_))) => {
                    disk.wishes.pop_front();
                    Ok(())
                }
                Err(error) => Err(error),
            }
        })
    }
}

fn kind(wish: &Wish) -> What {
    match wish {
        Wish::Say(_, text) => What::Said(text.clone()),
        Wish::Change(Intent::Heal) => What::Healed,
        Wish::Change(Intent::Remove(_) | Intent::Settle | Intent::Readmit(_)) => What::Seeded,
        Wish::Change(_) => What::Moved,
    }
}

fn seal(
    disk: &mut Disk,
    rng: &mut ChaCha20Rng,
    town: &Town,
    (wish, gossip): (&Wish, &Gossip),
    now: u64,
) -> Result<Post> {
    // A failed attempt must leave nothing.
    let before = disk.vault.clone();
    let sealed = match wish {
        Wish::Say(id, text) => {
            let content = Content::text(text.clone())?;
            let needs = disk.in_group(rng, now, |account, group, cx| group.needs_for_send(account, cx))?;
            let bundles = town.fetch(&needs, Bundles::default());
            disk.in_group(rng, now, |account, group, cx| {
                group.send_carrying(account, *id, (&content, gossip), &bundles, cx)
            })
        }
        Wish::Change(intent) => {
            let mut bundles = Bundles::default();
            if let Intent::Add(people) = intent {
                let known = town.people.iter().filter(|(person, ..)| people.contains(person));
                for (_, handle, list) in known {
                    bundles.person(handle.clone(), list)?;
                }
            }
            let needs =
                disk.in_group(rng, now, |account, group, _| group.needs_for(account, intent, &bundles))?;
            let bundles = town.fetch(&needs, bundles);
            disk.in_group(rng, now, |account, group, cx| group.change(account, intent, &bundles, cx))
        }
    };
    if sealed.is_err() {
        disk.vault = before;
    }
    sealed
}

fn ask_to_rejoin(disk: &mut Disk, rng: &mut ChaCha20Rng, town: &Town, now: u64) -> Result<()> {
    if disk.joining.is_some() || disk.asked.is_some_and(|asked| now < asked + ASK_AGAIN) {
        return Ok(());
    }
    let (request, needs) = disk.in_group(rng, now, |account, group, cx| group.rejoin_request(account, cx))?;
    let bundles = town.fetch(&needs, Bundles::default());
    for need in &needs {
        let letter =
            disk.in_group(rng, now, |_, group, cx| group.rejoin_letter(&request, need.device, &bundles, cx))?;
        disk.mail.push_back((letter.device, letter.body));
    }
    disk.asked = Some(now);
    Ok(())
}

impl Town<'_> {
    /// Keys from the directory.
    fn fetch(&self, needs: &[Need], mut bundles: Bundles) -> Bundles {
        let devices = needs.iter().map(|need| v1::KeyRequest {
            device: bytes(need.device.as_bytes()),
            prekey: need.prekey,
            join_key: need.join_key,
        });
        let take = Request::TakeKeys(v1::TakeKeys { devices: devices.collect() });
        let Body::Keys(keys) = self.relay.answer(take, START) else { return bundles };
        for keys in keys.devices {
            let Ok(device) = DeviceId::try_from(keys.device.as_ref()) else { continue };
            let some = |bytes: Bytes| (!bytes.is_empty()).then(|| bytes.to_vec());
            bundles.device(device, keys.bundle.to_vec(), some(keys.one_time_prekey), some(keys.join_key));
        }
        bundles
    }
}
