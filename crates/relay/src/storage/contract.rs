//! What every storage must do, run over each of them; and random operations
//! that must have the same outcomes on all.

use std::future::Future;

use bytes::Bytes;
use conclave_wire::{ChannelId, Code, DeviceId, PersonId, SeatId, limits, slices, v1};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

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

#[test]
fn a_one_time_key_is_given_once_and_then_the_last_resort() {
    over_each(async |storage| {
        one(&*storage, register(1, some_keys(2, 1))).await;
        let mut given = Vec::new();
        for _ in 0..3 {
            let Outcome::Keys { keys, low } = one(&*storage, Op::TakeKeys(vec![take(1), take(7)])).await
            else {
                panic!()
            };
            assert_eq!((keys.len(), low), (1, vec![device(1)]), "an unknown device is left out");
            given.push((keys[0].one_time_prekey.clone(), keys[0].join_key.clone()));
        }
        let (first, second, last) = (Bytes::from(vec![0; 4]), Bytes::from(vec![1; 4]), "last");
        assert_eq!(given, [(first.clone(), first), (second, last.into()), (Bytes::new(), last.into())]);
        assert_eq!(storage.stock(device(1)).await.unwrap(), v1::Stock::default());
    });
}

#[test]
fn a_full_inbox_refuses_the_whole_post() {
    over_each(async |storage| {
        one(&*storage, create(1, 1)).await;
        one(&*storage, register(1, KeysOp::default())).await;
        let with = |number, to: u8, count: usize| {
            let letters = vec![(device(to), Bytes::from_static(b"letter")); count];
            Op::Post(Box::new(PostOp { letters, ..post(1, number, 0, "with letters") }))
        };
        let refused = |code: Code| Outcome::Refused(code.into());
        assert_eq!(one(&*storage, with(1, 7, 1)).await, refused(Code::UnknownDevice));
        assert_eq!(one(&*storage, with(1, 1, 65)).await, refused(Code::InboxFull));
        assert!(matches!(one(&*storage, with(1, 1, 60)).await, Outcome::Posted(_)));
        let letter = |n: u8| Op::SendLetter {
            device: device(1),
            body: Bytes::from(vec![n; 2]),
            at: 5,
            most: limits::LETTERS_PER_INBOX,
        };
        for n in 0..4 {
            assert_eq!(one(&*storage, letter(n)).await, Outcome::Done);
        }
        assert_eq!(one(&*storage, letter(4)).await, refused(Code::InboxFull));
        let waiting = storage.letters(device(1), 0).await.unwrap();
        assert_eq!(waiting.iter().map(|l| l.number).collect::<Vec<_>>(), (1..=64).collect::<Vec<_>>());
        one(&*storage, Op::AckLetters { device: device(1), up_to: 63 }).await;
        one(&*storage, letter(5)).await;
        let left = storage.letters(device(1), 0).await.unwrap();
        assert_eq!(left.iter().map(|l| l.number).collect::<Vec<_>>(), [64, 65]);
        one(&*storage, Op::AckLetters { device: device(1), up_to: u64::MAX }).await;
        assert!(storage.letters(device(1), 0).await.unwrap().is_empty());
    });
}

#[test]
fn names_persons_and_devices_belong_to_who_came_first() {
    over_each(async |storage| {
        let stock = v1::Stock { one_time_prekeys: 2, join_keys: 3 };
        assert_eq!(one(&*storage, register(1, some_keys(2, 3))).await, Outcome::Stock(stock));
        assert_eq!(one(&*storage, register(1, some_keys(2, 3))).await, Outcome::Stock(stock), "a repeat");
        let Op::Register(first) = register(1, KeysOp::default()) else { panic!() };
        let Op::Register(other) = register(2, KeysOp::default()) else { panic!() };
        let cases = [
            (RegisterOp { name: first.name.clone(), ..(*other).clone() }, Code::NameTaken),
            (RegisterOp { device_key: [9; 32], ..(*first).clone() }, Code::NameTaken),
            (RegisterOp { device: device(1), ..(*other).clone() }, Code::DeviceTaken),
            (RegisterOp { person: first.person, ..(*other).clone() }, Code::PersonTaken),
        ];
        for (op, code) in cases {
            assert_eq!(one(&*storage, Op::Register(Box::new(op))).await, Outcome::Refused(code.into()));
        }
        let found = storage.people(vec!["name1".into(), "name2".into()], vec![first.person]).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].device_list.as_ref()), ("name1", &[1, 1, 1][..]));
        assert_eq!(found[0].devices[0].bundle, "bundle");
    });
}

#[test]
fn new_one_time_keys_push_out_the_oldest_above_the_limit() {
    over_each(async |storage| {
        one(&*storage, register(1, some_keys(60, 1))).await;
        let prekeys = (60..130).map(|n| Bytes::from(vec![n; 4])).collect();
        let keys = KeysOp { prekeys, ..KeysOp::default() };
        let publish = Op::Publish { device: device(1), device_list: Bytes::new(), keys };
        let Outcome::Stock(stock) = one(&*storage, publish).await else { panic!() };
        assert_eq!((stock.one_time_prekeys, stock.join_keys), (limits::ONE_TIME_KEYS as u32, 1));
        let Outcome::Keys { keys, .. } = one(&*storage, Op::TakeKeys(vec![take(1)])).await else { panic!() };
        assert_eq!(keys[0].one_time_prekey, vec![30; 4], "the oldest that was left");
        assert_eq!(keys[0].join_key, vec![0; 4], "the other kind was not touched");
    });
}

