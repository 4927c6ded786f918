//! Device lists and the account: what is accepted, what is refused, what survives.

use super::*;
use crate::codec;
use crate::primitives::dh::DhSecret;
use crate::primitives::sign::SigningKey;
use crate::testing::Bench;
use crate::{Context, Error, Misuse, PeerFault, Timestamp};

fn listed(cx: &mut Context) -> ListedDevice {
    let (signing, dh) = (SigningKey::generate(cx), DhSecret::generate(cx));
    ListedDevice { device: DeviceId::random(cx), signing: *signing.public(), dh: *dh.public() }
}

fn verify(bytes: &[u8]) -> crate::Result<DeviceList> {
    UnverifiedDeviceList::read(bytes)?.verify()
}

#[test]
fn a_signed_list_verifies_and_says_what_was_signed() {
    let mut bench = Bench::new(1);
    let (mut cx, now) = (bench.cx(), Timestamp(5));
    let identity = SigningKey::generate(&mut cx);
    let devices: Vec<_> = (0..MAX_DEVICES).map(|_| listed(&mut cx)).collect();
    let list = DeviceList::sign(&identity, 7, devices.clone(), now).unwrap();
    let read = verify(list.signed_bytes()).unwrap();
    assert_eq!(read, list);
    assert_eq!((read.version(), read.person()), (7, &PersonId::of(identity.public())));
    assert!(
        !read.is_expired(now.plus(90 * Timestamp::DAY - 1)) && read.is_expired(now.plus(90 * Timestamp::DAY))
    );
    assert!(devices.iter().all(|device| read.device(device.device) == Some(device)));
}

#[test]
fn every_flipped_bit_and_every_cut_of_a_list_is_refused() {
    let mut bench = Bench::new(2);
    let list = Account::create(Handle::parse("mike@h").unwrap(), &mut bench.cx()).unwrap().device_list();
    let bytes = list.signed_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&flipped).is_err(), "bit {bit}");
    }
    for cut in 0..bytes.len() {
        assert_eq!(verify(&bytes[..cut]).err(), Some(PeerFault::Malformed.into()));
    }
    assert_eq!(verify(&[bytes, &[0]].concat()).err(), Some(PeerFault::Malformed.into()));
}

#[test]
fn a_list_with_no_repeated_or_too_many_devices_is_refused() {
    let mut bench = Bench::new(3);
    let mut cx = bench.cx();
    let identity = SigningKey::generate(&mut cx);
    let one = listed(&mut cx);
    let many = (0..=MAX_DEVICES).map(|_| listed(&mut cx)).collect();
    for devices in [vec![], vec![one, one], many] {
        let list = DeviceList::sign(&identity, 1, devices, Timestamp(5)).unwrap();
        assert_eq!(verify(list.signed_bytes()).err(), Some(PeerFault::Malformed.into()));
    }
}

#[test]
fn an_older_list_or_another_persons_never_replaces_the_known_one() {
    let mut bench = Bench::new(4);
    let mut cx = bench.cx();
    let (identity, other) = (SigningKey::generate(&mut cx), SigningKey::generate(&mut cx));
    let (one, two) = (listed(&mut cx), listed(&mut cx));
    let sign = |key: &SigningKey, version, device| {
        DeviceList::sign(key, version, vec![device], Timestamp(5)).unwrap()
    };
    let known = sign(&identity, 2, one);
    assert_eq!(sign(&identity, 3, two).newer(&known), Ok(()));
    assert_eq!(known.newer(&known), Ok(()));
    assert_eq!(sign(&identity, 1, one).newer(&known), Err(PeerFault::RolledBack.into()));
    assert_eq!(sign(&identity, 2, two).newer(&known), Err(PeerFault::RolledBack.into()));
    assert_eq!(sign(&other, 3, one).newer(&known), Err(PeerFault::WrongAddress.into()));
}

#[test]
fn an_account_is_made_once_and_found_again() {
    let mut bench = Bench::new(5);
    let handle = Handle::parse("mike@example.org").unwrap();
    assert_eq!(Account::load(&mut bench.cx()).err(), Some(Misuse::NoAccount.into()));
    let mut made = bench.step(|cx| Account::create(handle.clone(), cx)).unwrap();
    let again = bench.step(|cx| Account::create(handle, cx));
    assert_eq!(again.err(), Some(Misuse::AccountExists.into()));
    let moved = Handle::parse("mike@example.org:7600").unwrap();
    bench.step(|cx| made.set_handle(moved.clone(), cx)).unwrap();
    let found = Account::load(&mut bench.cx()).unwrap();
    assert!(found.handle() == &moved && found.as_peer() == made.as_peer());
    assert_eq!(found.device_list(), made.device_list());
    assert_eq!(found.device_list().peer(*found.device_id()), Some(found.as_peer()));
}

#[test]
fn a_list_is_signed_anew_after_thirty_days_and_then_is_newer() {
    let mut bench = Bench::new(6);
    let mut account = Account::create(Handle::parse("mike@h").unwrap(), &mut bench.cx()).unwrap();
    let first = account.device_list();
    bench.now = bench.now.plus(30 * Timestamp::DAY - 1);
    assert_eq!(account.renew_list(&mut bench.cx()), Ok(None));
    bench.now = bench.now.plus(1);
    let renewed = account.renew_list(&mut bench.cx()).unwrap().unwrap();
    assert_eq!(renewed.newer(&first), Ok(()));
    assert!(verify(renewed.signed_bytes()).is_ok() && renewed.expires() > first.expires());
    assert_eq!(Account::load(&mut bench.cx()).unwrap().device_list(), renewed);
}

#[test]
fn a_damaged_account_row_is_reported() {
    let mut bench = Bench::new(7);
    Account::create(Handle::parse("mike@h").unwrap(), &mut bench.cx()).unwrap();
    let row = crate::vault::key(crate::vault::Row::Account, &[]);
    let stored = crate::Vault::get(&bench.vault, &row).unwrap().unwrap();
    for damaged in [&stored[..stored.len() - 1], &[], &[&[9], &stored[1..]].concat()[..]] {
        crate::Vault::put(&mut bench.vault, &row, damaged).unwrap();
        assert_eq!(Account::load(&mut bench.cx()).err(), Some(Error::CorruptStore));
    }
}

#[test]
fn peers_and_listed_devices_decode_to_themselves() {
    let mut bench = Bench::new(8);
    let account = Account::create(Handle::parse("mike@h").unwrap(), &mut bench.cx()).unwrap();
    let peer = account.as_peer();
    assert_eq!(codec::decode::<PeerDevice>(&codec::encode(&peer).unwrap()), Ok(peer));
}
