//! The table: every figure beside what it should reach and what others reach. How it is measured stands elsewhere.

use crate::costs::group::{GroupRun, Written};
use crate::costs::session::SessionRun;
use crate::costs::store::Rows;
use crate::load::catch_up::Durable;
use crate::load::log::LogRun;
use crate::measure::{Spread, spread};
use crate::peers::olm::OlmRun;
use std::fmt::Write;

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What is measured.
    pub name: String,
    /// What it came to.
    pub measured: String,
    /// What it should reach.
    pub reach: &'static str,
    /// What others reach.
    pub anchor: String,
    /// Whether it is reached; `None` where there is no one number to compare.
    pub reached: Option<bool>,
}

/// The names of all lines, in their order.
pub const NAMES: [&str; 22] = [
    "session set-up: initiate, signatures checked",
    "same chain, session alone: encrypt / decrypt 1 KiB",
    "group message, whole: seal / open 1 KiB, sender keys, 50 devices",
    "the same, pairwise, 50 devices",
    "the same, between two",
    "heal commit: made / followed, sender keys, 50 devices",
    "bytes added to 1 KiB, before padding: group / direct",
    "rows a client writes, 300 devices: message sent / received",
    "rows a client writes, 300 devices: commit made / followed",
    "disk writes of a client: message sent / received alone / caught up with",
    "disk writes of a client: heal commit made, two devices",
    "relay, 50 members x 10 groups, durable, pushed to all",
    "relay rows per group message: plain / with slices",
    "catch-up of 10,000 messages, relay",
    "catch-up of 10,000 messages, whole client",
    "500 channels with 10 entries each, whole client",
    "cold send: open, unlock, post, durable",
    "key log of 100,000 handles: bytes of a lookup proof",
    "the same: a lookup proof verified, with its root's signature",
    "the same: 1000 changes published, durable",
    "the same: growth by 1000 changes, for auditors",
    "the same: bytes of a complete history of 12 versions",
];

/// As a table in Markdown.
pub fn markdown(figures: &[Figure]) -> String {
    let mut table = String::from("| figure | measured | reach | others | |\n|---|---|---|---|---|\n");
    for Figure { name, measured, reach, anchor, reached } in figures {
        let verdict = match reached {
            Some(true) => "reached",
            Some(false) => "**missed**",
            None => "",
        };
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {name} | {measured} | {reach} | {anchor} | {verdict} |");
    }
    table
}

fn figure(
    at: usize,
    measured: String,
    reach: &'static str,
    anchor: impl Into<String>,
    reached: bool,
) -> Figure {
    let name = NAMES.get(at).copied().unwrap_or_default().to_owned();
    Figure { name, measured, reach, anchor: anchor.into(), reached: Some(reached) }
}

/// Median, with the least and the greatest.
fn shown(spread: Spread, unit: &str) -> String {
    let digits = if spread.median < 20.0 { 1 } else { 0 };
    let Spread { min, median, max } = spread;
    format!("{median:.digits$} {unit} ({min:.digits$}–{max:.digits$})")
}

fn both(one: Spread, other: Spread) -> String {
    format!("{} / {}", shown(one, "µs"), shown(other, "µs"))
}

/// One run of everything that is computed in memory, taken in turns, so that a machine's mood meets all alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// The peer.
    pub olm: OlmRun,
    /// Two devices.
    pub session: SessionRun,
    /// Sender keys.
    pub sender_keys: GroupRun,
    /// Pairwise.
    pub pairwise: GroupRun,
    /// Pairwise between two.
    pub direct: GroupRun,
}

/// How our time compares with the peer's of the same run, where both were measured on one machine before: at most this many
/// times as long reaches as much as the stated time did there.
struct Against {
    micros: f64,
    times: f64,
}

fn compared(
    runs: &[Run],
    ours: impl Fn(&Run) -> f64,
    peer: impl Fn(&Run) -> f64,
    goal: &Against,
) -> (Spread, f64, bool) {
    let time = spread(runs, &ours);
    let ratio = spread(runs, |run| ours(run) / peer(run).max(f64::MIN_POSITIVE)).median;
    (time, ratio, time.median <= goal.micros || ratio <= goal.times)
}

