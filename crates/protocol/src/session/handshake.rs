//! The handshake of two devices, one of them off: PQXDH with X25519 and ML-KEM-768.
//!
//! Both sides come out with a root key that only the holders of both devices' keys can have, bound to who they are. The first
//! message hides who sends it. Which session is used when two started at once is not this file's concern.

use super::bundle::{Bundle, OneTimePrekey, VERSION};
use super::prekeys::{self, id_key};
use super::ratchet::Ratchet;
use crate::codec::{self, VLBytes};
use crate::identity::{Account, PeerDevice};
use crate::primitives::dh::{DhPublic, DhSecret};
use crate::primitives::kem::{MlKemCiphertext, MlKemPublic};
use crate::primitives::secret::{AeadKey, DhOutput, KemShared, RootKey, Secret};
use crate::primitives::{aead, kdf};
use crate::vault::Row;
use crate::{Context, DeviceId, Digest, PeerFault, PersonId, Result, labels};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// One byte before every key in the associated data, so that no key of one kind can pass for another.
const TYPE_X25519: u8 = 0x0d;
const TYPE_ML_KEM_768: u8 = 0x1a;

/// What the initiator sends with each message until the first answer.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct FirstHeader {
    clear: Clear,
    /// [`Initiator`], sealed under a key from the KEM secret.
    initiator: VLBytes,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Clear {
    generation: u32,
    one_time: Option<u32>,
    base: DhPublic,
    kem: MlKemCiphertext,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Initiator {
    person: PersonId,
    device: DeviceId,
    dh: DhPublic,
    own_list: u64,
    peer_list: u64,
}

/// A session about to be: its ratchet, and the digest of the handshake's associated data.
pub(super) struct Agreed {
    pub(super) ratchet: Ratchet,
    pub(super) ad: Digest,
}

/// Starts: what to send first, and the own side of the session.
pub(super) fn initiate(
    account: &Account,
    peer: &PeerDevice,
    peer_list: u64,
    bundle: &Bundle,
    one_time: Option<&OneTimePrekey>,
    cx: &mut Context,
) -> Result<(FirstHeader, Agreed)> {
    let (theirs, one_time) = (&bundle.body, one_time.map(|prekey| &prekey.body));
    let other_device = one_time.is_some_and(|prekey| prekey.device != peer.device);
    if theirs.device != peer.device || theirs.person != peer.person || other_device {
        return Err(PeerFault::WrongAddress.into());
    }
    let base = DhSecret::generate(cx);
    let kem_key = one_time.map_or(&theirs.kem, |prekey| &prekey.kem);
    let (kem, shared) = kem_key.encapsulate(cx)?;
    let agreements =
        [account.device_dh().agree(&theirs.prekey)?, base.agree(&peer.dh)?, base.agree(&theirs.prekey)?];
    let fourth = one_time.map(|prekey| base.agree(&prekey.prekey)).transpose()?;
    let me = account.as_peer();
    let initiator = Initiator {
        person: me.person,
        device: me.device,
        dh: me.dh,
        own_list: account.device_list().version(),
        peer_list,
    };
    let ad = associated_data(&initiator, peer, kem_key);
    let root = root_key(&agreements, fourth.as_ref(), &shared, &ad);
    let one_time = one_time.map(|prekey| prekey.id);
    let clear = Clear { generation: theirs.generation, one_time, base: *base.public(), kem };
    let sealed = seal_initiator(&shared, &clear, &initiator)?;
    let ratchet = Ratchet::initiator(root, theirs.prekey);
    Ok((FirstHeader { clear, initiator: sealed.into() }, Agreed { ratchet, ad }))
}

/// Answers. Nothing is written: the caller calls [`FirstHeader::accept`] once the message inside has authenticated.
///
/// # Errors
/// `UnknownPrekey`, `DoesNotOpen`, `BadKey`; `WrongAddress` if `peer` is not who sent it; `Duplicate` for a replay.
pub(super) fn respond(
    account: &Account,
    peer: &PeerDevice,
    first: &FirstHeader,
    cx: &Context,
) -> Result<Agreed> {
    let clear = &first.clear;
    let generation = prekeys::generation(clear.generation, cx)?;
    let one_time = clear.one_time.map(|id| prekeys::one_time(id, cx)).transpose()?;
    if cx.vault.get(&first.accepted_key())?.is_some() {
        return Err(PeerFault::Duplicate.into());
    }
    let kem_secret = one_time.as_ref().map_or(&generation.kem, |prekey| &prekey.kem);
    let shared = kem_secret.decapsulate(&clear.kem);
    let initiator = open_initiator(&shared, first)?;
    if (initiator.person, initiator.device, initiator.dh) != (peer.person, peer.device, peer.dh) {
        return Err(PeerFault::WrongAddress.into());
    }
    let own = account.keys_by(initiator.peer_list, cx)?;
    let agreements = [
        generation.prekey.agree(&peer.dh)?,
        own.dh(account).agree(&clear.base)?,
        generation.prekey.agree(&clear.base)?,
    ];
    let fourth = one_time.as_ref().map(|prekey| prekey.prekey.agree(&clear.base)).transpose()?;
    let ad = associated_data(&initiator, &own.peer, &kem_secret.public());
    let root = root_key(&agreements, fourth.as_ref(), &shared, &ad);
    Ok(Agreed { ratchet: Ratchet::responder(root, generation.prekey), ad })
}

impl FirstHeader {
    /// What names the session that this header starts.
    pub(super) fn session_digest(&self) -> Result<Digest> {
        let kem = codec::encode(&self.clear.kem)?;
        Ok(kdf::hash(labels::SESSION_ID, &[self.clear.base.as_bytes(), &kem]))
    }

    /// Uses up what the handshake used: the one-time prekey is deleted; without one the base key is remembered.
    pub(super) fn accept(&self, cx: &mut Context) -> Result<()> {
        match self.clear.one_time {
            Some(id) => prekeys::forget_one_time(id, cx),
            None => Ok(cx.vault.put(&self.accepted_key(), &[1])?),
        }
    }

    fn accepted_key(&self) -> Vec<u8> {
        let mut row = id_key(Row::AcceptedBase, self.clear.generation);
        row.extend_from_slice(self.clear.base.as_bytes());
        row
    }
}

fn root_key(
    agreements: &[Secret<DhOutput>; 3],
    fourth: Option<&Secret<DhOutput>>,
    shared: &Secret<KemShared>,
    ad: &Digest,
) -> Secret<RootKey> {
    // PQXDH: F ‖ DH1 ‖ DH2 ‖ DH3 [‖ DH4] ‖ SS, F = 32 bytes 0xFF; salt of zeros.
    let mut material = Zeroizing::new(Vec::with_capacity(6 * 32));
    material.extend_from_slice(&[0xff; 32]);
    for output in agreements.iter().chain(fourth) {
        material.extend_from_slice(output.expose());
    }
    material.extend_from_slice(shared.expose());
    kdf::derive(&material, &[0; 32], labels::HANDSHAKE, &[ad.as_bytes()])
}

/// Both persons, devices, keys and list versions, and the KEM key; every part has a fixed width or a length.
fn associated_data(initiator: &Initiator, responder: &PeerDevice, kem: &MlKemPublic) -> Digest {
    kdf::hash(
        labels::HANDSHAKE_DATA,
        &[
            &[VERSION],
            initiator.person.as_bytes(),
            initiator.device.as_bytes(),
            &[TYPE_X25519],
            initiator.dh.as_bytes(),
            &initiator.own_list.to_be_bytes(),
            responder.person.as_bytes(),
            responder.device.as_bytes(),
            &[TYPE_X25519],
            responder.dh.as_bytes(),
            &initiator.peer_list.to_be_bytes(),
            &[TYPE_ML_KEM_768],
            kem.as_bytes(),
        ],
    )
}

fn seal_initiator(shared: &Secret<KemShared>, clear: &Clear, initiator: &Initiator) -> Result<Vec<u8>> {
    aead::seal(header_key(shared), &codec::encode(clear)?, &codec::encode(initiator)?)
}

fn open_initiator(shared: &Secret<KemShared>, first: &FirstHeader) -> Result<Initiator> {
    let aad = codec::encode(&first.clear)?;
    codec::decode(&aead::open(&header_key(shared), &aad, first.initiator.as_slice())?)
}

/// The KEM secret is fresh with every handshake, so this key seals once.
fn header_key(shared: &Secret<KemShared>) -> Secret<AeadKey> {
    kdf::derive(shared.expose(), &[], labels::HANDSHAKE_HEADER, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn the_associated_data_binds_every_party_key_and_list_version() {
        let mut bench = Bench::new(1);
        let mut cx = bench.cx();
        let kems = [0, 1].map(|_| crate::primitives::kem::MlKemSecret::generate(&mut cx).public());
        let mut seen = std::collections::BTreeSet::new();
        // In round n the n-th input is another one; round 9 changes nothing.
        let mut key = || *DhSecret::generate(&mut cx).public();
        let keys = [key(), key()];
        let signing = *crate::primitives::sign::SigningKey::generate(&mut bench.cx()).public();
        for round in 0..10 {
            let is = |place: usize| usize::from(round == place);
            let initiator = Initiator {
                person: PersonId([is(0) as u8; 32]),
                device: DeviceId([is(1) as u8; 16]),
                dh: keys[is(2)],
                own_list: is(3) as u64,
                peer_list: is(4) as u64,
            };
            let (person, device) = (PersonId([is(5) as u8; 32]), DeviceId([is(6) as u8; 16]));
            let responder = PeerDevice { person, device, signing, dh: keys[is(7)] };
            seen.insert(associated_data(&initiator, &responder, &kems[is(8)]));
        }
        assert_eq!(seen.len(), 10);
    }
}
