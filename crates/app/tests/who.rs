//! Who is it, and who is in this conversation: devices, codes, words, proofs and recovery, with real processes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;
use support::{Person, World, conclave};

fn json(said: &str) -> Value {
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

/// mike has a group with sean and steve.
fn three(world: &World) -> [Person; 3] {
    let [mike, sean, steve] = ["mike", "sean", "steve"].map(|name| world.person(name));
    for one in [&sean, &steve] {
        one.ok(&["contact", "add", "mike"]);
        mike.ok(&["contact", "add", &one.name]);
    }
    mike.ok(&["group", "new", "Trip"]);
    mike.ok(&["group", "add", "Trip", "sean", "steve"]);
    for one in [&sean, &steve] {
        one.ok(&["sync"]);
    }
    [mike, sean, steve]
}

#[test]
fn people_know_who_is_in_by_scans_words_codes_and_a_proof_for_anybody() {
    let world = World::new();
    let [mike, sean, steve] = three(&world);
    let code = |who: &Person| json(&who.ok(&["group", "code", "Trip", "--json"]))["code"].clone();
    assert_eq!(code(&mike), code(&steve));

    // mike shows, sean scans and mike confirms; steve follows.
    let shown = mike.ok(&["contact", "verify", "sean", "--qr"]);
    let text = shown.lines().find(|line| line.starts_with("conclave-verify:")).unwrap();
    assert!(shown.contains('█'), "{shown}");
    sean.ok(&["contact", "verify", "mike", "--scan", text]);
    assert_eq!(sean.fails(2, &["contact", "verify", "mike", "--scan", "nowhere.png"]), "usage");
    mike.ok(&["contact", "verify", "sean", "--confirm"]);
    mike.ok(&["contact", "verify", "steve", "--confirm"]);
    mike.ok(&["sync"]);
    let grades = sean.ok(&["group", "verify", "Trip"]);
    assert!(
        grades.starts_with("1 of 2 checked, 1 vouched") && grades.contains("vouched through mike"),
        "{grades}"
    );

    // Four words in a call.
    let words = |who: &Person| who.start(&["group", "sas", "Trip", "--json", "--timeout", "100"]);
    let first = words(&mike);
    while !sean.ok(&["sync"]).contains("compare four words") {}
    let said = [first, words(&sean), words(&steve)].map(|call| json(&call.line())["words"].clone());
    assert!(said[0].as_array().unwrap().len() == 4 && said.iter().all(|one| *one == said[0]), "{said:?}");
    let banner = steve.ok(&["group", "sas", "Trip", "--confirm"]);
    assert!(banner.starts_with("all 2 checked"), "{banner}");

    // Who can read a message, and a proof that needs no account.
    sean.ok(&["send", "Trip", "for three"]);
    let id = steve.read("Trip").last().unwrap()["id"].as_str().unwrap().to_owned();
    let readers = steve.ok(&["message", "info", &id]);
    assert!(readers.contains("readable by 3 devices of 3 people"), "{readers}");
    let file = world.path("who.audit");
    steve.ok(&["message", "info", &id, "--export", file.to_str().unwrap()]);
    let audit = |file: &std::path::Path| conclave(&world.path("")).arg("audit").arg(file).output().unwrap();
    let held = String::from_utf8(audit(&file).stdout).unwrap();
    assert!(held.contains("Every signature and every right holds") && held.contains(&id), "{held}");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[700] ^= 1;
    let altered = world.path("altered.audit");
    std::fs::write(&altered, bytes).unwrap();
    let refused = audit(&altered);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("does not hold"), "{refused:?}");
    assert_eq!(refused.status.code(), Some(1));

    // Nobody is added by one alone.
    mike.ok(&["group", "policy", "Trip", "--endorsers", "1"]);
    let dave = world.person("dave");
    dave.ok(&["contact", "add", "sean"]);
    sean.ok(&["contact", "add", "dave"]);
    sean.ok(&["sync"]);
    let proposed = sean.ok(&["group", "add", "Trip", "dave", "--reason", "he has the car"]);
    assert!(proposed.contains("(he has the car); needs one more to agree"), "{proposed}");
    assert!(mike.ok(&["sync"]).contains("wants to add dave"));
    mike.ok(&["group", "endorse", "Trip", "dave"]);
    while !mike.ok(&["group", "audit", "Trip"]).contains("added dave") {
        sean.ok(&["sync"]);
        mike.ok(&["sync"]);
    }
    let policy = json(&mike.ok(&["group", "policy", "Trip", "--json"]));
    assert_eq!((&policy["endorsers"], &policy["above"]), (&1.into(), &0.into()));

    // Somebody goes: the code is another one, and says why.
    mike.ok(&["group", "remove", "Trip", "steve"]);
    let changed = json(&mike.ok(&["group", "code", "Trip", "--json"]));
    let changes = changed["changes"].as_array().unwrap();
    assert!(changes.iter().any(|one| *one == "steve was removed by you"), "{changes:?}");
    assert!(mike.ok(&["group", "audit", "Trip"]).contains("removed steve"));
}

