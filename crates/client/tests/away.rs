//! Away for longer than anything is kept: a device that is not heard of for 45 days is put away by the others, who go on
//! without its keys, and comes back by itself.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::years::Years;
use common::*;
use conclave_client::{Client, Event, MemberInfo, Scheme};

async fn steve_in(who: &Client) -> MemberInfo {
    let info = who.group_info("Trip").await.unwrap();
    info.members.into_iter().find(|one| one.handle.starts_with("steve")).unwrap()
}

/// Weeks in which mike and sean are online, and steve is not.
async fn weeks(years: &Years, mike: &Client, sean: &Client, count: usize) -> Vec<Event> {
    let mut events = Vec::new();
    for _ in 0..count {
        years.clock.days(5);
        for one in [mike, sean] {
            events.extend(sync(one).await);
            done(one.heal("Trip", PATIENCE).await);
        }
        events.extend(sync(mike).await);
        events.extend(sync(sean).await);
    }
    events
}

fn put_away<'a>(events: &'a [Event]) -> Vec<&'a String> {
    let away = |event: &'a Event| match event {
        Event::Changed { what, .. } if what.contains("away") => Some(what),
        _ => None,
    };
    events.iter().filter_map(away).collect()
}

async fn away(scheme: Scheme) {
    let years = Years::begin().await;
    let [mike, sean, steve] = years.trip(scheme).await;
    let events = weeks(&years, &mike, &sean, 8).await;
    assert_eq!(put_away(&events), Vec::<&String>::new(), "40 days are not enough");
    assert_eq!((steve_in(&mike).await.devices, steve_in(&mike).await.away), (1, false));
    let events = weeks(&years, &mike, &sean, 2).await;
    let told = put_away(&events);
    assert_eq!(told.len(), 1, "once, by whoever heals first: {told:?}");
    assert!(told[0].contains("steve") && told[0].contains("45 days"), "{told:?}");
    for one in [&mike, &sean] {
        let steve = steve_in(one).await;
        assert_eq!((steve.devices, steve.away, steve.heals.len()), (0, true, 0));
        let info = one.group_info("Trip").await.unwrap();
        assert!(info.exposed_until.is_some(), "nothing without a bound is left in the group");
    }
    say(&sean, "Trip", "without steve").await;
    assert_eq!(texts(&mike, "Trip").await.last().unwrap(), "without steve");

    years.relay.sweep().await.unwrap();
    comes_back(&steve, &mike).await;
    say(&steve, "Trip", "I am back").await;
    for one in [&mike, &sean] {
        assert_eq!(texts(one, "Trip").await.last().unwrap(), "I am back");
        assert_eq!((steve_in(one).await.devices, steve_in(one).await.away), (1, false));
    }
    assert!(!texts(&steve, "Trip").await.contains(&"without steve".to_owned()));
}

#[tokio::test]
async fn who_is_away_for_45_days_is_put_away_and_comes_back_pairwise() {
    away(Scheme::Pairwise).await;
}

#[tokio::test]
async fn who_is_away_for_45_days_is_put_away_and_comes_back_sender_keys() {
    away(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn who_is_away_for_45_days_is_put_away_and_comes_back_tree() {
    away(Scheme::Tree).await;
}

#[tokio::test]
async fn who_comes_back_with_all_others_puts_nobody_away() {
    let years = Years::begin().await;
    let [mike, sean, steve] = years.trip(Scheme::SenderKeys).await;
    years.clock.days(50);
    for one in [&mike, &sean, &steve, &mike, &sean] {
        let events = sync(one).await;
        assert_eq!(put_away(&events), Vec::<&String>::new());
    }
    assert_eq!(steve_in(&mike).await.devices, 1);
}

#[tokio::test]
async fn whoever_is_away_can_be_removed_for_good() {
    let years = Years::begin().await;
    let [mike, sean, steve] = years.trip(Scheme::SenderKeys).await;
    weeks(&years, &mike, &sean, 10).await;
    assert!(steve_in(&mike).await.away);
    done(mike.remove("Trip", &["steve"], PATIENCE).await);
    sync(&sean).await;
    for _ in 0..4 {
        sync(&steve).await;
        sync(&sean).await;
        sync(&mike).await;
    }
    let info = sean.group_info("Trip").await.unwrap();
    assert!(!info.members.iter().any(|one| one.handle.starts_with("steve")), "nothing brings it back");
}
