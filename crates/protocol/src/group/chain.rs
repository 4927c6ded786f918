//! A sender's chain within an epoch, and the messages sealed with it: one format for sender keys and the tree.
//!
//! ```text
//! on every message: message key ← HMAC(chain, "message"), chain ← HMAC(chain, "next")
//! ```
//! A message is signed inside the seal, over associated data, a commitment to its key, and the content. How members come
//! to share a chain is the scheme's concern.

use super::cipher::Received;
use super::message::{Aad, Chat, KeyName};
use crate::codec::{self, Count, Rest};
use crate::labels;
use crate::primitives::secret::{AeadKey, ChainKey, MessageKey, Secret};
use crate::primitives::sign::{Signature, SigningKey};
use crate::primitives::{aead, kdf};
use crate::roster::Roster;
use crate::{Digest, PeerFault, Result};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};
use zeroize::Zeroizing;

/// The furthest that a message may be ahead of its chain.
pub(crate) const MAX_JUMP: u64 = 1000;

/// Where a sender stands.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Chain {
    pub(super) key: Secret<ChainKey>,
    /// The number of the next message.
    pub(super) next: u64,
}

/// The inside of a message: the sender's signature and what it says.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Signed {
    signature: Signature,
    body: Rest,
}

impl Chain {
    /// Seals the next message.
    pub(super) fn seal(
        &mut self,
        aad: &Aad,
        salt: &[u8; 16],
        signing: &SigningKey,
        plaintext: &[u8],
    ) -> Result<Chat> {
        let counter = self.next;
        let bound = aad.bytes(counter)?;
        let (message_key, commitment) = self.advance(salt, &bound);
        let signature = signing.sign(labels::CHAT_SIGNATURE, &signed(&bound, &commitment, plaintext));
        let inside = Zeroizing::new(codec::encode(&Signed { signature, body: Rest(plaintext.to_vec()) })?);
        let sealed = aead::seal(message_key, &bound, &inside)?.into();
        Ok(Chat { key: KeyName::Chain(Count(counter)), sealed })
    }

    /// Opens a message of this chain; on an error the chain is to be dropped.
    pub(super) fn open(
        &mut self,
        roster: &Roster,
        aad: &Aad,
        received: &Received,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let KeyName::Chain(Count(counter)) = received.chat.key else {
            return Err(PeerFault::Malformed.into());
        };
        if counter < self.next {
            return Err(PeerFault::Duplicate.into());
        }
        if counter - self.next > MAX_JUMP {
            return Err(PeerFault::TooFarAhead.into());
        }
        // Numbers in between belong to posts that the relay refused: in the order of the log they can't come any more.
        while self.next < counter {
            self.skip();
        }
        let bound = aad.bytes(counter)?;
        let (message_key, commitment) = self.advance(received.salt, &bound);
        let inside = aead::open(&message_key, &bound, received.chat.sealed.as_slice())?;
        let Signed { signature, body: Rest(body) } = codec::decode(&inside)?;
        let signed = signed(&bound, &commitment, &body);
        roster.key_of(received.sender)?.verify(labels::CHAT_SIGNATURE, &signed, &signature)?;
        Ok(Zeroizing::new(body))
    }

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
}

fn signed(bound: &[u8], commitment: &Digest, body: &[u8]) -> Vec<u8> {
    [bound, commitment.as_bytes(), body].concat()
}
