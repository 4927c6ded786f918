//! What survives: stopping, dying, time, a full storage.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{Client, Device, Seat, channel_of_two, refusal, relay, relay_at_a_time, relay_in};
use conclave_relay::{Config, Limits, RelayError, serve};
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use conclave_wire::{Code, slices};

#[tokio::test]
async fn what_was_acknowledged_is_there_after_the_process_died() {
    let dir = tempfile::tempdir().unwrap();
    let running = relay_in(dir.path()).await;
    let mut mike = Client::connect(&running).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let s = Device::new("sean");
    mike.register(&s).await;
    let slices = slices::pack([(b.seat, "slice")]).unwrap();
    let letters = vec![v1::Letter { device: s.id.to_bytes(), body: "letter".into() }];
    let post = v1::Post { slices, letters, ..a.text(2, 1, "acknowledged") };
    let posted = mike.post(post.clone()).await;
    // What lies on the disk at this moment is what a killed process leaves.
    let left = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
    }
    let again = relay_in(left.path()).await;
    assert_eq!(again.relay_id, running.relay_id);
    let mut sean = Client::connect(&again).await;
    let state = sean.attach(&b, 1).await;
    assert_eq!((state.head, state.turn), (2, 1));
    let entry = sean.entries(&b, 1).await.remove(0);
    assert_eq!((entry.shared.as_ref(), entry.slice.as_ref()), (&b"acknowledged"[..], &b"slice"[..]));
    assert_eq!(sean.post(post).await, posted, "the repeat of a post whose answer was lost");
    sean.login(&s).await;
    let Body::Letters(letters) = sean.push().await else { panic!() };
    assert_eq!(letters.letters.len(), 1);
}

#[tokio::test]
async fn a_stop_answers_what_is_under_way_and_keeps_cursors_keys_and_identity() {
    let dir = tempfile::tempdir().unwrap();
    let running = relay_in(dir.path()).await;
    let relay_id = running.relay_id;
    let mut mike = Client::connect(&running).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    mike.post(a.text(2, 1, "read by all")).await;
    let s = Device::new("sean");
    mike.register(&s).await;
    let take = || v1::KeyRequest { device: s.id.to_bytes(), prekey: true, join_key: true };
    let take = || Request::TakeKeys(v1::TakeKeys { devices: vec![take()] });
    let Body::Keys(before) = mike.ask(take()).await else { panic!() };
    mike.ack(&a, 2).await;
    mike.ack(&b, 2).await;
    let mut ids = Vec::new();
    for number in 3..=40 {
        ids.push(mike.send(Request::Post(a.text(number, 1, "under way"))).await);
    }
    assert!(matches!(mike.answer(ids[0]).await, Body::Posted(_)));
    running.shutdown().await.unwrap();
    let again = relay_in(dir.path()).await;
    assert_eq!(again.relay_id, relay_id);
    let mut sean = Client::connect(&again).await;
    assert!(sean.attach(&b, 0).await.head >= 3);
    assert!(sean.entries_at_least(&b, 2).await[1].expired, "the cursors were stored");
    sean.login(&s).await;
    let Body::Keys(after) = sean.ask(take()).await else { panic!() };
    assert_ne!(before.devices[0].one_time_prekey, after.devices[0].one_time_prekey);
}

#[tokio::test]
async fn a_data_directory_serves_one_relay_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let running = relay_in(dir.path()).await;
    let config = || Config { data: Some(dir.path().into()), ..Config::default() };
    assert!(matches!(serve(config()).await, Err(RelayError::InUse(_))));
    running.shutdown().await.unwrap();
    let running = serve(config()).await.unwrap();
    let other = Config { listen: running.addr, ..Config::default() };
    assert!(matches!(serve(other).await, Err(RelayError::Listen { .. })));
}

#[tokio::test]
async fn a_restored_backup_raises_the_incarnation_for_good() {
    let dir = tempfile::tempdir().unwrap();
    for (restored, incarnation) in [(false, 1), (true, 2), (false, 2)] {
        let data = Some(dir.path().to_path_buf());
        let running = serve(Config { data, restored, ..Config::default() }).await.unwrap();
        assert_eq!(Client::connect(&running).await.hello.incarnation, incarnation);
        running.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_database_of_a_later_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    relay_in(dir.path()).await.shutdown().await.unwrap();
    let path = dir.path().join("relay.db");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let config = Config { data: Some(dir.path().into()), ..Config::default() };
    assert!(matches!(serve(config).await, Err(RelayError::TooNew { found: 99, known: 5 })));
}

#[tokio::test]
async fn a_full_storage_refuses_and_serves_on() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { storage_bytes: Some(1024 * 1024), ..Limits::default() };
    let config = Config { data: Some(dir.path().into()), limits, ..Config::default() };
    let running = serve(config).await.unwrap();
    let mut mike = Client::connect(&running).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let mut accepted = 1;
    let refused = loop {
        match mike.ask(Request::Post(a.text(accepted + 1, 1, vec![7; 60_000]))).await {
            Body::Posted(_) => accepted += 1,
            other => break refusal(&other),
        }
    };
    assert_eq!(refused, Code::StorageFull);
    assert!(accepted > 5);
    let state = mike.attach(&a, accepted).await;
    assert_eq!((state.head, state.last_post), (accepted, accepted), "nothing half-written");
    mike.attach(&b, 0).await;
    assert_eq!(mike.entries(&b, accepted as usize).await.last().unwrap().shared.len(), 60_000);
    for seat in [&a, &b] {
        mike.ack(seat, accepted).await;
    }
    assert_eq!(running.sweep().await.unwrap(), accepted);
    mike.post(a.text(accepted + 1, 1, vec![8; 60_000])).await;
}