/// Two devices.
pub fn session(runs: &[Run]) -> Vec<Figure> {
    let median = |pick: fn(&Run) -> f64| spread(runs, pick).median;
    let goal = Against { micros: 340.0, times: 340.0 / 124.0 };
    let (start, ratio, reached) = compared(runs, |run| run.session.start, |run| run.olm.start, &goal);
    let first = spread(runs, |run| run.session.first);
    let set_up = format!("{}, {ratio:.1} × Olm; first message {}", shown(start, "µs"), shown(first, "µs"));
    let anchor =
        format!("libsignal 314–320, 27; Olm here {:.0}, no signature checked", median(|run| run.olm.start));
    let to_encrypt = Against { micros: 8.5, times: 8.5 / 15.2 };
    let to_decrypt = Against { micros: 6.2, times: 6.2 / 2.4 };
    let (sealing, one, fast) = compared(runs, |run| run.session.encrypt, |run| run.olm.encrypt, &to_encrypt);
    let (opening, two, quick) = compared(runs, |run| run.session.decrypt, |run| run.olm.decrypt, &to_decrypt);
    let chain = format!("{}, {one:.1} / {two:.1} × Olm", both(sealing, opening));
    let (encrypt, decrypt) = (median(|run| run.olm.encrypt), median(|run| run.olm.decrypt));
    vec![
        figure(0, set_up, "≤ 340 µs, 2.7 × Olm", anchor, reached),
        figure(
            1,
            chain,
            "≤ 8.5 / 6.2 µs, 0.6 / 2.6 × Olm",
            format!("libsignal 8.5 / 6.2; Olm here {encrypt:.1} / {decrypt:.1}"),
            fast && quick,
        ),
    ]
}

/// Groups of so many; `added` are the bytes of a message under sender keys, and between two.
pub fn groups(runs: &[Run], added: (usize, usize)) -> Vec<Figure> {
    let median = |pick: fn(&Run) -> f64| spread(runs, pick).median;
    let (encrypt, decrypt) = (median(|run| run.olm.group_encrypt), median(|run| run.olm.group_decrypt));
    let to_seal = Against { micros: 35.0, times: 35.0 / 18.3 };
    let to_open = Against { micros: 45.0, times: 45.0 / 34.9 };
    let (seal, one, fast) = compared(runs, |run| run.sender_keys.seal, |run| run.olm.group_encrypt, &to_seal);
    let (open, two, quick) =
        compared(runs, |run| run.sender_keys.open, |run| run.olm.group_decrypt, &to_open);
    let plain = |at, pick: fn(&Run) -> GroupRun, anchor: &str| {
        let (seal, open) = (spread(runs, |run| pick(run).seal), spread(runs, |run| pick(run).open));
        Figure { reached: None, ..figure(at, both(seal, open), "–", anchor, false) }
    };
    let (heal, follow) =
        (spread(runs, |run| run.sender_keys.heal), spread(runs, |run| run.sender_keys.follow));
    vec![
        figure(
            2,
            format!("{}, {one:.1} / {two:.1} × Megolm", both(seal, open)),
            "≤ 35 / 45 µs, 1.9 / 1.3 × Megolm",
            format!(
                "libsignal 30 / 39 without sender hiding or views; Megolm here {encrypt:.0} / {decrypt:.0}"
            ),
            fast && quick,
        ),
        plain(3, |run| run.pairwise, "a sealed key for each device"),
        plain(4, |run| run.direct, "no signature"),
        Figure { reached: None, ..figure(5, both(heal, follow), "–", "a wrap for each device", false) },
        figure(
            6,
            format!("{} / {}", added.0, added.1),
            "≤ 170 / 240",
            "libsignal 111 / 106 with neither views nor hiding, 8-byte tags",
            added.0 <= 170 && added.1 <= 240,
        ),
    ]
}

/// What a client writes, counted in rows.
pub fn rows_written(written: &Written) -> Vec<Figure> {
    vec![
        figure(
            7,
            format!("{} / {} B", written.sent, written.received),
            PER_MESSAGE,
            "mls-rs rewrites its whole state",
            written.sent.max(written.received) <= 4000,
        ),
        figure(
            8,
            format!("{} / {} B", written.committed, written.followed),
            PER_COMMIT,
            "mls-rs 361 kB at 1000 members",
            written.committed.max(written.followed) <= 64_000,
        ),
    ]
}

/// What may become durable on a client.
const PER_MESSAGE: &str = "≤ 4 kB";
const PER_COMMIT: &str = "≤ 64 kB + own wraps";

