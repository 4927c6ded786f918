//! The Double Ratchet of one session: which message key a header means.
//!
//! Values in memory only: the caller stores the new state once the message has authenticated, and drops it otherwise. A new
//! ratchet key is made at the next send, not at the receipt that makes it possible: it is fresher, and receiving is cheaper.

use super::chain::Chain;
use crate::codec::Count;
use crate::primitives::dh::{DhPublic, DhSecret};
use crate::primitives::kdf;
use crate::primitives::secret::{ChainKey, MessageKey, RootKey, Secret};
use crate::{Context, Error, PeerFault, Result, labels};
use std::collections::VecDeque;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// The most message keys that one header may skip.
pub(crate) const MAX_JUMP: u32 = 25_000;
/// Retired ratchet keys of the peer that are remembered, so that a late repeat is known as one.
const PAST_KEYS: usize = 8;

/// The state of one side.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Ratchet {
    root: Secret<RootKey>,
    own: Option<DhSecret>,
    remote: Option<DhPublic>,
    sending: Option<Chain>,
    receiving: Option<Chain>,
    previous: u32,
    past: Vec<DhPublic>,
}

/// Where a message key stands: the sender's ratchet key, the length of its chain before, the place in this one.
#[derive(Clone, Copy, Debug, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Header {
    pub(super) ratchet: DhPublic,
    pub(super) previous: Count,
    pub(super) number: Count,
}

/// A message key that was passed over.
pub(super) struct SkippedKey {
    pub(super) ratchet: DhPublic,
    pub(super) number: u32,
    pub(super) key: Secret<MessageKey>,
}

/// The message key for a header, and those passed over on the way (the newest, at most the number that is kept).
pub(super) struct Received {
    pub(super) key: Secret<MessageKey>,
    pub(super) skipped: VecDeque<SkippedKey>,
}

impl Header {
    /// The message's place in its chain.
    pub(super) fn number(&self) -> Result<u32> {
        place(self.number)
    }
}

/// Chains are shorter than the form of their numbers allows.
fn place(count: Count) -> Result<u32> {
    u32::try_from(count.0).map_err(|_| PeerFault::TooFarAhead.into())
}

impl Ratchet {
    /// The side that starts: it knows the responder's signed prekey.
    pub(super) fn initiator(root: Secret<RootKey>, remote: DhPublic) -> Self {
        Self { remote: Some(remote), ..Self::new(root, None) }
    }

    /// The side that answers: its signed prekey is its first ratchet key.
    pub(super) fn responder(root: Secret<RootKey>, own: DhSecret) -> Self {
        Self::new(root, Some(own))
    }

    fn new(root: Secret<RootKey>, own: Option<DhSecret>) -> Self {
        Self { root, own, remote: None, sending: None, receiving: None, previous: 0, past: Vec::new() }
    }

    /// The header and key of the next message to send.
    pub(super) fn next_sending(&mut self, cx: &mut Context) -> Result<(Header, Secret<MessageKey>)> {
        let mut chain = match self.sending.take() {
            Some(chain) => chain,
            None => {
                let remote = self.remote.ok_or(Error::CorruptStore)?;
                self.own = Some(DhSecret::generate(cx));
                Chain::new(self.root_step(&remote)?)
            }
        };
        let (number, key) = chain.step()?;
        self.sending = Some(chain);
        let ratchet = *self.own.as_ref().ok_or(Error::CorruptStore)?.public();
        let (previous, number) = (Count(self.previous.into()), Count(number.into()));
        Ok((Header { ratchet, previous, number }, key))
    }

    /// The key that `header` means.
    ///
    /// # Errors
    /// `Duplicate` for a place that was passed (a skipped key is the caller's to look for first), `TooFarAhead`, `BadKey`.
    pub(super) fn receive(&mut self, header: &Header) -> Result<Received> {
        let mut skipped = VecDeque::new();
        // A receiver that has no receiving chain yet takes the Diffie-Hellman step whatever the header says.
        let current = self.remote.filter(|_| self.receiving.is_some());
        if current != Some(header.ratchet) {
            if self.past.contains(&header.ratchet) {
                return Err(PeerFault::Duplicate.into());
            }
            self.skip_to(place(header.previous)?, &mut skipped)?;
            self.turn(header.ratchet)?;
        }
        let next = self.receiving.as_ref().map_or(0, Chain::next);
        let number = header.number()?;
        if number < next {
            return Err(PeerFault::Duplicate.into());
        }
        self.skip_to(number, &mut skipped)?;
        let (_, key) = self.receiving.as_mut().ok_or(Error::CorruptStore)?.step()?;
        Ok(Received { key, skipped })
    }

    /// The receiving half of a Diffie-Hellman step.
    fn turn(&mut self, remote: DhPublic) -> Result<()> {
        let chain = self.root_step(&remote)?;
        if let (Some(old), true) = (self.remote, self.receiving.is_some()) {
            self.past.push(old);
            if self.past.len() > PAST_KEYS {
                self.past.remove(0);
            }
        }
        if let Some(sent) = self.sending.take() {
            self.previous = sent.next();
        }
        self.remote = Some(remote);
        self.receiving = Some(Chain::new(chain));
        Ok(())
    }

    fn root_step(&mut self, remote: &DhPublic) -> Result<Secret<ChainKey>> {
        let own = self.own.as_ref().ok_or(PeerFault::DoesNotOpen)?;
        let shared = own.agree(remote)?;
        let (root, chain) = kdf::derive_two(shared.expose(), self.root.expose(), labels::RATCHET_ROOT, &[]);
        self.root = root;
        Ok(chain)
    }

    fn skip_to(&mut self, number: u32, skipped: &mut VecDeque<SkippedKey>) -> Result<()> {
        let (Some(chain), Some(ratchet)) = (self.receiving.as_mut(), self.remote) else { return Ok(()) };
        if number.saturating_sub(chain.next()) > MAX_JUMP {
            return Err(PeerFault::TooFarAhead.into());
        }
        while chain.next() < number {
            let (number, key) = chain.step()?;
            if skipped.len() == super::skipped::MAX {
                skipped.pop_front();
            }
            skipped.push_back(SkippedKey { ratchet, number, key });
        }
        Ok(())
    }
}
