//! A link: where a person is found, who it is, and a secret that lets its bearer in. Handed from person to person, outside
//! of any relay, so what it names is worth more than what a directory says.
//!
//! ```text
//! text ─► UnverifiedLink (says where to look) ─► with that person's device list ─► Link (says who it is)
//! ```
//! What the secret opens is known to the person who made the link alone; the link does not say.

use super::{Account, DeviceList, Handle};
use crate::codec::{self, VLBytes};
use crate::labels;
use crate::primitives::kdf;
use crate::primitives::secret::{LinkSecret, Secret};
use crate::primitives::sign::Signature;
use crate::{Context, DeviceId, Digest, Misuse, PeerFault, PersonId, Result, Timestamp};
use base64ct::{Base64UrlUnpadded, Encoding};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// What every link's text begins with.
pub const LINK_PREFIX: &str = "conclave:";

const VERSION: u8 = 1;
/// The longest text looked at: far above any that is made.
const MAX_TEXT: usize = 4096;

/// A link whose signature holds, by a device of the person that it names.
pub struct Link {
    body: Body,
}

/// A link as it was pasted.
pub struct UnverifiedLink {
    body: Body,
    signed: Vec<u8>,
    signature: Signature,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Body {
    version: u8,
    relay: VLBytes,
    relay_id: [u8; 32],
    handle: Handle,
    person: PersonId,
    device: DeviceId,
    secret: Secret<LinkSecret>,
    expires: Timestamp,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Signed {
    body: VLBytes,
    signature: Signature,
}

/// Makes a link to this account, which is found at the relay `url` with the id `relay_id`: the text, and its id.
///
/// # Errors
/// `TooLong` for a URL of more than 255 bytes.
pub fn make_link(
    account: &Account,
    url: &str,
    relay_id: [u8; 32],
    expires: Timestamp,
    cx: &mut Context,
) -> Result<(String, Digest)> {
    if url.len() > 255 {
        return Err(Misuse::TooLong(255).into());
    }
    let secret = Secret::random(cx);
    let id = link_id(&secret);
    let body = Body {
        version: VERSION,
        relay: url.as_bytes().into(),
        relay_id,
        handle: account.handle().clone(),
        person: *account.person(),
        device: *account.device_id(),
        secret,
        expires,
    };
    let body = codec::encode(&body)?;
    let signature = account.device_signing().sign(labels::LINK, &body);
    let signed = codec::encode(&Signed { body: body.into(), signature })?;
    Ok((format!("{LINK_PREFIX}{}", Base64UrlUnpadded::encode_string(&signed)), id))
}

impl UnverifiedLink {
    /// Reads a link's text; white space around it is passed over.
    ///
    /// # Errors
    /// `Malformed` for anything that is no link or was cut or damaged so that it is none; `UnknownVersion`.
    pub fn read(text: &str) -> Result<Self> {
        let encoded = text.trim().strip_prefix(LINK_PREFIX).filter(|encoded| encoded.len() <= MAX_TEXT);
        let bytes = Base64UrlUnpadded::decode_vec(encoded.ok_or(PeerFault::Malformed)?);
        let Signed { body: signed, signature } = codec::decode(&bytes.map_err(|_| PeerFault::Malformed)?)?;
        let signed: Vec<u8> = signed.into();
        if signed.first() != Some(&VERSION) {
            return Err(PeerFault::UnknownVersion.into());
        }
        Ok(Self { body: codec::decode(&signed)?, signed, signature })
    }

    /// The text again, as it was made.
    #[cfg(any(test, fuzzing))]
    pub(super) fn text(&self) -> Result<String> {
        let signed = Signed { body: self.signed.as_slice().into(), signature: self.signature };
        Ok(format!("{LINK_PREFIX}{}", Base64UrlUnpadded::encode_string(&codec::encode(&signed)?)))
    }

    /// The relay's URL, as far as it is text.
    pub fn relay(&self) -> String {
        String::from_utf8_lossy(self.body.relay.as_slice()).into_owned()
    }

    /// The relay's id.
    pub fn relay_id(&self) -> [u8; 32] {
        self.body.relay_id
    }

    /// Where the person is found.
    pub fn handle(&self) -> &Handle {
        &self.body.handle
    }

    /// Checks the link against the person's device list.
    ///
    /// # Errors
    /// `WrongAddress` if the list is not that person's, or does not have the device; `BadSignature`; `Expired`.
    pub fn verify(self, list: &DeviceList, now: Timestamp) -> Result<Link> {
        let Body { person, device, expires, .. } = &self.body;
        let peer = list.peer(*device).filter(|_| list.person() == person).ok_or(PeerFault::WrongAddress)?;
        peer.signing.verify(labels::LINK, &self.signed, &self.signature)?;
        if now > *expires {
            return Err(PeerFault::Expired.into());
        }
        Ok(Link { body: self.body })
    }
}

impl Link {
    /// Whose.
    pub fn person(&self) -> PersonId {
        self.body.person
    }

    /// The device that made it: letters about it go there.
    pub fn device(&self) -> DeviceId {
        self.body.device
    }

    /// What lets its bearer in.
    pub(crate) fn secret(&self) -> &Secret<LinkSecret> {
        &self.body.secret
    }

    /// The link's id: who knows it need not know the secret.
    pub fn id(&self) -> Digest {
        link_id(&self.body.secret)
    }
}

/// The id of the link with this secret.
pub(crate) fn link_id(secret: &Secret<LinkSecret>) -> Digest {
    kdf::hash(labels::LINK_ID, &[secret.expose()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn account(bench: &mut Bench, name: &str) -> Account {
        let handle = Handle::parse(&format!("{name}@relay.test")).unwrap();
        bench.step(|cx| Account::create(handle, cx)).unwrap()
    }

    fn fault<T>(result: Result<T>) -> PeerFault {
        match result.err().unwrap() {
            crate::Error::Peer(fault) => fault,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_link_leads_to_the_person_who_made_it() {
        let mut bench = Bench::new(1);
        let mike = account(&mut bench, "mike");
        let (text, id) =
            make_link(&mike, "https://relay.test", [7; 32], Timestamp(500), &mut bench.cx()).unwrap();
        let link = UnverifiedLink::read(&format!("  {text}\n")).unwrap();
        assert_eq!((link.relay().as_str(), link.relay_id()), ("https://relay.test", [7; 32]));
        assert_eq!(link.handle(), mike.handle());
        let link = link.verify(&mike.device_list(), Timestamp(500)).unwrap();
        assert_eq!((link.person(), link.device()), (*mike.person(), *mike.device_id()));
        assert_eq!(link.id(), id);
        let again = UnverifiedLink::read(&text).unwrap();
        assert_eq!(fault(again.verify(&mike.device_list(), Timestamp(501))), PeerFault::Expired);
    }

    #[test]
    fn every_altered_character_and_every_cut_of_a_link_is_refused() {
        let mut bench = Bench::new(2);
        let mike = account(&mut bench, "mike");
        let (text, _) =
            make_link(&mike, "https://relay.test", [7; 32], Timestamp(500), &mut bench.cx()).unwrap();
        let holds =
            |text: &str| UnverifiedLink::read(text)?.verify(&mike.device_list(), Timestamp(0)).map(drop);
        assert_eq!(holds(&text), Ok(()));
        for at in LINK_PREFIX.len()..text.len() {
            assert!(holds(&text[..at]).is_err(), "cut at {at}");
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            assert!(holds(std::str::from_utf8(&altered).unwrap()).is_err(), "altered at {at}");
        }
    }

    #[test]
    fn a_link_is_refused_with_the_list_of_somebody_else() {
        let (mut bench, mut other) = (Bench::new(3), Bench::new(4));
        let (mike, eve) = (account(&mut bench, "mike"), account(&mut other, "mike"));
        let (text, _) =
            make_link(&mike, "https://relay.test", [7; 32], Timestamp(500), &mut bench.cx()).unwrap();
        let link = UnverifiedLink::read(&text).unwrap();
        assert_eq!(fault(link.verify(&eve.device_list(), Timestamp(0))), PeerFault::WrongAddress);
    }
}
