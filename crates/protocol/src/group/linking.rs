//! A new device asks to be listed: by a link that the primary device shows, in a letter to that device's inbox. Both show a code
//! of what was asked, and the person compares them.
//!
//! Who is asked, and whether the person agrees, is the client's concern.

use super::letter::{Body, seal_letter};
use super::{Bundles, OutgoingLetter};
use crate::codec;
use crate::identity::{DeviceList, Handle, Link, ListedDevice, NewDevice, link_id};
use crate::labels;
use crate::primitives::kdf;
use crate::primitives::secret::{LinkSecret, Secret};
use crate::primitives::sign::Signature;
use crate::{Context, Digest, PeerFault, PersonId, Result};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// "List me", by whoever has the link; that it has the device's key is not checked yet.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct UnverifiedLinking {
    request: Request,
    signature: Signature,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
struct Request {
    secret: Secret<LinkSecret>,
    person: PersonId,
    device: ListedDevice,
}

/// The letter by which `new` asks the device that made `link`, whose bundle is in `bundles`; and the code of eight digits
/// that both sides show.
///
/// # Errors
/// `WrongAddress` if `list` is not that person's; `BundleNeeded`.
pub fn ask_to_link(
    new: &NewDevice,
    link: &Link,
    list: &DeviceList,
    handle: &Handle,
    bundles: &Bundles,
    cx: &mut Context,
) -> Result<(OutgoingLetter, String)> {
    list.peer(link.device()).ok_or(PeerFault::WrongAddress)?;
    let request = Request { secret: link.secret().duplicate(), person: link.person(), device: new.listed() };
    let code = request.code()?;
    let signature = new.signing().sign(labels::LINKING, &codec::encode(&request)?);
    let body = Body::Linking(UnverifiedLinking { request, signature });
    let body = seal_letter(&body, &bundles.bundle(list, link.device(), cx)?, cx)?;
    Ok((OutgoingLetter { device: link.device(), handle: handle.clone(), body }, code))
}

impl UnverifiedLinking {
    /// One that was kept.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn read(bytes: &[u8]) -> Result<Self> {
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

    /// What the new device shows as well if nobody stands between: eight digits.
    pub fn code(&self) -> Result<String> {
        self.request.code()
    }

    /// The device that asks, once it has shown that it holds its key.
    ///
    /// # Errors
    /// `WrongAddress` if it asks another person; `BadSignature`.
    pub fn verify(&self, person: &PersonId) -> Result<ListedDevice> {
        if self.request.person != *person {
            return Err(PeerFault::WrongAddress.into());
        }
        let device = self.request.device;
        device.signing.verify(labels::LINKING, &codec::encode(&self.request)?, &self.signature)?;
        Ok(device)
    }
}

impl Request {
    fn code(&self) -> Result<String> {
        let hash = kdf::hash(labels::LINKING_CODE, &[&codec::encode(self)?]);
        let number = hash.as_bytes().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        Ok(format!("{:08}", number % 100_000_000))
    }
}
