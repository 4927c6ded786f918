//! A relay's copy, made while people use it, and a relay that starts from it in the old one's place.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::Value;
use support::World;

#[test]
fn a_relay_goes_on_from_its_backup_under_its_own_name() {
    let mut world = World::new();
    let (mike, sean) = (world.person("mike"), world.person("sean"));
    mike.ok(&["contact", "add", "sean"]);
    mike.ok(&["send", "sean", "before"]);
    sean.ok(&["request", "accept", "mike"]);
    let (relay, copy) = (world.path("relay"), world.path("copy"));
    let (owner, to) = (world.newcomer("relay"), copy.to_str().unwrap());
    let made = owner.ok(&["relay", "backup", to, "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    assert!(made["bytes"].as_u64().unwrap() > 0 && made["path"] == to, "{made}");
    assert_eq!(owner.fails(1, &["relay", "backup", to]), "relay");

    world.kill_relay();
    std::fs::remove_dir_all(&relay).unwrap();
    std::fs::rename(&copy, &relay).unwrap();
    world.start_relay();
    assert_eq!(sean.texts("mike"), ["before"]);
    mike.ok(&["send", "sean", "after"]);
    assert_eq!(sean.texts("mike"), ["before", "after"]);

    let other = world.newcomer("other");
    owner.ok(&["relay", "backup", other.data.to_str().unwrap()]);
    std::fs::write(other.data.join("relay.key"), [1; 32]).unwrap();
    assert_eq!(other.fails(1, &["relay", "--listen", "127.0.0.1:0"]), "bad_backup");
}
