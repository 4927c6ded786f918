//! Old copies come back: a relay started from a backup, a store from before, two copies of one store at once.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::*;
use conclave_client::{Client, Event, Scheme};
use conclave_relay::{Config, serve};

/// Stops the relay, copies its directory, starts it again.
async fn backup(stage: &mut Stage) {
    stage.stop_relay().await;
    copy(&stage.home("relay"), &stage.home("backup"));
    stage.start_relay().await;
}

/// Starts the relay from the copy.
async fn restore(stage: &mut Stage) {
    stage.stop_relay().await;
    std::fs::remove_dir_all(stage.home("relay")).unwrap();
    copy(&stage.home("backup"), &stage.home("relay"));
    let config =
        Config { data: Some(stage.home("relay")), listen: stage.addr, restored: true, ..Config::default() };
    stage.relay = Some(serve(config).await.unwrap());
}

/// mike, sean and steve in a group in which each has said something.
async fn trip(stage: &Stage, scheme: Scheme) -> [Client; 3] {
    let three = [stage.person("mike").await, stage.person("sean").await, stage.person("steve").await];
    common::trip(&three, scheme).await;
    three
}

fn lost(events: &[Event]) -> Vec<(u64, bool)> {
    let lost = |event: &Event| match event {
        Event::RelayRestored { lost, changes, .. } => Some((*lost, *changes)),
        _ => None,
    };
    events.iter().filter_map(lost).collect()
}

/// Nothing that would say that somebody lies or stands in for somebody.
fn alarms(events: &[Event]) -> bool {
    events
        .iter()
        .any(|event| matches!(event, Event::RelayFault { .. } | Event::Alarm { .. } | Event::Restored { .. }))
}

async fn messages_are_lost(scheme: Scheme) {
    let mut stage = Stage::open().await;
    let [mike, sean, steve] = trip(&stage, scheme).await;
    backup(&mut stage).await;
    for text in ["lost 1", "lost 2"] {
        say(&mike, "Trip", text).await;
    }
    assert_eq!(texts(&sean, "Trip").await, ["a", "b", "c", "lost 1", "lost 2"]);
    sync(&mike).await;
    restore(&mut stage).await;
    for (one, named) in [(&mike, vec![(2, false)]), (&sean, vec![(2, false)]), (&steve, vec![])] {
        let events = sync(one).await;
        assert_eq!(lost(&events), named, "{events:?}");
        assert!(!alarms(&events), "{events:?}");
    }
    for (one, text) in [(&steve, "d"), (&mike, "e"), (&sean, "f")] {
        say(one, "Trip", text).await;
    }
    assert_eq!(texts(&sean, "Trip").await, ["a", "b", "c", "lost 1", "lost 2", "d", "e", "f"]);
    assert_eq!(texts(&steve, "Trip").await, ["a", "b", "c", "d", "e", "f"]);
    for one in [&mike, &sean, &steve] {
        assert!(!alarms(&sync(one).await));
    }
}

#[tokio::test]
async fn a_restored_relay_names_what_it_lost_and_everybody_goes_on_pairwise() {
    messages_are_lost(Scheme::Pairwise).await;
}