#[test]
fn a_second_device_is_told_what_was_and_after_the_loss_of_both_the_words_bring_the_person_back() {
    let world = World::new();
    let [mike, sean, _] = three(&world);
    sean.ok(&["send", "Trip", "before the laptop"]);
    let link = sean.ok(&["device", "link"]).lines().next().unwrap().to_owned();
    let laptop = world.newcomer("laptop");
    let becoming = laptop.start(&["device", "link", &link, "--json", "--timeout", "100"]);
    let code = json(&becoming.line())["code"].as_str().unwrap().to_owned();
    sean.ok(&["device", "approve", &code]);
    becoming.finish();
    while !laptop.ok(&["sync"]).contains("told this one what was before") {
        sean.ok(&["sync"]);
    }
    assert_eq!(laptop.texts("Trip"), ["before the laptop"]);

    let words =
        json(&sean.ok(&["account", "recovery-key", "--json"]))["recovery_key"].as_str().unwrap().to_owned();
    let again = world.newcomer("again");
    let mut recover = again.command(&["account", "recover", "sean", "--relay", &world.url]);
    let mut recover = recover.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    recover.stdin.take().unwrap().write_all(words.as_bytes()).unwrap();
    let recovered = recover.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&recovered.stdout).contains("sean@"), "{recovered:?}");
    assert_eq!(laptop.fails(1, &["sync"]), "unknown_device", "both are out");
    again.ok(&["contact", "add", "mike"]);
    again.ok(&["send", "mike", "it is me"]);
    mike.ok(&["sync"]);
    while !again.ok(&["group", "list"]).contains("Trip") {
        mike.ok(&["sync"]);
        again.ok(&["sync"]);
    }
    mike.ok(&["send", "Trip", "welcome back"]);
    assert_eq!(again.texts("Trip"), ["welcome back"]);
}

#[test]
fn anybody_audits_a_relays_key_log_and_a_fork_of_it_is_proved() {
    let mut world = World::new();
    let [mike, _, _] = three(&world);
    let keep = world.path("relay.root");
    let (home, url) = (world.path(""), world.url.clone());
    let audit = || {
        let kept = ["--keep", keep.to_str().unwrap()];
        conclave(&home).args(["audit", &url, "--json"]).args(kept).output().unwrap()
    };
    let first = json(&String::from_utf8(audit().stdout).unwrap());
    assert!(first["from"] == 0 && first["epoch"].as_u64().unwrap() >= 1, "{first}");
    let before = world.path("before");
    world.kill_relay();
    copy(&world.path("relay"), &before);
    world.start_relay();
    let dave = world.person("dave");
    dave.ok(&["contact", "add", "mike"]);
    mike.ok(&["contact", "add", "dave"]);
    let then = json(&String::from_utf8(audit().stdout).unwrap());
    assert_eq!(then["from"], first["epoch"], "from where it stood");
    assert!(then["epoch"].as_u64() > first["epoch"].as_u64(), "{then}");
    // A friend's relay, once its id is named to the owner, says that it has looked.
    let friend = world.path("friend");
    let witness = || {
        let command = ["--data", friend.to_str().unwrap(), "relay", "witness", &url, "--once"];
        conclave(&home).args(command).output().unwrap()
    };
    let unnamed = witness();
    let said = String::from_utf8(unnamed.stdout).unwrap();
    assert!(String::from_utf8_lossy(&unnamed.stderr).contains("no cosignatures"), "{said}");
    let id = said.lines().next().unwrap().rsplit(' ').next().unwrap().to_owned();
    world.kill_relay();
    world.more(&["--witness", &id]);
    world.start_relay();
    let cosigned = String::from_utf8(witness().stdout).unwrap();
    assert!(cosigned.contains("cosigned epoch"), "{cosigned}");
    let seen = json(&String::from_utf8(audit().stdout).unwrap());
    assert_eq!(seen["witnesses"], serde_json::json!([id]));
    // The relay goes on from its past another way.
    world.kill_relay();
    std::fs::remove_dir_all(world.path("relay")).unwrap();
    copy(&before, &world.path("relay"));
    world.start_relay();
    let john = world.person("john");
    john.ok(&["contact", "add", "mike"]);
    john.ok(&["contact", "add", "steve"]);
    let back = audit();
    assert!(
        String::from_utf8_lossy(&back.stderr).contains("went back"),
        "nobody has asked for john yet: {back:?}"
    );
    mike.run(&["contact", "add", "john"]);
    let forked = audit();
    assert_eq!(forked.status.code(), Some(1), "{forked:?}");
    assert!(String::from_utf8_lossy(&forked.stderr).contains("log_forked"), "{forked:?}");
    let seen = witness();
    assert!(
        String::from_utf8_lossy(&seen.stderr).contains("two roots"),
        "the witness sees it as well: {seen:?}"
    );
    let proof = conclave(&world.path("")).arg("audit").arg(world.path("relay.fork")).output().unwrap();
    assert!(String::from_utf8_lossy(&proof.stdout).contains("Both signatures hold"), "{proof:?}");
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
