//! What every storage must do, run over each of them; and random operations
//! that must have the same outcomes on all.

use std::future::Future;

use bytes::Bytes;
use conclave_wire::{ChannelId, Code, DeviceId, PersonId, SeatId, limits, slices, v1};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

mod blobs;
mod key_log;
mod people;
mod random;

const DAY: u64 = 24 * 60 * 60 * 1000;

/// Runs a body over every storage there is.
fn over_each<F: Future<Output = ()>>(body: impl Fn(Box<dyn Storage>) -> F) {
    run(async {
        body(Box::new(MemoryStorage::default())).await;
        let dir = tempfile::tempdir().unwrap();
        body(Box::new(SqliteStorage::open(&dir.path().join("relay.db"), false, None).unwrap())).await;
    });
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap().block_on(future)
}

fn channel(n: u8) -> ChannelId {
    ChannelId::new([n; 16])
}

fn seat(n: u8) -> SeatId {
    SeatId::new([n; 16])
}

fn device(n: u8) -> DeviceId {
    DeviceId::new([n; 16])
}

fn view(n: u8, opened: u64) -> SeatView {
    SeatView { seat: seat(n), opened, closed: None }
}

async fn one(storage: &dyn Storage, op: Op) -> Outcome {
    storage.apply(vec![op]).await.unwrap().remove(0)
}

fn create(channel_of: u8, first: u8) -> Op {
    Op::CreateChannel { channel: channel(channel_of), seat: seat(first), token: [first; 32] }
}

fn post(by: u8, number: u64, at_turn: u64, shared: &str) -> PostOp {
    PostOp {
        channel: channel(1),
        seat: seat(by),
        token: [by; 32],
        number,
        at_turn,
        takes_turn: false,
        shared: Bytes::copy_from_slice(shared.as_bytes()),
        hash: Sha256::digest(shared).into(),
        slices: Bytes::new(),
        opens: Vec::new(),
        closes: Vec::new(),
        letters: Vec::new(),
        at: 100 * DAY + number,
    }
}

fn opening(by: u8, number: u64, at_turn: u64, opened: u8, after: u64) -> PostOp {
    let opens = vec![Open { seat: seat(opened), claim: [opened; 32], after }];
    PostOp { takes_turn: true, opens, ..post(by, number, at_turn, &format!("opens {opened}")) }
}

fn claim(of: u8) -> Op {
    Op::Claim { channel: channel(1), seat: seat(of), claim: [of; 32], token: [of; 32] }
}

fn all(by: SeatView, after: u64) -> EntriesAsk {
    let (most_entries, most_bytes) = (1000, usize::MAX);
    EntriesAsk { channel: channel(1), view: by, after, cutoff: 0, most_entries, most_bytes }
}

fn register(n: u8, keys: KeysOp) -> Op {
    Op::Register(Box::new(RegisterOp {
        name: format!("name{n}"),
        person: PersonId::new([n; 32]),
        device: device(n),
        device_key: [n; 32],
        device_list: Bytes::from(vec![n; 3]),
        identity_key: Bytes::from(vec![n; 32]),
        keys,
    }))
}

fn some_keys(prekeys: usize, join_keys: usize) -> KeysOp {
    let numbered = |count: usize| (0..count).map(|n| Bytes::from(vec![n as u8; 4])).collect();
    KeysOp {
        bundle: Bytes::from_static(b"bundle"),
        last_resort: Bytes::from_static(b"last"),
        prekeys: numbered(prekeys),
        join_keys: numbered(join_keys),
    }
}

fn take(n: u8) -> Take {
    Take { device: device(n), prekey: true, join_key: true, one_time: true }
}

#[test]
fn a_batch_is_applied_in_order_and_a_refusal_does_not_touch_its_neighbours() {
    over_each(async |storage| {
        let ops = vec![
            create(1, 1),
            Op::Post(Box::new(post(1, 1, 0, "one"))),
            Op::Post(Box::new(post(1, 3, 0, "gap"))),
            Op::Post(Box::new(post(1, 2, 0, "two"))),
        ];
        let outcomes = storage.apply(ops).await.unwrap();
        let accepted = |entry| Acceptance { entry, turn: 0, at: 100 * DAY + entry, repeated: false };
        let last = Some((1, Sha256::digest("one").into()));
        let want = [
            Outcome::Done,
            Outcome::Posted(accepted(1)),
            Outcome::Refused(Refusal { code: Code::WrongNumber, last }),
            Outcome::Posted(accepted(2)),
        ];
        assert_eq!(outcomes, want);
        let entries = storage.entries(all(view(9, 0), 0)).await.unwrap();
        assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(entries[1].shared, "two");
    });
}

