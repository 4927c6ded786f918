//! The first message of a session: who can make it, who can open it, and what a refused one leaves behind (nothing).

use super::*;
use crate::codec::{decode, encode};
use crate::primitives::dh::DhPublic;
use crate::vault::Row;

/// Changes a message's decoded form and encodes it again.
fn changed(message: &[u8], change: impl FnOnce(&mut Message)) -> Vec<u8> {
    let mut message: Message = decode(message).unwrap();
    change(&mut message);
    encode(&message).unwrap()
}

fn session_count(device: &Device) -> usize {
    device.rows_under(Row::Session)
}

/// Where the base key of a first header lies: after generation, and the one-time id if there is one.
fn with_base(message: &[u8], base: [u8; 32]) -> Vec<u8> {
    changed(message, |message| {
        let first = message.head.first.as_ref().unwrap();
        let mut bytes = encode(first).unwrap();
        let at = if bytes[4] == 1 { 9 } else { 5 };
        bytes[at..at + 32].copy_from_slice(&base);
        let first: FirstHeader = decode(&bytes).unwrap();
        message.head.session = SessionId::of(&first.session_digest().unwrap());
        message.head.first = Some(first);
    })
}

#[test]
fn a_session_starts_with_a_one_time_prekey_which_is_then_gone() {
    let (mut a, mut b) = pair();
    a.start(&mut b);
    assert_eq!(has_session(b.peer().device, &mut a.bench.cx()), Ok(true));
    let before = b.rows_under(Row::OneTimePrekey);
    say(&mut a, &mut b, b"hello");
    assert_eq!(b.rows_under(Row::OneTimePrekey), before - 1);
    assert_eq!(b.rows_under(Row::AcceptedBase), 0);
    say(&mut b, &mut a, b"hello yourself");
}

#[test]
fn a_session_starts_without_a_one_time_prekey_and_the_last_resort_serves_twice() {
    let (mut a, mut b) = pair();
    let mut c = Device::new("steve", 3);
    for from in [&mut a, &mut c] {
        from.start_with(&b, None).unwrap();
        say(from, &mut b, b"hello");
        say(&mut b, from, b"hello yourself");
    }
    assert_eq!(b.rows_under(Row::AcceptedBase), 2);
}

#[test]
fn the_first_message_of_a_forgotten_session_is_a_duplicate_or_lacks_its_prekey() {
    for with_one_time in [true, false] {
        let (mut a, mut b) = pair();
        let one_time = with_one_time.then(|| b.one_time());
        a.start_with(&b, one_time.as_ref()).unwrap();
        let message = a.seal(&b, b"hello");
        b.open(&a, &message).unwrap();
        refused(b.open(&a, &message), PeerFault::Duplicate);
        b.bench.step(|cx| forget(a.peer().device, cx)).unwrap();
        let fault = if with_one_time { PeerFault::UnknownPrekey } else { PeerFault::Duplicate };
        refused(b.open(&a, &message), fault);
    }
}

#[test]
fn prekey_id_zero_is_an_id_like_any_other() {
    let mut bench = Bench::new(1);
    bench.vault.put(&crate::session::prekeys::id_key(Row::OneTimePrekey, 0), b"x").unwrap();
    // Found, and found damaged: not taken for "none".
    assert_eq!(crate::session::prekeys::one_time(0, &bench.cx()).err(), Some(Error::CorruptStore));
}

#[test]
fn missing_prekeys_are_an_error_that_changes_nothing() {
    let (mut a, mut b) = pair();
    a.start(&mut b);
    let message = a.seal(&b, b"hello");
    for row in [Row::OneTimePrekey, Row::SignedPrekey] {
        let whole = b.bench.vault.clone();
        crate::vault::delete_all(&mut b.bench.vault, &[row as u8]).unwrap();
        refused(b.open(&a, &message), PeerFault::UnknownPrekey);
        b.bench.vault = whole;
    }
    assert_eq!(b.open(&a, &message), Ok(b"hello".to_vec()));
}

