//! Random operations have the same outcomes on every storage.

use super::*;

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
    let publish = people.clone().prop_map(|(n, a, b)| {
        Op::Publish(Box::new(PublishOp {
            device: device(n),
            device_list: Bytes::from_static(b"new"),
            device_key: (a == 0).then_some([b as u8; 32]),
            devices: (b == 0)
                .then_some(vec![(device(n), [1; 32]), (device(40 + n), [2; 32])])
                .unwrap_or_default(),
            identity_key: if a == 1 { Bytes::from(vec![b as u8; 32]) } else { Bytes::new() },
            next_identity: NextIdentity::Nothing,
            at: 0,
            keys: some_keys(a, b),
        }))
    });
    let blob = (small.clone(), 0u8..4, prop::bool::weighted(0.9)).prop_map(|(by, n, own_token)| {
        let token = if own_token { [by; 32] } else { [0; 32] };
        Op::PutBlob(Box::new(BlobOp { token, ..blobs::blob(by, &[n; 9], 100 * DAY) }))
    });
    prop_oneof![
        3 => blob,
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
        let blob = blobs::asked(n, &[n - 1; 9], 0);
        read += &format!("{:?}", storage.blob(blob).await.unwrap());
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
