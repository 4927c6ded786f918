//! `docs/relay-api.md` says what the code says.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use conclave_relay::{Config, Limits, serve};
use conclave_wire::{Code, limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const API: &str = include_str!("../../../docs/relay-api.md");
const CONSTANTS: &str = include_str!("../../wire/src/limits.rs");

/// First and second cell of each row of the table under this heading row.
fn table(heading: &str) -> BTreeMap<String, Vec<String>> {
    let after = API.split_once(heading).expect("the table is there").1;
    let rows = after.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_string()));
    cells.map(|mut cells| (cells.next().unwrap(), cells.collect())).collect()
}

macro_rules! constants {
    ($($name:ident)*) => { [$((stringify!($name), limits::$name as u64)),*] };
}

#[test]
fn the_table_of_limits_is_that_of_the_constants() {
    let constants = constants![
        FRAME_BYTES POST_BYTES SHARED_BYTES COMMIT_BYTES SLICE_BYTES SEAT_CHANGES_PER_POST LETTERS_PER_POST LETTER_BYTES
        LETTERS_PER_INBOX FOREIGN_LETTERS_PER_INBOX SEATS_PER_CONNECTION SEATS_PER_CHANNEL ONE_TIME_KEYS LOW_STOCK KEY_BYTES BUNDLE_BYTES
        DEVICE_LIST_BYTES DEVICES_PER_PERSON LOOKUPS_PER_REQUEST TAKES_PER_REQUEST TAKES_WITH_PREKEYS INVITE_BYTES FIRST_CREDIT
        BLOB_BYTES BLOBS_PER_CHANNEL BLOB_WEIGHT MOST_CREDIT TOKEN_BYTES CHALLENGE_BYTES REQUESTS_IN_FLIGHT LOG_LINKS
        LOG_STEPS LOG_STEPS_BYTES LOG_VERSIONS LOG_LISTS_BYTES
    ];
    let table = table("| constant | value | what |");
    for (name, value) in constants {
        let stated = table.get(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        assert_eq!(stated[0], value.to_string(), "{name}");
    }
    assert_eq!(table.len(), constants.len());
    // The length of names is in the text, as a pattern.
    assert_eq!(CONSTANTS.matches("pub const ").count(), constants.len() + 1);
    assert_eq!(limits::NAME_LENGTH, 2..=32);
}

#[tokio::test]
async fn what_a_relay_says_about_itself_is_complete() {
    let relay = serve(Config::default()).await.unwrap();
    let mut stream = TcpStream::connect(relay.addr).await.unwrap();
    stream.write_all(b"GET /v1/about HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    let about: serde_json::Value = serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap();
    for (name, cells) in table("| constant | value | what |") {
        assert_eq!(about["limits"][name.to_lowercase()].to_string(), cells[0], "{name}");
    }
    let row = API.lines().find(|line| line.starts_with("| `GET /v1/about` |")).unwrap();
    for field in about.as_object().unwrap().keys() {
        assert!(row.contains(&format!("`{field}`")) || row.contains(&format!("`{field} {{")), "{field}");
    }
}

#[test]
fn the_table_of_refusals_is_that_of_the_codes() {
    let table = table("| code | common | what to do |");
    for code in Code::ALL {
        assert!(table.contains_key(&format!("`{code}`")), "{code} is not in the table");
    }
    assert_eq!(table.len(), Code::ALL.len());
}

#[test]
fn the_table_of_rates_is_that_of_the_defaults() {
    let table = table("| rate | at once | per second | of |");
    let limits = Limits::default();
    let rates = [
        ("requests", limits.requests),
        ("posts", limits.posts),
        ("turns", limits.turns),
        ("blobs", limits.blobs),
        ("blobs_read", limits.blobs_read),
        ("channels", limits.channels),
        ("lookups", limits.lookups),
        ("takes", limits.takes),
        ("takes_of_one", limits.takes_of_one),
        ("letters", limits.letters),
        ("registrations", limits.registrations),
        ("foreign_takes", limits.foreign_takes),
        ("foreign_takes_of_one", limits.foreign_takes_of_one),
        ("foreign_takes_in_all", limits.foreign_takes_in_all),
        ("device_lists", limits.device_lists),
        ("histories", limits.histories),
        ("log_requests", limits.log_requests),
        ("foreign_letters", limits.foreign_letters),
        ("foreign_letters_to_one", limits.foreign_letters_to_one),
    ];
    for (name, rate) in rates {
        assert_eq!(table[name][..2], [rate.burst.to_string(), rate.per_second.to_string()], "{name}");
    }
    assert_eq!(table.len(), rates.len());
}

#[test]
fn every_request_and_push_has_its_place_in_the_text() {
    let schema = include_str!("../../wire/proto/relay.proto");
    let frames = schema.split("message Hello").next().unwrap();
    let named = frames.lines().filter_map(|line| line.split_once('=')?.0.split_whitespace().next());
    for message in named.filter(|word| word.starts_with(char::is_uppercase)) {
        assert!(API.contains(&format!("`{message}`")) || API.contains(&format!("`{message} ")), "{message}");
    }
}