#[test]
fn a_letter_that_waits_is_kept_once_and_strangers_leave_room() {
    over_each(async |storage| {
        one(&*storage, register(1, KeysOp::default())).await;
        let letter =
            |n: u8, most| Op::SendLetter { device: device(1), body: Bytes::from(vec![n; 9]), at: 5, most };
        for n in [1, 2, 1, 2] {
            assert_eq!(one(&*storage, letter(n, 2)).await, Outcome::Done);
        }
        assert_eq!(storage.letters(device(1), 0).await.unwrap().len(), 2);
        let full = Outcome::Refused(Code::InboxFull.into());
        assert_eq!(one(&*storage, letter(3, 2)).await, full);
        assert_eq!(one(&*storage, letter(3, 3)).await, Outcome::Done);
        one(&*storage, Op::AckLetters { device: device(1), up_to: 3 }).await;
        assert_eq!(one(&*storage, letter(1, 2)).await, Outcome::Done, "said again, once the first was read");
        assert_eq!(storage.letters(device(1), 0).await.unwrap()[0].number, 4);
    });
}

/// Small numbers, so that operations meet.
fn any_op() -> impl Strategy<Value = Op> {
    let small = 1u8..4;
    let changes = (prop::collection::vec((1u8..6, 0u64..4), 0..2), prop::collection::vec(1u8..6, 0..2));
    let letters = prop::collection::vec(1u8..4, 0..2);
    let a_post =
        (small.clone(), 1u64..5, 0u64..4, any::<bool>(), changes, letters, prop::bool::weighted(0.9));
    let a_post = a_post.prop_map(|(by, number, at_turn, takes_turn, (opens, closes), letters, own_token)| {
        let opens = opens.into_iter().map(|(n, after)| Open { seat: seat(n), claim: [n; 32], after });
        Op::Post(Box::new(PostOp {
            token: if own_token { [by; 32] } else { [0; 32] },
            takes_turn,
            opens: opens.filter(|_| takes_turn).collect(),
            closes: closes.into_iter().filter(|_| takes_turn).map(seat).collect(),
            letters: letters.into_iter().map(|n| (device(n), Bytes::from_static(b"l"))).collect(),
            slices: slices::pack([(seat(2), [by; 30]), (seat(3), [by; 30])]).unwrap(),
            ..post(by, number, at_turn, &format!("{by} {number}"))
        }))
    });
    let acks = prop::collection::vec((small.clone(), 0u64..9), 0..4).prop_map(|acks| {
        let cursor = |(of, cursor)| Cursor { channel: channel(1), seat: seat(of), cursor };
        Op::Acks(acks.into_iter().map(cursor).collect())
    });
    let letter = (small.clone(), 0u8..3).prop_map(|(n, body)| Op::SendLetter {
        device: device(n),
        body: Bytes::from(vec![body]),
        at: 7,
        most: 3,
    });
    let people = (small.clone(), 0usize..4, 0usize..4);
    let publish = people.clone().prop_map(|(n, a, b)| Op::Publish {
        device: device(n),
        device_list: Bytes::from_static(b"new"),
        keys: some_keys(a, b),
    });
    prop_oneof![
        1 => small.clone().prop_map(|first| create(1, first)),
        8 => a_post,
        3 => (1u8..6).prop_map(claim),
        3 => acks,
        1 => (0u64..3).prop_map(|days| Op::Sweep { cutoff: days * 100 * DAY, after: 0 }),
        2 => people.prop_map(|(n, a, b)| register(n, some_keys(a, b))),
        1 => publish,
        2 => prop::collection::vec(small.clone().prop_map(take), 0..3).prop_map(Op::TakeKeys),
        1 => letter,
        1 => (small, 0u64..5).prop_map(|(n, up_to)| Op::AckLetters { device: device(n), up_to }),
    ]
}

async fn all_that_is_read(storage: &dyn Storage) -> String {
    let asks = (1..6).map(|n| {
        let token = [n; 32];
        SeatAsk { channel: channel(1), seat: seat(n), token, cursor: u64::from(n) }
    });
    let mut read = format!("{:?}", storage.seats(asks.collect()).await.unwrap());
    for n in 1..6u8 {
        read += &format!("{:?}", storage.entries(all(view(n, u64::from(n) - 1), 0)).await.unwrap());
        read += &format!("{:?}", storage.letters(device(n), 0).await.unwrap());
        read += &format!("{:?}", storage.stock(device(n)).await.unwrap());
        read += &format!("{:?}", storage.device_key(device(n)).await.unwrap());
        let person = PersonId::new([n; 32]);
        read += &format!("{:?}", storage.people(vec![format!("name{n}")], vec![person]).await.unwrap());
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn random_operations_have_the_same_outcomes_everywhere(
        batches in prop::collection::vec(prop::collection::vec(any_op(), 1..8), 1..12)
    ) {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("relay.db");
            let memory = MemoryStorage::default();
            let mut sqlite = SqliteStorage::open(&path, false, None).unwrap();
            for batch in batches {
                let (a, b) = (memory.apply(batch.clone()).await, sqlite.apply(batch).await);
                prop_assert_eq!(a, b);
            }
            prop_assert_eq!(all_that_is_read(&memory).await, all_that_is_read(&sqlite).await);
            // And nothing of it is only in the memory of the process.
            sqlite.close().await.unwrap();
            sqlite = SqliteStorage::open(&path, false, None).unwrap();
            prop_assert_eq!(all_that_is_read(&memory).await, all_that_is_read(&sqlite).await);
            Ok(())
        })?;
    }
}