#[test]
fn the_first_header_is_repeated_until_the_first_answer() {
    let (mut a, mut b) = pair();
    a.start(&mut b);
    let messages: Vec<_> = (0..3u8).map(|n| a.seal(&b, &[n])).collect();
    // The last one suffices to start, and the others are no second session.
    for n in [2, 0, 1u8] {
        assert_eq!(b.open(&a, &messages[n as usize]), Ok(vec![n]));
    }
    assert_eq!(session_count(&b), 1);
    say(&mut b, &mut a, b"answer");
    assert_eq!(a.rows_under(Row::FirstHeader), 0);
    let later = a.seal(&b, b"x");
    assert!(later.len() <= 1 + 110, "{}", later.len());
    assert!(messages[0].len() <= 1 + 1800, "{}", messages[0].len());
}

#[test]
fn a_repeated_first_message_is_a_duplicate_and_no_second_session() {
    let (mut a, mut b) = pair();
    a.start(&mut b);
    let message = a.seal(&b, b"hello");
    b.open(&a, &message).unwrap();
    refused(b.open(&a, &message), PeerFault::Duplicate);
    assert_eq!(session_count(&b), 1);
    say(&mut b, &mut a, b"answer");
    refused(b.open(&a, &message), PeerFault::Duplicate);
}

#[test]
fn a_corrupted_first_message_changes_nothing_and_the_true_one_still_opens() {
    let (mut a, mut b) = pair();
    a.start(&mut b);
    let message = a.seal(&b, b"hello");
    for at in (0..message.len()).step_by(11).chain([message.len() - 1]) {
        let mut flipped = message.clone();
        flipped[at] ^= 0x10;
        assert!(b.open(&a, &flipped).is_err(), "byte {at}");
    }
    for cut in (0..message.len()).step_by(13) {
        assert!(b.open(&a, &message[..cut]).is_err());
    }
    assert_eq!(b.open(&a, &message), Ok(b"hello".to_vec()));
}

#[test]
fn a_corrupted_first_message_leaves_archived_sessions_alone() {
    let (mut a, mut b) = talking();
    a.start(&mut b);
    let mut message = a.seal(&b, b"new");
    let last = message.len() - 1;
    message[last] ^= 1;
    refused(b.open(&a, &message), PeerFault::DoesNotOpen);
    say(&mut b, &mut a, b"on the old one");
}

#[test]
fn base_keys_that_are_not_canonical_or_of_small_order_are_refused() {
    let (mut a, mut b) = pair();
    a.start(&mut b);
    let message = a.seal(&b, b"hello");
    // The header that hides the initiator covers the base key, so a relay's change fails there already; an initiator that
    // chose such a key itself is refused by the agreement (`dh`).
    let mut high_bit = [9; 32];
    high_bit[31] |= 0x80;
    let mut one = [0; 32];
    one[0] = 1;
    for base in [high_bit, one, [0; 32]] {
        refused(b.open(&a, &with_base(&message, base)), PeerFault::DoesNotOpen);
        let base: DhPublic = decode(&base).unwrap();
        assert_eq!(b.account.device_dh().agree(&base).err(), Some(PeerFault::BadKey.into()));
    }
}

#[test]
fn an_all_zero_agreement_in_a_bundle_or_ratchet_key_is_refused() {
    let (mut a, b) = pair();
    let mut bundle = b.bundle();
    bundle.body.prekey = decode(&[0; 32]).unwrap();
    let (peer, account) = (b.peer(), &a.account);
    let outcome = a.bench.step(|cx| start(account, &peer, 1, &bundle, None, cx));
    refused(outcome, PeerFault::BadKey);
    let (mut a, mut b) = talking();
    let message = a.seal(&b, b"hello");
    let zero = changed(&message, |message| message.head.header.ratchet = decode(&[0; 32]).unwrap());
    refused(b.open(&a, &zero), PeerFault::BadKey);
    assert_eq!(b.open(&a, &message), Ok(b"hello".to_vec()));
}

#[test]
fn a_first_message_replayed_as_from_another_or_to_another_is_refused() {
    let (mut a, mut b) = pair();
    let (c, mut d) = (Device::new("steve", 3), Device::new("dave", 4));
    a.start(&mut b);
    let message = a.seal(&b, b"hello");
    refused(b.open(&c, &message), PeerFault::WrongAddress);
    refused(d.open(&a, &message), PeerFault::UnknownPrekey);
    // The right device under another person's name, or with another key.
    let (as_other, other_key) =
        (PeerDevice { person: c.peer().person, ..a.peer() }, PeerDevice { dh: c.peer().dh, ..a.peer() });
    for peer in [as_other, other_key] {
        refused(b.open_from(&peer, &message), PeerFault::WrongAddress);
    }
    assert_eq!(b.open(&a, &message), Ok(b"hello".to_vec()));
    // The prekey is used up by now, whoever is said to have sent this.
    let later = a.seal(&b, b"more");
    refused(b.open(&c, &later), PeerFault::UnknownPrekey);
}

