//! `docs/errors.md` and `docs/limits.md` say what the enums and constants say: these tests write them anew with
//! `CONCLAVE_BLESS=1`, and without it compare.

use std::fmt::Write;

use conclave_client::{ClientError, ExitClass};
use conclave_protocol::identity::ScanError;
use conclave_protocol::{Misuse, PeerFault};
use conclave_wire::Code;

use crate::failure::Exit;

const GENERATED: &str = "<!-- Generated from the code: change it there, then run `CONCLAVE_BLESS=1 cargo test -p conclave documents`. -->";

#[test]
fn the_page_of_errors_is_the_codes() {
    let mut page = format!(
        "# Errors\n{GENERATED}\n\nA command that fails says what happened and what to do, and ends with:\n\n"
    );
    page += "| exit | when |\n|---|---|\n";
    for (exit, when) in exits() {
        line(&mut page, &[&exit.number().to_string(), when]);
    }
    page += "\nWith `--json` it prints one object `{code, message, hint}` on standard error. Codes never change their meaning.\n\n";
    page += "## The command itself\n| code | when | exit |\n|---|---|---|\n";
    for (name, when, exit) in own_codes() {
        line(&mut page, &[&code(name), when, &exit.number().to_string()]);
    }
    page += "\n## The client\n| code | message | what to do | exit |\n|---|---|---|---|\n";
    for error in client_errors() {
        assert!(error.hint().ends_with(['.', '!']), "{error:?} says what to do");
        let exit = exit_of(&error).number().to_string();
        line(&mut page, &[&code(error.code()), &error.to_string(), error.hint(), &exit]);
    }
    page += "\n## What cannot be done in a group\n| code | message | what to do |\n|---|---|---|\n";
    for misuse in Misuse::ALL {
        let error = ClientError::from(*misuse);
        line(&mut page, &[&code(error.code()), &error.to_string(), error.hint()]);
    }
    page += "\n## Refusals of a relay\nIn the client's words: a relay's own are never shown.\n\n";
    page += "| code | the relay refused: | what to do |\n|---|---|---|\n";
    for refusal in Code::ALL {
        let (words, hint) = ClientError::of_refusal(*refusal);
        line(&mut page, &[&code(refusal.as_str()), words, hint]);
    }
    page += "\n## What others did wrong\nThe causes that events name. What was refused so has changed nothing.\n\n";
    page += "| cause | what it was |\n|---|---|\n";
    for fault in PeerFault::ALL {
        line(&mut page, &[&fault.to_string(), &comment_of(*fault)]);
    }
    compare("errors.md", &page);
}

#[test]
fn the_page_of_limits_is_the_constants() {
    let mut page = format!("# Limits\n{GENERATED}\n\n## Protocol\n");
    table(&mut page, conclave_protocol::limits::ALL);
    page += "\n## Client\n";
    table(&mut page, conclave_client::limits::ALL);
    page += "\n## Relay: its API\nEvery relay's alike.\n\n| limit | value | what |\n|---|---|---|\n";
    for (name, value, what) in wire_limits() {
        line(&mut page, &[&code(&name), &value, &what]);
    }
    let relay = conclave_relay::Config::default();
    let limits = relay.limits;
    page += "\n## Relay: one relay's own\nThe defaults. Rates by address are a hundred times as high for loopback addresses.\n\n";
    page += "| limit | value |\n|---|---|\n";
    line(
        &mut page,
        &["undelivered messages are kept", &format!("{} days", relay.retention.as_secs() / 86_400)],
    );
    line(&mut page, &["connections", &limits.connections.to_string()]);
    line(&mut page, &["connections of one address", &limits.connections_per_address.to_string()]);
    page += "\n| rate | at once | per second |\n|---|---|---|\n";
    for (name, rate) in [
        ("requests of a connection", limits.requests),
        ("posts of a seat", limits.posts),
        ("posts of a seat that take a turn", limits.turns),
        ("KiB of blobs that a seat puts", limits.blobs),
        ("blobs that a seat reads", limits.blobs_read),
        ("channels made from an address", limits.channels),
        ("people looked up from an address", limits.lookups),
        ("devices whose keys one asks for", limits.takes),
        ("one-time keys of one device to one other", limits.takes_of_one),
        ("letters of a device", limits.letters),
        ("accounts made from an address", limits.registrations),
    ] {
        line(&mut page, &[name, &rate.burst.to_string(), &rate.per_second.to_string()]);
    }
    compare("limits.md", &page);
}

