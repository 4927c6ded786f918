//! `CONCLAVE_CLOCK_OFFSET`, with real processes: where it is taken, where it is refused, and clocks that jump back.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::process::Output;

use serde_json::Value;
use support::{Person, Running, World, conclave};

const OFFSET: &str = "CONCLAVE_CLOCK_OFFSET";
const DAY: i64 = 24 * 60 * 60;

fn at(offset: &str, person: &Person, args: &[&str]) -> Output {
    person.command(args).env(OFFSET, offset).output().unwrap()
}

fn done(output: Output) -> (String, String) {
    let said = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}{error}");
    (said, error)
}

/// The code of the refusal, and that it is one of usage.
fn refused(output: Output) -> String {
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    let object: Value = serde_json::from_str(error.lines().last().unwrap()).unwrap();
    object["code"].as_str().unwrap().to_owned()
}

/// Starts a relay that tells the time so.
fn relay_at(world: &World, offset: &str, data: &str) -> (Running, String) {
    let mut command = conclave(&world.path(""));
    command.arg("--data").arg(world.path(data)).args(["--json", "relay", "--listen", "127.0.0.1:0"]);
    command.env(OFFSET, offset);
    let running = Running::start(command);
    let first: Value = serde_json::from_str(&running.line()).unwrap();
    (running, first["url"].as_str().unwrap().to_owned())
}

#[test]
fn a_shifted_clock_is_loud_and_everything_goes_by_it() {
    let world = World::new();
    let (_relay, url) = relay_at(&world, "+31d", "future");
    let (mike, sean) = (world.newcomer("mike"), world.newcomer("sean"));
    for (person, name) in [(&mike, "mike"), (&sean, "sean")] {
        let (_, error) = done(at("+31d", person, &["account", "create", name, "--relay", &url]));
        assert!(error.contains(OFFSET) && error.contains(&format!("{} s", 31 * DAY)), "{error}");
    }
    done(at("+31d", &mike, &["contact", "add", "sean"]));
    let (_, error) = done(at("+31d", &mike, &["send", "sean", "from then", "--json"]));
    let warning: Value = serde_json::from_str(&error).unwrap();
    assert_eq!((&warning["warning"], &warning["seconds"]), (&"clock_shifted".into(), &(31 * DAY).into()));
    done(at("+31d", &sean, &["request", "accept", "mike"]));
    let (said, _) = done(at("+31d", &sean, &["read", "mike", "--json"]));
    let message: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    let stamp: jiff::Timestamp = message["sent_at"].as_str().unwrap().parse().unwrap();
    let ahead = stamp.as_second() - jiff::Timestamp::now().as_second();
    assert!((30 * DAY..32 * DAY).contains(&ahead), "{message}");
}

#[test]
fn beyond_this_machine_a_shifted_clock_is_refused() {
    let world = World::new();
    let mike = world.newcomer("mike");
    let relay = ["relay", "--listen", "0.0.0.0:0", "--tls", "self-signed", "--json"];
    assert_eq!(refused(at("+31d", &mike, &relay)), "clock_shifted");
    let create = ["account", "create", "mike", "--relay", "https://relay.invalid", "--json"];
    assert_eq!(refused(at("-2h", &mike, &create)), "clock_shifted");
    let mike = world.person("mike");
    let add = ["contact", "add", "dave@relay.invalid", "--json"];
    assert_eq!(refused(at("+1s", &mike, &add)), "clock_shifted");
    done(at("0s", &mike, &["sync"]));
}

#[test]
fn what_is_no_offset_is_usage_and_changes_nothing() {
    let world = World::new();
    let mike = world.person("mike");
    for offset in ["", "31", "d", "+-3d", "1y", "soon"] {
        assert_eq!(refused(at(offset, &mike, &["sync", "--json"])), "usage", "{offset}");
    }
    assert_eq!(refused(at("31", &mike, &["relay", "--json"])), "usage");
    mike.ok(&["sync"]);
}

#[test]
fn clocks_that_jump_back_lose_and_stop_nothing() {
    let mut world = World::new();
    let (mike, sean, steve) = (world.person("mike"), world.person("sean"), world.person("steve"));
    mike.ok(&["contact", "add", "sean"]);
    mike.ok(&["contact", "add", "steve"]);
    mike.ok(&["group", "new", "Trip"]);
    mike.ok(&["group", "add", "Trip", "sean"]);
    sean.ok(&["request", "accept", "Trip"]);
    let mut expected = Vec::new();
    // Mike's clock, then sean's, leaps ahead and comes back; the relay's does in between.
    for (round, offset) in ["+20d", "0s", "-20d", "0s"].into_iter().enumerate() {
        for (name, person) in [("mike", &mike), ("sean", &sean)] {
            let text = format!("{name} {round}");
            done(at(offset, person, &["send", "Trip", &text]));
            expected.push(text);
        }
        if round == 1 {
            world.kill_relay();
            world.start_relay();
        }
    }
    // Keys of whose time a clock knows nothing yet are refused, and that is all.
    assert!(!at("-20d", &mike, &["group", "add", "Trip", "steve"]).status.success());
    done(at("0s", &mike, &["group", "add", "Trip", "steve"]));
    done(at("0s", &mike, &["send", "Trip", "now three"]));
    expected.push("now three".to_owned());
    assert_eq!(mike.texts("Trip"), expected);
    assert_eq!(sean.texts("Trip"), expected);
    steve.ok(&["request", "accept", "Trip"]);
    assert_eq!(steve.texts("Trip"), ["now three"]);
}
