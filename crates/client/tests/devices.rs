//! Several devices of one person: linked by a code that both show, in every group, and taken away again.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{PASSPHRASE, PATIENCE, Stage, done, say, sync, texts, trip};
use conclave_client::{Client, ClientError, Event, Scheme};
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
    assert_eq!(texts(&laptop, "Trip").await, ["now it is here"]);
}
