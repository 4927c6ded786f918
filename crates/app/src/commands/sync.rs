//! `conclave sync`: fetch and apply all, send what waits, say what happened.

use crate::failure::Failure;
use crate::settings::Settings;

use super::{event, session};

/// Synchronise once.
pub(crate) async fn run(settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    let report = client.sync(settings.timeout).await?;
    report.events.iter().try_for_each(|happened| event::show(happened, settings.json))?;
    if report.caught_up { Ok(()) } else { Err(Failure::queued("a part of it")) }
}
