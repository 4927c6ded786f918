//! What a device publishes: checked by others, topped up, rotated, forgotten in time.

use super::*;
use crate::codec::decode;
use crate::vault::Row;

const DAY: u64 = Timestamp::DAY;

fn full() -> Stock {
    Stock { one_time_prekeys: 40, join_keys: 40 }
}

fn join_key(device: &Device, bytes: &[u8]) -> JoinKey {
    UnverifiedJoinKey::read_first(bytes).unwrap().0.verify(&device.peer(), device.bench.now).unwrap()
}

impl Device {
    fn replenish(&mut self, have: Stock) -> Option<Publication> {
        let account = &self.account;
        self.bench.step(|cx| replenish(account, have, cx)).unwrap()
    }
}

#[test]
fn the_first_publication_holds_everything_and_all_of_it_verifies() {
    let mut device = Device::new("mike", 1);
    let published = device.published.clone();
    assert_eq!((published.one_time_prekeys.len(), published.join_keys.len()), (40, 40));
    assert_eq!(
        (device.bundle().device(), device.bundle().person()),
        (device.account.device_id(), device.account.person())
    );
    let list = device.account.device_list();
    for bytes in &published.one_time_prekeys {
        let read = UnverifiedOneTimePrekey::read(bytes).unwrap();
        assert!(read.verify(&list.devices()[0], device.bench.now).is_ok());
    }
    for bytes in &published.join_keys {
        let key = join_key(&device, bytes);
        assert!(!key.is_last_resort());
        let secret = join_secret(key.id(), &mut device.bench.cx()).unwrap();
        assert!(secret.kem.public() == *key.kem() && secret.signing.public() == key.signing());
        assert!(bytes.starts_with(secret.key.signed_bytes()));
    }
    assert!(join_key(&device, published.last_resort_join_key.as_ref().unwrap()).is_last_resort());
}

#[test]
fn nothing_is_published_while_enough_is_there() {
    let mut device = Device::new("mike", 1);
    assert_eq!(device.replenish(full()), None);
    assert_eq!(device.replenish(Stock { one_time_prekeys: 20, join_keys: 20 }), None);
    let low = device.replenish(Stock { one_time_prekeys: 19, join_keys: 3 }).unwrap();
    assert_eq!((low.one_time_prekeys.len(), low.join_keys.len()), (21, 37));
    assert!(low.bundle.is_none() && low.last_resort_join_key.is_none());
}

#[test]
fn a_directory_that_claims_a_full_stock_cannot_keep_stale_keys_in_use() {
    let mut device = Device::new("mike", 1);
    device.bench.now = device.bench.now.plus(61 * DAY);
    let published = device.replenish(full()).unwrap();
    assert_eq!((published.one_time_prekeys.len(), published.join_keys.len()), (100, 100));
}

#[test]
fn the_bundle_rotates_weekly_and_old_secrets_serve_for_the_retention() {
    let (mut a, mut b) = pair();
    let old = b.bundle();
    a.start_with(&b, None).unwrap();
    let message = a.seal(&b, b"late");
    b.bench.now = b.bench.now.plus(7 * DAY);
    let rotated = b.replenish(full()).unwrap();
    b.published.bundle = rotated.bundle;
    assert_ne!(b.bundle().signed_bytes(), old.signed_bytes());
    b.bench.now = b.bench.now.plus(44 * DAY);
    b.replenish(full());
    let mut late = Device { bench: Bench::new(3), account: b.account, published: b.published };
    late.bench.vault = b.bench.vault.clone();
    late.bench.now = b.bench.now;
    assert_eq!(late.open(&a, &message), Ok(b"late".to_vec()));
    assert_eq!(late.rows_under(Row::AcceptedBase), 1);
    late.bench.now = late.bench.now.plus(9 * DAY);
    late.replenish(full());
    late.bench.step(|cx| forget(a.peer().device, cx)).unwrap();
    refused(late.open(&a, &message), PeerFault::UnknownPrekey);
    assert_eq!(late.rows_under(Row::AcceptedBase), 0, "a record of replays outlives no key it guards");
    assert!(late.rows_under(Row::SignedPrekey) <= 3);
}

