//! An account in one file, with real processes: made while it is in use, brought back, refused when it is not whole.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Person, World};

/// Somebody in another directory of the same world.
fn elsewhere(world: &World, name: &str) -> Person {
    world.newcomer(name)
}

#[test]
fn an_account_comes_back_from_a_backup_made_in_use_and_misses_nothing() {
    let world = World::new();
    let (mike, sean) = (world.person("mike"), world.person("sean"));
    sean.ok(&["contact", "add", "mike"]);
    mike.ok(&["contact", "add", "sean"]);
    mike.ok(&["group", "new", "Trip"]);
    mike.ok(&["group", "add", "Trip", "sean"]);
    mike.ok(&["send", "Trip", "before"]);
    let follow = sean.start(&["read", "Trip", "--follow", "--json"]);
    assert!(follow.line().contains("before"));
    let file = world.path("sean.backup");
    let file = file.to_str().unwrap();
    sean.ok(&["backup", file]);
    assert_eq!(sean.fails(1, &["backup", file]), "store_failed", "nothing is written over");
    follow.kill();
    mike.ok(&["send", "Trip", "after the backup"]);
    sean.ok(&["send", "Trip", "said and then forgotten"]);

    let again = elsewhere(&world, "again");
    again.ok(&["restore", file]);
    assert_eq!(again.fails(1, &["restore", file]), "account_exists");
    // It said something that it does not remember: it hears so, and is let in again.
    let mut told = again.ok(&["sync"]);
    assert!(told.contains("older copy"), "{told}");
    let back = (0..20).any(|round| {
        told += &mike.ok(&["sync"]);
        let text = format!("round {round}");
        mike.ok(&["send", "Trip", &text]);
        told += &again.ok(&["sync"]);
        again.texts("Trip").contains(&text)
    });
    assert!(back, "{told}");
    again.ok(&["send", "Trip", "I am back"]);
    assert_eq!(mike.texts("Trip").last().unwrap(), "I am back");
    // What everybody had read meanwhile the relay no longer holds; that it is missing was told.
    let read = again.texts("Trip");
    assert!(read.contains(&"after the backup".to_owned()) || told.contains("missing"), "{read:?} {told}");
    assert_eq!(read.iter().filter(|text| *text == "before").count(), 1);
}

#[test]
fn a_backup_that_is_not_whole_or_locked_otherwise_is_refused_by_name_and_leaves_nothing() {
    let world = World::new();
    let mike = world.person("mike");
    let path = world.path("mike.backup");
    let file = path.to_str().unwrap();
    mike.ok(&["backup", file]);
    let whole = std::fs::read(&path).unwrap();
    assert!(!whole.windows(4).any(|four| four == b"mike"), "the name is not in it");
    let again = elsewhere(&world, "again");
    let refused = |bytes: &[u8], code: &str| {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(again.fails(1, &["restore", file]), code, "{}", bytes.len());
        assert_eq!(again.fails(1, &["account", "show"]), "no_account");
    };
    for length in [0, 10, 40, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..length], "bad_backup");
    }
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        refused(&altered, "bad_backup");
    }
    refused(&[&whole[..], b"more"].concat(), "bad_backup");
    let mut newer = whole.clone();
    newer[16] = 9;
    refused(&newer, "store_too_new");
    std::fs::write(&path, &whole).unwrap();
    world.set("CONCLAVE_PASSPHRASE", "another");
    assert_eq!(again.fails(77, &["restore", file]), "wrong_passphrase");
    world.set("CONCLAVE_PASSPHRASE", "correct horse battery staple");
    again.ok(&["restore", file]);
    assert!(again.ok(&["account", "show"]).contains(&mike.handle));
}
