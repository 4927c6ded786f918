//! What goes wrong at a command line, with real processes: the exit code is the promised one, the error is one
//! object of three fields, and nothing has changed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{World, conclave, texts};

#[test]
fn an_incomplete_command_line_is_usage() {
    let world = World::new();
    let mike = world.newcomer("mike");
    assert_eq!(mike.fails(2, &["frobnicate"]), "usage");
    assert_eq!(mike.fails(2, &["account", "create", "mike"]), "usage");
    assert_eq!(mike.fails(2, &["group", "add", "Trip"]), "usage");
    assert_eq!(mike.fails(2, &["send", "sean", ""]), "usage");
    assert!(!mike.data.exists());
}

#[test]
fn without_terminal_and_passphrase_the_variable_is_named() {
    let world = World::new();
    let mike = world.person("mike");
    for args in [
        ["account", "show"].as_slice(),
        &["up"],
        &["account", "create", "x", "--relay", "http://127.0.0.1:1"],
    ] {
        let ended = mike.command(args).env_remove("CONCLAVE_PASSPHRASE").output().unwrap();
        assert_eq!(ended.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("CONCLAVE_PASSPHRASE"), "{args:?}");
    }
}

#[test]
fn up_without_terminal_names_everything_it_needs_at_once() {
    let home = tempfile::tempdir().unwrap();
    let ended = conclave(home.path()).arg("up").env_remove("CONCLAVE_PASSPHRASE").output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("CONCLAVE_NAME") && said.contains("CONCLAVE_PASSPHRASE"), "{said}");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_wrong_passphrase_is_locked_and_changes_nothing() {
    let world = World::new();
    let mike = world.person("mike");
    let ended =
        mike.command(&["account", "show", "--json"]).env("CONCLAVE_PASSPHRASE", "wrong").output().unwrap();
    assert_eq!(ended.status.code(), Some(77));
    assert!(mike.ok(&["account", "show"]).contains(&mike.handle));
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let world = World::new();
    let mike = world.person("mike");
    let sidecar = mike.data.join("store.json");
    let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&sidecar).unwrap()).unwrap();
    json["version"] = 999.into();
    std::fs::write(&sidecar, json.to_string()).unwrap();
    mike.fails(1, &["account", "show"]);
}

#[test]
fn who_and_what_is_unknown_is_refused() {
    let world = World::new();
    let nobody = world.newcomer("nobody");
    nobody.fails(1, &["account", "show"]);
    nobody.fails(1, &["read", "sean"]);
    let mike = world.person("mike");
    mike.fails(1, &["account", "create", "mike", "--relay", &world.url]);
    mike.fails(1, &["contact", "add", "nobody"]);
    mike.fails(1, &["contact", "add", "No Body!"]);
    mike.fails(1, &["send", "Trip", "hello"]);
    mike.fails(1, &["read", "Trip"]);
    mike.fails(1, &["group", "info", "Trip"]);
    mike.fails(2, &["group", "new", "Trip", "--scheme", "carrier-pigeon"]);
    mike.fails(1, &["request", "accept", "Trip"]);
    world.newcomer("another").fails(1, &["account", "create", "mike", "--relay", &world.url]);
    assert_eq!(mike.ok(&["group", "list"]), "");
}

#[test]
fn a_text_above_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let world = World::new();
    let [mike, sean] = ["mike", "sean"].map(|name| world.person(name));
    mike.ok(&["contact", "add", "sean"]);
    sean.ok(&["contact", "add", "mike"]);
    let send = |length: usize| {
        let file = world.path("text");
        std::fs::write(&file, "x".repeat(length)).unwrap();
        let input = std::fs::File::open(&file).unwrap();
        mike.command(&["send", "sean", "-"]).stdin(input).status().unwrap().code()
    };
    assert_eq!(send(64 * 1024 + 1), Some(1));
    assert_eq!(send(64 * 1024), Some(0));
    assert_eq!(sean.texts("mike"), ["x".repeat(64 * 1024)]);
}

#[test]
fn a_relay_that_is_down_is_unreachable_and_a_message_is_queued() {
    let mut world = World::new();
    let [mike, sean] = ["mike", "sean"].map(|name| world.person(name));
    mike.ok(&["contact", "add", "sean"]);
    sean.ok(&["contact", "add", "mike"]);
    mike.ok(&["send", "sean", "first"]);
    world.kill_relay();
    mike.fails(69, &["sync", "--timeout", "1"]);
    mike.fails(69, &["contact", "add", "steve", "--timeout", "1"]);
    world
        .newcomer("steve")
        .fails(69, &["account", "create", "steve", "--relay", &world.url, "--timeout", "1"]);
    assert_eq!(mike.fails(75, &["send", "sean", "second", "--timeout", "1"]), "queued");
    let stored = mike.run(&["read", "sean", "--timeout", "1"]);
    assert_eq!(stored.status.code(), Some(69), "the exit code says that there may be more");
    assert!(
        String::from_utf8_lossy(&stored.stdout).contains("mike: first"),
        "what is stored is shown all the same"
    );
    world.start_relay();
    mike.ok(&["sync"]);
    assert_eq!(texts(&sean.read("mike")), ["first", "second"]);
}

#[test]
fn registration_by_invite_asks_for_a_code_and_closed_takes_nobody() {
    let home = tempfile::tempdir().unwrap();
    for (more, code, exit) in [
        (["--registration", "invite", "--invite", "tulip"].as_slice(), "tulip", 0),
        (&["--registration", "invite", "--invite", "tulip"], "rose", 1),
        (&["--registration", "closed"], "tulip", 1),
    ] {
        let world = World::with(more);
        let mike = world.newcomer("mike");
        let create = ["account", "create", "mike", "--relay", &world.url, "--invite", code];
        assert_eq!(mike.run(&create).status.code(), Some(exit), "{more:?} {code}");
    }
    let ended =
        conclave(home.path()).args(["relay", "--data", "r", "--registration", "invite"]).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
}

#[test]
fn two_relays_do_not_run_on_one_directory() {
    let world = World::new();
    let data = world.path("relay");
    let ended = conclave(&world.path(""))
        .arg("--data")
        .arg(data)
        .args(["relay", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    let mut command = conclave(home.path());
    let mut child =
        command.args(["completions", "bash"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
