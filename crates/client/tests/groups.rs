//! Groups of three and more, under both schemes, with members offline, added, removed and leaving.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::years::{Moved, Years};
use common::{PATIENCE, Stage, copy, done, say, sync, texts, trip};
use conclave_client::{Client, Endorsers, Event, Policy, Scheme};
use std::num::NonZeroU8;

async fn round(people: &[&Client]) {
    for one in people {
        sync(one).await;
    }
}

async fn befriend(stage: &Stage, names: &[&str]) -> Vec<Client> {
    let mut people = Vec::new();
    for name in names {
        people.push(stage.person(name).await);
    }
    for one in &people {
        for name in names {
            // Oneself is refused.
            let _ = one.add_contact(name).await;
        }
    }
    people
}

async fn offline_member_gets_everything(scheme: Scheme) {
    let stage = Stage::open().await;
    let people = befriend(&stage, &["mike", "sean", "steve"]).await;
    let [mike, sean, steve] = &people[..] else { panic!() };
    mike.new_group("Trip", scheme).await.unwrap();
    done(mike.add("Trip", &["sean", "steve"], PATIENCE).await);
    let mut said = Vec::new();
    for n in 0..10 {
        say(mike, "Trip", &format!("mike {n}")).await;
        sync(sean).await;
        say(sean, "Trip", &format!("sean {n}")).await;
        said.extend([format!("mike {n}"), format!("sean {n}")]);
    }
    assert_eq!(texts(steve, "Trip").await, said);
    say(steve, "Trip", "back").await;
    said.push("back".into());
    for one in [mike, sean, steve] {
        assert_eq!(texts(one, "Trip").await, said);
        assert_eq!(one.group_info("Trip").await.unwrap().members.len(), 3);
    }
}

#[tokio::test]
async fn offline_member_gets_everything_pairwise() {
    offline_member_gets_everything(Scheme::Pairwise).await;
}