fn exits() -> [(Exit, &'static str); 5] {
    [
        (
            Exit::Refused,
            "nothing was done, and trying again as it is will not help; of `doctor` and `alarms`: something needs attention",
        ),
        (Exit::Usage, "the command line or the environment is incomplete"),
        (Exit::Unreachable, "the relay could not be reached"),
        (Exit::Queued, "stored here, not yet at the relay: the next command that reaches it sends it"),
        (Exit::Locked, "the store does not open with this passphrase"),
    ]
}

/// The codes that the command itself gives.
fn own_codes() -> Vec<(&'static str, &'static str, Exit)> {
    let known = vec![
        ("usage", "the command line, the environment or `conclave.toml` is incomplete or wrong", Exit::Usage),
        ("queued", "it is stored here, and the relay did not take it in time", Exit::Queued),
        ("alarms", "an alarm waits to be acknowledged", Exit::Refused),
        ("no_proof", "an alarm has nothing to be shown to others", Exit::Refused),
        ("passphrase_mismatch", "the new passphrase was typed in two ways; nothing was made", Exit::Refused),
        ("scheme_unavailable", "the scheme is not built yet", Exit::Refused),
        ("io", "a file or stream of this machine failed", Exit::Refused),
        ("relay", "`conclave relay` does not start, or stopped", Exit::Refused),
        ("clock_shifted", "a relay that other machines reach does not run with a shifted clock", Exit::Usage),
        ("needs_tls", "a relay that other machines reach does not run without TLS", Exit::Refused),
        ("bad_certificate", "the relay's certificate or its key cannot be used", Exit::Refused),
        ("bad_backup", "the relay's backup is not whole, or not one", Exit::Refused),
        ("demo", "a step of `conclave demo` failed", Exit::Refused),
        ("attention", "`conclave doctor` found something", Exit::Refused),
        ("audit_failed", "an exported history of a membership does not hold", Exit::Refused),
        ("log_forked", "a relay has signed two roots for one epoch of its key log", Exit::Refused),
        (
            "call_aborted",
            "a comparison of four words came to nothing, or somebody did not take part in time",
            Exit::Refused,
        ),
        ("not_healed", "`conclave heal` could not heal every group", Exit::Refused),
        ("internal", "a fault of this program", Exit::Refused),
    ];
    let silent = ["broken_pipe"];
    for used in codes_in(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let stated = known.iter().any(|(code, ..)| *code == used) || silent.contains(&used.as_str());
        assert!(stated, "the code '{used}' is missing here");
    }
    known
}

/// The literals that stand as codes in calls that make a failure.
fn codes_in(dir: &std::path::Path) -> Vec<String> {
    let mut codes = Vec::new();
    for path in std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            codes.extend(codes_in(&path));
        } else if !path.ends_with("documents.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let calls = text.split("::new(").skip(1).filter_map(|call| call.split_once(','));
            let codes_of = calls.filter(|(exit, _)| exit.contains("Exit::")).filter_map(|(_, rest)| {
                let (code, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
                Some(code.to_owned())
            });
            codes.extend(codes_of);
        }
    }
    codes
}

/// What the code's own comment says of a fault.
fn comment_of(fault: PeerFault) -> String {
    let source = include_str!("../../protocol/src/error.rs");
    let before = source.split(&format!("#[error(\"{fault}\")]")).next().unwrap();
    let comment = before.trim_end().lines().last().unwrap().trim();
    comment.strip_prefix("/// ").unwrap().to_owned()
}

fn exit_of(error: &ClientError) -> Exit {
    match error.exit() {
        ExitClass::Refused => Exit::Refused,
        ExitClass::Unreachable => Exit::Unreachable,
        ExitClass::Queued => Exit::Queued,
        ExitClass::Locked => Exit::Locked,
        ExitClass::Usage => Exit::Usage,
    }
}

/// One of each, but those that carry another's code. Each variant has its `#[error]` in the source.
fn client_errors() -> Vec<ClientError> {
    let name = || "NAME".to_owned();
    let all = vec![
        ClientError::NoAccount,
        ClientError::AccountExists,
        ClientError::NotRegistered,
        ClientError::WrongPassphrase,
        ClientError::StoreTooNew { needs: 9 },
        ClientError::StoreDamaged("WHAT".to_owned()),
        ClientError::Store("WHY".to_owned()),
        ClientError::StoreFull("WHY".to_owned()),
        ClientError::BadAddress("ADDRESS".to_owned()),
        ClientError::NeedsTls("ADDRESS".to_owned()),
        ClientError::ClockShifted("ADDRESS".to_owned()),
        ClientError::TlsFailed("WHY".to_owned()),
        ClientError::Unreachable("WHY".to_owned()),
        ClientError::RelayChanged,
        ClientError::RelayVersion(9),
        ClientError::KeyLog(conclave_client::key_log::KeyLogError::BadProof),
        ClientError::RelayFault("HOW"),
        ClientError::UnknownTarget(name()),
        ClientError::UnknownPerson(name()),
        ClientError::RelayAway { relay: "HOST".to_owned(), cause: "WHY".to_owned() },
        ClientError::IdentityChanged(name()),
        ClientError::NoSuchRequest(name()),
        ClientError::BadBackup("WHY"),
        ClientError::BadLink("WHY"),
        ClientError::NoDeviceAsks,
        ClientError::WrongCode,
        ClientError::WrongRecoveryKey,
        ClientError::NotListed,
        ClientError::Scan(ScanError::Malformed),
        ClientError::Scan(ScanError::Version),
        ClientError::Scan(ScanError::OwnCode),
        ClientError::Scan(ScanError::NotMatching),
        ClientError::TooManyCalls,
        ClientError::NotVerified(name()),
        ClientError::LinkExpired,
        ClientError::NotAccepted(name()),
        ClientError::Yourself,
        ClientError::OutboxFull(10_000),
        ClientError::NotInGroup(name()),
        ClientError::Protocol(PeerFault::Malformed.into()),
    ];
    let source = include_str!("../../client/src/error.rs");
    let others = ["Refused", "GivenUp"].len();
    let forms_of_scan = 4;
    assert_eq!(
        all.len() + others,
        source.matches("#[error(").count() + forms_of_scan - 1,
        "a variant of ClientError is missing here"
    );
    all
}

/// Name, value and meaning of each constant of `conclave_wire::limits`: the meaning from its comment.
fn wire_limits() -> Vec<(String, String, String)> {
    macro_rules! values {
        ($($name:ident)*) => { [$((stringify!($name), conclave_wire::limits::$name.to_string())),*] };
    }
    let values = values![
        FRAME_BYTES POST_BYTES SHARED_BYTES COMMIT_BYTES SLICE_BYTES SEAT_CHANGES_PER_POST LETTERS_PER_POST LETTER_BYTES
        LETTERS_PER_INBOX FOREIGN_LETTERS_PER_INBOX SEATS_PER_CONNECTION SEATS_PER_CHANNEL ONE_TIME_KEYS LOW_STOCK KEY_BYTES BUNDLE_BYTES
        DEVICE_LIST_BYTES DEVICES_PER_PERSON LOOKUPS_PER_REQUEST TAKES_PER_REQUEST TAKES_WITH_PREKEYS INVITE_BYTES FIRST_CREDIT
        BLOB_BYTES BLOBS_PER_CHANNEL BLOB_WEIGHT MOST_CREDIT TOKEN_BYTES CHALLENGE_BYTES REQUESTS_IN_FLIGHT LOG_LINKS
        LOG_STEPS LOG_STEPS_BYTES LOG_VERSIONS LOG_LISTS_BYTES
    ];
    let source = include_str!("../../wire/src/limits.rs");
    let (mut what, mut rows) = (String::new(), Vec::new());
    for text in source.lines() {
        if let Some(comment) = text.strip_prefix("/// ") {
            what = format!("{what} {comment}").trim().to_owned();
        } else if let Some((name, _)) = text.strip_prefix("pub const ").and_then(|rest| rest.split_once(':'))
        {
            let known = values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
            let names = &conclave_wire::limits::NAME_LENGTH;
            let value = known.unwrap_or_else(|| {
                assert_eq!(name, "NAME_LENGTH", "a constant of conclave_wire::limits is missing here");
                format!("{} to {}", names.start(), names.end())
            });
            rows.push((name.to_owned(), value, std::mem::take(&mut what)));
        }
    }
    rows
}

fn table(page: &mut String, limits: &[(&str, u64, &str)]) {
    *page += "| what | how much | |\n|---|---|---|\n";
    for (what, value, unit) in limits {
        line(page, &[what, &value.to_string(), unit]);
    }
}

fn line(page: &mut String, cells: &[&str]) {
    let _ = writeln!(page, "| {} |", cells.join(" | "));
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn compare(name: &str, page: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("CONCLAVE_BLESS").is_some() {
        std::fs::write(&path, page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/{name} is out of date: CONCLAVE_BLESS=1 cargo test -p conclave documents");
}
