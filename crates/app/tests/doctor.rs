//! `conclave doctor` with real processes: what it says of stores that are well, busy, closed, damaged; and that nothing of
//! what it says tells who anybody is.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::Value;
use support::{Person, World, conclave};

fn diagnosis(person: &Person) -> (i32, Value) {
    let output = person.run(&["doctor", "--json"]);
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

fn codes(diagnosis: &Value) -> Vec<&str> {
    let all = diagnosis["attention"].as_array().unwrap();
    all.iter().map(|attention| attention["code"].as_str().unwrap()).collect()
}

#[test]
fn a_store_that_is_well_is_said_to_be_and_counted() {
    let world = World::new();
    let [mike, sean] = ["mike", "sean"].map(|name| world.person(name));
    mike.ok(&["contact", "add", "sean"]);
    sean.ok(&["contact", "add", "mike"]);
    mike.ok(&["send", "sean", "hello"]);
    mike.ok(&["group", "new", "Trip", "--scheme", "pairwise"]);
    let (exit, said) = diagnosis(&mike);
    assert_eq!((exit, codes(&said)), (0, Vec::new()), "{said}");
    let census = &said["census"];
    assert_eq!(census["conversations"]["direct member"], 1);
    assert_eq!(census["conversations"]["pairwise member"], 1);
    assert_eq!((&census["messages"], &census["people"]["contacts"]), (&1.into(), &1.into()));
    assert_eq!((&census["sound"], &census["stranded"]), (&true.into(), &0.into()));
    assert!(census["keys"]["list_days_left"].as_i64().unwrap() >= 89);
    assert_eq!(census["keys"]["bundle_days_old"], 0);
    let about = &said["relays"][0]["about"];
    assert_eq!((&about["version"], &about["retention_days"]), (&1.into(), &45.into()));
    assert!(about["clock_ms"].as_i64().unwrap().abs() < 60_000);
    assert!(said["free_bytes"].as_u64().unwrap() > 0);
    let text = mike.ok(&["doctor"]);
    assert!(text.contains("all is well") && text.contains("store      open"), "{text}");
}

#[test]
fn nothing_of_a_busy_store_tells_who_anybody_is() {
    let mut world = World::new();
    let [mike, sean, steve] = ["mikelmann", "seanfrost", "stevequill"].map(|name| world.person(name));
    mike.ok(&["contact", "add", "seanfrost"]);
    sean.ok(&["contact", "add", "mikelmann"]);
    mike.ok(&["group", "new", "Zanzibar Trip"]);
    mike.ok(&["group", "add", "Zanzibar Trip", "seanfrost", "stevequill"]);
    mike.ok(&["send", "Zanzibar Trip", "Wednesday at the harbour"]);
    steve.ok(&["sync"]);
    assert_eq!(sean.texts("Zanzibar Trip"), ["Wednesday at the harbour"]);
    sean.ok(&["send", "mikelmann", "Bring the tickets"]);
    let info: Value = serde_json::from_str(&mike.ok(&["group", "info", "Zanzibar Trip", "--json"])).unwrap();
    let accounts: Vec<Value> = [&mike, &sean, &steve]
        .iter()
        .map(|person| serde_json::from_str(&person.ok(&["account", "show", "--json"])).unwrap())
        .collect();
    let messages = mike.read("Zanzibar Trip");
    world.kill_relay();
    assert_eq!(mike.fails(75, &["send", "seanfrost", "Umbrella", "--timeout", "1"]), "queued");
    let mut secrets: Vec<String> =
        ["Zanzibar", "Wednesday", "harbour", "tickets", "Umbrella"].map(Into::into).to_vec();
    for person in [&mike, &sean, &steve] {
        secrets.extend([person.name.clone(), person.handle.clone()]);
    }
    secrets.push(world.host().to_owned());
    secrets.push(world.path("").display().to_string());
    for account in &accounts {
        secrets.extend(["person", "device", "relay_id"].map(|id| account[id].as_str().unwrap().to_owned()));
    }
    secrets.push(info["id"].as_str().unwrap().to_owned());
    secrets.extend(messages.iter().map(|message| message["id"].as_str().unwrap().to_owned()));
    for person in [&mike, &sean, &steve] {
        for args in [["doctor"].as_slice(), &["doctor", "--json"]] {
            let output = person.run(args);
            assert_eq!(output.status.code(), Some(1), "the relay is away");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            let told: Vec<_> = secrets.iter().filter(|secret| said.contains(secret.as_str())).collect();
            assert!(told.is_empty(), "{told:?} in\n{said}");
        }
    }
    let (_, said) = diagnosis(&mike);
    assert_eq!(codes(&said), ["queued", "unreachable"]);
    world.start_relay();
    mike.ok(&["sync"]);
    assert_eq!(diagnosis(&mike).0, 0);
}

#[test]
fn a_store_that_does_not_open_is_reported_as_far_as_it_can_be_seen() {
    let world = World::new();
    let mike = world.person("mike");
    let wrong = mike.command(&["doctor", "--json"]).env("CONCLAVE_PASSPHRASE", "wrong").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!((codes(&said), &said["census"]), (vec!["wrong_passphrase"], &Value::Null));
    assert_eq!(said["directory"]["files"][0]["name"], "store.json");
    let none = mike.command(&["doctor", "--json"]).env_remove("CONCLAVE_PASSPHRASE").output().unwrap();
    assert_eq!(codes(&serde_json::from_slice(&none.stdout).unwrap()), ["not_tried"]);
    // A page in the middle, with nothing in the log that could take its place.
    let file = mike.data.join("store.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0);
    std::fs::write(&file, &bytes).unwrap();
    let (exit, said) = diagnosis(&mike);
    assert!(exit == 1 && codes(&said).contains(&"store_damaged"), "{said}");
    std::fs::write(mike.data.join("store.json"), "{}").unwrap();
    assert_eq!(codes(&diagnosis(&mike).1), ["store_damaged"]);
    std::fs::write(mike.data.join("store.json"), r#"{"version": 999}"#).unwrap();
    assert_eq!(codes(&diagnosis(&mike).1), ["store_too_new"]);
}

#[test]
fn an_empty_place_and_open_permissions_are_said() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let output = conclave(home.path()).args(["--data", "nowhere", "doctor", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(codes(&serde_json::from_slice(&output.stdout).unwrap()), ["absent"]);
    let world = World::new();
    let mike = world.person("mike");
    assert_eq!(diagnosis(&mike).0, 0);
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(&mike.data, 0o755);
    assert_eq!(diagnosis(&mike).0, 0, "its files are private all the same");
    open(&mike.data.join("store.db"), 0o644);
    assert_eq!(codes(&diagnosis(&mike).1), ["not_private"]);
}
