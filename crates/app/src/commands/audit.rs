//! `conclave message info` and `conclave audit`: who can read a message, and a proof of it that needs no account.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;

use conclave_client::key_log::FORK_MAGIC;
use conclave_client::{Reader, audit_file};

use crate::failure::{Exit, Failure};
use crate::grammar::MessageCommand;
use crate::output;
use crate::settings::Settings;

use super::{key_log, session};

/// The largest history that is read, in bytes: of a group of 1000, it begins with two million.
const LARGEST: u64 = 64 << 20;

/// Who can read a message.
pub(super) async fn message(command: MessageCommand, settings: &Settings) -> Result<(), Failure> {
    let MessageCommand::Info { message, export } = command;
    let client = session::open(settings).await?;
    if let Some(file) = export {
        return write(&file, &client.export_readers(&message).await?, settings);
    }
    let readers = client.readers(&message).await?;
    if settings.json {
        return output::json(&readers);
    }
    let (from, epoch) = (output::inert(&readers.from), readers.epoch);
    output::line(&format!("{}  from {from}  epoch {epoch}", output::inert(&readers.conversation.name)))?;
    people(readers.devices, &readers.people)
}

/// Checks what anybody exported, or a relay's key log.
pub(super) async fn check(what: &str, keep: Option<&Path>, settings: &Settings) -> Result<(), Failure> {
    let is_address = ["http://", "https://"].iter().any(|scheme| what.starts_with(scheme));
    if is_address {
        key_log::audit(what, keep, settings).await
    } else {
        check_file(Path::new(what), settings)
    }
}

fn check_file(file: &Path, settings: &Settings) -> Result<(), Failure> {
    let failed = |e| Failure::io(&file.display().to_string(), &e);
    let mut bytes = Vec::new();
    std::fs::File::open(file).map_err(failed)?.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.starts_with(FORK_MAGIC) {
        return key_log::check_fork(&bytes, settings);
    }
    let report = audit_file(&bytes).map_err(|cause| {
        let hint = "It was altered, is not whole, or is no exported history: believe nothing of it.";
        Failure::new(Exit::Refused, "audit_failed", format!("this history does not hold: {cause}"), hint)
    })?;
    if settings.json {
        return output::json(&report);
    }
    let begin = match (report.begins, report.begin_signed) {
        (0, _) => "from the founding on".to_owned(),
        (epoch, true) => format!("from epoch {epoch} on, as signed by whoever let the exporting device in"),
        (epoch, false) => format!("from epoch {epoch} on, as the exporting device knew it"),
    };
    output::line(&format!(
        "Every signature and every right holds, {begin}; no change of people is left out."
    ))?;
    for step in &report.steps {
        let (epoch, what, by) = (step.epoch, step.what.join("; "), &step.by);
        output::line(&output::inert(&format!("  epoch {epoch}  {what}  signed by {by}")))?;
    }
    if let (Some(message), Some(epoch)) = (&report.message, report.message_epoch) {
        output::line(&format!("Message {message}, of epoch {epoch} by the word of who exported this:"))?;
    }
    people(report.devices, &report.people)
}

/// Writes an exported history, to a file that is not there yet.
pub(super) fn write(file: &Path, bytes: &[u8], settings: &Settings) -> Result<(), Failure> {
    write_bytes(file, bytes, settings)?;
    match settings.json {
        true => Ok(()),
        false => output::line(&format!("Anybody checks it with: conclave audit {}", file.display())),
    }
}

/// Writes bytes to a file that is not there yet, and says so.
pub(super) fn write_bytes(file: &Path, bytes: &[u8], settings: &Settings) -> Result<(), Failure> {
    let failed = |e| Failure::io(&file.display().to_string(), &e);
    let mut out = OpenOptions::new().write(true).create_new(true).open(file).map_err(failed)?;
    out.write_all(bytes).and_then(|()| out.sync_all()).map_err(failed)?;
    match settings.json {
        true => output::json(&serde_json::json!({ "file": file, "bytes": bytes.len() })),
        false => output::line(&format!("Written: {}", file.display())),
    }
}

fn people(devices: usize, people: &[Reader]) -> Result<(), Failure> {
    output::line(&format!("readable by {devices} devices of {} people", people.len()))?;
    for one in people {
        output::line(&output::inert(&format!("  {}  {}", one.handle, one.devices.join(" "))))?;
    }
    Ok(())
}
