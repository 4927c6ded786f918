//! `conclave alarms`: what is loud, until the person has seen it.

use std::path::Path;

use conclave_client::AlarmInfo;

use crate::failure::{Exit, Failure};
use crate::grammar::AlarmsArgs;
use crate::output;
use crate::settings::Settings;

use super::{audit, session};

/// Show them, acknowledge one, or export one.
pub(super) async fn run(args: AlarmsArgs, settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    if let Some(id) = args.acknowledge {
        return Ok(client.acknowledge(id).await?);
    }
    if let Some([id, file]) = args.export.as_deref() {
        let bad = || {
            Failure::new(Exit::Usage, "usage", format!("{id} is no alarm's number"), "See `conclave alarms`.")
        };
        let proof = client.export_alarm(id.parse().map_err(|_| bad())?).await?;
        let none = || {
            let hint = "Nothing but this device's word shows it; tell them yourself.";
            Failure::new(Exit::Refused, "no_proof", "this alarm has nothing to be shown to others", hint)
        };
        return audit::write_bytes(Path::new(file), &proof.ok_or_else(none)?, settings);
    }
    let all = client.alarms().await?;
    match settings.json {
        true => all.iter().try_for_each(output::json)?,
        false => all.iter().filter(|alarm| !alarm.acknowledged).try_for_each(show)?,
    }
    match all.iter().filter(|alarm| !alarm.acknowledged).count() {
        0 if settings.json => Ok(()),
        0 => output::line("No alarm."),
        waiting => Err(Failure::new(
            Exit::Refused,
            "alarms",
            format!("{waiting} alarms wait to be acknowledged"),
            "Look into each; then `conclave alarms --acknowledge ID`.",
        )),
    }
}

fn show(alarm: &AlarmInfo) -> Result<(), Failure> {
    let times = if alarm.count > 1 { format!("  {} times", alarm.count) } else { String::new() };
    output::line(&format!("{}  {}{times}", alarm.id, output::rfc3339(alarm.last)))?;
    output::line(&output::inert(&format!("  {}", alarm.text)))
}