#[tokio::test]
async fn a_restored_relay_names_what_it_lost_and_everybody_goes_on_sender_keys() {
    messages_are_lost(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn a_restored_relay_names_what_it_lost_and_everybody_goes_on_tree() {
    messages_are_lost(Scheme::Tree).await;
}

async fn a_change_is_lost(scheme: Scheme) {
    let mut stage = Stage::open().await;
    let [mike, sean, steve] = trip(&stage, scheme).await;
    backup(&mut stage).await;
    done(mike.heal("Trip", PATIENCE).await);
    sync(&sean).await;
    restore(&mut stage).await;
    for one in [&mike, &sean] {
        let events = sync(one).await;
        assert_eq!(lost(&events), [(1, true)], "{events:?}");
    }
    say(&mike, "Trip", "d").await;
    say(&sean, "Trip", "e").await;
    assert_eq!(texts(&mike, "Trip").await, ["a", "b", "c", "d", "e"]);
    // steve never saw the heal. He hears that he misses something, asks, and is let in again.
    sync(&steve).await;
    let mut back = false;
    for round in 0..10 {
        sync(&mike).await;
        sync(&steve).await;
        let text = format!("round {round}");
        say(&mike, "Trip", &text).await;
        back = texts(&steve, "Trip").await.contains(&text);
        if back {
            break;
        }
    }
    assert!(back);
    say(&steve, "Trip", "here again").await;
    assert_eq!(texts(&sean, "Trip").await.last().unwrap(), "here again");
}

#[tokio::test]
async fn a_change_that_a_restored_relay_lost_stands_and_who_missed_it_is_let_in_again_pairwise() {
    a_change_is_lost(Scheme::Pairwise).await;
}

#[tokio::test]
async fn a_change_that_a_restored_relay_lost_stands_and_who_missed_it_is_let_in_again_sender_keys() {
    a_change_is_lost(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn a_change_that_a_restored_relay_lost_stands_and_who_missed_it_is_let_in_again_tree() {
    a_change_is_lost(Scheme::Tree).await;
}

/// Who has seen what the relay lost tells others of it, before and after: that is no fork, and nothing was kept back.
#[tokio::test]
async fn a_restored_relay_is_no_fork_to_those_who_tell_each_other_of_logs() {
    let mut stage = Stage::open().await;
    let [mike, sean, _] = trip(&stage, Scheme::SenderKeys).await;
    mike.add_contact("sean").await.unwrap();
    say(&mike, "sean", "hello").await;
    sync(&sean).await;
    backup(&mut stage).await;
    say(&mike, "Trip", "lost").await;
    say(&mike, "sean", "lost as well").await;
    sync(&sean).await;
    sync(&mike).await;
    restore(&mut stage).await;
    // Sean comes back when there are others in the place of what he saw: he has another view than mike of the same log.
    for round in 0..3 {
        for (one, other) in [(&mike, "sean"), (&sean, "mike")] {
            sync(one).await;
            say(one, "Trip", &format!("{other} {round}")).await;
            say(one, other, &format!("you {round}")).await;
        }
    }
    for one in [&mike, &sean] {
        sync(one).await;
        assert!(one.alarms().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_newcomer_whose_seat_a_restored_relay_lost_gets_another() {
    let mut stage = Stage::open().await;
    let [mike, ..] = trip(&stage, Scheme::SenderKeys).await;
    let dave = stage.person("dave").await;
    dave.add_contact("mike").await.unwrap();
    backup(&mut stage).await;
    done(mike.add("Trip", &["dave"], PATIENCE).await);
    say(&mike, "Trip", "hello dave").await;
    assert_eq!(texts(&dave, "Trip").await, ["hello dave"]);
    sync(&mike).await;
    restore(&mut stage).await;
    sync(&mike).await;
    let mut back = false;
    for round in 0..10 {
        sync(&dave).await;
        sync(&mike).await;
        let text = format!("round {round}");
        say(&mike, "Trip", &text).await;
        back = texts(&dave, "Trip").await.contains(&text);
        if back {
            break;
        }
    }
    assert!(back);
}

#[tokio::test]
async fn two_copies_of_one_store_at_once_repeat_nothing() {
    let stage = Stage::open().await;
    let [mike, sean, _] = trip(&stage, Scheme::SenderKeys).await;
    drop(sean);
    copy(&stage.home("sean"), &stage.home("copy"));
    let (one, other) = (stage.again("sean").await, stage.again("copy").await);
    let (from_one, from_other) = (one.follow("Trip").await.unwrap(), other.follow("Trip").await.unwrap());
    say(&one, "Trip", "from the one").await;
    let ticket = other.send("Trip", "from the other").await.unwrap();
    let mut heard = Vec::new();
    for _ in 0..10 {
        // That there are two is what a thief looks like, and may be told; the relay is at no fault.
        let told = sync(&mike).await;
        assert!(!told.iter().any(|event| matches!(event, Event::RelayFault { .. })), "{told:?}");
        let _ = other.wait(&ticket, std::time::Duration::from_secs(2)).await;
        heard = texts(&mike, "Trip").await;
        if heard.contains(&"from the other".to_owned()) {
            break;
        }
    }
    drop((from_one, from_other));
    let times = |text: &str| heard.iter().filter(|heard| *heard == text).count();
    assert_eq!((times("from the one"), times("from the other")), (1, 1), "{heard:?}");
}

#[tokio::test]
async fn a_store_copied_while_in_use_opens_whole_or_is_refused_by_name() {
    let stage = Stage::open().await;
    let [mike, sean, _] = trip(&stage, Scheme::SenderKeys).await;
    let follow = mike.follow("Trip").await.unwrap();
    for round in 0..5 {
        let sending = async {
            for number in 0..20 {
                mike.send("Trip", &format!("{round} {number}")).await.unwrap();
            }
        };
        let home = stage.home(&format!("copy {round}"));
        let copying = tokio::task::spawn_blocking({
            let (from, to) = (stage.home("mike"), home.clone());
            move || copy(&from, &to)
        });
        let ((), copied) = tokio::join!(sending, copying);
        copied.unwrap();
        match Client::open(&home, PASSPHRASE).await {
            Ok(client) => {
                assert!(client.groups().await.is_ok_and(|groups| groups.iter().any(|one| one.name == "Trip")))
            }
            Err(error) => assert_eq!(error.code(), "store_damaged", "{error}"),
        }
    }
    drop(follow);
    say(&mike, "Trip", "the original is as it was").await;
    assert_eq!(texts(&sean, "Trip").await.len(), 3 + 100 + 1);
}

#[tokio::test]
async fn an_account_from_a_backup_heals_its_groups_before_it_says_anything() {
    let stage = Stage::open().await;
    let [mike, sean, steve] = trip(&stage, Scheme::SenderKeys).await;
    let file = stage.home("sean.backup");
    conclave_client::backup(&stage.home("sean"), PASSPHRASE, &file).await.unwrap();
    drop(sean);
    let before = mike.group_info("Trip").await.unwrap().epoch;
    conclave_client::restore(&stage.home("again"), PASSPHRASE, &file).await.unwrap();
    let sean = stage.again("again").await;
    for text in ["here again", "and once more"] {
        say(&sean, "Trip", text).await;
    }
    let heard = messages(&mike, "Trip").await;
    let epochs: Vec<_> = heard.iter().map(|message| message.epoch).collect();
    assert_eq!(epochs[3..], [before + 1, before + 1], "healed once, and first");
    assert_eq!(texts(&steve, "Trip").await.len(), 5);
}
