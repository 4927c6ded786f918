//! `conclave group code|moment|sas|verify|audit`: who is in this conversation.

use std::time::{Duration, Instant};

use conclave_client::{CallInfo, Client, GradeInfo, MembershipInfo, Outcome};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::output;
use crate::settings::Settings;

/// How often a call is looked at while others are waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

#[derive(Serialize)]
struct Grades<'a> {
    banner: &'a str,
    members: &'a [GradeInfo],
}

/// The group code, and what changed it.
pub(super) async fn code(client: &Client, group: &str, settings: &Settings) -> Result<(), Failure> {
    client.sync(settings.timeout).await?;
    let code = client.group_code(group).await?;
    if settings.json {
        return output::json(&code);
    }
    output::line(&in_blocks(&code.code))?;
    match code.changes.is_empty() {
        true if code.changed => output::line("changed"),
        true => Ok(()),
        false => output::line(&format!("changed: {}", output::inert(&code.changes.join("; ")))),
    }
}

/// The moment code.
pub(super) async fn moment(client: &Client, group: &str, settings: &Settings) -> Result<(), Failure> {
    client.sync(settings.timeout).await?;
    let code = client.moment_code(group).await?;
    match settings.json {
        true => output::json(&serde_json::json!({ "code": code })),
        false => output::line(&in_blocks(&code)),
    }
}

/// Takes part in a comparison of words, and shows them once everybody has.
pub(super) async fn words(
    client: &Client,
    group: &str,
    with: &[String],
    settings: &Settings,
) -> Result<(), Failure> {
    client.sync(settings.timeout).await?;
    let with: Vec<&str> = with.iter().map(String::as_str).collect();
    if client.take_part(group, &with, settings.timeout).await? == Outcome::Queued {
        return Err(Failure::queued("your part"));
    }
    let until = Instant::now() + settings.timeout;
    loop {
        let call = client.call(group).await?.unwrap_or_else(nobody);
        if let Some(cause) = call.aborted {
            return Err(aborted(&cause));
        }
        if let Some(words) = call.words {
            return show_words(&words, settings);
        }
        if Instant::now() >= until {
            return Err(aborted(&format!("{} did not take part in time", call.missing.join(", "))));
        }
        client.sync(settings.timeout).await?;
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn nobody() -> CallInfo {
    CallInfo { joined: false, missing: Vec::new(), words: None, aborted: None }
}

fn aborted(cause: &str) -> Failure {
    let hint =
        "Everybody runs `conclave group sas` within the same minutes; --timeout says how long to wait.";
    Failure::new(Exit::Refused, "call_aborted", format!("no words: {}", output::inert(cause)), hint)
}

fn show_words(words: &[String], settings: &Settings) -> Result<(), Failure> {
    if settings.json {
        return output::json(&serde_json::json!({ "words": words }));
    }
    output::line(&words.join("  "))?;
    output::line("Everybody reads them aloud. All the same? Then: conclave group sas GROUP --confirm")
}

/// All had the same words.
pub(super) async fn confirm(client: &Client, group: &str, settings: &Settings) -> Result<(), Failure> {
    client.confirm_call(group).await?;
    grades(client, group, settings).await
}

/// One banner, and each member's grade.
pub(super) async fn grades(client: &Client, group: &str, settings: &Settings) -> Result<(), Failure> {
    client.sync(settings.timeout).await?;
    let grades = client.grades(group).await?;
    let banner = grades.banner();
    if settings.json {
        return output::json(&Grades { banner: &banner, members: &grades.members });
    }
    output::line(&banner)?;
    for member in &grades.members {
        let through = match member.through.is_empty() {
            true => String::new(),
            false => format!(" through {}", member.through.join(", ")),
        };
        let line = format!("  {}  {}  {}{through}", member.name, member.handle, member.grade);
        output::line(&output::inert(&line))?;
    }
    Ok(())
}

/// The history of who is in.
pub(super) async fn audit(client: &Client, group: &str, settings: &Settings) -> Result<(), Failure> {
    client.sync(settings.timeout).await?;
    for what in client.membership(group).await? {
        show(&what, settings)?;
    }
    Ok(())
}

fn show(what: &MembershipInfo, settings: &Settings) -> Result<(), Failure> {
    if settings.json {
        let mut value = output::value(what)?;
        if let Some(at) = value.get_mut("at") {
            *at = output::rfc3339(what.at).into();
        }
        return output::json(&value);
    }
    let who = what.who.as_deref().map_or_else(String::new, |who| format!(" {who}"));
    let detail = if what.detail.is_empty() { String::new() } else { format!(": {}", what.detail) };
    let commit: String = what.commit.chars().take(16).collect();
    let (at, what, by, epoch) = (output::rfc3339(what.at), &what.kind, &what.by, what.epoch);
    output::line(&output::inert(&format!(
        "{at}  epoch {epoch}  {what}{who}{detail}  signed by {by}  {commit}"
    )))
}

/// Blocks of five digits, as people read them to each other.
pub(super) fn in_blocks(digits: &str) -> String {
    let digits: Vec<char> = digits.chars().collect();
    digits.chunks(5).map(|five| five.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}
