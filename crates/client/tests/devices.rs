//! Several devices of one person: linked by a code that both show, in every group, and taken away again.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::lives::Person;
use common::{PASSPHRASE, PATIENCE, Stage, cheap_person, done, say, sync, texts, trip};
use conclave_client::{Client, ClientError, Event, ReadOptions, Scheme};
use std::sync::{Arc, Mutex};

/// Links a second device of `first`, which approves what `code` makes of the code that is shown.
async fn link(
    stage: &Stage,
    first: &Client,
    name: &str,
    code: impl Fn(String) -> String,
) -> (Result<Client, ClientError>, Result<(), ClientError>) {
    let link = first.link_device().await.unwrap();
    let home = stage.home(name);
    common::lives::cheap_sidecar(&home);
    let seen = Arc::new(Mutex::new(None));
    let shown = {
        let seen = seen.clone();
        move |code: &str| *seen.lock().unwrap() = Some(code.to_owned())
    };
    let wait = std::time::Duration::from_secs(if name == "stranger" { 2 } else { 60 });
    let becomes = Client::become_device(&home, PASSPHRASE, &link, shown, wait);
    let approves = async {
        loop {
            let asked = sync(first).await.iter().any(|event| matches!(event, Event::DeviceAsks));
            let code = seen.lock().unwrap().clone().filter(|_| asked).map(&code);
            if let Some(code) = code {
                return first.approve_device(&code, PATIENCE).await.map(drop);
            }
        }
    };
    tokio::join!(becomes, approves)
}

/// Until the device has joined what its sibling is in.
async fn joins(first: &Client, second: &Client, groups: usize) {
    while second.groups().await.unwrap().len() < groups {
        sync(second).await;
        sync(first).await;
    }
}

/// Until it has been told what was before.
async fn is_told(first: &Client, second: &Client) -> u64 {
    loop {
        sync(first).await;
        for event in sync(second).await {
            if let Event::History { messages } = event {
                return messages;
            }
        }
    }
}

async fn a_second_device(scheme: Scheme) {
    let stage = Stage::open().await;
    let [mike, sean, steve] =
        [stage.person("mike").await, stage.person("sean").await, stage.person("steve").await];
    trip(&[mike.clone(), sean.clone(), steve.clone()], scheme).await;
    let (laptop, approved) = link(&stage, &sean, "laptop", |code| code).await;
    let laptop = laptop.unwrap();
    approved.unwrap();
    assert_eq!(laptop.account().await.unwrap().person, sean.account().await.unwrap().person);
    assert_eq!(sean.devices().await.unwrap().len(), 2);
    joins(&sean, &laptop, 1).await;

    // Everybody is told, and both devices get what is said from now on.
    let told: Vec<_> = sync(&mike).await.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|line| line.contains("sean") && line.contains("added a device")), "{told:?}");
    say(&mike, "Trip", "to both").await;
    for device in [&sean, &laptop] {
        assert_eq!(texts(device, "Trip").await.last().unwrap(), "to both");
    }
    // Either speaks for sean; the other shows it as his own.
    say(&laptop, "Trip", "from the laptop").await;
    say(&sean, "Trip", "from the phone").await;
    for one in [&mike, &steve, &sean, &laptop] {
        assert_eq!(
            texts(one, "Trip").await[texts(one, "Trip").await.len() - 2..],
            ["from the laptop", "from the phone"]
        );
    }
    // A chat that begins later reaches both, whoever begins it.
    mike.add_contact("sean").await.unwrap();
    say(&mike, "sean", "a chat").await;
    joins(&sean, &laptop, 1).await;
    sean.add_contact("mike").await.unwrap();
    assert_eq!(texts(&sean, "mike").await, ["a chat"]);

    // Taken away, it is out everywhere.
    let id = laptop.account().await.unwrap().device;
    done(sean.revoke_device(&id, PATIENCE).await);
    for _ in 0..3 {
        sync(&sean).await;
        sync(&mike).await;
    }
    assert_eq!(sean.devices().await.unwrap().len(), 1);
    let told: Vec<_> = sync(&steve).await.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|line| line.contains("took away a device")), "{told:?}");
    say(&mike, "Trip", "without the laptop").await;
    assert_eq!(texts(&sean, "Trip").await.last().unwrap(), "without the laptop");
    let refused = laptop.sync(PATIENCE).await.err().unwrap();
    assert_eq!(refused.code(), "unknown_device", "{refused}");
    let info = mike.group_info("Trip").await.unwrap();
    let seans = info.members.iter().find(|one| one.handle.starts_with("sean")).unwrap();
    assert_eq!(seans.devices, 1);
}

