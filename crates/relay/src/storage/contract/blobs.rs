//! What every storage must do with blobs.

use super::*;

pub(super) fn blob(by: u8, bytes: &[u8], at: u64) -> BlobOp {
    let (bytes, hash) = (Bytes::copy_from_slice(bytes), Sha256::digest(bytes).into());
    BlobOp { channel: channel(1), seat: seat(by), token: [by; 32], hash, bytes, at }
}

pub(super) fn asked(by: u8, bytes: &[u8], cutoff: u64) -> BlobAsk {
    let hash = Sha256::digest(bytes).into();
    BlobAsk { channel: channel(1), seat: seat(by), token: [by; 32], hash, cutoff }
}

async fn put(storage: &dyn Storage, op: BlobOp) -> Outcome {
    one(storage, Op::PutBlob(Box::new(op))).await
}

async fn get(storage: &dyn Storage, ask: BlobAsk) -> Result<Bytes, Code> {
    storage.blob(ask).await.unwrap()
}

fn refused(code: Code) -> Outcome {
    Outcome::Refused(code.into())
}

#[test]
fn a_blob_is_put_by_open_seats_and_got_by_those_who_may_read() {
    over_each(async |storage| {
        let storage = &*storage;
        one(storage, create(1, 1)).await;
        one(storage, Op::Post(Box::new(opening(1, 1, 0, 2, 0)))).await;
        assert_eq!(put(storage, blob(1, b"piece", 5)).await, Outcome::Done);
        assert_eq!(put(storage, blob(1, b"piece", 5)).await, Outcome::Done, "once more");
        let stranger = BlobOp { token: [9; 32], ..blob(1, b"other", 5) };
        assert_eq!(put(storage, stranger).await, refused(Code::WrongToken));
        assert_eq!(put(storage, blob(2, b"other", 5)).await, refused(Code::Unclaimed));
        assert_eq!(put(storage, blob(3, b"other", 5)).await, refused(Code::UnknownSeat));
        let elsewhere = BlobOp { channel: channel(2), ..blob(1, b"other", 5) };
        assert_eq!(put(storage, elsewhere).await, refused(Code::UnknownChannel));
        assert_eq!(get(storage, asked(1, b"other", 0)).await, Err(Code::UnknownBlob));
        assert_eq!(get(storage, asked(2, b"piece", 0)).await, Err(Code::Unclaimed));
        one(storage, claim(2)).await;
        assert_eq!(get(storage, asked(2, b"piece", 0)).await.unwrap(), "piece");
        let forged = BlobAsk { token: [9; 32], ..asked(2, b"piece", 0) };
        assert_eq!(get(storage, forged).await, Err(Code::WrongToken));
        one(storage, create(2, 1)).await;
        let elsewhere = BlobAsk { channel: channel(2), ..asked(1, b"piece", 0) };
        assert_eq!(get(storage, elsewhere).await, Err(Code::UnknownBlob), "it is in another channel");
    });
}

#[test]
fn a_closed_seat_puts_nothing_and_gets_what_it_still_reads_of() {
    over_each(async |storage| {
        let storage = &*storage;
        one(storage, create(1, 1)).await;
        one(storage, Op::Post(Box::new(opening(1, 1, 0, 2, 0)))).await;
        one(storage, claim(2)).await;
        put(storage, blob(1, b"piece", 5)).await;
        let closing = PostOp { takes_turn: true, closes: vec![seat(2)], ..post(1, 2, 1, "closes 2") };
        one(storage, Op::Post(Box::new(closing))).await;
        assert_eq!(put(storage, blob(2, b"other", 5)).await, refused(Code::Closed));
        assert_eq!(get(storage, asked(2, b"piece", 0)).await.unwrap(), "piece", "the welcome names it");
        let read = Cursor { channel: channel(1), seat: seat(2), cursor: 2 };
        one(storage, Op::Acks(vec![read])).await;
        assert_eq!(get(storage, asked(2, b"piece", 0)).await, Err(Code::Closed));
    });
}

#[test]
fn old_blobs_are_served_no_more_and_freed_in_steps_but_for_those_put_again() {
    over_each(async |storage| {
        let storage = &*storage;
        one(storage, create(1, 1)).await;
        for n in 0..100 {
            put(storage, blob(1, &[n], 5)).await;
        }
        put(storage, blob(1, &[0], 7)).await;
        put(storage, blob(1, &[0], 6)).await;
        assert_eq!(get(storage, asked(1, &[1], 6)).await, Err(Code::UnknownBlob));
        assert_eq!(get(storage, asked(1, &[1], 5)).await.unwrap(), vec![1], "it is not freed yet");
        let (mut after, mut steps) = (0, Vec::new());
        loop {
            let swept = one(storage, Op::Sweep { cutoff: 6, after }).await;
            let Outcome::Swept { next, freed } = swept else { panic!() };
            steps.push(freed);
            let Some(next) = next else { break };
            after = next;
        }
        assert_eq!(steps, [64, 35]);
        assert_eq!(get(storage, asked(1, &[1], 0)).await, Err(Code::UnknownBlob));
        assert_eq!(get(storage, asked(1, &[0], 7)).await.unwrap(), vec![0]);
    });
}

#[test]
fn a_channel_takes_blobs_up_to_its_bound_and_again_once_they_expired() {
    over_each(async |storage| {
        let storage = &*storage;
        one(storage, create(1, 1)).await;
        let weight = (limits::BLOB_BYTES + limits::BLOB_WEIGHT) as u64;
        let fit = limits::BLOBS_PER_CHANNEL as u64 / weight;
        let mut bytes = vec![0; limits::BLOB_BYTES];
        for n in 0..fit {
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            assert_eq!(put(storage, blob(1, &bytes, 5)).await, Outcome::Done, "{n}");
        }
        assert_eq!(put(storage, blob(1, &bytes, 5)).await, Outcome::Done, "it is there already");
        bytes[0] = 1;
        assert_eq!(put(storage, blob(1, &bytes, 6)).await, refused(Code::StorageFull));
        one(storage, Op::Sweep { cutoff: 6, after: 0 }).await;
        assert_eq!(put(storage, blob(1, &bytes, 6)).await, Outcome::Done);
    });
}