#[tokio::test]
async fn retention_takes_bodies_and_leaves_hashes() {
    let (running, clock) = relay_at_a_time().await;
    let mut mike = Client::connect(&running).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    mike.post(a.text(2, 1, "old")).await;
    let retention = Duration::from_millis(mike.hello.retention_ms);
    assert_eq!(retention, Duration::from_secs(45 * 24 * 60 * 60));
    clock.0.fetch_add(mike.hello.retention_ms + 1, Ordering::SeqCst);
    mike.post(a.text(3, 1, "new")).await;
    let check = |entries: Vec<v1::Entry>| {
        let seen: Vec<_> = entries.iter().map(|e| (e.number, e.expired, e.shared.clone())).collect();
        assert_eq!(seen, [(1, true, "".into()), (2, true, "".into()), (3, false, "new".into())]);
        assert!(entries.iter().all(|entry| entry.hash.len() == 32));
    };
    mike.attach(&b, 0).await;
    check(mike.entries(&b, 3).await);
    assert_eq!(running.sweep().await.unwrap(), 2);
    mike.attach(&b, 0).await;
    check(mike.entries(&b, 3).await);
}

#[tokio::test]
async fn a_clock_that_jumps_back_loses_nothing_and_stops_nobody() {
    let (running, clock) = relay_at_a_time().await;
    let mut mike = Client::connect(&running).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let days = |days: u64| days * 24 * 60 * 60 * 1000;
    clock.0.fetch_add(days(40), Ordering::SeqCst);
    mike.post(a.text(2, 1, "from the future")).await;
    clock.0.fetch_sub(days(80), Ordering::SeqCst);
    for number in 3..=40 {
        mike.post(a.text(number, 1, "from the past")).await;
    }
    assert_eq!(running.sweep().await.unwrap(), 0);
    mike.attach(&b, 0).await;
    let entries = mike.entries(&b, 40).await;
    assert!(entries.iter().all(|entry| !entry.expired && !entry.shared.is_empty()));
    clock.0.fetch_add(days(40), Ordering::SeqCst);
    mike.ack(&a, 40).await;
    mike.ack(&b, 40).await;
    assert_eq!(running.sweep().await.unwrap(), 40, "what all have read goes, whenever it came");
    mike.post(a.text(41, 1, "now")).await;
}

#[tokio::test]
async fn what_all_have_read_is_served_no_more() {
    let running = relay().await;
    let mut mike = Client::connect(&running).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let c = Seat::new(1, 3);
    mike.post(a.commit(2, 1, vec![c.open(b"c", 0)])).await;
    mike.post(a.text(3, 2, "for all")).await;
    mike.attach(&b, 0).await;
    mike.entries(&b, 3).await;
    for seat in [&a, &b] {
        mike.ack(seat, 3).await;
    }
    running.sweep().await.unwrap();
    mike.ask(c.claim(b"c")).await;
    mike.attach(&c, 0).await;
    let entries = mike.entries(&c, 3).await;
    assert_eq!(entries[2].shared, "for all", "a seat that was not claimed yet holds it");
    mike.ack(&c, 3).await;
    running.sweep().await.unwrap();
    mike.attach(&b, 0).await;
    assert!(mike.entries(&b, 3).await.iter().all(|entry| entry.shared.is_empty() && entry.expired));
}

#[tokio::test]
async fn a_removed_member_who_was_away_still_reads_up_to_its_removal() {
    let running = relay().await;
    let mut mike = Client::connect(&running).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let never_claimed = Seat::new(1, 3);
    mike.post(a.commit(2, 1, vec![never_claimed.open(b"c", 0)])).await;
    mike.post(a.text(3, 2, "while sean was away")).await;
    mike.post(a.commit(4, 2, vec![b.close(), never_claimed.close()])).await;
    mike.post(a.text(5, 3, "without sean")).await;
    mike.ack(&a, 5).await;
    assert_eq!(running.sweep().await.unwrap(), 0, "sean holds it");
    let mut sean = Client::connect(&running).await;
    assert_eq!(sean.attach(&b, 1).await.head, 4);
    let entries = sean.entries(&b, 3).await;
    assert_eq!(entries[1].shared, "while sean was away");
    assert_eq!(entries[2].shared, "commit 4 at 2");
    assert_eq!(refusal(&sean.ack(&b, 5).await), Code::Closed, "nothing of what came later is told");
    assert!(matches!(sean.ack(&b, 4).await, Body::Done(_)));
    assert_eq!(running.sweep().await.unwrap(), 5);
    assert_eq!(sean.attach(&b, 4).await.refused, "closed");
}

#[tokio::test]
async fn a_stop_ends_connections_at_once() {
    let running = relay().await;
    let mut client = Client::connect(&running).await;
    running.shutdown().await.unwrap();
    assert!(client.frame().await.is_none());
}
