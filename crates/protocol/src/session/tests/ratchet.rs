//! An established session under all that a network can do to it.

use super::*;
use crate::codec::{Count, decode, encode};
use crate::vault::Row;

#[test]
fn messages_open_in_order_both_ways() {
    let (mut a, mut b) = talking();
    for n in 0..20u8 {
        say(&mut a, &mut b, &[n]);
        if n % 3 == 0 {
            say(&mut b, &mut a, &[n, n]);
        }
    }
}

#[test]
fn messages_open_out_of_order_over_several_ratchet_steps() {
    let (mut a, mut b) = talking();
    let mut late = Vec::new();
    for round in 0..5u8 {
        for n in 0..4 {
            late.push((a.seal(&b, &[round, n]), vec![round, n]));
        }
        let on_time = a.seal(&b, b"on time");
        assert!(b.open(&a, &on_time).is_ok());
        say(&mut b, &mut a, b"answer");
    }
    assert_eq!(b.rows_under(Row::Skipped), 20);
    for (message, text) in late.into_iter().rev() {
        assert_eq!(b.open(&a, &message), Ok(text));
    }
    assert_eq!((b.rows_under(Row::Skipped), b.rows_under(Row::SkippedOrder)), (0, 0));
}

#[test]
fn a_gap_is_recovered_later_and_lost_messages_stop_nothing() {
    let (mut a, mut b) = talking();
    let lost: Vec<_> = (0..10u8).map(|n| a.seal(&b, &[n])).collect();
    say(&mut a, &mut b, b"after the gap");
    say(&mut b, &mut a, b"answer");
    say(&mut a, &mut b, b"next chain");
    assert_eq!(b.open(&a, &lost[3]), Ok(vec![3]));
}

#[test]
fn repeats_are_duplicates_on_this_chain_and_on_those_before() {
    let (mut a, mut b) = talking();
    let mut repeated = Vec::new();
    for _ in 0..4 {
        let skipped = a.seal(&b, b"skipped");
        let message = a.seal(&b, b"x");
        for message in [&message, &skipped] {
            b.open(&a, message).unwrap();
            refused(b.open(&a, message), PeerFault::Duplicate);
        }
        repeated.extend([message, skipped]);
        say(&mut b, &mut a, b"answer");
    }
    for message in &repeated {
        refused(b.open(&a, message), PeerFault::Duplicate);
    }
}

#[test]
fn a_corrupted_message_changes_nothing_and_the_true_one_still_opens() {
    let (mut a, mut b) = talking();
    let skipped = a.seal(&b, b"skipped");
    say(&mut a, &mut b, b"x");
    say(&mut b, &mut a, b"answer");
    let message = a.seal(&b, b"hello");
    for message in [&message, &skipped] {
        for bit in 0..message.len() * 8 {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(b.open(&a, &flipped), Err(Error::Peer(_))), "bit {bit}");
        }
    }
    assert_eq!(b.open(&a, &message), Ok(b"hello".to_vec()));
    assert_eq!(b.open(&a, &skipped), Ok(b"skipped".to_vec()));
}

#[test]
fn other_associated_data_does_not_open() {
    let (mut a, mut b) = talking();
    let (peer, message) = (a.peer(), a.seal(&b, b"hello"));
    let outcome = open_salted(&b.account, &peer, b"other", &message, &mut b.bench.cx());
    assert_eq!(outcome.err(), Some(PeerFault::DoesNotOpen.into()));
    assert_eq!(b.open(&a, &message), Ok(b"hello".to_vec()));
}

#[test]
fn nonsense_is_refused_by_name() {
    let (mut a, mut b) = talking();
    let message = a.seal(&b, b"hello");
    refused(b.open(&a, b""), PeerFault::Malformed);
    refused(b.open(&a, &[&[2], &message[1..]].concat()), PeerFault::UnknownVersion);
    refused(b.open(&a, &[&message[..], &[0]].concat()), PeerFault::DoesNotOpen);
    for cut in 1..message.len() {
        let outcome = b.open(&a, &message[..cut]);
        assert!(matches!(outcome, Err(Error::Peer(PeerFault::Malformed | PeerFault::DoesNotOpen))), "{cut}");
    }
    let mut unknown = message.clone();
    unknown[1] ^= 1;
    refused(b.open(&a, &unknown), PeerFault::UnknownSession);
    let stranger = Device::new("steve", 3);
    refused(b.open(&stranger, &message), PeerFault::UnknownSession);
}

#[test]
fn a_jump_of_25_000_is_taken_and_a_longer_one_refused() {
    let (mut a, mut b) = talking();
    say(&mut a, &mut b, b"x");
    let skip = |a: &mut Device, b: &Device, count: u32| {
        let scope = Sessions::load(&b.peer().device, &a.bench.cx()).unwrap().active.unwrap();
        let scope = scope.scope(&b.peer().device);
        let mut cx = a.bench.cx();
        let mut session = Session::load(&scope, &cx).unwrap();
        for _ in 0..count {
            session.ratchet.next_sending(&mut cx).unwrap();
        }
        session.save(&scope, &mut cx).unwrap();
    };
    let before = a.bench.vault.clone();
    skip(&mut a, &b, 25_001);
    let too_far = a.seal(&b, b"too far");
    refused(b.open(&a, &too_far), PeerFault::TooFarAhead);
    a.bench.vault = before;
    skip(&mut a, &b, 25_000);
    let far = a.seal(&b, b"far");
    assert_eq!(b.open(&a, &far), Ok(b"far".to_vec()));
    assert_eq!(b.rows_under(Row::Skipped), skipped::MAX);
}

