//! Copies of a relay's directory, made while it runs, and relays that start from them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use common::{Client, Device, Moved, Seat, channel_of_two, relay_in};
use conclave_keylog::Root;
use conclave_relay::{Config, RelayError, Running, backup, serve};
use conclave_wire::slices;
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};

async fn start(dir: &Path) -> Result<Running, RelayError> {
    serve(Config { data: Some(dir.into()), retention: A_CENTURY, ..Config::default() }).await
}

/// What was kept years ago is still to be read.
const A_CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// As an operator keeps a copy and puts it back.
fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

async fn incarnation(relay: &Running) -> u64 {
    Client::connect(relay).await.hello.incarnation
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_made_under_load_is_whole_and_a_relay_goes_on_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("relay"), dir.path().join("copy"));
    let running = relay_in(&data).await;
    let mut mike = Client::connect(&running).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    mike.register(&Device::new("mike")).await;
    for number in 2..=60 {
        mike.post(a.text(number, 1, vec![7; 60_000])).await;
    }
    let (from, to) = (data.clone(), copy.clone());
    let copying = tokio::task::spawn_blocking(move || {
        let mut heard = Vec::new();
        let made = backup(&from, &to, |done, all| heard.push((done, all))).unwrap();
        (made, heard)
    });
    let mut posted = 60;
    while !copying.is_finished() {
        posted += 1;
        mike.post(a.text(posted, 1, vec![8; 60_000])).await;
    }
    let (made, heard) = copying.await.unwrap();
    assert_eq!(made.bytes, fs::metadata(copy.join("relay.db")).unwrap().len());
    assert!(
        heard.is_sorted() && heard.last().is_some_and(|(done, all)| done == all && *all > 400),
        "{heard:?}"
    );

    let restored = start(&copy).await.unwrap();
    assert_eq!(restored.relay_id, running.relay_id);
    let mut sean = Client::connect(&restored).await;
    let state = sean.attach(&b, 0).await;
    assert!((60..=posted).contains(&state.head), "what was acknowledged before is there: {}", state.head);
    let entries = sean.entries(&b, usize::try_from(state.head).unwrap()).await;
    assert!(entries.iter().skip(1).all(|entry| entry.shared.len() == 60_000));
    assert!(matches!(sean.login(&Device::new("mike")).await, Body::Stock(_)));
    sean.post(a.text(state.head + 1, 1, "goes on")).await;
    assert_eq!((incarnation(&running).await, incarnation(&restored).await), (1, 2));
}

