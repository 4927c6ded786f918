//! A disk that is full, as the database tells it; rows that go with others.

use super::Store;
use crate::ClientError;
use crate::clock::SystemClock;
use crate::store::meta::Fact;
use crate::store::posts::StoredPost;
use conclave_protocol::group::Blob;
use conclave_protocol::{Digest, GroupId};
use std::sync::Arc;

const BIG: usize = 1 << 20;

async fn store(dir: &std::path::Path) -> Store {
    Store::create(dir, "correct horse", Arc::new(SystemClock)).await.unwrap()
}

/// Lets the database grow by so many pages and no further.
async fn leave_room(store: &Store, pages: i64) {
    let leave = move |tx: &super::Tx| {
        let now: i64 = tx.db.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        let most = now + pages;
        let set: i64 = tx.db.query_row(&format!("PRAGMA max_page_count = {most}"), [], |row| row.get(0))?;
        assert_eq!(set, most);
        Ok(())
    };
    store.view(leave).await.unwrap();
}

#[tokio::test]
async fn a_step_that_finds_no_room_is_named_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    leave_room(&store, 4).await;
    let write = |tx: &super::Tx| {
        tx.set_number(Fact::Told, 7)?;
        tx.set_registration(&vec![1; BIG])
    };
    let full = store.step(write).await.unwrap_err();
    assert!(matches!(full, ClientError::StoreFull(_)), "{full:?}");
    assert_eq!((full.code(), full.hint().is_empty()), ("store_full", false));
    assert_eq!(store.view(|tx| tx.number(Fact::Told)).await.unwrap(), 0, "nothing is half done");
    leave_room(&store, 1000).await;
    store.step(write).await.unwrap();
    assert_eq!(store.view(|tx| tx.number(Fact::Told)).await.unwrap(), 7);
}

#[tokio::test]
async fn a_step_of_the_protocol_that_finds_no_room_is_named_alike() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    leave_room(&store, 4).await;
    let write = |tx: &super::Tx| tx.protocol(|cx| Ok(cx.vault.put(b"key", &vec![1; BIG])?));
    let full = store.step(write).await.unwrap_err();
    assert!(matches!(full, ClientError::StoreFull(_)), "{full:?}");
    // Also inside a savepoint, as entries are taken in.
    let full = store.step(move |tx| tx.savepoint(write)).await.unwrap_err();
    assert!(matches!(full, ClientError::StoreFull(_)), "{full:?}");
    leave_room(&store, 1000).await;
    store.step(write).await.unwrap();
    let read = store.view(|tx| tx.protocol(|cx| Ok(cx.vault.get(b"key")?.map(|value| value.len()))));
    assert_eq!(read.await.unwrap(), Some(BIG));
}

#[tokio::test]
async fn what_a_post_needs_is_given_in_order_and_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let write = |tx: &super::Tx| {
        let mut last = 0;
        for group in [GroupId([1; 32]), GroupId([2; 32])] {
            let (number, bytes, sealed_at) = (1, vec![1], 5);
            tx.add_post(&StoredPost { group, intent: 7, number, bytes, sealed_at, accepted: false })?;
            let piece = |n: u8| Blob { hash: Digest([n; 32]), bytes: vec![n; 3] };
            tx.add_blobs(&group, &[piece(1), piece(2)])?;
            let (first, bytes) = tx.next_blob(&group, last)?.unwrap();
            assert_eq!(bytes, [1; 3]);
            let (second, bytes) = tx.next_blob(&group, first)?.unwrap();
            assert_eq!(bytes, [2; 3]);
            assert_eq!(tx.next_blob(&group, second)?, None);
            last = second;
        }
        tx.drop_post(&GroupId([1; 32]))?;
        assert_eq!(tx.next_blob(&GroupId([1; 32]), 0)?, None);
        assert!(tx.next_blob(&GroupId([2; 32]), 0)?.is_some());
        tx.drop_post(&GroupId([2; 32]))?;
        let left: i64 = tx.db.query_row("SELECT count(*) FROM blobs", [], |row| row.get(0))?;
        assert_eq!(left, 0);
        Ok(())
    };
    store.step(write).await.unwrap();
}

#[tokio::test]
async fn an_alarm_is_told_once_until_it_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path()).await;
    let cause = crate::AlarmCause::IdentityReplaced { who: "sean".into() };
    let other = crate::AlarmCause::IdentityReplaced { who: "steve".into() };
    let raise = {
        let (cause, other) = (cause.clone(), other.clone());
        move |tx: &super::Tx| {
            Ok([tx.alarm(&cause, None)?, tx.alarm(&cause, None)?, tx.alarm(&other, Some(b"proof"))?])
        }
    };
    assert_eq!(store.step(raise.clone()).await.unwrap(), [true, false, true]);
    assert_eq!(store.view(|tx| tx.events(0)).await.unwrap().len(), 2, "one banner each");
    let all = store.view(|tx| tx.alarms()).await.unwrap();
    let stand: Vec<_> = all.iter().map(|one| (one.id, &one.cause, one.count, one.exportable)).collect();
    assert_eq!(stand, [(2, &other, 1, true), (1, &cause, 2, false)]);
    assert!(store.step(|tx| tx.acknowledge(1)).await.unwrap());
    assert!(!store.step(|tx| tx.acknowledge(9)).await.unwrap());
    assert_eq!(store.view(|tx| tx.open_alarms()).await.unwrap(), 1);
    assert_eq!(store.step(raise).await.unwrap(), [true, false, false], "seen, and there again");
    assert_eq!(store.view(|tx| tx.alarm_proof(2)).await.unwrap(), Some(Some(b"proof".to_vec())));
}
