//! Letters: small sealed messages to a device that need no session. They hide their content and their sender.
//!
//! A letter proves nothing about who wrote it: what is inside must be signed.

use super::bundle::{Bundle, VERSION};
use super::prekeys;
use crate::identity::Account;
use crate::primitives::kem::{self, SealedTo};
use crate::{Context, DeviceId, PeerFault, PersonId, Result, codec, labels};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Letter {
    version: u8,
    generation: u32,
    sealed: SealedTo,
}

/// Seals `plaintext` to the device that published `to`.
pub fn inbox_seal(to: &Bundle, plaintext: &[u8], cx: &mut Context) -> Result<Vec<u8>> {
    let aad = aad(to.person(), to.device(), to.body.generation);
    let sealed = kem::seal_to(&to.body.inbox, labels::LETTER, &aad, plaintext, cx)?;
    codec::encode(&Letter { version: VERSION, generation: to.body.generation, sealed })
}

/// Opens a letter to this device.
///
/// # Errors
/// `UnknownVersion`, `Malformed`, `UnknownPrekey`, `DoesNotOpen`.
pub fn inbox_open(account: &Account, letter: &[u8], cx: &mut Context) -> Result<Zeroizing<Vec<u8>>> {
    if letter.first() != Some(&VERSION) {
        return Err(PeerFault::UnknownVersion.into());
    }
    let Letter { generation, sealed, .. } = codec::decode(letter)?;
    let secret = prekeys::generation(generation, cx)?.inbox;
    let aad = aad(account.person(), account.device_id(), generation);
    kem::open_sealed(&secret, labels::LETTER, &aad, &sealed)
}

fn aad(person: &PersonId, device: &DeviceId, generation: u32) -> Vec<u8> {
    [&[VERSION][..], person.as_bytes(), device.as_bytes(), &generation.to_be_bytes()].concat()
}
