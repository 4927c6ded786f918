//! Reading a relay's key log without an account, for whoever audits it. What it says is checked to be signed by that relay;
//! that the log only grew is the auditor's to check.

use crate::clock::{SystemClock, check_reach};
use crate::directory::answer_fault;
use crate::meeting::relay_id;
use crate::transport::{Address, Link};
use crate::{ClientError, Result};
use bytes::Bytes;
use conclave_keylog::{KeyLogError, MOST_EPOCHS, Root, VerifiedRoot};
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};

/// A connection to a relay, to read its key log.
pub struct LogReader {
    link: Link,
    relay: [u8; 32],
}

impl LogReader {
    /// Connects to a relay at its address; with its id in it (`…#ID`), to no other.
    ///
    /// # Errors
    /// `BadAddress`, `NeedsTls`, `Unreachable`, `RelayChanged`, `TlsFailed`.
    pub async fn connect(url: &str) -> Result<Self> {
        let address = Address::parse(url)?;
        check_reach(&SystemClock, &address)?;
        let link = Link::connect(&address).await?;
        let relay = relay_id(&link)?;
        Ok(Self { link, relay })
    }

    /// The relay's id.
    pub fn relay_id(&self) -> [u8; 32] {
        self.relay
    }

    /// The host in the handles of its accounts.
    pub fn host(&self) -> &str {
        &self.link.hello().host
    }

    /// The first root of the log.
    ///
    /// # Errors
    /// `KeyLog`, `Unreachable`, `Refused`.
    pub async fn first(&self) -> Result<VerifiedRoot> {
        Ok(self.trail((0, 0), 1).await?.0)
    }

    /// The roots after one: the newest of them, as many as the relay gives at once, and the links that lead to it. None if
    /// there is nothing newer.
    ///
    /// # Errors
    /// `KeyLog`, `Unreachable`, `Refused`.
    pub async fn after(
        &self,
        root: &VerifiedRoot,
    ) -> Result<Option<(VerifiedRoot, Vec<conclave_keylog::Link>)>> {
        let (to, links) = self.trail(root.position(), 0).await?;
        Ok(Some((to, links)).filter(|(_, links)| !links.is_empty()))
    }

    /// The first root of the next incarnation after a root's: where the log goes on after a restore. None: there is none.
    ///
    /// # Errors
    /// `KeyLog`, `Unreachable`, `Refused`.
    pub async fn restored_after(&self, root: &VerifiedRoot) -> Result<Option<VerifiedRoot>> {
        let incarnation = root.position().0;
        let (next, _) = self.trail((incarnation, MOST_EPOCHS - 1), 1).await?;
        Ok(Some(next).filter(|next| next.position().0 > incarnation))
    }

    /// The root at an incarnation and epoch, if there is one.
    ///
    /// # Errors
    /// `KeyLog`, `Unreachable`.
    pub async fn at(&self, (incarnation, epoch): (u64, u64)) -> Result<Option<VerifiedRoot>> {
        match self.link.ask(Request::LogRoot(v1::LogRoot { incarnation, epoch })).await {
            Ok(Body::SignedRoot(signed)) => Ok(Some(self.read(&signed.root)?)),
            Ok(_) => Err(answer_fault()),
            Err(ClientError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The witnesses, by the SHA-256 of their keys, whose cosignatures the relay has of a root.
    ///
    /// # Errors
    /// `Unreachable`, `Refused`.
    pub async fn witnesses(&self, root: &VerifiedRoot) -> Result<Vec<[u8; 32]>> {
        let (incarnation, epoch) = root.position();
        let asked = Request::LogRoot(v1::LogRoot { incarnation, epoch });
        let Body::SignedRoot(signed) = self.link.ask(asked).await? else { return Err(answer_fault()) };
        Ok(signed.cosignatures.iter().filter_map(|cosignature| root.cosigned_by(cosignature).ok()).collect())
    }

    /// Gives the relay a witness's cosignature of a root.
    ///
    /// # Errors
    /// `Unreachable`; `Refused` where the relay's operator does not name the witness.
    pub async fn cosign(&self, root: &VerifiedRoot, cosignature: Vec<u8>) -> Result<()> {
        let (incarnation, epoch) = root.position();
        let cosign = v1::Cosign { incarnation, epoch, cosignature: cosignature.into() };
        match self.link.ask(Request::Cosign(cosign)).await? {
            Body::Done(_) => Ok(()),
            _ => Err(answer_fault()),
        }
    }

    /// How the `count` epochs after one grew, a step each.
    ///
    /// # Errors
    /// `KeyLog` if there are not so many; `Unreachable`, `Refused`.
    pub async fn growth(&self, epoch: u64, count: usize) -> Result<Vec<Bytes>> {
        let mut steps: Vec<Bytes> = Vec::new();
        while steps.len() < count {
            let most = u32::try_from(count - steps.len()).unwrap_or(u32::MAX);
            let after = epoch.saturating_add(steps.len() as u64);
            let asked = Request::LogAudit(v1::LogAudit { epoch: after, most });
            let Body::Growth(growth) = self.link.ask(asked).await? else { return Err(answer_fault()) };
            if growth.steps.is_empty() || growth.steps.len() > count - steps.len() {
                return Err(ClientError::KeyLog(KeyLogError::BadProof));
            }
            steps.extend(growth.steps);
        }
        Ok(steps)
    }

    async fn trail(
        &self,
        (incarnation, epoch): (u64, u64),
        most: u32,
    ) -> Result<(VerifiedRoot, Vec<conclave_keylog::Link>)> {
        let asked = Request::LogRoots(v1::LogRoots { incarnation, epoch, most });
        let Body::Trail(trail) = self.link.ask(asked).await? else { return Err(answer_fault()) };
        let links = conclave_keylog::Link::decode_all(&trail.links).map_err(ClientError::KeyLog)?;
        Ok((self.read(&trail.root)?, links))
    }

    fn read(&self, root: &[u8]) -> Result<VerifiedRoot> {
        Root::decode(root).and_then(|root| root.verify(&self.relay)).map_err(ClientError::KeyLog)
    }
}
