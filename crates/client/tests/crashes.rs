//! A client killed between any two of its transactions loses nothing, repeats nothing, and ends where the others are.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::lives::Person;
use common::{PATIENCE, Stage};
use conclave_client::{Client, ClientError, Event, Outcome, Scheme};

/// Transactions of a life: more than any one action takes, so that every life gets on.
const LIFE: u64 = 60;
/// More lives than a play takes.
const LIVES: usize = 32;
/// Plays side by side: they mostly wait for the disk.
const AT_ONCE: usize = 6;

/// A change is asked for again after a death, as a person would who does not know whether it was noted.
async fn change(
    who: &mut Person,
    already: &str,
    wish: impl AsyncFn(&Client) -> Result<Outcome, ClientError>,
) {
    let outcome = who.persist(async |client| match wish(client).await {
        Err(error) if error.code() == already => Ok(Outcome::Done),
        outcome => outcome,
    });
    assert_eq!(outcome.await, Outcome::Done);
}

/// A small life of a group, in which the three who live through all of it die at their transaction `first`, and then
/// once in every further life.
async fn play(scheme: Scheme, first: u64) {
    let stage = Stage::open().await;
    let lives = || std::iter::once(first).chain(std::iter::repeat_n(LIFE, LIVES));
    let mut mike = Person::create(&stage, "mike", lives()).await;
    let mut sean = Person::create(&stage, "sean", lives()).await;
    let mut steve = Person::create(&stage, "steve", lives()).await;
    let mut dave = Person::create(&stage, "dave", []).await;
    for one in [&mut sean, &mut steve, &mut dave] {
        one.persist(async |client| client.add_contact("mike").await).await;
    }
    mike.persist(async |client| client.add_contact("sean").await).await;

    mike.say("sean", "d1").await;
    sean.sync().await;
    sean.say("mike", "d2").await;

    mike.persist(async |client| client.new_group("Trip", scheme).await).await;
    change(&mut mike, "already_member", async |mike| mike.add("Trip", &["sean", "steve"], PATIENCE).await)
        .await;
    mike.say("Trip", "g1").await;
    sean.sync().await;
    sean.say("Trip", "g2").await;
    steve.sync().await;
    steve.say("Trip", "g3").await;
    change(&mut mike, "already_member", async |mike| mike.add("Trip", &["dave"], PATIENCE).await).await;
    dave.sync().await;
    dave.say("Trip", "g4").await;
    sean.sync().await;
    change(&mut mike, "not_a_member", async |mike| mike.remove("Trip", &["sean"], PATIENCE).await).await;
    mike.say("Trip", "g5").await;
    steve.sync().await;
    change(&mut steve, "not_in_group", async |steve| steve.leave("Trip", PATIENCE).await).await;
    mike.say("Trip", "g6").await;
    dave.sync().await;
    dave.say("Trip", "g7").await;

    let trip = ["g1", "g2", "g3", "g4", "g5", "g6", "g7"];
    for (one, from, to) in [(&mut mike, 0, 7), (&mut sean, 0, 4), (&mut steve, 0, 5), (&mut dave, 3, 7)] {
        expect(one, "Trip", &trip[from..to]).await;
    }
    expect(&mut mike, "sean", &["d1", "d2"]).await;
    expect(&mut sean, "mike", &["d1", "d2"]).await;
    let roster = async |one: &mut Person| {
        let info = one.persist(async |client| client.group_info("Trip").await).await;
        let members: Vec<_> = info.members.into_iter().map(|member| member.handle).collect();
        (info.epoch, info.state, members)
    };
    let of_mike = roster(&mut mike).await;
    assert_eq!(of_mike.2.len(), 2, "{of_mike:?}");
    assert_eq!(roster(&mut dave).await, of_mike);
    assert_eq!(roster(&mut sean).await.1, "removed");
    assert_eq!(roster(&mut steve).await.1, "left");
    for one in [&mike, &sean, &steve, &dave] {
        assert_eq!(one.events.iter().find(|event| is_surprise(event)), None, "{}, {first}", one.name);
    }
    for one in [&mike, &sean, &steve] {
        assert!(one.deaths > 1 && one.still_mortal(), "{} died {} times", one.name, one.deaths);
    }
}