/// What a database makes of it: whole pages, some of them for every transaction. No goal: no database of pages reaches
/// one that is set for rows, and other figures count rows as well.
pub fn disk(durable: Option<&Durable>) -> Vec<Figure> {
    let kilo = |bytes: f64| format!("{:.1} kB", bytes / 1000.0);
    let told = durable.map(|Durable { sent, live, caught_up, committed }| {
        (format!("{} / {} / {}", kilo(*sent), kilo(*live), kilo(*caught_up)), kilo(*committed))
    });
    let untold = || "the system does not tell".to_owned();
    let (messages, commits) = told.unwrap_or_else(|| (untold(), untold()));
    let pages = "whole pages of 4096 bytes, log and file";
    [(9, messages), (10, commits)]
        .map(|(at, measured)| Figure { reached: None, ..figure(at, measured, "–", pages, false) })
        .into()
}

/// The relay under load: runs of each, taken in turns.
pub fn relay(ours: Spread, raw: Spread, posts: Spread) -> Figure {
    let ratio = ours.median / raw.median.max(1.0);
    let thousand = |spread: Spread| shown(spread.map(|rate| rate / 1000.0), "k/s");
    let measured = format!("{} from {} posts; {ratio:.2} × the raw fan-out", thousand(ours), thousand(posts));
    let anchor = format!(
        "raw fan-out with fsync here {}; JetStream 67 k/s (not durable), ejabberd with archive 34 k/s",
        thousand(raw)
    );
    let reached = ours.median >= 100_000.0 && ratio >= 0.25;
    figure(11, measured, "≥ 100 k/s, ≥ 0.25 × raw", anchor, reached)
}

/// What a message leaves at the relay.
pub fn relay_rows(rows: Rows) -> Figure {
    let Rows { plain, sliced: (members, sliced) } = rows;
    let measured = format!("{plain} / {sliced} ({members} slices)");
    figure(12, measured, "1, + a block per 64 KiB of slices", "", plain == 1 && sliced == 2)
}

/// Somebody was away: what the relay takes to say what happened.
pub fn relay_catch_up(took: Spread) -> Figure {
    figure(13, seconds(took), "≤ 0.15 s", "JetStream 0.06; ejabberd 0.41–0.75", took.median <= 0.15)
}

/// Somebody was away: until all is decrypted and stored.
pub fn client_catch_up(took: Spread, inserts: Spread) -> Figure {
    let bare = format!("bare inserts into SQLCipher here {:.2} s", inserts.median);
    figure(14, seconds(took), "≤ 2 s", bare, took.median <= 2.0)
}

/// The same, of many groups that said little.
pub fn channels(took: Spread) -> Figure {
    figure(15, seconds(took), "≤ 2 s", "–", took.median <= 2.0)
}

fn seconds(spread: Spread) -> String {
    let Spread { min, median, max } = spread;
    format!("{median:.3} s ({min:.3}–{max:.3})")
}

/// One command that finds everything closed; the key of the passphrase alone beside it.
pub fn cold_send(took: Spread, derived: Spread) -> Figure {
    let millis = |spread: Spread| shown(spread.map(|seconds| seconds * 1000.0), "ms");
    let anchor = format!("of it Argon2id with 64 MiB, alone here {}", millis(derived));
    figure(16, millis(took), "≤ 250 ms", anchor, took.median <= 0.25)
}

/// A key log of many.
pub fn key_log(run: &LogRun) -> Vec<Figure> {
    let none = "–";
    let LogRun { lookup, verified, published, alone, times, step, grown, audited, history } = run;
    let growth = format!(
        "{:.0} kB, made in {}, verified in {}",
        step.median / 1000.0,
        seconds(*grown),
        seconds(*audited)
    );
    let epoch = format!("{}, {:.1} × akd alone", seconds(*published), times.median);
    let anchor = format!("akd alone, its tree in memory, here {}", seconds(*alone));
    let untold = |at, measured| Figure { reached: None, ..figure(at, measured, none, none, false) };
    vec![
        figure(17, shown(*lookup, "B"), "≤ 5 kB", none, lookup.max <= 5000.0),
        figure(18, shown(*verified, "µs"), "≤ 1 ms", none, verified.median <= 1000.0),
        figure(19, epoch, "≤ 0.5 s", anchor, published.median <= 0.5),
        untold(20, growth),
        untold(21, format!("{history} B")),
    ]
}
