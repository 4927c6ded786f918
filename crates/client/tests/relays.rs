//! People and groups at several relays: a group lives at its founder's, members from elsewhere connect to it, and letters
//! find their way. No relay speaks to another.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use conclave_client::{Client, Event, Scheme};

/// mike and sean at one relay, dave at another, everybody a contact of everybody.
struct Two {
    here: Stage,
    there: Stage,
    mike: Client,
    sean: Client,
    dave: Client,
}

impl Two {
    async fn open() -> Self {
        let (here, there) = (Stage::open().await, Stage::open().await);
        let (mike, sean) = (here.person("mike").await, here.person("sean").await);
        let dave = there.person("dave").await;
        let at_here = |name: &str| format!("{name}@{}", here.addr);
        mike.add_contact("sean").await.unwrap();
        sean.add_contact("mike").await.unwrap();
        for one in [&mike, &sean] {
            one.add_contact(&format!("dave@{}", there.addr)).await.unwrap();
        }
        for name in ["mike", "sean"] {
            dave.add_contact(&at_here(name)).await.unwrap();
        }
        Self { here, there, mike, sean, dave }
    }
}

#[tokio::test]
async fn two_people_at_different_relays_chat_both_ways() {
    let two = Two::open().await;
    say(&two.mike, "dave", "hello from here").await;
    assert_eq!(texts(&two.dave, "mike").await, ["hello from here"]);
    say(&two.dave, "mike", "hello from there").await;
    assert_eq!(texts(&two.mike, "dave").await, ["hello from here", "hello from there"]);
    // The other way round: the chat lives at dave's relay, and shows as one conversation.
    say(&two.dave, "sean", "and you?").await;
    assert_eq!(texts(&two.sean, "dave").await, ["and you?"]);
    say(&two.sean, "dave", "me too").await;
    assert_eq!(texts(&two.dave, "sean").await, ["and you?", "me too"]);
}

async fn a_group_over_two_relays(scheme: Scheme) {
    let two = Two::open().await;
    two.mike.new_group("Trip", scheme).await.unwrap();
    done(two.mike.add("Trip", &["sean", "dave"], PATIENCE).await);
    say(&two.mike, "Trip", "one").await;
    sync(&two.sean).await;
    say(&two.sean, "Trip", "two").await;
    assert_eq!(texts(&two.dave, "Trip").await, ["one", "two"]);
    say(&two.dave, "Trip", "three").await;
    for one in [&two.mike, &two.sean] {
        assert_eq!(texts(one, "Trip").await, ["one", "two", "three"]);
    }
    done(two.dave.rename("Trip", "Tour", PATIENCE).await);
    sync(&two.mike).await;
    done(two.mike.remove("Tour", &["dave"], PATIENCE).await);
    say(&two.mike, "Tour", "without dave").await;
    assert_eq!(texts(&two.dave, "Tour").await, ["one", "two", "three"]);
    assert_eq!(texts(&two.sean, "Tour").await, ["one", "two", "three", "without dave"]);
}

#[tokio::test]
async fn a_group_over_two_relays_pairwise() {
    a_group_over_two_relays(Scheme::Pairwise).await;
}

