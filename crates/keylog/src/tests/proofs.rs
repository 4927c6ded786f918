//! Proofs show what is logged, and nothing else.

use super::{Log, value};
use crate::{KeyLogError, Logged, Span, codec};

#[tokio::test]
async fn a_lookup_shows_the_newest_version_and_no_other_name() {
    let log = Log::of_three().await;
    let proof = log.lookup("mike").await;
    let shown = log.newest().lookup("mike", &proof);
    assert_eq!(shown, Ok(Logged { version: 5, epoch: 5, value: value("mike", 5) }));
    assert_eq!(log.newest().lookup("sean", &proof), Err(KeyLogError::BadProof));
    let shown = log.newest().lookup("sean", &log.lookup("sean").await);
    assert_eq!(shown, Ok(Logged { version: 1, epoch: 1, value: value("sean", 1) }));
}

#[tokio::test]
async fn a_proof_is_for_one_root() {
    let mut log = Log::of_three().await;
    let (lookup, history) = (log.lookup("mike").await, log.history("mike", None).await);
    log.publish(&[("mike", 6)]).await;
    for root in [&log.roots[4], log.newest()] {
        assert_eq!(root.lookup("mike", &lookup), Err(KeyLogError::BadProof));
        assert_eq!(root.history("mike", &history, Span::Complete), Err(KeyLogError::BadProof));
    }
}

#[tokio::test]
async fn the_same_value_again_is_no_version() {
    let mut log = Log::of_three().await;
    log.publish(&[("mike", 5), ("sean", 2)]).await;
    let shown = log.newest().lookup("mike", &log.lookup("mike").await).unwrap();
    assert_eq!((shown.version, shown.epoch), (5, 5));
}

#[tokio::test]
async fn a_history_is_complete_or_is_none() {
    let log = Log::of_three().await;
    let shown = log.newest().history("mike", &log.history("mike", None).await, Span::Complete).unwrap();
    let wanted = |version: u8| Logged {
        version: version.into(),
        epoch: version.into(),
        value: value("mike", version),
    };
    assert_eq!(shown, [5, 4, 3, 2, 1].map(wanted));
    let newest = log.history("mike", Some(2)).await;
    assert_eq!(log.newest().history("mike", &newest, Span::Complete), Err(KeyLogError::BadProof));
    let shown = log.newest().history("mike", &newest, Span::Newest(2)).unwrap();
    assert_eq!(shown, [5, 4].map(wanted));
    assert_eq!(log.newest().history("sean", &newest, Span::Newest(2)), Err(KeyLogError::BadProof));
}

#[tokio::test]
async fn every_flipped_bit_of_a_lookup_is_refused() {
    let log = Log::of_three().await;
    let proof = log.lookup("mike").await;
    for bit in 0..proof.len() * 8 {
        let mut flipped = proof.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(log.newest().lookup("mike", &flipped).is_err(), "bit {bit}");
    }
    for length in 0..proof.len() {
        assert_eq!(log.newest().lookup("mike", &proof[..length]), Err(KeyLogError::Malformed));
    }
    let longer = [&proof[..], &[0]].concat();
    assert_eq!(log.newest().lookup("mike", &longer), Err(KeyLogError::Malformed));
}

#[tokio::test]
async fn a_flipped_bit_in_each_byte_of_a_history_is_refused() {
    let log = Log::of_three().await;
    let proof = log.history("mike", None).await;
    for at in 0..proof.len() {
        let mut flipped = proof.clone();
        flipped[at] ^= 1 << (at % 8);
        assert!(log.newest().history("mike", &flipped, Span::Complete).is_err(), "byte {at}");
    }
}

#[tokio::test]
async fn proofs_come_back_from_their_bytes() {
    let log = Log::of_three().await;
    for name in ["mike", "sean", "steve"] {
        let proof = log.lookup(name).await;
        assert_eq!(codec::encode_lookup(&codec::decode_lookup(&proof).unwrap()).unwrap(), proof);
        let proof = log.history(name, None).await;
        assert_eq!(codec::encode_history(&codec::decode_history(&proof).unwrap()).unwrap(), proof);
    }
    for epoch in 1..=5 {
        let proof = log.growth(epoch).await;
        assert_eq!(codec::encode_growth(&codec::decode_growth(&proof).unwrap()).unwrap(), proof);
    }
}

/// One name alone: the root has an empty side.
#[tokio::test]
async fn the_first_name_of_all_is_shown() {
    let mut log = Log::new().await;
    log.publish(&[("mike", 1)]).await;
    let shown = log.newest().lookup("mike", &log.lookup("mike").await).unwrap();
    assert_eq!((shown.version, shown.epoch, shown.value), (1, 1, value("mike", 1)));
    let history = log.history("mike", None).await;
    assert_eq!(log.newest().history("mike", &history, Span::Complete).unwrap(), [shown]);
}
