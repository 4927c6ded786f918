//! Being let in by a link: its bearer knocks at the device that made it, and hears if it is turned away. If not, what
//! follows is an invitation like any other. Who may come in by which link is the client's concern.

use super::letter::{Body, seal_letter};
use super::{Bundles, OutgoingLetter};
use crate::codec::{self, Decode};
use crate::identity::{Account, DeviceList, Handle, Link, link_id};
use crate::labels;
use crate::primitives::secret::{LinkSecret, Secret};
use crate::primitives::sign::{Signature, SigningKey};
use crate::{Context, DeviceId, Digest, PeerFault, PersonId, Result};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// "Let me in", by somebody who has a link: signed, and not yet checked against that person's device list.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct UnverifiedKnock {
    request: Request,
    signature: Signature,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Request {
    secret: Secret<LinkSecret>,
    person: PersonId,
    device: DeviceId,
    handle: Handle,
    at: u64,
}

/// Why somebody with a link is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub enum TurnedAway {
    /// The link is past its time.
    Expired = 1,
    /// It was used as often as it may be, or taken back.
    Used = 2,
    /// Its maker said no, or may not add people any more.
    Declined = 3,
}

/// The letter that knocks at the device that made `link`, whose bundle is in `bundles`.
///
/// # Errors
/// `WrongAddress` if `list` is not that person's; `BundleNeeded`.
pub fn knock(
    account: &Account,
    link: &Link,
    list: &DeviceList,
    handle: &Handle,
    bundles: &Bundles,
    cx: &mut Context,
) -> Result<OutgoingLetter> {
    list.peer(link.device()).ok_or(PeerFault::WrongAddress)?;
    let request = Request {
        secret: link.secret().duplicate(),
        person: *account.person(),
        device: *account.device_id(),
        handle: account.handle().clone(),
        at: cx.now.0,
    };
    let knock = UnverifiedKnock::sign(request, account.device_signing())?;
    let body = seal_letter(&Body::Knock(knock), &bundles.bundle(list, link.device(), cx)?, cx)?;
    Ok(OutgoingLetter { device: link.device(), handle: handle.clone(), body })
}

impl UnverifiedKnock {
    fn sign(request: Request, device: &SigningKey) -> Result<Self> {
        let signature = device.sign(labels::KNOCK, &codec::encode(&request)?);
        Ok(Self { request, signature })
    }

    /// A knock that was kept.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn read(bytes: &[u8]) -> Result<Self>
    where
        Self: Decode,
    {
        codec::decode(bytes)
    }

    /// To be kept.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        codec::encode(self)
    }

    /// The id of the link that it was made with.
    pub fn link(&self) -> Digest {
        link_id(&self.request.secret)
    }

    /// Who wants in, by its own word.
    pub fn handle(&self) -> &Handle {
        &self.request.handle
    }

    /// Who wants in, once checked.
    ///
    /// # Errors
    /// `WrongAddress` if the list is not that person's or does not have the device; `BadSignature`.
    pub fn verify(&self, list: &DeviceList) -> Result<PersonId> {
        let Request { person, device, .. } = &self.request;
        let peer = list.peer(*device).filter(|_| list.person() == person).ok_or(PeerFault::WrongAddress)?;
        peer.signing.verify(labels::KNOCK, &codec::encode(&self.request)?, &self.signature)?;
        Ok(*person)
    }

    /// The letter that turns the device away that knocked.
    ///
    /// # Errors
    /// `NotAMember` if `list` does not have the device; `BundleNeeded`.
    pub fn turn_away(
        &self,
        why: TurnedAway,
        list: &DeviceList,
        bundles: &Bundles,
        cx: &mut Context,
    ) -> Result<OutgoingLetter> {
        let device = self.request.device;
        let body = seal_letter(&Body::Turned(self.link(), why), &bundles.bundle(list, device, cx)?, cx)?;
        Ok(OutgoingLetter { device, handle: self.request.handle.clone(), body })
    }
}