#[tokio::test]
async fn offline_member_gets_everything_sender_keys() {
    offline_member_gets_everything(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn offline_member_gets_everything_tree() {
    offline_member_gets_everything(Scheme::Tree).await;
}

async fn members_come_and_go(scheme: Scheme) {
    let stage = Stage::open().await;
    let people = befriend(&stage, &["mike", "sean", "steve"]).await;
    let [mike, sean, steve] = &people[..] else { panic!() };
    let dave = stage.person("dave").await;
    mike.new_group("Trip", scheme).await.unwrap();
    done(mike.add("Trip", &["sean", "steve"], PATIENCE).await);
    say(mike, "Trip", "before dave").await;
    // Somebody never met: looked up, added while the others are off, talks at once.
    done(mike.add("Trip", &["dave"], PATIENCE).await);
    sync(&dave).await;
    dave.accept("Trip").await.unwrap();
    say(&dave, "Trip", "hello").await;
    assert_eq!(texts(&dave, "Trip").await, ["hello"]);
    assert_eq!(texts(sean, "Trip").await, ["before dave", "hello"]);
    // Removed while off: learns by whom, and reads nothing more.
    done(mike.remove("Trip", &["sean"], PATIENCE).await);
    say(mike, "Trip", "without sean").await;
    let events = sync(sean).await;
    assert!(
        events.iter().any(|event| matches!(event, Event::Removed { by, .. } if by == "mike")),
        "{events:?}"
    );
    assert_eq!(texts(sean, "Trip").await, ["before dave", "hello"]);
    assert_eq!(sean.send("Trip", "still here?").await.unwrap_err().code(), "not_in_group");
    // One leaves; whoever speaks next takes them out.
    assert_eq!(texts(steve, "Trip").await.last().unwrap(), "without sean");
    done(steve.leave("Trip", PATIENCE).await);
    say(&dave, "Trip", "bye steve").await;
    assert_eq!(texts(mike, "Trip").await, ["before dave", "hello", "without sean", "bye steve"]);
    for one in [mike, &dave] {
        let members = one.group_info("Trip").await.unwrap().members;
        assert_eq!(members.len(), 2, "{members:?}");
    }
    assert_eq!(texts(steve, "Trip").await.len(), 3);
    assert_eq!(steve.group_info("Trip").await.unwrap().state, "left");
}

#[tokio::test]
async fn members_come_and_go_pairwise() {
    members_come_and_go(Scheme::Pairwise).await;
}

#[tokio::test]
async fn members_come_and_go_sender_keys() {
    members_come_and_go(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn members_come_and_go_tree() {
    members_come_and_go(Scheme::Tree).await;
}

#[tokio::test]
async fn declined_and_blocked_requests_disappear() {
    let stage = Stage::open().await;
    let (mike, dave) = (stage.person("mike").await, stage.person("dave").await);
    for name in ["One", "Two"] {
        mike.new_group(name, Scheme::SenderKeys).await.unwrap();
        done(mike.add(name, &["dave"], PATIENCE).await);
    }
    sync(&dave).await;
    assert_eq!(dave.requests().await.unwrap().len(), 2);
    dave.decline("One").await.unwrap();
    dave.block("Two").await.unwrap();
    sync(&dave).await;
    assert!(dave.requests().await.unwrap().is_empty());
    sync(&mike).await;
    for name in ["One", "Two"] {
        assert_eq!(mike.group_info(name).await.unwrap().members.len(), 1);
    }
    mike.new_group("Three", Scheme::SenderKeys).await.unwrap();
    done(mike.add("Three", &["dave"], PATIENCE).await);
    let events = sync(&dave).await;
    assert!(events.iter().any(|event| matches!(event, Event::LetterDropped { .. })), "{events:?}");
    assert!(dave.requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_phone_heals_every_group_and_replaces_every_key() {
    let stage = Stage::open().await;
    let [mike, sean, steve] =
        [stage.person("mike").await, stage.person("sean").await, stage.person("steve").await];
    trip(&[mike.clone(), sean.clone(), steve.clone()], Scheme::SenderKeys).await;
    sean.new_group("Mine", Scheme::Pairwise).await.unwrap();
    done(sean.add("Mine", &["mike"], PATIENCE).await);
    sync(&mike).await;
    say(&sean, "mike", "by ourselves").await;
    let mut before = Vec::new();
    for group in ["Trip", "Mine", "mike"] {
        before.push(sean.group_info(group).await.unwrap().epoch);
    }
    // Under way to keys that are about to be replaced.
    steve.add_contact("sean").await.unwrap();
    sean.add_contact("steve").await.unwrap();
    steve.new_group("Late", Scheme::SenderKeys).await.unwrap();
    done(steve.add("Late", &["sean"], PATIENCE).await);

    // Somebody has copied the store, passphrase and all.
    copy(&stage.home("sean"), &stage.home("thief"));
    let report = sean.heal_everything(PATIENCE).await.unwrap();
    assert!(report.keys_replaced && report.groups.len() >= 3, "{report:?}");
    assert!(report.groups.iter().all(|group| group.healed && group.code.is_none()), "{report:?}");
    for (group, before) in ["Trip", "Mine", "mike"].iter().zip(before) {
        assert_eq!(sean.group_info(group).await.unwrap().epoch, before + 1, "{group}");
    }
    say(&steve, "Late", "there already").await;
    sync(&sean).await;
    assert_eq!(texts(&sean, "Late").await, ["there already"]);
    // Somebody new finds the new keys, and they open.
    let dave = stage.person("dave").await;
    dave.add_contact("sean").await.unwrap();
    sean.add_contact("dave").await.unwrap();
    say(&dave, "sean", "hello").await;
    assert_eq!(texts(&sean, "dave").await, ["hello"]);
    say(&sean, "Trip", "all is well").await;
    assert_eq!(texts(&mike, "Trip").await.last().unwrap(), "all is well");
    // The copy cannot pass for the device any more.
    let thief = stage.again("thief").await;
    let refused = thief.sync(PATIENCE).await.err().unwrap();
    assert_eq!(refused.code(), "bad_signature", "{refused}");
    let told = sync(&steve).await;
    let told: Vec<_> = told.iter().map(ToString::to_string).collect();
    assert!(
        told.iter().any(|line| line.contains("sean") && line.contains("has new device keys")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_lost_phone_without_a_relay_heals_later() {
    let mut stage = Stage::open().await;
    let three = [stage.person("mike").await, stage.person("sean").await, stage.person("steve").await];
    trip(&three, Scheme::SenderKeys).await;
    let [mike, sean, _] = three;
    let before = mike.group_info("Trip").await.unwrap().epoch;
    stage.stop_relay().await;
    let report = sean.heal_everything(std::time::Duration::ZERO).await.unwrap();
    assert!(!report.keys_replaced, "{report:?}");
    assert_eq!(report.groups.iter().map(|group| group.code.as_deref()).collect::<Vec<_>>(), [Some("queued")]);
    stage.start_relay().await;
    sync(&sean).await;
    sync(&mike).await;
    assert_eq!(mike.group_info("Trip").await.unwrap().epoch, before + 1);
}

#[tokio::test]
async fn who_is_proposed_waits_for_the_others_and_haste_is_named() {
    let years = Years::begin().await;
    let fast = Moved::default();
    let people =
        [years.person("mike").await, years.person_with("sean", &fast).await, years.person("steve").await];
    trip(&people, Scheme::SenderKeys).await;
    let [mike, sean, steve] = people;
    let dave = years.person("dave").await;
    for one in [&mike, &sean] {
        one.add_contact("dave").await.unwrap();
        dave.add_contact(&one.account().await.unwrap().handle).await.unwrap();
    }
    let endorsers = NonZeroU8::new(1).map(|count| Endorsers { count, above: 2 });
    let policy = mike.policy("Trip").await.unwrap();
    done(mike.set_policy("Trip", Policy { endorsers, cooling_off: 30, ..policy }, PATIENCE).await);
    sync(&sean).await;
    done(sean.add_for("Trip", &["dave"], "he has the car", PATIENCE).await);
    let proposed = &sean.group_info("Trip").await.unwrap().proposed;
    assert_eq!((proposed.len(), proposed[0].missing, &*proposed[0].reason), (1, 1, "he has the car"));
    let told = sync(&steve).await;
    let asked = told.iter().find(|event| matches!(event, Event::Proposed { missing: 1, .. }));
    assert!(asked.unwrap().to_string().contains("(he has the car); it needs one more"), "{told:?}");
    done(steve.endorse("Trip", "dave", PATIENCE).await);
    [&years.clock, &fast].iter().for_each(|clock| clock.minutes(20));
    round(&[&mike, &sean, &steve, &dave]).await;
    assert_eq!(mike.group_info("Trip").await.unwrap().members.len(), 3, "everybody can object still");
    [&years.clock, &fast].iter().for_each(|clock| clock.minutes(20));
    round(&[&sean, &steve, &dave, &mike]).await;
    let told = sync(&mike).await;
    assert_eq!(mike.group_info("Trip").await.unwrap().members.len(), 4, "{told:?}");
    say(&dave, "Trip", "thank you").await;
    let history = mike.membership("Trip").await.unwrap();
    let kinds: Vec<&str> = history.iter().map(|what| &*what.kind).collect();
    assert!(kinds.ends_with(&["policy", "proposed", "endorsed", "added"]), "{kinds:?}");
    // An objection ends it; the proposer can take it back as well.
    done(mike.remove("Trip", &["dave"], PATIENCE).await);
    round(&[&sean, &steve, &dave]).await;
    done(sean.add("Trip", &["dave"], PATIENCE).await);
    sync(&mike).await;
    done(mike.object("Trip", "dave", PATIENCE).await);
    sync(&sean).await;
    assert!(sean.group_info("Trip").await.unwrap().proposed.is_empty());
    assert_eq!(sean.endorse("Trip", "dave", PATIENCE).await.err().unwrap().code(), "not_proposed");
    // Somebody's clock is ahead: to everybody else it is haste.
    done(sean.add("Trip", &["dave"], PATIENCE).await);
    sync(&steve).await;
    done(steve.endorse("Trip", "dave", PATIENCE).await);
    fast.minutes(45);
    round(&[&sean, &sean]).await;
    let told = sync(&mike).await;
    let named = told.iter().any(|event| event.to_string().contains("before the time to object was over"));
    assert!(named, "{told:?}");
}
