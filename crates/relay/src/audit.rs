//! Looking over a relay's shoulder: whether its key log has only ever grown. Whoever audits needs the signed root that was
//! audited last, the newest one, the hashes between, and what the relay says of each epoch's growth; no database, no
//! secret, no account.
//!
//! Not here: fetching them.

use akd::auditor::verify_consecutive_append_only;
use conclave_keylog::{KeyLog, KeyLogError, Link, VerifiedRoot, codec, follow};

/// Checks that the log only grew on the way from one root to another. `links` are those after `from` up to `to` itself;
/// `steps` are one for each epoch between, in order.
///
/// # Errors
/// Those of [`follow`]; [`KeyLogError::Malformed`] and [`KeyLogError::BadProof`] for steps, also if there are more or fewer
/// than epochs.
pub async fn grew(
    from: &VerifiedRoot,
    links: &[Link],
    to: &VerifiedRoot,
    steps: &[impl AsRef<[u8]>],
) -> Result<(), KeyLogError> {
    follow(from, links, to)?;
    let (mut at, mut steps) = (from.statement().hash, steps.iter());
    let mut epoch = from.statement().epoch;
    for link in links {
        // A restored log states an epoch once more; nothing grows by it.
        if link.epoch == epoch {
            continue;
        }
        let step = steps.next().ok_or(KeyLogError::BadProof)?;
        let proof = codec::decode_growth(step.as_ref())?;
        verify_consecutive_append_only::<KeyLog>(&proof, at, link.hash, link.epoch)
            .await
            .map_err(|_| KeyLogError::BadProof)?;
        (at, epoch) = (link.hash, link.epoch);
    }
    if steps.next().is_some() { Err(KeyLogError::BadProof) } else { Ok(()) }
}
