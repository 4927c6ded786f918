//! `conclave doctor`: what a look at the data directory and its relays shows, and what to do about it. Safe to post: it
//! counts and measures, and names nobody.

use conclave_client::{Census, RelayReport, Report};
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::output;
use crate::passphrase::Passphrase;
use crate::settings::Settings;

const TEN_MINUTES: u64 = 10 * 60 * 1000;
/// A store that cannot grow refuses messages.
const LITTLE_ROOM: u64 = 100 << 20;
/// Lists are signed anew long before: one that is so near its end was not, as this device was off.
const SOON: i64 = 15;
/// Prekeys rotate every week.
const OLD_KEYS: i64 = 21;

/// The whole of it, as `--json` prints it.
#[derive(Serialize)]
struct Diagnosis {
    version: &'static str,
    #[serde(flatten)]
    report: Report,
    free_bytes: Option<u64>,
    attention: Vec<Attention>,
}

/// Something that is not well.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Attention {
    code: String,
    message: String,
    hint: String,
}

/// Look, say, and end with 1 if something needs attention.
pub(crate) async fn run(settings: &Settings) -> Result<(), Failure> {
    let passphrase = match super::session::exists(settings) && Passphrase::is_within_reach() {
        true => Some(Passphrase::existing()?),
        false => None,
    };
    let revealed = passphrase.as_ref().map(Passphrase::reveal);
    let report = conclave_client::examine(&settings.data, revealed, settings.clock.of_client()).await;
    let free_bytes = free_bytes(settings);
    let attention = attention(&report, free_bytes);
    let diagnosis = Diagnosis { version: env!("CARGO_PKG_VERSION"), report, free_bytes, attention };
    if settings.json {
        output::json(&diagnosis)?
    } else {
        print(&diagnosis)?
    }
    if diagnosis.attention.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "attention", "something needs attention", "It is said above.").told())
}

fn free_bytes(settings: &Settings) -> Option<u64> {
    let room = rustix::fs::statvfs(&settings.data).ok()?;
    room.f_bavail.checked_mul(room.f_frsize)
}

fn attention(report: &Report, free_bytes: Option<u64>) -> Vec<Attention> {
    let mut found = Vec::new();
    let mut say = |code: &str, message: &str, hint: &str| {
        found.push(Attention { code: code.into(), message: message.into(), hint: hint.into() });
    };
    let directory = &report.directory;
    if !directory.private && directory.files.iter().any(|file| !file.private) {
        let hint = "Take the rights of others away: chmod -R go= on the data directory.";
        say("not_private", "other users of this machine can read files of the data directory", hint);
    }
    if free_bytes.is_some_and(|free| free < LITTLE_ROOM) {
        say(
            "little_room",
            "the disk is almost full",
            "Make room: without it nothing can be received or sent.",
        );
    }
    if let Some((message, hint)) = store_fault(&report.store) {
        say(&report.store, message, hint);
    }
    report.census.iter().for_each(|census| census_faults(census, &mut say));
    report.relays.iter().for_each(|relay| relay_faults(relay, &mut say));
    found
}

fn store_fault(state: &str) -> Option<(&'static str, &'static str)> {
    Some(match state {
        "open" => return None,
        "absent" => ("there is no account here", "Make one with `conclave account create` or `conclave up`."),
        "not_tried" => (
            "no passphrase was given: only the outside was looked at",
            "Set CONCLAVE_PASSPHRASE, or run it at a terminal.",
        ),
        "wrong_passphrase" => (
            "the passphrase does not open the store",
            "Try again; without the passphrase nobody opens the store.",
        ),
        "store_too_new" => ("the store was written by a newer version", "Update this program."),
        "store_damaged" => ("the store is damaged", "Restore the data directory from a backup."),
        _ => ("the store cannot be opened", "See whether the disk is full and the data directory is yours."),
    })
}

fn census_faults(census: &Census, say: &mut impl FnMut(&str, &str, &str)) {
    if !census.sound {
        say("store_damaged", "pages of the store are damaged", "Restore the data directory from a backup.");
    }
    if !census.registered {
        let hint = "Run `conclave account create` with the same name again.";
        say("not_registered", "the account was never registered with its relay", hint);
    }
    if census.unreadable > 0 {
        let message = format!("{} groups cannot be read", census.unreadable);
        say("unreadable", &message, "Restore the data directory from a backup, or ask to be added again.");
    }
    if census.alarms > 0 {
        let message = format!("{} alarms wait to be acknowledged", census.alarms);
        say("alarms", &message, "`conclave alarms` shows them.");
    }
    if census.stranded > 0 {
        let message = format!("this device lost track of {} groups", census.stranded);
        say(
            "stranded",
            &message,
            "It comes back by itself once another member is online; `conclave sync` asks again.",
        );
    }
    let waiting: u64 =
        ["queued", "sealed", "sent"].iter().filter_map(|state| census.outbox.get(*state)).sum();
    if waiting > 0 {
        let message = format!("{waiting} messages or changes wait to be sent");
        say("queued", &message, "`conclave sync` sends them, as soon as the relay answers.");
    }
    if let Some(days) = census.keys.list_days_left.filter(|days| *days < SOON) {
        let message = match days {
            0.. => format!("the device list expires in {days} days: nobody can add this device then"),
            _ => "the device list has expired: nobody can add this device".to_owned(),
        };
        say("list_expires", &message, "`conclave sync` renews it.");
    }
    if census.keys.bundle_days_old.is_some_and(|days| days > OLD_KEYS) {
        say("old_keys", "the published keys are old", "`conclave sync` renews them.");
    }
}

