//! `conclave heal`: a phone is lost, or somebody had it in hand.

use crate::failure::{Exit, Failure};
use crate::output;
use crate::settings::Settings;

use super::session;

/// Heal every group and replace the keys at the relay; say what came of it.
pub(crate) async fn run(settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    let report = client.heal_everything(settings.timeout).await?;
    if settings.json {
        output::json(&report)?;
    } else {
        for group in &report.groups {
            let came = match group.code.as_deref() {
                None => "healed".to_owned(),
                Some("queued") => "waits for the relay".to_owned(),
                Some(code) => format!("not healed ({code})"),
            };
            output::line(&format!("{}  {came}", output::inert(&group.name)))?;
        }
        output::line(if report.keys_replaced {
            "the keys at your relay are new"
        } else {
            "the keys at your relay wait to be replaced"
        })?;
    }
    if let Some(group) =
        report.groups.iter().find(|group| group.code.as_deref().is_some_and(|code| code != "queued"))
    {
        let what = format!("{} could not be healed", output::inert(&group.name));
        return Err(Failure::new(
            Exit::Refused,
            "not_healed",
            what,
            "Try again; `conclave doctor` says more.",
        ));
    }
    let done = report.keys_replaced && report.groups.iter().all(|group| group.healed);
    if done { Ok(()) } else { Err(Failure::queued("a part of it")) }
}
