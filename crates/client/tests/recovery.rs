//! The recovery key: all devices are lost, and the person comes back as the same one.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{PASSPHRASE, PATIENCE, Stage, cheap_person, done, say, sync, texts, trip};
use conclave_client::{Client, ClientError, Scheme};

async fn recover(stage: &Stage, home: &str, who: &str, words: &str) -> Result<Client, ClientError> {
    let home = stage.home(home);
    common::lives::cheap_sidecar(&home);
    Client::recover(&home, PASSPHRASE, who, &stage.url(), words, &[]).await
}

async fn told(who: &Client) -> Vec<String> {
    sync(who).await.iter().map(ToString::to_string).collect()
}

async fn lost_and_back(scheme: Scheme) {
    let stage = Stage::open().await;
    let three = [
        cheap_person(&stage, "mike").await,
        cheap_person(&stage, "sean").await,
        cheap_person(&stage, "steve").await,
    ];
    trip(&three, scheme).await;
    let [mike, lost, steve] = three;
    mike.add_contact("sean").await.unwrap();
    let number = mike.safety_number("sean").await.unwrap();
    let words = lost.recovery_key().await.unwrap();

    let sean = recover(&stage, "new", "sean", &words).await.unwrap();
    let (before, after) = (lost.account().await.unwrap(), sean.account().await.unwrap());
    assert_eq!((before.person, before.handle), (after.person, after.handle));
    assert_ne!(before.device, after.device);
    let refused = lost.sync(PATIENCE).await.err().unwrap();
    assert_eq!(refused.code(), "unknown_device", "what was lost logs in no more");

    // He writes to a friend, whose client hears of the new device by that, and lets it in.
    sync(&sean).await;
    sean.add_contact("mike").await.unwrap();
    say(&sean, "mike", "it is me").await;
    let mut heard = told(&mike).await;
    assert_eq!(mike.safety_number("sean").await.unwrap(), number, "the same person");
    sync(&sean).await;
    heard.extend(told(&steve).await);
    let back = "let sean@";
    assert!(heard.iter().any(|line| line.contains(back) && line.contains("recovery key")), "{heard:?}");
    sync(&sean).await;
    assert_eq!(texts(&sean, "Trip").await, [""; 0], "mike is a contact: he is in");
    say(&steve, "Trip", "welcome back").await;
    say(&sean, "Trip", "glad to be").await;
    for one in [&mike, &steve] {
        assert_eq!(texts(one, "Trip").await[3..], ["welcome back", "glad to be"]);
    }
    assert_eq!(texts(&sean, "Trip").await, ["welcome back", "glad to be"]);
    let info = mike.group_info("Trip").await.unwrap();
    assert!(info.members.iter().all(|member| member.devices == 1), "{info:?}");
    // He is whole again: he can link devices, and be found by others.
    assert!(sean.link_device().await.is_ok());
    let dave = cheap_person(&stage, "dave").await;
    dave.add_contact("sean").await.unwrap();
    done(mike.add("Trip", &["dave"], PATIENCE).await.map_or(Ok(conclave_client::Outcome::Done), Ok));
}

#[tokio::test]
async fn who_lost_everything_comes_back_by_the_recovery_key_pairwise() {
    lost_and_back(Scheme::Pairwise).await;
}

#[tokio::test]
async fn who_lost_everything_comes_back_by_the_recovery_key_sender_keys() {
    lost_and_back(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn who_lost_everything_comes_back_by_the_recovery_key_tree() {
    lost_and_back(Scheme::Tree).await;
}

#[tokio::test]
async fn other_words_another_name_and_a_second_account_are_refused_and_leave_nothing() {
    let stage = Stage::open().await;
    let [mike, sean] = [cheap_person(&stage, "mike").await, cheap_person(&stage, "sean").await];
    let words = sean.recovery_key().await.unwrap();
    let code = async |home, who, words: &str| {
        recover(&stage, home, who, words).await.err().unwrap().code().to_owned()
    };
    assert_eq!(code("new", "sean", "twelve little words").await, "bad_recovery_key");
    assert_eq!(code("new", "mike", &words).await, "wrong_recovery_key");
    assert_eq!(code("new", "nobody", &words).await, "unknown_person");
    assert_eq!(code("mike", "sean", &words).await, "account_exists");
    mike.sync(PATIENCE).await.unwrap();
    let again = recover(&stage, "new", "sean", &words.to_uppercase()).await.unwrap();
    assert_eq!(again.devices().await.unwrap().len(), 1);
}
