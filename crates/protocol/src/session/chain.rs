//! The symmetric-key ratchet: a chain key that moves with every message and gives each its own key.

use crate::primitives::kdf;
use crate::primitives::secret::{ChainKey, MessageKey, Secret};
use crate::{Error, Result, labels};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// A sending or receiving chain. What it has passed it cannot give again.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct Chain {
    key: Secret<ChainKey>,
    next: u32,
}

impl Chain {
    pub(super) fn new(key: Secret<ChainKey>) -> Self {
        Self { key, next: 0 }
    }

    /// The number of the next message key.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// The next message key and its number.
    pub(super) fn step(&mut self) -> Result<(u32, Secret<MessageKey>)> {
        let number = self.next;
        self.next = number.checked_add(1).ok_or(Error::TooLarge)?;
        let message = kdf::step(&self.key, labels::CHAIN_MESSAGE);
        self.key = kdf::step(&self.key, labels::CHAIN_NEXT);
        Ok((number, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_chains_agree_and_no_key_comes_twice() {
        let chain = || Chain::new(Secret::new([7; 32]));
        let (mut a, mut b) = (chain(), chain());
        let mut seen = std::collections::BTreeSet::new();
        for expected in 0..50 {
            let ((number, key), (_, same)) = (a.step().unwrap(), b.step().unwrap());
            assert!(number == expected && key.same(&same) && seen.insert(*key.expose()));
        }
    }

    #[test]
    fn an_exhausted_chain_says_so() {
        let mut chain = Chain { key: Secret::new([7; 32]), next: u32::MAX };
        assert_eq!(chain.step().err(), Some(Error::TooLarge));
    }
}