#[test]
fn every_seat_gets_its_slice_whatever_block_it_lies_in() {
    over_each(async |storage| {
        one(&*storage, create(1, 1)).await;
        let bodies: Vec<_> = (2..60).map(|n| (seat(n), vec![n; usize::from(n) * 37])).collect();
        let slices = slices::pack(bodies.clone()).unwrap();
        one(&*storage, Op::Post(Box::new(PostOp { slices, ..post(1, 1, 0, "shared") }))).await;
        for (n, (_, body)) in (2..60).zip(bodies) {
            let entries = storage.entries(all(view(n, 0), 0)).await.unwrap();
            assert_eq!(entries[0].slice, body);
        }
        for none in [1, 60, 255] {
            assert!(storage.entries(all(view(none, 0), 0)).await.unwrap()[0].slice.is_empty());
        }
    });
}

#[test]
fn reading_stops_at_its_bounds_and_goes_on_from_there() {
    over_each(async |storage| {
        one(&*storage, create(1, 1)).await;
        for number in 1..=20 {
            one(&*storage, Op::Post(Box::new(post(1, number, 0, "0123456789")))).await;
        }
        let few = storage.entries(EntriesAsk { most_entries: 7, ..all(view(2, 0), 3) }).await.unwrap();
        assert_eq!(few.iter().map(|entry| entry.number).collect::<Vec<_>>(), (4..=10).collect::<Vec<_>>());
        let light = storage.entries(EntriesAsk { most_bytes: 25, ..all(view(2, 0), 0) }).await.unwrap();
        assert_eq!(light.len(), 3);
        let closed = SeatView { closed: Some(5), ..view(2, 0) };
        assert_eq!(storage.entries(all(closed, 0)).await.unwrap().len(), 5);
        assert!(storage.entries(all(view(2, 0), u64::MAX)).await.unwrap().is_empty());
    });
}

#[test]
fn an_unclaimed_seat_holds_what_others_have_read() {
    over_each(async |storage| {
        one(&*storage, create(1, 1)).await;
        one(&*storage, Op::Post(Box::new(post(1, 1, 0, "before")))).await;
        one(&*storage, Op::Post(Box::new(opening(1, 2, 0, 2, 0)))).await;
        one(&*storage, Op::Post(Box::new(post(1, 3, 1, "after")))).await;
        let ack = |of, cursor| Op::Acks(vec![Cursor { channel: channel(1), seat: seat(of), cursor }]);
        assert_eq!(one(&*storage, ack(1, 3)).await, Outcome::Floors(vec![(channel(1), 1)]));
        let Outcome::Swept { freed, next } = one(&*storage, Op::Sweep { cutoff: 0, after: 0 }).await else {
            panic!()
        };
        assert_eq!((freed, next), (1, None));
        one(&*storage, claim(2)).await;
        let entries = storage.entries(all(view(2, 2), 0)).await.unwrap();
        let seen: Vec<_> = entries.iter().map(|e| (e.shared.as_ref(), e.expired)).collect();
        assert_eq!(seen, [(&b""[..], false), (b"opens 2", false), (b"after", false)]);
        assert_eq!(one(&*storage, ack(2, 3)).await, Outcome::Floors(vec![(channel(1), 3)]));
        let gone = storage.entries(all(view(2, 2), 0)).await.unwrap();
        assert!(gone[1].expired && gone[1].shared.is_empty(), "served no more at once");
        assert_eq!(gone[1].hash, Sha256::digest("opens 2").to_vec(), "its hash stays");
        assert_eq!(one(&*storage, ack(2, 2)).await, Outcome::Floors(vec![]), "cursors never go back");
    });
}

#[test]
fn old_entries_expire_and_are_freed_in_steps() {
    over_each(async |storage| {
        one(&*storage, create(1, 1)).await;
        one(&*storage, Op::Post(Box::new(opening(1, 1, 0, 2, 0)))).await;
        for number in 2..=600 {
            one(&*storage, Op::Post(Box::new(post(1, number, 1, "x")))).await;
        }
        let cutoff = 100 * DAY + 600;
        let before = storage.entries(EntriesAsk { cutoff, ..all(view(2, 1), 0) }).await.unwrap();
        assert!(before[598].expired && !before[599].expired, "served no more before they are freed");
        let (mut after, mut steps) = (0, Vec::new());
        loop {
            let Outcome::Swept { next, freed } = one(&*storage, Op::Sweep { cutoff, after }).await else {
                panic!()
            };
            steps.push(freed);
            let Some(next) = next else { break };
            after = next;
        }
        assert_eq!(steps, [256, 256, 87]);
        let entries = storage.entries(all(view(2, 1), 0)).await.unwrap();
        assert_eq!(entries.iter().filter(|entry| entry.expired).count(), 599);
        assert_eq!(entries[599].shared, "x");
        let own = storage.entries(all(view(1, 0), 0)).await.unwrap();
        assert!(own.iter().all(|entry| !entry.expired), "own posts are not called expired");
    });
}
