//! The key schedule of an epoch, on one page.
//!
//! ```text
//! init(parent) ──┬─► epoch_secret = KDF(init, salt = seed, H(commit body)) ──┬─► seal     seals every posted entry
//! seed or none ──┘                                                           ├─► confirm  makes the commit's tag
//!                                                                            ├─► chains   the root of a tree's secret tree
//!                                                                            └─► init     for the next epoch
//! ```

use crate::primitives::kdf;
use crate::primitives::secret::{ConfirmKey, EpochSecret, InitSecret, SealSecret, Secret, Seed, TreeNode};
use crate::{Context, Digest, labels};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// What is kept of an epoch while it lasts.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(super) struct EpochKeys {
    pub(super) seal: Secret<SealSecret>,
    init: Secret<InitSecret>,
}

/// An epoch's secret just made or received, before it is taken apart.
pub(super) struct Epoch(Secret<EpochSecret>);

impl Epoch {
    /// The first one.
    pub(super) fn first(cx: &mut Context) -> Self {
        Self(Secret::random(cx))
    }

    /// The secret that a commit with this body leads to.
    pub(super) fn next(parent: &EpochKeys, seed: Option<&Secret<Seed>>, body: &Digest) -> Self {
        let salt: &[u8] = seed.map_or(&[], |seed| seed.expose());
        Self(kdf::derive(parent.init.expose(), salt, labels::EPOCH, &[body.as_bytes()]))
    }

    pub(super) fn received(secret: Secret<EpochSecret>) -> Self {
        Self(secret)
    }

    pub(super) fn secret(&self) -> Secret<EpochSecret> {
        self.0.duplicate()
    }

    pub(super) fn tag(&self, body: &Digest) -> [u8; 32] {
        kdf::mac(&self.confirm(), labels::CONFIRM_TAG, &[body.as_bytes()])
    }

    pub(super) fn confirms(&self, body: &Digest, tag: &[u8; 32]) -> bool {
        kdf::verify_mac(&self.confirm(), labels::CONFIRM_TAG, &[body.as_bytes()], tag)
    }

    /// The root of the secret tree.
    pub(super) fn chains(&self) -> Secret<TreeNode> {
        kdf::derive(self.0.expose(), &[], labels::EPOCH_CHAINS, &[])
    }

    /// The keys to live with; the secret is gone after this.
    pub(super) fn keys(self) -> EpochKeys {
        EpochKeys {
            seal: kdf::derive(self.0.expose(), &[], labels::EPOCH_SEAL, &[]),
            init: kdf::derive(self.0.expose(), &[], labels::EPOCH_INIT, &[]),
        }
    }

    fn confirm(&self) -> Secret<ConfirmKey> {
        kdf::derive(self.0.expose(), &[], labels::EPOCH_CONFIRM, &[])
    }
}