/// Deaths are nobody's fault: no honest client or relay is to be blamed for one.
fn is_surprise(event: &Event) -> bool {
    !matches!(
        event,
        Event::Messages { .. }
            | Event::Joined { .. }
            | Event::Changed { .. }
            | Event::Leaving { .. }
            | Event::Removed { .. }
    )
}

/// In order, and each once.
async fn expect(one: &mut Person, target: &str, said: &[&str]) {
    let read = one.read(target).await;
    let texts: Vec<_> = read.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, said);
}

/// One death for each transaction would be a thousand plays of half a second. Instead everybody dies several times in one
/// play: first at transaction `k`, then every `LIFE` transactions of the new life. Over all `k` the deaths fall on every
/// boundary; the three schemes, which share nearly all of their transactions, take every third one each.
async fn walk(scheme: Scheme, first: u64) {
    let starts: Vec<_> = (first..LIFE).step_by(3).collect();
    for some in starts.chunks(AT_ONCE) {
        let plays = some.iter().map(|first| play(scheme, *first));
        futures_util::future::join_all(plays).await;
    }
}

#[tokio::test]
async fn killed_between_any_two_steps_nothing_is_lost_or_repeated_pairwise() {
    walk(Scheme::Pairwise, 0).await;
}

#[tokio::test]
async fn killed_between_any_two_steps_nothing_is_lost_or_repeated_sender_keys() {
    walk(Scheme::SenderKeys, 1).await;
}

#[tokio::test]
async fn killed_between_any_two_steps_nothing_is_lost_or_repeated_tree() {
    walk(Scheme::Tree, 2).await;
}

/// New keys of a device, which dies at its transaction `first` after it asked for them, and a few more times.
async fn new_keys(scheme: Scheme, first: u64) {
    let stage = Stage::open().await;
    let mut mike = Person::create(&stage, "mike", []).await;
    let mut sean = Person::create(&stage, "sean", []).await;
    let mut dave = Person::create(&stage, "dave", []).await;
    sean.persist(async |client| client.add_contact("mike").await).await;
    mike.persist(async |client| client.add_contact("sean").await).await;
    mike.say("sean", "d1").await;
    sean.sync().await;
    mike.persist(async |client| client.new_group("Trip", scheme).await).await;
    mike.persist(async |client| client.add("Trip", &["sean"], PATIENCE).await).await;
    mike.say("Trip", "g1").await;
    sean.sync().await;
    mike.say("Trip", "g2").await;

    let before = sean.deaths;
    sean.dies_after([first, 9, 13, 17]).await;
    let report = sean.persist(async |client| client.heal_everything(PATIENCE).await).await;
    assert!(report.keys_replaced, "{report:?}");
    sean.sync().await;
    sean.say("Trip", "g3").await;
    sean.say("mike", "d2").await;
    mike.sync().await;
    mike.say("Trip", "g4").await;
    mike.say("sean", "d3").await;
    dave.persist(async |client| client.add_contact("sean").await).await;
    sean.persist(async |client| client.add_contact("dave").await).await;
    dave.say("sean", "to the new keys").await;
    for one in [&mut mike, &mut sean] {
        expect(one, "Trip", &["g1", "g2", "g3", "g4"]).await;
    }
    expect(&mut mike, "sean", &["d1", "d2", "d3"]).await;
    expect(&mut sean, "mike", &["d1", "d2", "d3"]).await;
    expect(&mut sean, "dave", &["to the new keys"]).await;
    assert!(sean.deaths > before, "{first}");
    let told = mike.events.iter().filter(|event| event.to_string().contains("has new device keys"));
    assert!(told.count() >= 1, "the others are told: {:?}", mike.events);
    for one in [&mike, &sean, &dave] {
        assert_eq!(one.events.iter().find(|event| is_surprise(event)), None, "{}, {first}", one.name);
    }
}

#[tokio::test]
async fn killed_between_any_two_steps_new_keys_shut_nobody_out() {
    let firsts: Vec<u64> = (0..24).collect();
    for (some, scheme) in firsts.chunks(AT_ONCE).zip(Scheme::ALL.iter().cycle()) {
        futures_util::future::join_all(some.iter().map(|first| new_keys(*scheme, *first))).await;
    }
}
