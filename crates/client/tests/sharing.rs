//! Several openings of one store at once, relays that go away, passphrases and versions.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{PASSPHRASE, PATIENCE, Stage, done, messages, say, sync, texts};
use conclave_client::{Client, ClientError, Delivery, ExitClass, ReadOptions, Scheme};
use std::collections::HashSet;
use std::time::Duration;

#[tokio::test]
async fn several_openings_of_one_store_send_at_once_and_everything_arrives_once() {
    let stage = Stage::open().await;
    let (mike, sean) = (stage.person("mike").await, stage.person("sean").await);
    mike.add_contact("sean").await.unwrap();
    sean.add_contact("mike").await.unwrap();
    let mut follow = sean.follow("mike").await.unwrap();
    let mut sending = tokio::task::JoinSet::new();
    for n in 0..4 {
        let mike = stage.again("mike").await;
        sending.spawn(async move {
            for m in 0..10 {
                say(&mike, "sean", &format!("{n}.{m}")).await;
            }
        });
    }
    let mut got = Vec::new();
    while got.len() < 40 {
        got.push(follow.next().await.unwrap().text);
    }
    sending.join_all().await;
    assert_eq!(got.iter().collect::<HashSet<_>>().len(), 40);
    for n in 0..4 {
        let own: Vec<_> = got.iter().filter(|text| text.starts_with(&format!("{n}."))).collect();
        assert!(own.is_sorted(), "each sender's order is kept: {own:?}");
    }
    assert_eq!(texts(&mike, "sean").await, got);
}

#[tokio::test]
async fn with_the_relay_down_messages_queue_and_go_later_in_order() {
    let mut stage = Stage::open().await;
    let (mike, sean) = (stage.person("mike").await, stage.person("sean").await);
    mike.add_contact("sean").await.unwrap();
    sean.add_contact("mike").await.unwrap();
    say(&mike, "sean", "one").await;
    stage.stop_relay().await;
    for text in ["two", "three"] {
        let ticket = mike.send("sean", text).await.unwrap();
        assert_eq!(mike.wait(&ticket, Duration::from_millis(1)).await.unwrap(), Delivery::Queued);
    }
    let down = mike.sync(PATIENCE).await.unwrap_err();
    assert_eq!(down.exit(), ExitClass::Unreachable);
    assert_eq!(mike.add_contact("nobody").await.unwrap_err().exit(), ExitClass::Unreachable);
    stage.start_relay().await;
    sync(&mike).await;
    assert_eq!(texts(&sean, "mike").await, ["one", "two", "three"]);
}

#[tokio::test]
async fn new_messages_are_shown_once_and_limits_take_the_last() {
    let stage = Stage::open().await;
    let (mike, sean) = (stage.person("mike").await, stage.person("sean").await);
    mike.add_contact("sean").await.unwrap();
    sean.add_contact("mike").await.unwrap();
    for text in ["one", "two"] {
        say(&mike, "sean", text).await;
    }
    let new = ReadOptions { only_new: true, limit: None };
    sync(&sean).await;
    assert_eq!(sean.read("mike", new).await.unwrap().len(), 2);
    assert_eq!(sean.read("mike", new).await.unwrap().len(), 0);
    say(&mike, "sean", "three").await;
    sync(&sean).await;
    assert_eq!(sean.read("mike", new).await.unwrap()[0].text, "three");
    let last = ReadOptions { only_new: false, limit: Some(1) };
    assert_eq!(sean.read("mike", last).await.unwrap()[0].text, "three");
    let all = messages(&sean, "mike").await;
    assert!(all.iter().all(|message| message.from.starts_with("mike@") && message.id.len() == 32));
    assert_eq!(all[0].conversation.name, "mike");
}

#[tokio::test]
async fn a_wrong_passphrase_a_newer_store_and_a_second_account_are_refused() {
    let stage = Stage::open().await;
    drop(stage.person("mike").await);
    let home = stage.home("mike");
    let wrong = Client::open(&home, "wrong").await.err().unwrap();
    assert_eq!((wrong.clone(), wrong.exit()), (ClientError::WrongPassphrase, ExitClass::Locked));
    let second = Client::create(&home, PASSPHRASE, "other", &stage.url(), None).await.err().unwrap();
    assert_eq!(second, ClientError::AccountExists);
    let taken =
        Client::create(&stage.home("other"), PASSPHRASE, "mike", &stage.url(), None).await.err().unwrap();
    assert_eq!(taken.code(), "name_taken");
    assert!(!conclave_client::exists(&stage.home("other")), "nothing is left of an account that never was");
    let path = home.join("store.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"version\": 5", "\"version\": 9");
    std::fs::write(&path, text).unwrap();
    let newer = Client::open(&home, PASSPHRASE).await.err().unwrap();
    assert_eq!(newer, ClientError::StoreTooNew { needs: 9 });
    assert_eq!(Client::open(&stage.home("nobody"), PASSPHRASE).await.err().unwrap(), ClientError::NoAccount);
}

#[tokio::test]
async fn nothing_secret_lies_in_plain_files() {
    let stage = Stage::open().await;
    let (mike, sean) = (stage.person("mike").await, stage.person("sean").await);
    mike.add_contact("sean").await.unwrap();
    sean.add_contact("mike").await.unwrap();
    say(&mike, "sean", "a very particular sentence").await;
    for file in std::fs::read_dir(stage.home("mike")).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let found = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!found(b"a very particular") && !found(b"sean@") && !found(b"SQLite format"));
    }
}

#[tokio::test]
async fn names_are_unique_and_ids_always_work() {
    let stage = Stage::open().await;
    let (mike, _sean) = (stage.person("mike").await, stage.person("sean").await);
    let first = mike.new_group("sean", Scheme::SenderKeys).await.unwrap();
    let contact = mike.add_contact("sean").await.unwrap();
    assert_eq!((first.name.as_str(), contact.name.as_str()), ("sean", "sean-2"));
    let second = mike.new_group("sean", Scheme::Pairwise).await.unwrap();
    assert_eq!(second.name, "sean-3");
    for group in [&first, &second] {
        assert_eq!(mike.group_info(&group.id).await.unwrap().id, group.id);
    }
    assert_eq!(mike.send("nowhere", "x").await.unwrap_err().code(), "unknown_target");
    assert_eq!(mike.add_contact("mike").await.unwrap_err(), ClientError::Yourself);
    assert_eq!(mike.add_contact("ghost").await.unwrap_err().code(), "unknown_person");
    done(mike.add("sean", &["sean-2"], PATIENCE).await);
}

/// A client that is dropped at any moment is a client that was killed: every step is a transaction.
#[tokio::test]
async fn a_client_killed_at_any_moment_loses_and_repeats_nothing() {
    let stage = Stage::open().await;
    let (mike, sean) = (stage.person("mike").await, stage.person("sean").await);
    mike.add_contact("sean").await.unwrap();
    sean.add_contact("mike").await.unwrap();
    let mut said = Vec::new();
    for n in 0..40 {
        let text = format!("{n}");
        let ticket = mike.send("sean", &text).await.unwrap();
        said.push(text);
        // The engine is dropped after a while that is another one each time.
        let _ = mike.wait(&ticket, Duration::from_millis(3 * n)).await.unwrap();
        let _ = sean.sync(Duration::from_millis(2 * n)).await.unwrap();
    }
    sync(&mike).await;
    assert_eq!(texts(&sean, "mike").await, said);
    assert_eq!(texts(&mike, "sean").await, said);
}
