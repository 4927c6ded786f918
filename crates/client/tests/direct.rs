//! Two people chat, through a real relay on loopback.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Stage, say, sync, texts};

#[tokio::test]
async fn two_people_chat() {
    let stage = Stage::open().await;
    let (mike, sean) = (stage.person("mike").await, stage.person("sean").await);
    mike.add_contact("sean").await.unwrap();
    sean.add_contact("mike").await.unwrap();
    say(&mike, "sean", "one").await;
    assert_eq!(texts(&sean, "mike").await, ["one"]);
    say(&sean, "mike", "two").await;
    say(&mike, "sean", "three").await;
    assert_eq!(texts(&mike, "sean").await, ["one", "two", "three"]);
    assert_eq!(texts(&sean, "mike").await, ["one", "two", "three"]);
    let number = mike.safety_number("sean").await.unwrap();
    assert_eq!(number.len(), 60);
    assert_eq!(sean.safety_number("mike").await.unwrap(), number);
}

#[tokio::test]
async fn a_stranger_waits_for_acceptance_and_what_was_said_meanwhile_is_kept() {
    let stage = Stage::open().await;
    let (mike, dave) = (stage.person("mike").await, stage.person("dave").await);
    dave.add_contact("mike").await.unwrap();
    say(&dave, "mike", "you don't know me").await;
    sync(&mike).await;
    let requests = mike.requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].direct && requests[0].from.starts_with("dave@"));
    assert_eq!(mike.read(&requests[0].from, Default::default()).await.unwrap_err().code(), "not_accepted");
    mike.accept("dave").await.unwrap();
    assert_eq!(texts(&mike, "dave").await, ["you don't know me"]);
    say(&mike, "dave", "now I do").await;
    assert_eq!(texts(&dave, "mike").await, ["you don't know me", "now I do"]);
}