#[tokio::test]
async fn a_second_device_is_linked_speaks_and_is_taken_away_pairwise() {
    a_second_device(Scheme::Pairwise).await;
}

#[tokio::test]
async fn a_second_device_is_linked_speaks_and_is_taken_away_sender_keys() {
    a_second_device(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn a_second_device_is_linked_speaks_and_is_taken_away_tree() {
    a_second_device(Scheme::Tree).await;
}

#[tokio::test]
async fn a_device_with_another_code_is_turned_away_and_the_link_is_used_up() {
    let stage = Stage::open().await;
    let sean = stage.person("sean").await;
    let other = |code: String| code.chars().map(|digit| if digit == '1' { '2' } else { '1' }).collect();
    let (stranger, approved) = link(&stage, &sean, "stranger", other).await;
    assert_eq!(approved.err().unwrap().code(), "wrong_code");
    assert_eq!(stranger.err().unwrap().code(), "not_listed");
    assert_eq!(sean.devices().await.unwrap().len(), 1);
    assert_eq!(sean.approve_device("12345678", PATIENCE).await.err().unwrap().code(), "no_device_asks");
    let again = link(&stage, &sean, "laptop", |code| code).await;
    again.1.unwrap();
    let laptop = again.0.unwrap();
    assert_eq!(laptop.link_device().await.err().unwrap().code(), "not_primary", "it signs no list");
    assert_eq!(sean.devices().await.unwrap().len(), 2);
}

#[tokio::test]
async fn of_two_devices_that_ask_by_one_link_neither_is_listed() {
    let stage = Stage::open().await;
    let sean = stage.person("sean").await;
    let link = sean.link_device().await.unwrap();
    let wait = std::time::Duration::ZERO;
    let mut codes = Vec::new();
    for name in ["laptop", "thief"] {
        let home = stage.home(name);
        common::lives::cheap_sidecar(&home);
        let shown = |code: &str| codes.push(code.to_owned());
        let asked = Client::become_device(&home, PASSPHRASE, &link, shown, wait).await;
        assert_eq!(asked.err().unwrap().code(), "not_listed");
    }
    let events: Vec<_> = sync(&sean).await.iter().map(ToString::to_string).collect();
    assert!(events.iter().any(|line| line.contains("two devices ask by one link")), "{events:?}");
    for code in codes {
        assert_eq!(sean.approve_device(&code, PATIENCE).await.err().unwrap().code(), "no_device_asks");
    }
}

#[tokio::test]
async fn a_device_that_asks_again_is_the_same_and_an_old_link_is_none() {
    let stage = Stage::open().await;
    let sean = stage.person("sean").await;
    let old = sean.link_device().await.unwrap();
    let link = sean.link_device().await.unwrap();
    let home = stage.home("laptop");
    common::lives::cheap_sidecar(&home);
    let mut codes = Vec::new();
    for link in [&link, &old, &link] {
        let shown = |code: &str| codes.push(code.to_owned());
        let asked = Client::become_device(&home, PASSPHRASE, link, shown, std::time::Duration::ZERO).await;
        assert_eq!(asked.err().unwrap().code(), "not_listed");
    }
    assert_eq!(codes[0], codes[2], "taken up");
    let events: Vec<_> = sync(&sean).await.iter().map(ToString::to_string).collect();
    assert!(events.iter().any(|line| line.contains("none of this account's")), "{events:?}");
    let (listed, approved) = tokio::join!(
        Client::become_device(&home, PASSPHRASE, &link, |_| {}, PATIENCE),
        sean.approve_device(&codes[0], PATIENCE)
    );
    approved.unwrap();
    assert_eq!(listed.unwrap().devices().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_device_that_never_shows_its_keys_keeps_nobody_waiting() {
    let stage = Stage::open().await;
    let three = [stage.person("mike").await, stage.person("sean").await, stage.person("steve").await];
    trip(&three, Scheme::SenderKeys).await;
    let [mike, sean, _] = three;
    // It is listed, and its engine never runs.
    let (laptop, approved) = link(&stage, &sean, "laptop", |code| code).await;
    approved.unwrap();
    drop(laptop.unwrap());
    say(&sean, "Trip", "all the same").await;
    assert_eq!(texts(&mike, "Trip").await.last().unwrap(), "all the same");
    let laptop = stage.again("laptop").await;
    joins(&sean, &laptop, 1).await;
    say(&mike, "Trip", "now it is here").await;
    assert_eq!(texts(&laptop, "Trip").await.last().unwrap(), "now it is here");
    while texts(&laptop, "Trip").await.len() < 5 {
        sync(&sean).await;
    }
    let all = ["a", "b", "c", "all the same", "now it is here"];
    assert_eq!(texts(&laptop, "Trip").await, all, "also what was said before it came in");
}

#[tokio::test]
async fn a_new_device_is_told_what_was_before_and_whom_the_person_knows() {
    let stage = Stage::open().await;
    let three = [
        cheap_person(&stage, "mike").await,
        cheap_person(&stage, "sean").await,
        cheap_person(&stage, "steve").await,
    ];
    trip(&three, Scheme::SenderKeys).await;
    let [mike, sean, steve] = three;
    mike.new_group("Old", Scheme::Tree).await.unwrap();
    done(mike.add("Old", &["sean"], PATIENCE).await);
    say(&mike, "Old", "long ago").await;
    sync(&sean).await;
    done(sean.leave("Old", PATIENCE).await);
    say(&sean, "mike", "hello").await;
    sean.mark_verified("mike").await.unwrap();
    // More than one batch holds.
    for round in 0..12 {
        say(&mike, "Trip", &format!("{round} {}", "x".repeat(20_000))).await;
    }
    let (laptop, approved) = link(&stage, &sean, "laptop", |code| code).await;
    let laptop = laptop.unwrap();
    approved.unwrap();
    let told = is_told(&sean, &laptop).await;
    joins(&sean, &laptop, 2).await;
    assert_eq!(told, 17, "a, b, c, twelve long ones, one of each other conversation");
    for target in ["Trip", "Old", "mike"] {
        assert_eq!(texts(&laptop, target).await, texts(&sean, target).await, "{target}");
    }
    let only_new = ReadOptions { only_new: true, limit: None };
    assert!(laptop.read("Trip", only_new).await.unwrap().is_empty(), "none of it is new");
    let [known] = &laptop.contacts().await.unwrap()[..] else { panic!("sean knows mike alone") };
    assert!(known.name == "mike" && known.verified, "{known:?}");
    let old = laptop.group_info("Old").await.unwrap();
    assert_eq!((old.state.as_str(), old.scheme.as_str()), ("left", "unknown"), "it never was in it");
    assert!(sean.devices().await.unwrap().iter().all(|device| device.untold.is_none()));
    // What is said from now on comes after it.
    say(&steve, "Trip", "now").await;
    assert_eq!(texts(&laptop, "Trip").await.last().unwrap(), "now");
    assert_eq!(texts(&laptop, "Trip").await, texts(&sean, "Trip").await);
    // What both write to themselves, both have.
    say(&laptop, "sean", "buy milk").await;
    assert_eq!(texts(&sean, "sean").await, ["buy milk"]);
}

/// The device that tells dies at its transaction `first` after it approved, and a few more times.
async fn told_by_one_that_dies(first: u64) {
    let stage = Stage::open().await;
    let mike = cheap_person(&stage, "mike").await;
    let mut sean = Person::create(&stage, "sean", []).await;
    sean.persist(async |client| client.add_contact("mike").await).await;
    mike.add_contact("sean").await.unwrap();
    let long: Vec<_> = (0..6).map(|round| format!("{round} {}", "x".repeat(20_000))).collect();
    for text in &long {
        sean.say("mike", text).await;
    }
    let phone = stage.again("sean").await;
    let (laptop, approved) = link(&stage, &phone, "laptop", |code| code).await;
    let laptop = laptop.unwrap();
    approved.unwrap();
    drop(phone);
    sean.dies_after([first, 7, 11]).await;
    let mut told = 0;
    while told == 0 {
        sean.sync().await;
        told += sync(&laptop).await.iter().filter(|event| matches!(event, Event::History { .. })).count();
    }
    assert_eq!((told, sean.deaths > 0), (1, true), "{first}");
    assert_eq!(texts(&laptop, "mike").await, long, "{first}");
}

#[tokio::test]
async fn killed_between_any_two_steps_a_history_is_told_whole_and_once() {
    let firsts: Vec<u64> = (2..20).collect();
    for some in firsts.chunks(6) {
        futures_util::future::join_all(some.iter().map(|first| told_by_one_that_dies(*first))).await;
    }
}
