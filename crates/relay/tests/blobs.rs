//! Blobs over the socket: who may put and get them, what survives, what expires.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::{Client, Moved, Seat, channel_of_two, refusal, relay, relay_in};
use conclave_relay::{Config, Limits, Rate, serve};
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use conclave_wire::{Code, limits};
use sha2::{Digest, Sha256};

fn put(seat: &Seat, bytes: impl Into<Bytes>) -> Request {
    let v1::SeatCursor { channel, seat, token, .. } = seat.cursor(0);
    Request::PutBlob(v1::PutBlob { channel, seat, token, bytes: bytes.into() })
}

fn get(seat: &Seat, bytes: &[u8]) -> Request {
    let v1::SeatCursor { channel, seat, token, .. } = seat.cursor(0);
    Request::GetBlob(v1::GetBlob { channel, seat, token, hash: Sha256::digest(bytes).to_vec().into() })
}

async fn has(client: &mut Client, seat: &Seat, bytes: &[u8]) -> bool {
    match client.ask(get(seat, bytes)).await {
        Body::Blob(blob) => blob.bytes == bytes,
        other => {
            assert_eq!(refusal(&other), Code::UnknownBlob);
            false
        }
    }
}

#[tokio::test]
async fn a_newcomer_gets_from_its_claim_on_what_was_put_before_it_came() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (a, b) = (Seat::new(1, 1), Seat::new(1, 2));
    mike.ask(a.create()).await;
    let piece = vec![7; limits::BLOB_BYTES];
    for _ in 0..2 {
        assert!(matches!(mike.ask(put(&a, piece.clone())).await, Body::Done(_)));
    }
    mike.post(a.commit(1, 0, vec![b.open(b"claim", 0)])).await;
    assert_eq!(refusal(&sean.ask(get(&b, &piece)).await), Code::Unclaimed);
    sean.ask(b.claim(b"claim")).await;
    assert!(has(&mut sean, &b, &piece).await, "without being attached");
    assert!(!has(&mut sean, &b, b"another").await);
    assert_eq!(mike.attach(&a, 0).await.head, 1, "a blob is no entry");
}

#[tokio::test]
async fn hostile_sizes_seats_and_tokens_are_refused_one_by_one() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let (other, _) = channel_of_two(&mut mike, 2).await;
    mike.ask(put(&a, "ours")).await;
    let forged = Seat { token: vec![0; 32].into(), ..a.clone() };
    let nobody = Seat::new(1, 9);
    let nowhere = Seat::new(9, 1);
    let v1::SeatCursor { channel, seat, token, .. } = a.cursor(0);
    let short = v1::GetBlob { channel, seat, token, hash: vec![0; 31].into() };
    let cases = [
        (put(&a, Bytes::new()), Code::Malformed),
        (put(&a, vec![0; limits::BLOB_BYTES + 1]), Code::TooLarge),
        (put(&forged, "x"), Code::WrongToken),
        (put(&nobody, "x"), Code::UnknownSeat),
        (put(&nowhere, "x"), Code::UnknownChannel),
        (Request::PutBlob(v1::PutBlob { bytes: "x".into(), ..v1::PutBlob::default() }), Code::Malformed),
        (get(&forged, b"ours"), Code::WrongToken),
        (get(&nobody, b"ours"), Code::UnknownSeat),
        (get(&nowhere, b"ours"), Code::UnknownChannel),
        (get(&other, b"ours"), Code::UnknownBlob),
        (Request::GetBlob(short), Code::Malformed),
        (Request::GetBlob(v1::GetBlob::default()), Code::Malformed),
    ];
    for (request, code) in cases {
        assert_eq!(refusal(&mike.ask(request).await), code);
    }
    mike.post(a.commit(2, 1, vec![b.close()])).await;
    assert_eq!(refusal(&mike.ask(put(&b, "x")).await), Code::Closed);
    assert!(has(&mut mike, &b, b"ours").await, "what it may still read may name it");
    mike.attach(&b, 0).await;
    mike.ack(&b, 3).await;
    assert!(has(&mut mike, &a, b"ours").await);
}

#[tokio::test]
async fn blobs_are_limited_by_their_weight_and_reads_by_their_number() {
    let rates =
        Limits { blobs: Rate::new(4.0, 0.001), blobs_read: Rate::new(2.0, 0.001), ..Limits::default() };
    let relay = serve(Config { limits: rates, ..Config::default() }).await.unwrap();
    let mut mike = Client::connect(&relay).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    // Two KiB each: its own, and what each weighs beyond it.
    for n in 0..2 {
        assert!(matches!(mike.ask(put(&a, vec![n; 1024])).await, Body::Done(_)));
    }
    let Body::Refused(wait) = mike.ask(put(&a, "x")).await else { panic!() };
    assert!(wait.code == "rate_limited" && wait.retry_ms > 0);
    let forged = Seat { token: vec![0; 32].into(), ..b.clone() };
    for _ in 0..5 {
        mike.ask(put(&forged, "x")).await;
        mike.ask(get(&forged, &[1; 1024])).await;
    }
    assert!(matches!(mike.ask(put(&b, "nobody uses up another's rate")).await, Body::Done(_)));
    assert!(has(&mut mike, &b, &[1; 1024]).await && has(&mut mike, &b, &[0; 1024]).await);
    assert_eq!(refusal(&mike.ask(get(&b, &[1; 1024])).await), Code::RateLimited);
}

#[tokio::test]
async fn a_blob_that_was_answered_is_there_after_the_process_died() {
    let dir = tempfile::tempdir().unwrap();
    let running = relay_in(dir.path()).await;
    let mut mike = Client::connect(&running).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let piece = vec![7; limits::BLOB_BYTES];
    mike.ask(put(&a, piece.clone())).await;
    // What lies on the disk at this moment is what a killed process leaves.
    let left = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
    }
    let again = relay_in(left.path()).await;
    assert!(has(&mut Client::connect(&again).await, &b, &piece).await);
}

#[tokio::test]
async fn a_blob_past_the_retention_is_served_no_more_unless_it_was_put_again() {
    let clock = Arc::new(Moved(AtomicU64::new(1_790_000_000_000)));
    let retention = Duration::from_secs(100);
    let config = Config { clock: clock.clone(), retention, ..Config::default() };
    let relay = serve(config).await.unwrap();
    let mut mike = Client::connect(&relay).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    mike.ask(put(&a, "old")).await;
    mike.ask(put(&a, "renewed")).await;
    clock.0.fetch_add(60_000, Ordering::SeqCst);
    mike.ask(put(&a, "renewed")).await;
    assert!(has(&mut mike, &b, b"old").await);
    clock.0.fetch_add(60_000, Ordering::SeqCst);
    assert!(!has(&mut mike, &b, b"old").await);
    assert!(has(&mut mike, &b, b"renewed").await);
}