#[test]
fn keys_retired_at_once_are_all_replaced_still_open_and_are_deleted_after_the_grace() {
    let (mut mike, sean) = (Device::new("mike", 1), Device::new("sean", 2));
    let rows = [Row::SignedPrekey, Row::OneTimePrekey, Row::JoinKey];
    let old = mike.published.clone();
    let (join, inbox) = (join_key(&mike, &old.join_keys[0]).id(), mike.bundle());
    let mut other = sean;
    let letter = other.bench.step(|cx| inbox_seal(&inbox, b"on its way", cx)).unwrap();
    mike.bench.step(retire_all).unwrap();
    let new = mike.replenish(full()).unwrap();
    assert!(new.bundle.is_some() && new.last_resort_join_key.is_some());
    // So many that a relay which keeps 100 of a kind has none of the old ones left.
    assert_eq!((new.one_time_prekeys.len(), new.join_keys.len()), (100, 100));
    assert_eq!(mike.replenish(full()), None, "the new ones count");
    assert!(join_secret(join, &mut mike.bench.cx()).is_ok());
    let (account, opened) = (&mike.account, b"on its way".as_slice());
    assert_eq!(mike.bench.step(|cx| inbox_open(account, &letter, cx)).unwrap().as_slice(), opened);
    mike.bench.now = mike.bench.now.plus(52 * DAY);
    mike.replenish(full());
    assert!(join_secret(join, &mut mike.bench.cx()).is_err());
    assert_eq!(rows.map(|row| mike.rows_under(row) >= 1), [true; 3]);
    assert!(mike.rows_under(Row::OneTimePrekey) <= 100 && mike.rows_under(Row::JoinKey) <= 102);
}

#[test]
fn an_expired_bundle_prekey_or_join_key_is_refused() {
    let device = Device::new("mike", 1);
    let (peer, published) = (device.peer(), &device.published);
    let later = |days| device.bench.now.plus(days * DAY);
    let expired = Some(Error::from(PeerFault::Expired));
    let bundle = UnverifiedBundle::read(published.bundle.as_ref().unwrap()).unwrap();
    assert!(bundle.clone().verify(&peer, later(51)).is_ok());
    assert_eq!(bundle.verify(&peer, later(52)).err(), expired);
    let prekey = UnverifiedOneTimePrekey::read(&published.one_time_prekeys[0]).unwrap();
    assert_eq!(prekey.verify(&peer, later(90)).err(), expired);
    let join = UnverifiedJoinKey::read_first(&published.join_keys[0]).unwrap().0;
    assert_eq!(join.clone().verify(&peer, later(90)).err(), expired);
    assert_eq!(join.clone().verify(&peer, Timestamp(5)).err(), expired);
    assert!(join.verify_signature(&peer).is_ok(), "whoever sees the add does not look at a clock");
}

#[test]
fn every_flipped_bit_of_a_prekey_or_its_signature_is_refused() {
    let device = Device::new("mike", 1);
    let (peer, now) = (device.peer(), device.bench.now);
    let join = UnverifiedJoinKey::read_first(&device.published.join_keys[0]).unwrap().0;
    let (bundle, prekey, join) = (
        device.published.bundle.as_ref().unwrap(),
        &device.published.one_time_prekeys[0],
        &crate::codec::encode(&join).unwrap(),
    );
    let flips = |bytes: &[u8]| -> Vec<Vec<u8>> {
        // Every bit of the signature and of the fields before the large keys; a sample of the rest.
        let all = 0..bytes.len() * 8;
        let sampled = all.filter(|bit| *bit < 800 || *bit >= bytes.len() * 8 - 512 || bit % 97 == 0);
        let flip = |bit: usize| {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        };
        sampled.map(flip).collect()
    };
    let bad = |outcome: Result<()>| assert!(matches!(outcome, Err(Error::Peer(_))));
    for bytes in flips(bundle) {
        bad(UnverifiedBundle::read(&bytes).and_then(|read| read.verify(&peer, now)).map(drop));
    }
    for bytes in flips(prekey) {
        bad(UnverifiedOneTimePrekey::read(&bytes).and_then(|read| read.verify(&peer, now)).map(drop));
    }
    for bytes in flips(join) {
        bad(UnverifiedJoinKey::read(&bytes).and_then(|read| read.verify(&peer, now)).map(drop));
    }
    for cut in [0, 1, 2, 50, bundle.len() - 1] {
        refused(UnverifiedBundle::read(&bundle[..cut]).map(drop), PeerFault::Malformed);
    }
}

