//! `conclave relay witness URL`: follow and audit a friend's relay's key log, and cosign its roots with this relay's key.

use std::time::Duration;

use conclave_client::key_log::LogReader;
use conclave_relay::Witness;

use crate::failure::{Exit, Failure};
use crate::output;
use crate::settings::Settings;

use super::key_log::{self, hex};
use super::relay::stopped;

/// How often the log is looked at.
const EVERY: Duration = Duration::from_secs(30);

/// Witness until told to stop, or once.
pub(super) async fn run(url: &str, once: bool, settings: &Settings) -> Result<(), Failure> {
    let witness = Witness::open(&settings.data)?;
    if !settings.json {
        output::line(&format!("The relay's owner names this witness: --witness {}", witness.id()))?;
    }
    loop {
        match look(&witness, url, settings).await {
            Err(failure) if once || failure.exit != Exit::Unreachable => return Err(failure),
            Err(failure) => tracing::warn!("{}; it is tried again", failure.message),
            Ok(()) => {}
        }
        if once {
            return Ok(());
        }
        tokio::select! {
            asked = stopped() => return asked,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Follows the log from the root cosigned last, and cosigns the newest.
async fn look(witness: &Witness, url: &str, settings: &Settings) -> Result<(), Failure> {
    let reader = LogReader::connect(url).await?;
    let relay = reader.relay_id();
    let last = witness.last(&relay)?;
    let from = match &last {
        Some(last) => last.clone(),
        None => reader.first().await?,
    };
    let newest = key_log::follow(&reader, &from, Some(&witness.proof_path(&relay))).await?;
    if reader.witnesses(&newest).await?.contains(witness.id().as_bytes()) {
        return Ok(());
    }
    reader.cosign(&newest, witness.cosign(&newest)?).await?;
    let (incarnation, epoch) = newest.position();
    match settings.json {
        true => output::json(&serde_json::json!({
            "relay": reader.host(), "relay_id": hex(&relay), "incarnation": incarnation, "epoch": epoch,
        })),
        false => output::line(&output::inert(&format!("cosigned epoch {epoch} of {}", reader.host()))),
    }
}
