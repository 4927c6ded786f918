//! The recovery key: all devices are lost, and the person comes back as the same one.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::years::Years;
use common::{PASSPHRASE, PATIENCE, Stage, cheap_person, done, say, sync, texts, trip};
use conclave_client::{Client, ClientError, Event, Outcome, Scheme};

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
    mike.add_contact("dave").await.unwrap();
    done(mike.add("Trip", &["dave"], PATIENCE).await);
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

/// A second device of `first`, in a stage of years.
async fn laptop(stage: &Years, first: &Client) -> Client {
    let link = first.link_device().await.unwrap();
    let home = stage.dir.path().join("laptop");
    let clock = std::sync::Arc::new(stage.clock.clone());
    let mut code = None;
    let shown = |shown: &str| code = Some(shown.to_owned());
    let zero = std::time::Duration::ZERO;
    let asked = Client::become_device_at(&home, PASSPHRASE, &link, shown, zero, clock.clone()).await;
    assert_eq!(asked.err().unwrap().code(), "not_listed");
    sync(first).await;
    done(first.approve_device(&code.unwrap(), PATIENCE).await);
    let laptop = Client::become_device_at(&home, PASSPHRASE, &link, |_| {}, zero, clock).await.unwrap();
    sync(&laptop).await;
    laptop
}

#[tokio::test]
async fn an_announced_identity_key_counts_after_a_day_is_one_quiet_line_and_must_be_compared_again() {
    let stage = Years::begin().await;
    let [mike, sean, steve] = stage.trip(Scheme::SenderKeys).await;
    mike.add_contact("sean").await.unwrap();
    mike.mark_verified("sean").await.unwrap();
    let before = (sean.account().await.unwrap().person, mike.safety_number("sean").await.unwrap());
    let words = sean.recovery_key().await.unwrap();
    let (ready, outcome) = sean.rotate_identity(PATIENCE).await.unwrap();
    assert_eq!(outcome, Outcome::Done);
    let again = sean.rotate_identity(PATIENCE).await.unwrap();
    assert_eq!(again, (ready, Outcome::Done), "announced once");
    stage.clock.minutes(23 * 60);
    sync(&sean).await;
    assert_eq!(sean.recovery_key().await.unwrap(), words, "not before a day is over");
    stage.clock.minutes(61);
    assert!(sync(&sean).await.contains(&Event::IdentityTakenOver));
    assert_ne!(sean.recovery_key().await.unwrap(), words);
    say(&sean, "Trip", "with a new key").await;
    let heard = told(&mike).await;
    let quiet = heard.iter().filter(|line| line.contains("new identity key")).count();
    assert!(quiet >= 1 && !heard.iter().any(|line| line.contains("not the ones known")), "{heard:?}");
    let after = (sean.account().await.unwrap().person, mike.safety_number("sean").await.unwrap());
    assert_eq!(before.0, after.0, "the same person");
    assert_ne!(before.1, after.1, "another number");
    assert_eq!(after.1, sean.safety_number("mike").await.unwrap());
    let [contact] = &mike.contacts().await.unwrap()[..] else { panic!("one contact") };
    assert!(!contact.verified, "no grade survives it");
    assert_eq!(texts(&mike, "Trip").await.last().unwrap(), "with a new key");
    say(&mike, "sean", "and a chat").await;
    sync(&sean).await;
    sync(&steve).await;
    say(&steve, "Trip", "on we go").await;
    assert_eq!(texts(&sean, "Trip").await.last().unwrap(), "on we go");
}

#[tokio::test]
async fn a_sibling_hears_of_an_announced_identity_key_and_its_veto_holds() {
    let stage = Years::begin().await;
    let sean = stage.person("sean").await;
    let laptop = laptop(&stage, &sean).await;
    let words = sean.recovery_key().await.unwrap();
    sean.rotate_identity(PATIENCE).await.unwrap();
    let heard = sync(&laptop).await;
    assert!(heard.iter().any(|event| matches!(event, Event::IdentityAnnounced { .. })), "{heard:?}");
    assert!(!sync(&sean).await.iter().any(|event| matches!(event, Event::IdentityAnnounced { .. })));
    done(laptop.veto_identity(PATIENCE).await);
    stage.clock.days(2);
    assert!(sync(&sean).await.contains(&Event::IdentityWithdrawn));
    assert_eq!(sean.recovery_key().await.unwrap(), words);
    assert_eq!(laptop.rotate_identity(PATIENCE).await.err().unwrap().code(), "not_primary");
    // Announced once more, and nobody objects: the sibling goes along.
    sean.rotate_identity(PATIENCE).await.unwrap();
    stage.clock.days(2);
    assert!(sync(&sean).await.contains(&Event::IdentityTakenOver));
    sync(&laptop).await;
    assert_eq!(laptop.devices().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_sibling_that_is_kept_brings_the_recovered_device_into_its_groups() {
    let stage = Years::begin().await;
    let [mike, lost, _] = stage.trip(Scheme::Tree).await;
    let laptop = laptop(&stage, &lost).await;
    while laptop.groups().await.unwrap().is_empty() {
        sync(&lost).await;
        sync(&laptop).await;
    }
    let words = lost.recovery_key().await.unwrap();
    let (home, url) = (stage.dir.path().join("new"), format!("http://{}", stage.relay.addr));
    let keep = [laptop.account().await.unwrap().device];
    let clock = std::sync::Arc::new(stage.clock.clone());
    let sean = Client::recover_at(&home, PASSPHRASE, ("sean", &url), &words, &keep, clock).await.unwrap();
    drop(lost);
    while sean.groups().await.unwrap().is_empty() {
        sync(&sean).await;
        sync(&laptop).await;
    }
    say(&mike, "Trip", "both of you").await;
    for device in [&sean, &laptop] {
        assert_eq!(texts(device, "Trip").await.last().unwrap(), "both of you");
    }
    let info = mike.group_info("Trip").await.unwrap();
    let seans = info.members.iter().find(|one| one.handle.starts_with("sean")).unwrap();
    assert_eq!(seans.devices, 2, "the lost one is out");
}
