//! Away for a month: everything is there, and one can know it. Away for longer than the relay keeps things: what is gone
//! is named, and the device finds its way back. Lifetimes of keys and lists on the way, and clocks that jump back.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::years::{Moved, Years};
use common::*;
use conclave_client::{Client, Event, LateHeal, Scheme};

/// Many messages, mostly in one go.
async fn say_many(who: &Client, what: &str, count: usize) {
    let mut last = None;
    for number in 0..count {
        last = Some(who.send("Trip", &format!("{what} {number}")).await.unwrap());
    }
    who.wait(&last.unwrap(), PATIENCE).await.unwrap();
}

fn arrived(events: &[Event]) -> (u64, u64) {
    let counts = |event: &Event| match event {
        Event::Messages { count, missing, .. } => Some((*count, *missing)),
        _ => None,
    };
    events
        .iter()
        .filter_map(counts)
        .fold((0, 0), |(all, gone), (count, missing)| (all + count, gone + missing))
}

async fn a_month(scheme: Scheme) {
    let years = Years::begin().await;
    let [mike, sean, steve] = years.trip(scheme).await;
    // 412 messages, over a month in which keys are renewed.
    for week in 0..4 {
        say_many(&mike, &format!("mike {week}"), 52).await;
        sync(&sean).await;
        say_many(&sean, &format!("sean {week}"), 51).await;
        sync(&mike).await;
        years.clock.days(if week < 3 { 8 } else { 7 });
    }
    done(mike.heal("Trip", PATIENCE).await);
    let events = sync(&steve).await;
    assert_eq!(arrived(&events), (412, 0), "{events:?}");
    assert!(!events.iter().any(|event| matches!(
        event,
        Event::Ignored { .. } | Event::RelayFault { .. } | Event::Stranded { .. }
    )));
    let told = events.iter().find(|event| matches!(event, Event::Messages { .. })).unwrap().to_string();
    assert!(told.contains("412 new messages, none missing"), "{told}");
    let (of_steve, of_mike) = (texts(&steve, "Trip").await, texts(&mike, "Trip").await);
    assert_eq!(of_steve.len(), 3 + 412);
    assert_eq!(of_steve, of_mike, "the same, in the same order");
    say(&steve, "Trip", "I am back").await;
    assert_eq!(texts(&sean, "Trip").await.last().unwrap(), "I am back");
}

#[tokio::test]
async fn after_a_month_everything_is_there_and_counted_pairwise() {
    a_month(Scheme::Pairwise).await;
}

#[tokio::test]
async fn after_a_month_everything_is_there_and_counted_sender_keys() {
    a_month(Scheme::SenderKeys).await;
}

/// When mike, sean and steve healed last, as somebody sees it.
async fn heals(who: &Client) -> [Option<i64>; 3] {
    let info = who.group_info("Trip").await.unwrap();
    ["mike", "sean", "steve"].map(|name| {
        let member = info.members.iter().find(|member| member.handle.starts_with(name)).unwrap();
        member.heals[0].healed_at
    })
}

async fn heals_before_speaking(scheme: Scheme) {
    let years = Years::begin().await;
    let [mike, sean, steve] = years.trip(scheme).await;
    let epoch = mike.group_info("Trip").await.unwrap().epoch;
    say(&sean, "Trip", "at once").await;
    sync(&mike).await;
    assert_eq!(mike.group_info("Trip").await.unwrap().epoch, epoch, "nobody heals within an hour");
    let founded = heals(&mike).await[0];
    assert!(matches!(heals(&sean).await, [None, None, None]), "what was before is not known here");
    years.clock.minutes(61);
    say(&sean, "Trip", "an hour later").await;
    say(&sean, "Trip", "and again").await;
    sync(&mike).await;
    assert_eq!(mike.group_info("Trip").await.unwrap().epoch, epoch + 1, "once");
    let [of_mike, of_sean, of_steve] = heals(&mike).await;
    assert!(of_mike == founded && of_sean > of_mike && of_steve.is_none());
    years.clock.minutes(-500);
    say(&mike, "Trip", "set back").await;
    assert_eq!(
        mike.group_info("Trip").await.unwrap().epoch,
        epoch + 2,
        "a clock set back does not put it off"
    );
    assert_eq!(texts(&steve, "Trip").await[3..], ["at once", "an hour later", "and again", "set back"]);
    assert!(heals(&steve).await[1].is_some());
}

#[tokio::test]
async fn who_speaks_after_an_hour_heals_first_and_the_others_see_when_pairwise() {
    heals_before_speaking(Scheme::Pairwise).await;
}

#[tokio::test]
async fn who_speaks_after_an_hour_heals_first_and_the_others_see_when_sender_keys() {
    heals_before_speaking(Scheme::SenderKeys).await;
}

