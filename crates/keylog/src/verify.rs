//! What a proof shows under a root: who is logged under a name, and everyone who ever was.

use akd_core::verify::history::{HistoryParams, HistoryVerificationParams, key_history_verify};
use akd_core::verify::lookup::lookup_verify;
use akd_core::{AkdLabel, VerifyResult};
use sha2::{Digest, Sha256};

use crate::{KeyLog, KeyLogError, VerifiedRoot, codec};

/// The size of what is logged under a name.
pub const VALUE_BYTES: usize = 64;
/// Versions in one history proof. One has about 2 kB.
pub const MOST_VERSIONS: usize = 1000;

/// What is logged under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// The person's id.
    pub person: [u8; 32],
    /// SHA-256 of the bytes of the person's device list.
    pub device_list: [u8; 32],
}

impl Value {
    /// Of a person with this device list.
    #[must_use]
    pub fn of(person: [u8; 32], device_list: &[u8]) -> Self {
        Self { person, device_list: Sha256::digest(device_list).into() }
    }

    /// Its [`VALUE_BYTES`]: the id, then the hash.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [self.person, self.device_list].concat()
    }

    /// What [`Value::encode`] wrote.
    ///
    /// # Errors
    /// [`KeyLogError::Malformed`] for any other length.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyLogError> {
        let (person, device_list) = bytes.split_first_chunk().ok_or(KeyLogError::Malformed)?;
        let device_list = device_list.try_into().map_err(|_| KeyLogError::Malformed)?;
        Ok(Self { person: *person, device_list })
    }
}

/// One version of what is logged under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged {
    /// 1, 2, 3… for each name.
    pub version: u64,
    /// The epoch that it came with.
    pub epoch: u64,
    /// What is logged.
    pub value: Value,
}

/// How much of a history a proof must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// From version 1 to the newest. Nothing less shows that nothing was ever logged behind one's back.
    Complete,
    /// This many of the newest, fewer if there are no more. It says nothing of older ones.
    Newest(usize),
}

impl VerifiedRoot {
    /// What is logged under a name (without host) in this epoch, and that nothing newer is.
    ///
    /// # Errors
    /// [`KeyLogError::Malformed`], [`KeyLogError::BadProof`].
    pub fn lookup(&self, name: &str, proof: &[u8]) -> Result<Logged, KeyLogError> {
        let proof = codec::decode_lookup(proof)?;
        let said = self.statement();
        let label = AkdLabel(name.as_bytes().to_vec());
        let result = lookup_verify::<KeyLog>(&said.vrf_key, said.hash, said.epoch, label, proof);
        self.logged(result.map_err(|_| KeyLogError::BadProof)?)
    }

    /// Everything that was logged under a name up to this epoch, newest first.
    ///
    /// # Errors
    /// [`KeyLogError::Malformed`], [`KeyLogError::BadProof`].
    pub fn history(&self, name: &str, proof: &[u8], span: Span) -> Result<Vec<Logged>, KeyLogError> {
        let proof = codec::decode_history(proof)?;
        let said = self.statement();
        let label = AkdLabel(name.as_bytes().to_vec());
        let history_params = match span {
            Span::Complete => HistoryParams::Complete,
            Span::Newest(most) => HistoryParams::MostRecent(most),
        };
        let params = HistoryVerificationParams::Default { history_params };
        let results =
            key_history_verify::<KeyLog>(&said.vrf_key, said.hash, said.epoch, label, proof, params);
        results.map_err(|_| KeyLogError::BadProof)?.into_iter().map(|result| self.logged(result)).collect()
    }

    /// No version comes before its epoch, and none after this one.
    fn logged(&self, result: VerifyResult) -> Result<Logged, KeyLogError> {
        let VerifyResult { epoch, version, value } = result;
        if epoch > self.statement().epoch || version > epoch {
            return Err(KeyLogError::BadProof);
        }
        Ok(Logged { version, epoch, value: Value::decode(&value.0)? })
    }
}