#[test]
fn a_first_message_for_the_same_prekeys_at_another_address_does_not_open() {
    let (mut a, mut b) = pair();
    a.start(&mut b);
    let message = a.seal(&b, b"hello");
    // Another account that holds the very same prekeys: only who it is differs.
    let mut other = Device::new("dave", 4);
    let whole = b.bench.vault.scan(&[]).unwrap();
    for found in whole.iter().filter(|found| found.key[0] != Row::Account as u8) {
        other.bench.vault.put(&found.key, &found.value).unwrap();
    }
    refused(other.open(&a, &message), PeerFault::DoesNotOpen);
}

#[test]
fn a_bundle_or_prekey_of_another_device_starts_nothing() {
    let (mut a, b) = pair();
    let mut c = Device::new("steve", 3);
    let foreign = c.one_time();
    refused(a.start_with(&b, Some(&foreign)), PeerFault::WrongAddress);
    let (peer, bundle, account) = (b.peer(), c.bundle(), &a.account);
    let outcome = a.bench.step(|cx| start(account, &peer, 1, &bundle, None, cx));
    refused(outcome, PeerFault::WrongAddress);
}

#[test]
fn an_unanswered_session_is_used_for_the_retention_and_no_longer() {
    let (mut a, mut b) = pair();
    assert_eq!(a.try_seal(&b, b"x"), Err(Misuse::BundleNeeded.into()));
    a.start(&mut b);
    a.bench.now = a.bench.now.plus(45 * Timestamp::DAY - 1);
    let message = a.seal(&b, b"still");
    a.bench.now = a.bench.now.plus(1);
    assert_eq!(a.try_seal(&b, b"x"), Err(Misuse::BundleNeeded.into()));
    assert_eq!(has_session(b.peer().device, &mut a.bench.cx()), Ok(false));
    // What was sent in time is read, and the answer revives the session.
    assert_eq!(b.open(&a, &message), Ok(b"still".to_vec()));
    say(&mut b, &mut a, b"here");
    say(&mut a, &mut b, b"there");
}

#[test]
fn a_first_message_hides_who_sent_it() {
    let (mut a, mut b) = pair();
    a.start(&mut b);
    let (message, peer) = (a.seal(&b, b"hello"), a.peer());
    for id in
        [&peer.person.as_bytes()[..], peer.device.as_bytes(), peer.dh.as_bytes(), peer.signing.as_bytes()]
    {
        assert!(!message.windows(id.len()).any(|window| window == id));
    }
}

#[test]
fn the_same_seeds_give_the_same_bytes() {
    let run = || {
        let (mut a, mut b) = talking();
        (a.seal(&b, b"x"), b.seal(&a, b"y"), rows(&a.bench), rows(&b.bench))
    };
    assert!(run() == run());
}

#[test]
fn a_first_message_on_its_way_to_the_keys_before_opens_for_as_long_as_anything_waits() {
    let (mut mike, mut sean) = pair();
    let mut late = Device::new("late", 3);
    mike.start(&mut sean);
    late.start(&mut sean);
    let (on_its_way, too_late) = (mike.seal(&sean, b"to the keys before"), late.seal(&sean, b"too late"));
    for _ in 0..2 {
        sean.bench.step(|cx| sean.account.prepare_keys(cx)).unwrap();
        sean.bench.step(Account::take_over_keys).unwrap();
        sean.account = Account::load(&mut sean.bench.cx()).unwrap();
    }
    assert_eq!(sean.open(&mike, &on_its_way), Ok(b"to the keys before".to_vec()));
    assert_eq!(sean.rows_under(crate::vault::Row::FormerDevice), 2);
    sean.bench.now = sean.bench.now.plus(super::super::GRACE);
    sean.bench.step(|cx| replenish(&sean.account, Stock::default(), cx)).unwrap();
    assert_eq!(sean.rows_under(crate::vault::Row::FormerDevice), 0);
    assert!(sean.open(&late, &too_late).is_err());
}