async fn epoch(who: &Client) -> u64 {
    sync(who).await;
    who.group_info("Trip").await.unwrap().epoch
}

async fn silent_devices_heal(scheme: Scheme) {
    let years = Years::begin().await;
    let [mike, sean, steve] = years.trip(scheme).await;
    let founded = epoch(&mike).await;
    // Who has come in heals as soon as it is online: a minute later at most.
    years.clock.minutes(2);
    assert_eq!(epoch(&sean).await, founded + 1);
    assert_eq!(epoch(&steve).await, founded + 2);
    let joined = heals(&sean).await;
    assert!(joined[1].is_some());
    // Within twice an hour nobody does who says nothing; within two hours and a half everybody does who is online.
    years.clock.minutes(115);
    for one in [&mike, &sean, &steve] {
        assert_eq!(epoch(one).await, founded + 2);
    }
    years.clock.minutes(36);
    for one in [&mike, &sean, &steve] {
        assert_eq!(epoch(one).await, founded + 2, "all come online at once: each waits a little");
    }
    years.clock.minutes(2);
    for (one, heals) in [(&sean, 1), (&steve, 2), (&mike, 3)] {
        assert_eq!(epoch(one).await, founded + 2 + heals);
        assert_eq!(epoch(one).await, founded + 2 + heals, "once");
    }
    let [of_mike, of_sean, of_steve] = heals(&mike).await;
    assert!(of_mike.is_some() && of_sean > joined[1] && of_steve.is_some());
    // A clock that is set back does not put it off.
    years.clock.days(-1);
    sync(&sean).await;
    years.clock.minutes(2);
    assert_eq!(epoch(&sean).await, founded + 6);
    say(&steve, "Trip", "and everybody goes on").await;
    assert_eq!(texts(&sean, "Trip").await.last().unwrap(), "and everybody goes on");
}

#[tokio::test]
async fn who_says_nothing_heals_at_twice_the_time_and_who_came_in_at_once_pairwise() {
    silent_devices_heal(Scheme::Pairwise).await;
}

