//! `conclave audit URL`: whether a relay's key log has only ever grown, from the epoch that was audited last.

use std::path::Path;

use conclave_client::ClientError;
use conclave_client::key_log::{Fork, KeyLogError, Link, LogReader, Root, VerifiedRoot};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::output;
use crate::settings::Settings;

/// Epochs whose growth is fetched and checked at once.
const AT_ONCE: usize = 256;

/// What an audit comes to.
#[derive(Serialize)]
struct Audited {
    relay: String,
    relay_id: String,
    /// The epoch that the audit began at.
    from: u64,
    /// The newest epoch.
    epoch: u64,
    incarnation: u64,
    root: String,
    at: String,
    /// The ids of those who have cosigned it.
    witnesses: Vec<String>,
}

/// Audits the log, from the root that `kept` holds if it is there; keeps the newest root in it.
pub(super) async fn audit(url: &str, kept: Option<&Path>, settings: &Settings) -> Result<(), Failure> {
    let reader = LogReader::connect(url).await?;
    let from = match kept.map(|file| known(file, &reader)).transpose()?.flatten() {
        Some(known) => known,
        None => reader.first().await?,
    };
    let proof = kept.map(|file| file.with_extension("fork"));
    let newest = follow(&reader, &from, proof.as_deref()).await?;
    if let Some(file) = kept {
        let failed = |e| Failure::io(&file.display().to_string(), &e);
        std::fs::write(file, newest.encode()).map_err(failed)?;
    }
    let witnesses = reader.witnesses(&newest).await?;
    told(&reader, (&from, &newest), &witnesses, settings)
}

/// The root that was audited last.
fn known(file: &Path, reader: &LogReader) -> Result<Option<VerifiedRoot>, Failure> {
    match std::fs::read(file) {
        Ok(bytes) => {
            let root = Root::decode(&bytes).and_then(|root| root.verify(&reader.relay_id()));
            root.map(Some).map_err(|cause| fault(&cause))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io(&file.display().to_string(), &error)),
    }
}

/// Follows the log to its end, checking that it only grew. The proof of a fork is written to `proof`.
pub(super) async fn follow(
    reader: &LogReader,
    from: &VerifiedRoot,
    proof: Option<&Path>,
) -> Result<VerifiedRoot, Failure> {
    let mut at = match reader.at(from.position()).await? {
        Some(now) => match Fork::between(from, &now) {
            Some(fork) => return Err(forked(&fork, proof)?),
            None => now,
        },
        // The epoch is gone: by a restore that the relay owns up to, or it went back.
        None => reader.restored_after(from).await?.ok_or_else(|| fault(&KeyLogError::WentBack))?,
    };
    while let Some((to, links)) = reader.after(&at).await? {
        let grown = epochs(&at, &links);
        let mut steps = Vec::with_capacity(grown);
        while steps.len() < grown {
            let some = (grown - steps.len()).min(AT_ONCE);
            let done = at.statement().epoch + steps.len() as u64;
            steps.extend(reader.growth(done, some).await?);
        }
        conclave_relay::audit::grew(&at, &links, &to, &steps).await.map_err(|cause| fault(&cause))?;
        at = to;
    }
    Ok(at)
}

/// How many epochs there are among the links: a restored log states one once more.
fn epochs(from: &VerifiedRoot, links: &[Link]) -> usize {
    let mut epoch = from.statement().epoch;
    let is_new = |link: &&Link| std::mem::replace(&mut epoch, link.epoch) < link.epoch;
    links.iter().filter(is_new).count()
}

/// Checks a proof that a relay has forked its log.
pub(super) fn check_fork(bytes: &[u8], settings: &Settings) -> Result<(), Failure> {
    let fork = Fork::decode(bytes).map_err(|cause| fault(&cause))?;
    let (one, other) = fork.roots();
    let relay = hex(&fork.relay_id());
    let (incarnation, epoch) = one.position();
    let roots = [one, other].map(|root| hex(&root.statement().hash));
    if settings.json {
        return output::json(&serde_json::json!({
            "relay_id": relay, "incarnation": incarnation, "epoch": epoch, "roots": roots,
        }));
    }
    output::line(&format!(
        "The relay with the id {relay} has signed two roots for epoch {epoch} of its key log: it has shown people two \
         directories. Both signatures hold."
    ))?;
    roots.iter().try_for_each(|root| output::line(&format!("  root {root}")))
}

fn told(
    reader: &LogReader,
    (from, newest): (&VerifiedRoot, &VerifiedRoot),
    witnesses: &[[u8; 32]],
    settings: &Settings,
) -> Result<(), Failure> {
    let said = newest.statement();
    let audited = Audited {
        relay: reader.host().to_owned(),
        relay_id: hex(&reader.relay_id()),
        from: from.statement().epoch,
        epoch: said.epoch,
        incarnation: said.incarnation,
        root: hex(&said.hash),
        at: output::rfc3339(i64::try_from(said.at).unwrap_or(i64::MAX)),
        witnesses: witnesses.iter().map(|id| hex(id)).collect(),
    };
    if settings.json {
        return output::json(&audited);
    }
    let Audited { relay, from, epoch, root, at, .. } = &audited;
    output::line(&output::inert(&format!(
        "The key log of {relay} has only grown from epoch {from} to epoch {epoch}, as of {at}."
    )))?;
    output::line(&format!("  root {root}"))?;
    audited.witnesses.iter().try_for_each(|id| output::line(&format!("  cosigned by {id}")))
}

fn forked(fork: &Fork, proof: Option<&Path>) -> Result<Failure, Failure> {
    if let Some(file) = proof {
        let failed = |e| Failure::io(&file.display().to_string(), &e);
        std::fs::write(file, fork.encode()).map_err(failed)?;
    }
    let written = proof.map_or_else(String::new, |file| format!(" The proof is in {}.", file.display()));
    let hint = format!("It shows people two directories: leave it, and tell its other users.{written}");
    Ok(Failure::new(Exit::Refused, "log_forked", "the relay has signed two roots for one epoch", hint))
}

fn fault(cause: &KeyLogError) -> Failure {
    ClientError::KeyLog(*cause).into()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
