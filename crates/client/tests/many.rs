//! Many people added at once: what all of them need lies beside the post, is put before it, and fetched by each.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::lives::Person;
use common::proxy::{Passing, Proxy};
use common::{PATIENCE, Stage, cheap_person, done, say, sync, texts};
use conclave_client::{Client, Event, Outcome, Scheme};
use conclave_wire::v1::client_frame::Request;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

const OTHERS: usize = 12;

/// Those who are to be added: they know mike.
async fn others(stage: &Stage) -> (Vec<String>, Vec<Client>) {
    let names: Vec<_> = (0..OTHERS).map(|n| format!("other{n}")).collect();
    let mut clients = Vec::new();
    for name in &names {
        let one = cheap_person(stage, name).await;
        one.add_contact("mike").await.unwrap();
        clients.push(one);
    }
    (names, clients)
}

fn is_in(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Joined { .. }))
}

/// All but the last join and say something; the last comes when all of it was said. Nobody misses anything.
async fn all_join_and_talk(mike: &Client, names: &[String], others: &[Client]) {
    let (late, there) = others.split_last().unwrap();
    for one in there {
        assert!(is_in(&sync(one).await));
    }
    say(mike, "Trip", "hello").await;
    let mut said = vec!["hello".to_owned()];
    for (one, name) in there.iter().zip(names) {
        say(one, "Trip", name).await;
        said.push(name.clone());
    }
    assert!(is_in(&sync(late).await));
    say(late, "Trip", "at last").await;
    said.push("at last".to_owned());
    for one in others.iter().chain([mike]) {
        assert_eq!(texts(one, "Trip").await, said);
        assert_eq!(one.group_info("Trip").await.unwrap().members.len(), OTHERS + 1);
    }
}

async fn twelve(scheme: Scheme) {
    let stage = Stage::open().await;
    let proxy = Proxy::before(stage.addr).await;
    let mike = stage.person_at("mike", &proxy.url()).await;
    let (names, others) = others(&stage).await;
    mike.new_group("Trip", scheme).await.unwrap();
    let (puts, posts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (put, posted) = (puts.clone(), posts.clone());
    proxy.lie(move |passing, out| {
        if let Passing::ToRelay(frame) = &passing {
            put.fetch_add(matches!(frame.request, Some(Request::PutBlob(_))).into(), Ordering::SeqCst);
            posted.fetch_add(matches!(frame.request, Some(Request::Post(_))).into(), Ordering::SeqCst);
        }
        out.pass(passing);
    });
    done(mike.add("Trip", &names, PATIENCE).await);
    assert_eq!([&puts, &posts].map(|count| count.load(Ordering::SeqCst)), [1, 1], "one of each for all");
    all_join_and_talk(&mike, &names, &others).await;
    assert_eq!(puts.load(Ordering::SeqCst), 1, "messages bring no blobs");
}

#[tokio::test]
async fn twelve_added_at_once_to_a_tree_join_and_talk() {
    twelve(Scheme::Tree).await;
}

#[tokio::test]
async fn twelve_added_at_once_under_sender_keys_join_and_talk() {
    twelve(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn a_relay_that_goes_between_blob_and_post_gets_both_once_it_is_back() {
    let mut stage = Stage::open().await;
    let proxy = Proxy::before(stage.addr).await;
    let mike = stage.person_at("mike", &proxy.url()).await;
    let (names, others) = others(&stage).await;
    mike.new_group("Trip", Scheme::Tree).await.unwrap();
    let reached = Arc::new(Notify::new());
    let tell = reached.clone();
    proxy.lie(move |passing, out| match &passing {
        Passing::ToRelay(frame) if matches!(frame.request, Some(Request::Post(_))) => {
            tell.notify_one();
            out.cut_off();
        }
        _ => out.pass(passing),
    });
    let restart = async {
        reached.notified().await;
        stage.stop_relay().await;
        proxy.be_honest();
        stage.start_relay().await;
    };
    let (added, ()) = tokio::join!(mike.add("Trip", &names, PATIENCE), restart);
    done(added);
    all_join_and_talk(&mike, &names, &others).await;
}

/// Mike dies again and again while he adds them, each life a little longer; a newcomer dies while it joins.
#[tokio::test]
async fn whoever_is_killed_while_many_are_added_ends_where_the_others_are() {
    let stage = Stage::open().await;
    let mut mike = Person::create(&stage, "mike", (8..60).step_by(3)).await;
    let (names, others) = others(&stage).await;
    let mut sean = Person::create(&stage, "sean", (8..40).step_by(2)).await;
    sean.persist(async |client| client.add_contact("mike").await.map(drop)).await;
    let group = async |client: &Client| match client.group_info("Trip").await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == "unknown_target" => {
            client.new_group("Trip", Scheme::Tree).await.map(drop)
        }
        Err(error) => Err(error),
    };
    mike.persist(group).await;
    let all: Vec<_> = names.iter().cloned().chain(["sean".to_owned()]).collect();
    let outcome = mike.persist(async |client| match client.add("Trip", &all, PATIENCE).await {
        Err(error) if error.code() == "already_member" => Ok(Outcome::Done),
        outcome => outcome,
    });
    assert_eq!(outcome.await, Outcome::Done);
    mike.say("Trip", "hello").await;
    let (dead, living) = (sean.deaths, mike.deaths);
    sean.sync().await;
    sean.say("Trip", "hi").await;
    assert!(living > 3 && sean.deaths > dead, "{living} and {} deaths", sean.deaths - dead);
    for one in &others {
        assert!(is_in(&sync(one).await));
        assert_eq!(texts(one, "Trip").await, ["hello", "hi"]);
    }
    for one in [&mut mike, &mut sean] {
        let read = one.read("Trip").await;
        assert_eq!(read.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["hello", "hi"]);
    }
}