#[test]
fn what_one_device_signed_is_refused_as_anothers() {
    let (a, b) = pair();
    let read = UnverifiedBundle::read(a.published.bundle.as_ref().unwrap()).unwrap();
    refused(read.clone().verify(&b.peer(), a.bench.now).map(drop), PeerFault::BadSignature);
    // The right key under another device id, or another person.
    let other_device = PeerDevice { device: b.peer().device, ..a.peer() };
    let other_person = PeerDevice { person: b.peer().person, ..a.peer() };
    for other in [other_device, other_person] {
        refused(read.clone().verify(&other, a.bench.now).map(drop), PeerFault::WrongAddress);
    }
    // One kind of signed bytes for another.
    let prekey = a.published.one_time_prekeys[0].as_slice();
    refused(
        decode::<UnverifiedBundle>(prekey).unwrap().verify(&a.peer(), a.bench.now).map(drop),
        PeerFault::BadSignature,
    );
}

#[test]
fn a_join_key_serves_once_and_the_last_resort_is_rotated_after_use() {
    let mut device = Device::new("mike", 1);
    let one = join_key(&device, &device.published.join_keys[0]).id();
    let last = join_key(&device, device.published.last_resort_join_key.as_ref().unwrap()).id();
    device.bench.step(|cx| forget_join_key(one, cx)).unwrap();
    refused(join_secret(one, &mut device.bench.cx()).map(drop), PeerFault::UnknownPrekey);
    device.bench.step(|cx| forget_join_key(one, cx)).unwrap();
    assert_eq!(device.replenish(full()), None);
    device.bench.step(|cx| forget_join_key(last, cx)).unwrap();
    // Others may have been given it in the meantime.
    assert!(join_secret(last, &mut device.bench.cx()).is_ok());
    let rotated = device.replenish(full()).unwrap().last_resort_join_key.unwrap();
    assert_ne!(join_key(&device, &rotated).id(), last);
    device.bench.now = device.bench.now.plus(52 * DAY);
    device.replenish(full());
    refused(join_secret(last, &mut device.bench.cx()).map(drop), PeerFault::UnknownPrekey);
}

#[test]
fn letters_open_at_their_device_only_and_whole_only() {
    let (mut a, mut b) = pair();
    let letter = inbox_seal(&b.bundle(), b"come in", &mut a.bench.cx()).unwrap();
    assert_eq!(inbox_open(&b.account, &letter, &mut b.bench.cx()).unwrap().as_slice(), b"come in");
    refused(inbox_open(&a.account, &letter, &mut a.bench.cx()).map(drop), PeerFault::UnknownPrekey);
    for at in (0..letter.len()).step_by(7).chain([0, letter.len() - 1]) {
        let mut flipped = letter.clone();
        flipped[at] ^= 1;
        assert!(inbox_open(&b.account, &flipped, &mut b.bench.cx()).is_err());
        assert!(inbox_open(&b.account, &letter[..at], &mut b.bench.cx()).is_err());
    }
}

#[test]
fn a_damaged_prekey_row_is_reported() {
    let mut device = Device::new("mike", 1);
    let id = join_key(&device, &device.published.join_keys[0]).id();
    device.bench.vault.put(&crate::vault::key(Row::JoinKey, &[&id.to_be_bytes()]), b"x").unwrap();
    assert_eq!(join_secret(id, &mut device.bench.cx()).err(), Some(Error::CorruptStore));
}