#[tokio::test]
async fn each_start_from_a_copy_raises_the_incarnation_once_and_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let running = start(&at("relay")).await.unwrap();
    backup(&at("relay"), &at("copy"), |_, _| {}).unwrap();
    assert_eq!(incarnation(&running).await, 1, "the original is not touched");
    running.shutdown().await.unwrap();
    backup(&at("relay"), &at("at rest"), |_, _| {}).unwrap();
    copy_directory(&at("copy"), &at("restored"));
    for expected in [2, 2] {
        let restored = start(&at("restored")).await.unwrap();
        assert_eq!(incarnation(&restored).await, expected);
        restored.shutdown().await.unwrap();
    }
    backup(&at("restored"), &at("copy of it"), |_, _| {}).unwrap();
    for (name, expected) in [("copy of it", 3), ("copy", 2), ("at rest", 2)] {
        assert_eq!(incarnation(&start(&at(name)).await.unwrap()).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_copy_that_was_cut_short_or_altered_is_refused_by_name_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let running = start(&at("relay")).await.unwrap();
    let mut mike = Client::connect(&running).await;
    let (a, _) = channel_of_two(&mut mike, 1).await;
    mike.post(a.text(2, 1, vec![7; 60_000])).await;
    backup(&at("relay"), &at("copy"), |_, _| {}).unwrap();
    type Damage = fn(&Path);
    let cases: [(&str, &str, Damage); 9] = [
        ("a", "relay.db was cut short", |copy| {
            let whole = fs::read(copy.join("relay.db")).unwrap();
            fs::write(copy.join("relay.db"), &whole[..whole.len() - 8192]).unwrap();
        }),
        ("b", "relay.db was altered", |copy| {
            let mut whole = fs::read(copy.join("relay.db")).unwrap();
            let at = whole.len() - 9_000;
            whole[at] ^= 1;
            fs::write(copy.join("relay.db"), whole).unwrap();
        }),
        ("c", "relay.key was altered", |copy| fs::write(copy.join("relay.key"), [9; 32]).unwrap()),
        ("d", "relay.key is missing", |copy| fs::remove_file(copy.join("relay.key")).unwrap()),
        ("i", "log.key was altered", |copy| fs::write(copy.join("log.key"), [9; 32]).unwrap()),
        ("j", "log.key is missing", |copy| fs::remove_file(copy.join("log.key")).unwrap()),
        ("e", "relay.db is missing", |copy| fs::remove_file(copy.join("relay.db")).unwrap()),
        ("f", "backup.json is damaged", |copy| fs::write(copy.join("backup.json"), "{").unwrap()),
        ("g", "newer version", |copy| {
            let text = fs::read_to_string(copy.join("backup.json")).unwrap();
            fs::write(copy.join("backup.json"), text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        }),
    ];
    for (name, what, damage) in cases {
        copy_directory(&at("copy"), &at(name));
        damage(&at(name));
        for _ in 0..2 {
            let refused = start(&at(name)).await.unwrap_err();
            assert!(matches!(refused, RelayError::BadBackup { .. }), "{refused}");
            assert!(refused.to_string().contains(what), "{refused}");
        }
    }
    // Without what the copy says of itself, its database still knows.
    copy_directory(&at("copy"), &at("h"));
    fs::remove_file(at("h").join("backup.json")).unwrap();
    let whole = fs::read(at("h").join("relay.db")).unwrap();
    fs::write(at("h").join("relay.db"), &whole[..whole.len() - 8192]).unwrap();
    assert!(start(&at("h")).await.is_err());
    fs::write(at("h").join("relay.db"), whole).unwrap();
    assert_eq!(incarnation(&start(&at("h")).await.unwrap()).await, 2);
}

#[tokio::test]
async fn a_copy_takes_no_place_that_is_taken_and_needs_a_relay() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let _running = start(&at("relay")).await.unwrap();
    fs::create_dir(at("taken")).unwrap();
    fs::write(at("taken").join("file"), "mine").unwrap();
    assert!(backup(&at("relay"), &at("taken"), |_, _| {}).unwrap_err().to_string().contains("there already"));
    assert_eq!(fs::read(at("taken").join("file")).unwrap(), b"mine");
    assert!(backup(&at("nowhere"), &at("copy"), |_, _| {}).is_err());
    assert!(!at("copy").exists() && !at("nowhere").exists());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing half-made is left");
}

/// What the fixtures were made of, and what a relay that starts from one must still give.
async fn is_all_there(dir: &Path) {
    let restored = start(dir).await.unwrap();
    let mut client = Client::connect(&restored).await;
    assert_eq!(client.hello.incarnation, 2);
    let (a, b) = (Seat::new(1, 1), Seat::new(1, 2));
    let state = client.attach(&b, 0).await;
    assert_eq!((state.head, state.turn), (3, 1));
    let entries = client.entries(&b, 3).await;
    assert_eq!(entries[0].shared, "commit 1 at 0");
    assert_eq!((entries[1].shared.as_ref(), entries[1].slice.as_ref()), (&b"text"[..], &b"slice"[..]));
    let mike = Device::new("mike");
    assert_eq!(client.login(&mike).await, Body::Stock(v1::Stock { one_time_prekeys: 12, join_keys: 12 }));
    let Body::Letters(letters) = client.push().await else { panic!() };
    assert_eq!(letters.letters[0].body, "letter");
    client.post(a.text(4, 1, "goes on")).await;
    // What later versions brought is there too.
    let lookup = v1::Lookup { names: vec!["mike".into()], persons: vec![] };
    let Body::Directory(found) = client.ask(Request::Lookup(lookup)).await else { panic!() };
    let root = Root::decode(&found.root).unwrap().verify(restored.relay_id.as_bytes()).unwrap();
    let logged = root.lookup("mike", &found.persons[0].log_proof).unwrap();
    assert_eq!((logged.version, logged.epoch), (1, 1));
    let v1::SeatCursor { channel, seat, token, .. } = a.cursor(0);
    let put = v1::PutBlob { channel, seat, token, bytes: "piece".into() };
    assert!(matches!(client.ask(Request::PutBlob(put)).await, Body::Done(_)));
}

#[tokio::test]
async fn a_relay_starts_from_a_kept_copy_of_an_earlier_version() {
    let dir = tempfile::tempdir().unwrap();
    for kept in ["relay-1", "relay-2", "relay-3", "relay-4"] {
        let copy = dir.path().join(kept);
        copy_directory(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kept), &copy);
        is_all_there(&copy).await;
    }
}

#[tokio::test]
async fn a_copy_of_today_gives_what_the_kept_one_gives() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("relay"), dir.path().join("copy"));
    let clock = Arc::new(Moved(AtomicU64::new(1_790_000_000_000)));
    let running =
        serve(Config { data: Some(data.clone()), clock, retention: A_CENTURY, ..Config::default() });
    let running = running.await.unwrap();
    let mut client = Client::connect(&running).await;
    let (a, b) = channel_of_two(&mut client, 1).await;
    let mike = Device::new("mike");
    client.register(&mike).await;
    let slices = slices::pack([(b.seat, "slice")]).unwrap();
    client.post(v1::Post { slices, ..a.text(2, 1, "text") }).await;
    let letter = v1::Letter { device: mike.id.to_bytes(), body: "letter".into() };
    client.post(v1::Post { letters: vec![letter], ..a.text(3, 1, "more") }).await;
    backup(&data, &copy, |_, _| {}).unwrap();
    // How a fixture is made, once for each version of the database.
    if let Some(keep) = std::env::var_os("CONCLAVE_KEEP_FIXTURE") {
        copy_directory(&copy, Path::new(&keep));
    }
    is_all_there(&copy).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_copy_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("relay"), dir.path().join("copy"));
    let _running = start(&data).await.unwrap();
    backup(&data, &copy, |_, _| {}).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&copy), 0o700);
    for name in ["relay.key", "log.key", "relay.db", "backup.json"] {
        assert_eq!(mode(&copy.join(name)), 0o600, "{name}");
    }
}
