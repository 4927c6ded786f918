//! Relays that others reach over TLS, with real processes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::process::Command;

use support::certificates::{authority, certificate};
use support::{Person, World};

#[test]
fn two_people_talk_over_a_self_signed_relay_and_nobody_stands_in_for_it() {
    let mut world = World::with(&["--tls", "self-signed"]);
    let (plain, id) = world.url.split_once('#').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(plain.starts_with("https://") && id.len() == 64, "{}", world.url);
    let (mike, sean) = (world.person("mike"), world.person("sean"));
    mike.ok(&["contact", "add", "sean"]);
    mike.ok(&["send", "sean", "over TLS"]);
    sean.ok(&["request", "accept", "mike"]);
    assert_eq!(sean.texts("mike"), ["over TLS"]);

    let dave = world.newcomer("dave");
    let create = |url: &str| dave.fails(1, &["account", "create", "dave", "--relay", url]);
    assert_eq!(create(&plain), "tls_failed", "nobody vouches for it, and its id was not given");
    let wrong_id = format!("{plain}#{}", "0".repeat(64));
    assert_eq!(create(&wrong_id), "relay_changed");

    // Another relay takes the port.
    world.kill_relay();
    std::fs::remove_dir_all(world.path("relay")).unwrap();
    world.start_relay();
    assert_eq!(mike.fails(1, &["sync"]), "relay_changed");
}

#[test]
fn a_person_on_a_second_relay_over_tls_is_added_and_answers() {
    let dir = tempfile::tempdir().unwrap();
    certificate(&authority(dir.path()), dir.path(), "127.0.0.1");
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let near = World::new();
    let far = World::with(&["--tls-cert", &path("cert.pem"), "--tls-key", &path("key.pem")]);
    let (mike, dave) = (near.person("mike"), far.newcomer("dave"));
    let trusting = |person: &Person, args: &[&str]| {
        let ended = person.command(args).env("SSL_CERT_FILE", path("root.pem")).output().unwrap();
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    };
    trusting(&dave, &["account", "create", "dave", "--relay", &far.url]);
    trusting(&mike, &["contact", "add", &dave.handle]);
    trusting(&mike, &["send", &dave.handle, "from relay to relay"]);
    trusting(&dave, &["sync"]);
    trusting(&dave, &["request", "accept", &mike.handle]);
    // Only now does dave's client speak to mike's relay.
    trusting(&dave, &["sync"]);
    trusting(&dave, &["send", &mike.handle, "and back"]);
    assert!(trusting(&mike, &["read", &dave.handle]).contains("and back"));
}

#[test]
fn a_certificate_of_an_authority_is_enough_and_is_renewed_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (issuer, root) = (authority(dir.path()), dir.path().join("root.pem"));
    certificate(&issuer, dir.path(), "example.org");
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let world = World::with(&["--tls-cert", &path("cert.pem"), "--tls-key", &path("key.pem")]);
    assert!(!world.url.contains('#') && world.url.starts_with("https://"), "{}", world.url);

    let mike = world.newcomer("mike");
    let trusting = |person: &Person, args: &[&str]| {
        let mut command: Command = person.command(args);
        let ended = command.env("SSL_CERT_FILE", &root).arg("--json").output().unwrap();
        (ended.status.success(), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    let create = ["account", "create", "mike", "--relay", &world.url];
    assert_eq!(mike.fails(1, &create), "tls_failed", "the authority is not known");
    let (done, said) = trusting(&mike, &create);
    assert!(!done && said.contains("tls_failed") && said.contains("not valid for name"), "{said}");
    certificate(&issuer, dir.path(), "127.0.0.1");
    world.relay().signal("HUP");
    // The signal is taken when the relay gets to it.
    let created = (0..200).map(|_| trusting(&mike, &create)).find(|(done, _)| *done);
    assert!(created.is_some(), "the new certificate is never shown");
    assert!(trusting(&mike, &["sync"]).0);
    assert_eq!(mike.fails(1, &["sync"]), "tls_failed");
}

#[test]
fn a_relay_that_others_can_reach_starts_encrypted_or_not_at_all() {
    let world = World::new();
    let owner = world.newcomer("owner");
    let relay = |more: &[&str], exit| {
        let args = [&["relay", "--listen", "0.0.0.0:0"], more].concat();
        owner.fails(exit, &args)
    };
    assert_eq!(relay(&[], 1), "needs_tls");
    assert_eq!(relay(&["--tls-cert", "cert.pem"], 2), "usage");
    assert_eq!(relay(&["--tls-cert", "a.pem", "--tls-key", "b.pem", "--tls", "self-signed"], 2), "usage");
    assert_eq!(relay(&["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"], 1), "bad_certificate");
    assert!(!owner.data.join("relay.db").exists(), "nothing was made");
    for how in ["self-signed", "elsewhere"] {
        let data = world.path(how);
        let at = ["--data", data.to_str().unwrap(), "relay", "--listen", "0.0.0.0:0", "--tls", how];
        let running = support::Running::start({
            let mut command = support::conclave(&data);
            command.args(at);
            command
        });
        assert!(running.line().starts_with("listening on http"));
    }
}