#[test]
fn the_length_of_the_chain_before_is_bounded_as_well() {
    let (mut a, mut b) = talking();
    let message = a.seal(&b, b"x");
    let mut read: Message = decode(&message).unwrap();
    read.head.header.previous = Count(30_000);
    refused(b.open(&a, &encode(&read).unwrap()), PeerFault::TooFarAhead);
}

#[test]
fn of_2300_in_flight_the_newest_2000_are_kept_and_the_oldest_are_duplicates() {
    let (mut a, mut b) = talking();
    let in_flight: Vec<_> = (0..2300u32).map(|n| a.seal(&b, &n.to_be_bytes())).collect();
    say(&mut a, &mut b, b"last");
    assert_eq!(b.rows_under(Row::Skipped), 2000);
    for n in [0usize, 150, 299] {
        refused(b.open(&a, &in_flight[n]), PeerFault::Duplicate);
    }
    for n in [300u32, 1200, 2299] {
        assert_eq!(b.open(&a, &in_flight[n as usize]), Ok(n.to_be_bytes().to_vec()));
    }
}

#[test]
fn keys_that_served_do_not_count_against_the_bound() {
    let (mut a, mut b) = talking();
    for _ in 0..2 {
        let in_flight: Vec<_> = (0..1100u32).map(|n| a.seal(&b, &n.to_be_bytes())).collect();
        say(&mut a, &mut b, b"last");
        for message in &in_flight {
            assert!(b.open(&a, message).is_ok());
        }
    }
    let kept = a.seal(&b, b"kept");
    say(&mut a, &mut b, b"x");
    assert_eq!(b.open(&a, &kept), Ok(b"kept".to_vec()));
}

#[test]
fn a_skipped_key_is_kept_for_the_retention_and_no_longer() {
    let (mut a, mut b) = talking();
    let (early, late) = (a.seal(&b, b"early"), a.seal(&b, b"late"));
    say(&mut a, &mut b, b"x");
    b.bench.now = b.bench.now.plus(45 * Timestamp::DAY - 1);
    assert_eq!(b.open(&a, &early), Ok(b"early".to_vec()));
    b.bench.now = b.bench.now.plus(1);
    refused(b.open(&a, &late), PeerFault::Duplicate);
    let account = &b.account;
    b.bench.step(|cx| replenish(account, Stock::default(), cx)).unwrap();
    assert_eq!(b.rows_under(Row::Skipped), 0);
}

#[test]
fn a_step_rewrites_small_rows_only() {
    let (mut a, mut b) = talking();
    for _ in 0..12 {
        say(&mut a, &mut b, b"x");
        say(&mut b, &mut a, b"y");
    }
    let session = &a.bench.vault.scan(&[Row::Session as u8]).unwrap()[0];
    assert!(session.value.len() <= 1000, "{}", session.value.len());
}

#[test]
fn a_damaged_session_that_is_needed_is_reported_and_one_that_is_not_is_ignored() {
    let (mut a, mut b) = talking();
    let before = b.bench.vault.scan(&[Row::Session as u8]).unwrap().remove(0).key;
    let old = a.seal(&b, b"on the old one");
    a.start(&mut b);
    say(&mut a, &mut b, b"on the new one");
    b.bench.vault.put(&before, b"damaged").unwrap();
    say(&mut b, &mut a, b"fine");
    assert_eq!(b.open(&a, &old), Err(Error::CorruptStore));
    for found in b.bench.vault.scan(&[Row::Session as u8]).unwrap() {
        b.bench.vault.put(&found.key, b"damaged").unwrap();
    }
    assert_eq!(b.try_seal(&a, b"x"), Err(Error::CorruptStore));
    // A new session heals it.
    b.start(&mut a);
    say(&mut b, &mut a, b"again");
}

#[test]
fn a_thief_of_the_state_is_locked_out_by_a_round_trip() {
    let (a, mut b) = talking();
    let mut thief = Device { bench: Bench::new(9), account: a.account, published: Publication::default() };
    thief.bench.vault = a.bench.vault.clone();
    let mut a = Device {
        bench: a.bench,
        account: Account::load(&mut thief.bench.cx()).unwrap(),
        published: a.published,
    };
    let readable = b.seal(&a, b"before the heal");
    assert!(thief.open(&b, &readable).is_ok());
    a.open(&b, &readable).unwrap();
    say(&mut a, &mut b, b"fresh key");
    let healed = b.seal(&a, b"after the heal");
    refused(thief.open(&b, &healed), PeerFault::DoesNotOpen);
    assert!(a.open(&b, &healed).is_ok());
}