#[tokio::test]
async fn who_says_nothing_heals_at_twice_the_time_and_who_came_in_at_once_sender_keys() {
    silent_devices_heal(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn a_device_that_stays_online_wakes_for_its_heal() {
    let years = Years::begin().await;
    let [mike, sean, _] = years.trip(Scheme::SenderKeys).await;
    let before = epoch(&mike).await;
    // The engine of sean runs from here on, and nobody asks it for anything.
    let stays = tokio::spawn({
        let sean = sean.clone();
        async move { sean.run().await }
    });
    sync(&sean).await;
    let mut follow = mike.follow("Trip").await.unwrap();
    years.clock.minutes(2);
    // An entry wakes it, as its own timer would have.
    say(&mike, "Trip", "hello").await;
    follow.next().await.unwrap();
    while heals(&mike).await[1].is_none() {
        sync(&mike).await;
    }
    assert_eq!(epoch(&mike).await, before + 1);
    stays.abort();
}

#[tokio::test]
async fn how_long_a_thief_reads_is_stated_and_has_no_bound_while_a_device_is_away() {
    const HOUR: i64 = 60 * 60_000;
    let years = Years::begin().await;
    let [mike, sean, steve] = years.trip(Scheme::SenderKeys).await;
    let info = mike.group_info("Trip").await.unwrap();
    let healed = heals(&mike).await[0].unwrap();
    let of = |info: &conclave_client::GroupInfo, name: &str| {
        info.members.iter().find(|one| one.handle.starts_with(name)).unwrap().heals[0].clone()
    };
    assert_eq!(
        of(&info, "mike").exposed_until,
        Some(healed + 5 * HOUR / 2),
        "twice an hour, and half of one"
    );
    let until = info.exposed_until.unwrap();
    assert_eq!(Some(until), info.members.iter().map(|one| one.heals[0].exposed_until).max().unwrap());
    assert!(
        of(&info, "sean").exposed_until > of(&info, "mike").exposed_until,
        "counted from when he came in"
    );
    years.clock.minutes(120);
    done(mike.heal("Trip", PATIENCE).await);
    done(sean.heal("Trip", PATIENCE).await);
    years.clock.minutes(60);
    sync(&mike).await;
    let info = mike.group_info("Trip").await.unwrap();
    assert_eq!((info.exposed_until, of(&info, "steve").exposed_until), (None, None), "steve is away");
    assert!(of(&info, "sean").exposed_until.is_some() && !of(&info, "steve").idle);
    years.clock.days(15);
    let info = mike.group_info("Trip").await.unwrap();
    assert!(of(&info, "steve").idle && of(&info, "sean").idle);
    for one in [&steve, &sean, &mike] {
        sync(one).await;
        say(one, "Trip", "here").await;
    }
    sync(&mike).await;
    let info = mike.group_info("Trip").await.unwrap();
    assert!(info.exposed_until.is_some() && !of(&info, "steve").idle, "heard of again");
}

/// Of whose devices somebody was told that they speak without having healed.
fn overdue(events: &[Event]) -> Vec<String> {
    let late = |event: &Event| match event {
        Event::HealOverdue { who, cause: LateHeal::NotMade, .. } => Some(who.clone()),
        _ => None,
    };
    events.iter().filter_map(late).collect()
}

#[tokio::test]
async fn a_device_that_speaks_without_having_healed_is_told_of_once_until_it_does() {
    let years = Years::begin().await;
    // The clock of sean stands still while those of the others go on, as that of a thief would who hides a heal.
    let still = Moved::default();
    let three =
        [years.person("mike").await, years.person_with("sean", &still).await, years.person("steve").await];
    common::trip(&three, Scheme::SenderKeys).await;
    let [mike, sean, _] = three;
    for _ in 0..2 {
        done(sean.heal("Trip", PATIENCE).await);
        years.clock.minutes(115);
        say(&sean, "Trip", "late, as a clock may be").await;
        assert!(overdue(&sync(&mike).await).is_empty());
        years.clock.minutes(10);
        say(&sean, "Trip", "too late").await;
        assert_eq!(overdue(&sync(&mike).await).len(), 1);
        say(&sean, "Trip", "and again").await;
        assert!(overdue(&sync(&mike).await).is_empty(), "told once");
    }
}

async fn longer_than_kept(scheme: Scheme) {
    let years = Years::begin().await;
    let [mike, sean, steve] = years.trip(scheme).await;
    say_many(&mike, "gone", 5).await;
    done(mike.heal("Trip", PATIENCE).await);
    sync(&sean).await;
    years.clock.days(46);
    years.relay.sweep().await.unwrap();
    say(&sean, "Trip", "late").await;
    let events = sync(&steve).await;
    assert!(arrived(&events).1 >= 5, "what is gone is named: {events:?}");
    comes_back(&steve, &mike).await;
    say(&steve, "Trip", "I am back").await;
    assert_eq!(texts(&sean, "Trip").await.last().unwrap(), "I am back");
    let read = texts(&steve, "Trip").await;
    assert!(!read.iter().any(|text| text.starts_with("gone")), "{read:?}");
}

#[tokio::test]
async fn what_is_gone_after_46_days_is_named_and_the_device_rejoins_pairwise() {
    longer_than_kept(Scheme::Pairwise).await;
}

#[tokio::test]
async fn what_is_gone_after_46_days_is_named_and_the_device_rejoins_sender_keys() {
    longer_than_kept(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn keys_are_renewed_in_time_and_somebody_away_for_long_can_still_be_added() {
    let years = Years::begin().await;
    let [mike, sean, steve] =
        [years.person("mike").await, years.person("sean").await, years.person("steve").await];
    mike.add_contact("sean").await.unwrap();
    mike.add_contact("steve").await.unwrap();
    sean.add_contact("mike").await.unwrap();
    // sean is online now and then; steve is not, for 40 days: his one-time and join keys are still good.
    for _ in 0..5 {
        years.clock.days(8);
        sync(&sean).await;
        sync(&mike).await;
    }
    mike.new_group("Trip", Scheme::SenderKeys).await.unwrap();
    done(mike.add("Trip", &["sean", "steve"], PATIENCE).await);
    say(&mike, "Trip", "hello").await;
    assert_eq!(texts(&sean, "Trip").await, ["hello"]);
    steve.add_contact("mike").await.unwrap();
    assert_eq!(texts(&steve, "Trip").await, ["hello"]);

    // Nobody was online for 100 days: dave's list is past its time, and he cannot be added before he was there again.
    let dave = years.person("dave").await;
    mike.add_contact("dave").await.unwrap();
    years.clock.days(100);
    sync(&mike).await;
    let refused = mike.add("Trip", &["dave"], PATIENCE).await.err().unwrap();
    assert!(refused.to_string().contains("expired"), "{refused}");
    sync(&dave).await;
    done(mike.add("Trip", &["dave"], PATIENCE).await);
}

#[tokio::test]
async fn clocks_that_jump_back_harm_nothing() {
    let years = Years::begin().await;
    let [mike, sean, steve] = years.trip(Scheme::SenderKeys).await;
    years.clock.days(20);
    say(&mike, "Trip", "from the future").await;
    years.clock.days(-20);
    say(&sean, "Trip", "b").await;
    years.clock.days(-10);
    sync(&mike).await;
    say(&mike, "Trip", "from the past").await;
    done(mike.heal("Trip", PATIENCE).await);
    say(&steve, "Trip", "c").await;
    let all = texts(&steve, "Trip").await;
    assert_eq!(all[3..], ["from the future", "b", "from the past", "c"]);
    assert_eq!(texts(&mike, "Trip").await, all);
}