#[tokio::test]
async fn a_group_over_two_relays_sender_keys() {
    a_group_over_two_relays(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn a_group_over_two_relays_tree() {
    a_group_over_two_relays(Scheme::Tree).await;
}

#[tokio::test]
async fn a_relay_that_is_away_holds_up_nothing_but_what_is_there() {
    let mut two = Two::open().await;
    two.mike.new_group("Trip", Scheme::SenderKeys).await.unwrap();
    done(two.mike.add("Trip", &["sean"], PATIENCE).await);
    sync(&two.sean).await;
    say(&two.dave, "mike", "begun at my relay").await;
    assert_eq!(texts(&two.mike, "dave").await, ["begun at my relay"]);
    two.there.stop_relay().await;

    let there = two.there.addr.to_string();
    let mike = two.here.again("mike").await;
    let waits = mike.send("dave", "said while your relay was away").await.unwrap();
    let events = sync(&mike).await;
    assert!(
        events.iter().any(|event| matches!(event, Event::RelayAway { relay, .. } if relay.contains(&there))),
        "{events:?}"
    );
    say(&mike, "Trip", "at the own relay all goes on").await;
    assert_eq!(texts(&two.sean, "Trip").await, ["at the own relay all goes on"]);

    // Added while the own relay of the one added is away: the wish waits, and is carried out when it is back.
    assert_eq!(
        mike.add("Trip", &["dave"], std::time::Duration::from_millis(300)).await.unwrap(),
        conclave_client::Outcome::Queued
    );
    two.there.start_relay().await;
    assert_eq!(mike.wait(&waits, PATIENCE).await.unwrap(), conclave_client::Delivery::Sent);
    drop(mike);
    let dave = two.there.again("dave").await;
    assert_eq!(texts(&dave, "mike").await, ["begun at my relay", "said while your relay was away"]);
    let mike = two.here.again("mike").await;
    say(&mike, "Trip", "now with dave").await;
    assert_eq!(texts(&dave, "Trip").await, ["now with dave"]);
}

#[tokio::test]
async fn a_letter_waits_in_the_outbox_until_the_others_relay_is_back() {
    let mut two = Two::open().await;
    two.mike.new_group("Trip", Scheme::Pairwise).await.unwrap();
    // The keys are fetched, the commit is accepted here; the letter finds nobody there.
    done(two.mike.add("Trip", &["sean"], PATIENCE).await);
    let follow = two.mike.follow("Trip").await.unwrap();
    done(two.mike.add("Trip", &["dave"], PATIENCE).await);
    drop(follow);
    two.there.stop_relay().await;
    two.there.start_relay().await;
    sync(&two.mike).await;
    say(&two.mike, "Trip", "welcome").await;
    assert_eq!(texts(&two.dave, "Trip").await, ["welcome"]);
}

#[tokio::test]
async fn a_stranger_from_another_relay_is_asked_about_before_that_relay_is_even_looked_at() {
    let (here, there) = (Stage::open().await, Stage::open().await);
    let (mike, dave) = (here.person("mike").await, there.person("dave").await);
    dave.add_contact(&format!("mike@{}", here.addr)).await.unwrap();
    say(&dave, "mike", "you don't know me").await;
    sync(&mike).await;
    let requests = mike.requests().await.unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].from, format!("dave@{}", there.addr));
    assert!(mike.read("dave", conclave_client::ReadOptions::default()).await.is_err());
    say(&dave, "mike", "are you there?").await;
    mike.accept("dave").await.unwrap();
    sync(&mike).await;
    let name = mike.contacts().await.unwrap()[0].name.clone();
    assert_eq!(texts(&mike, &name).await, ["you don't know me", "are you there?"]);
    say(&mike, &name, "here I am").await;
    assert_eq!(texts(&dave, "mike").await, ["you don't know me", "are you there?", "here I am"]);

    // Blocked, one hears of them no more.
    let eve = there.person("eve").await;
    eve.add_contact(&format!("mike@{}", here.addr)).await.unwrap();
    say(&eve, "mike", "buy my things").await;
    sync(&mike).await;
    mike.block("eve").await.unwrap();
    assert!(mike.requests().await.unwrap().is_empty());
    eve.new_group("Offers", Scheme::Pairwise).await.unwrap();
    done(eve.add("Offers", &[&format!("mike@{}", here.addr)], PATIENCE).await);
    sync(&mike).await;
    assert!(mike.requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_member_who_lost_track_is_let_in_again_across_relays() {
    let two = Two::open().await;
    two.mike.new_group("Trip", Scheme::SenderKeys).await.unwrap();
    done(two.mike.add("Trip", &["dave"], PATIENCE).await);
    say(&two.mike, "Trip", "one").await;
    assert_eq!(texts(&two.dave, "Trip").await, ["one"]);
    // dave's store is an old copy: what it does not remember having said strands it.
    let (home, copy) = (two.there.home("dave"), two.there.home("copy"));
    drop(two.dave);
    std::fs::create_dir(&copy).unwrap();
    for name in ["store.json", "store.db"] {
        std::fs::copy(home.join(name), copy.join(name)).unwrap();
    }
    let dave = two.there.again("dave").await;
    say(&dave, "Trip", "two").await;
    drop(dave);
    let dave = two.there.again("copy").await;
    let events = sync(&dave).await;
    assert!(events.iter().any(|event| matches!(event, Event::Restored { .. })), "{events:?}");
    let mut readmitted = false;
    for _ in 0..10 {
        sync(&two.mike).await;
        sync(&dave).await;
        say(&two.mike, "Trip", "are you back?").await;
        readmitted = texts(&dave, "Trip").await.contains(&"are you back?".to_owned());
        if readmitted {
            break;
        }
    }
    assert!(readmitted);
    say(&dave, "Trip", "three").await;
    assert_eq!(texts(&two.mike, "Trip").await.last().unwrap(), "three");
}
