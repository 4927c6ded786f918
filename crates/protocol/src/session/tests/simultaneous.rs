//! Two devices that start at once, restart, or get messages late: they end up on one session.

use super::*;
use crate::vault::Row;

fn active(device: &mut Device, peer: &Device) -> SessionId {
    Sessions::load(&peer.peer().device, &device.bench.cx()).unwrap().active.unwrap()
}

fn both_start() -> (Device, Device, Vec<u8>, Vec<u8>) {
    let (mut a, mut b) = pair();
    a.start(&mut b);
    b.start(&mut a);
    let (from_a, from_b) = (a.seal(&b, b"a1"), b.seal(&a, b"b1"));
    (a, b, from_a, from_b)
}

fn converge(a: &mut Device, b: &mut Device) {
    say(a, b, b"a");
    say(b, a, b"b");
    say(a, b, b"a");
    assert_eq!(active(a, b), active(b, a));
}

#[test]
fn sessions_started_at_once_converge() {
    let (mut a, mut b, from_a, from_b) = both_start();
    assert_eq!(b.open(&a, &from_a), Ok(b"a1".to_vec()));
    assert_eq!(a.open(&b, &from_b), Ok(b"b1".to_vec()));
    converge(&mut a, &mut b);
}

#[test]
fn sessions_started_at_once_converge_when_one_first_message_is_lost() {
    let (mut a, mut b, from_a, _lost) = both_start();
    assert_eq!(b.open(&a, &from_a), Ok(b"a1".to_vec()));
    converge(&mut a, &mut b);
}

#[test]
fn sessions_started_at_once_converge_when_both_first_messages_are_lost() {
    let (mut a, mut b, _, _) = both_start();
    converge(&mut a, &mut b);
}

#[test]
fn repeated_rounds_of_starting_at_once_converge() {
    let (mut a, mut b) = talking();
    for round in 0..6 {
        a.start(&mut b);
        b.start(&mut a);
        let (from_a, from_b) = (a.seal(&b, b"a"), b.seal(&a, b"b"));
        if round % 2 == 0 {
            assert!(b.open(&a, &from_a).is_ok());
        }
        assert!(a.open(&b, &from_b).is_ok());
        refused(a.open(&b, &from_b), PeerFault::Duplicate);
    }
    converge(&mut a, &mut b);
}

#[test]
fn a_late_message_on_an_archived_session_opens_and_makes_it_active() {
    let (mut a, mut b) = talking();
    let (late, old) = (a.seal(&b, b"late"), active(&mut a, &b));
    a.start(&mut b);
    say(&mut a, &mut b, b"on the new one");
    assert_ne!(active(&mut b, &a), old);
    assert_eq!(b.open(&a, &late), Ok(b"late".to_vec()));
    assert_eq!(active(&mut b, &a), old);
    converge(&mut a, &mut b);
}

#[test]
fn forty_archived_sessions_are_kept_and_the_oldest_dropped_with_all_its_rows() {
    let (mut a, mut b) = pair();
    for _ in 0..45 {
        a.start_with(&b, None).unwrap();
    }
    assert_eq!((a.rows_under(Row::Session), a.rows_under(Row::FirstHeader)), (41, 41));
    say(&mut a, &mut b, b"still works");
}

#[test]
fn archived_sessions_are_dropped_after_the_retention() {
    let (mut a, mut b) = talking();
    a.start(&mut b);
    say(&mut a, &mut b, b"x");
    say(&mut b, &mut a, b"y");
    assert_eq!(a.rows_under(Row::Session), 2);
    a.bench.now = a.bench.now.plus(45 * Timestamp::DAY);
    let account = &a.account;
    a.bench.step(|cx| replenish(account, Stock::default(), cx)).unwrap();
    assert_eq!(a.rows_under(Row::Session), 1);
    say(&mut a, &mut b, b"on the active one");
}

#[test]
fn forgetting_a_device_leaves_no_row_of_it_and_none_of_others_is_touched() {
    let (mut a, mut b) = talking();
    let mut c = Device::new("steve", 3);
    a.start(&mut c);
    say(&mut a, &mut c, b"x");
    b.seal(&a, b"skipped");
    let message = b.seal(&a, b"x");
    a.open(&b, &message).unwrap();
    a.bench.step(|cx| forget(b.peer().device, cx)).unwrap();
    let id = *b.peer().device.as_bytes();
    assert!(!rows(&a.bench).iter().any(|(key, _)| key.windows(16).any(|window| window == id)));
    assert_eq!(a.try_seal(&b, b"x"), Err(Misuse::BundleNeeded.into()));
    say(&mut a, &mut c, b"y");
}