fn relay_faults(relay: &RelayReport, say: &mut impl FnMut(&str, &str, &str)) {
    let whose = if relay.own { "the account's relay" } else { "the relay of a group or a contact" };
    let (what, hint) = match relay.state.as_str() {
        "answers" => return clock_fault(relay, whose, say),
        "relay_changed" => ("is another one than is known", "Ask its owner; nothing was sent to it."),
        "relay_version" => ("speaks another version", "Update this program, or have the relay updated."),
        "tls_failed" => {
            ("cannot be spoken to under TLS", "Ask its owner for its whole address, with # and its id.")
        }
        "clock_shifted" => ("is not asked: the clock is shifted", "Unset CONCLAVE_CLOCK_OFFSET."),
        "relay_fault" => ("breaks its own rules", "Tell its owner."),
        _ => ("does not answer", "See whether it runs and can be reached from here."),
    };
    say(&relay.state, &format!("{whose} {what}"), hint);
}

fn clock_fault(relay: &RelayReport, whose: &str, say: &mut impl FnMut(&str, &str, &str)) {
    let apart = relay.about.as_ref().map_or(0, |about| about.clock_ms.unsigned_abs());
    if apart > TEN_MINUTES {
        let message =
            format!("this machine's clock and that of {whose} are {} minutes apart", apart / 60_000);
        say("clock", &message, "Set this machine's clock, or tell the relay's owner.");
    }
}

fn print(diagnosis: &Diagnosis) -> Result<(), Failure> {
    let report = &diagnosis.report;
    output::line(&format!(
        "conclave {}, store {}, relay API {}",
        diagnosis.version, report.versions.store, report.versions.api
    ))?;
    let directory = &report.directory;
    let yes = |it: bool| if it { "yes" } else { "no" };
    output::line(&format!(
        "directory  private: {}  in use: {}  other files: {}  free: {}",
        yes(directory.private),
        yes(directory.in_use),
        directory.others,
        diagnosis.free_bytes.map_or("unknown".to_owned(), size),
    ))?;
    for file in &directory.files {
        output::line(&format!("  {:<14}{:>10}", file.name, size(file.bytes)))?;
    }
    output::line(&format!("store      {}", report.store))?;
    report.census.as_ref().map_or(Ok(()), print_census)?;
    report.relays.iter().try_for_each(print_relay)?;
    if diagnosis.attention.is_empty() {
        return output::line("all is well");
    }
    for attention in &diagnosis.attention {
        output::line(&format!("attention  {}\n           {}", attention.message, attention.hint))?;
    }
    Ok(())
}

fn print_census(census: &Census) -> Result<(), Failure> {
    let list = |counts: &std::collections::BTreeMap<String, u64>| {
        let parts: Vec<String> = counts.iter().map(|(what, count)| format!("{what}: {count}")).collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join("  ") }
    };
    output::line(&format!("  conversations  {}", list(&census.conversations)))?;
    output::line(&format!("  lost track of  {}  unreadable: {}", census.stranded, census.unreadable))?;
    output::line(&format!("  messages       {}", census.messages))?;
    output::line(&format!("  alarms         {}", census.alarms))?;
    let people = census.people;
    output::line(&format!(
        "  people         contacts: {}  verified: {}  blocked: {}",
        people.contacts, people.verified, people.blocked
    ))?;
    output::line(&format!("  outbox         {}", list(&census.outbox)))?;
    if !census.given_up.is_empty() {
        output::line(&format!("  given up       {}", list(&census.given_up)))?;
    }
    let (keys, days) =
        (census.keys, |days: Option<i64>| days.map_or("?".to_owned(), |days| days.to_string()));
    output::line(&format!(
        "  keys           list: {} days left  bundle: {} days old  one-time: {} and {}",
        days(keys.list_days_left),
        days(keys.bundle_days_old),
        keys.one_time_prekeys,
        keys.join_keys
    ))
}

fn print_relay(relay: &RelayReport) -> Result<(), Failure> {
    let whose = if relay.own { "own" } else { "other" };
    let place = match (relay.local, relay.secure) {
        (true, false) => "here",
        (true, true) => "here, under TLS",
        (false, _) => "elsewhere, under TLS",
    };
    let about = relay.about.as_ref().map_or(String::new(), |about| {
        format!(
            "  API {}  keeps {} days  incarnation {}  registration {}  clock {:+} ms",
            about.version, about.retention_days, about.incarnation, about.registration, about.clock_ms
        )
    });
    output::line(&format!("relay      {whose}, {place}: {}{about}", relay.state))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} B"),
        10_000..=9_999_999 => format!("{} KB", bytes / 1000),
        10_000_000..=9_999_999_999 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}
