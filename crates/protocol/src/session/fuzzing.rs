//! Fuzz targets of what devices publish and say to each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "part of tests only")]

use super::bundle::{BundleBody, JoinBody, OneTimeBody};
use super::handshake::{FirstHeader, Initiator};
use super::inbox::Letter;
use super::prekeys::{Generation, OneTimeSecret, StoredJoinKey};
use super::record::Sessions;
use super::skipped::{Kept, Place};
use super::{
    Message, Publication, Session, Stock, UnverifiedBundle, UnverifiedJoinKey, UnverifiedOneTimePrekey,
    replenish,
};
use crate::fuzzing::{Run, canonical};
use crate::identity::{Account, Handle, PeerDevice};
use crate::testing::Bench;
use crate::vault::Row;
use crate::{Context, Found, Result, Vault};
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// A bundle as it was published, or its body.
pub(crate) fn bundle(bytes: &[u8]) -> bool {
    let pair = pair();
    if let Ok(Ok(bundle)) = UnverifiedBundle::read(bytes).map(|it| it.verify(&pair.mike.as_peer(), pair.now))
    {
        assert_eq!(bundle.signed_bytes(), bytes, "a bundle is kept as it was transmitted");
    }
    let body = canonical::<BundleBody>(bytes);
    canonical::<UnverifiedBundle>(bytes) || body
}

/// A one-time prekey as it was published, or its body.
pub(crate) fn one_time_prekey(bytes: &[u8]) -> bool {
    let pair = pair();
    if let Ok(read) = UnverifiedOneTimePrekey::read(bytes) {
        // Whether it is the device's: a mutation is not, and says so.
        let _ = read.verify(&pair.mike.as_peer(), pair.now);
    }
    let body = canonical::<OneTimeBody>(bytes);
    canonical::<UnverifiedOneTimePrekey>(bytes) || body
}

/// A join key as it was published, or its body.
pub(crate) fn join_key(bytes: &[u8]) -> bool {
    let pair = pair();
    if let Ok(Ok(key)) = UnverifiedJoinKey::read(bytes).map(|it| it.verify(&pair.mike.as_peer(), pair.now)) {
        assert_eq!(key.signed_bytes(), bytes, "a join key is kept as it was transmitted");
    }
    let body = canonical::<JoinBody>(bytes);
    canonical::<UnverifiedJoinKey>(bytes) || body
}

/// A message of a session, or the header of a first one.
pub(crate) fn message(bytes: &[u8]) -> bool {
    let header = canonical::<FirstHeader>(bytes);
    let initiator = canonical::<Initiator>(bytes);
    canonical::<Message>(bytes) || header || initiator
}

/// A message to a device in the middle of a conversation: refused without a trace, or one of those on their way.
pub(crate) fn open(bytes: &[u8]) -> bool {
    let pair = pair();
    let mut bench = pair.at_sean.clone();
    let before = rows(&bench);
    let opened = open_salted(&pair.sean, &pair.mike.as_peer(), AAD, bytes, &mut bench.cx());
    match opened {
        Ok(text) => {
            assert!(pair.on_their_way.iter().any(|sent| sent == bytes), "nothing opens that was not sent");
            assert!(text.starts_with(b"message "));
            let again = open_salted(&pair.sean, &pair.mike.as_peer(), AAD, bytes, &mut bench.cx());
            assert!(again.is_err(), "nothing opens twice");
            true
        }
        Err(_) => {
            assert!(before == rows(&bench), "a refused message changed the vault");
            false
        }
    }
}

/// Seals a message; behind it stands the salt that its post would carry.
pub(super) fn seal_salted(
    peer: &PeerDevice,
    aad: &[u8],
    plaintext: &[u8],
    cx: &mut Context,
) -> Result<Vec<u8>> {
    let salt = cx.random();
    let message = super::seal(peer, &salt, aad, plaintext, cx)?;
    Ok([&message[..], &salt].concat())
}

/// Opens what [`seal_salted`] made; where there is no room for a salt, it is zeros.
pub(super) fn open_salted(
    account: &Account,
    peer: &PeerDevice,
    aad: &[u8],
    salted: &[u8],
    cx: &mut Context,
) -> Result<Zeroizing<Vec<u8>>> {
    let (message, salt) = salted.split_last_chunk().unwrap_or((salted, &[0; 16]));
    super::open(account, peer, salt, aad, message, cx)
}

/// A letter, sealed.
pub(crate) fn letter(bytes: &[u8]) -> bool {
    let pair = pair();
    let mut bench = pair.at_sean.clone();
    // A mutation does not open, and says so.
    let _ = super::inbox_open(&pair.sean, bytes, &mut bench.cx());
    canonical::<Letter>(bytes)
}

/// This layer's rows of the vault; `None` for the others'.
pub(crate) fn row(kind: u8, value: &[u8]) -> Option<bool> {
    let rows: [(Row, Run); 8] = [
        (Row::SignedPrekey, canonical::<Generation>),
        (Row::OneTimePrekey, canonical::<OneTimeSecret>),
        (Row::JoinKey, canonical::<StoredJoinKey>),
        (Row::Session, canonical::<Session>),
        (Row::ActiveSession, canonical::<Sessions>),
        (Row::Skipped, canonical::<Kept>),
        (Row::SkippedOrder, canonical::<Place>),
        (Row::FirstHeader, canonical::<FirstHeader>),
    ];
    rows.iter().find(|(row, _)| *row as u8 == kind).map(|(_, read)| read(value))
}

const AAD: &[u8] = b"aad";

/// Two devices that talk; some messages to the second are on their way.
struct Pair {
    mike: Account,
    sean: Account,
    #[cfg_attr(not(test), allow(dead_code))]
    published: Publication,
    at_sean: Bench,
    #[cfg_attr(not(test), allow(dead_code))]
    at_mike: Bench,
    on_their_way: Vec<Vec<u8>>,
    now: crate::Timestamp,
}

fn pair() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let [(mut at_mike, mike, published), (mut at_sean, sean, of_sean)] =
            [("mike", 1), ("sean", 2)].map(|(name, seed)| device(name, seed));
        let bundle = UnverifiedBundle::read(of_sean.bundle.as_ref().unwrap()).unwrap();
        let bundle = bundle.verify(&sean.as_peer(), at_mike.now).unwrap();
        let prekey = UnverifiedOneTimePrekey::read(&of_sean.one_time_prekeys[0]).unwrap();
        let prekey = prekey.verify(&sean.as_peer(), at_mike.now).unwrap();
        let peer = sean.as_peer();
        at_mike.step(|cx| super::start(&mike, &peer, 1, &bundle, Some(&prekey), cx)).unwrap();
        let mut sent: Vec<Vec<u8>> = (0..6)
            .map(|number| {
                let text = format!("message {number}");
                at_mike.step(|cx| seal_salted(&peer, AAD, text.as_bytes(), cx)).unwrap()
            })
            .collect();
        for taken in [4, 0] {
            let message = sent.remove(taken);
            at_sean.step(|cx| open_salted(&sean, &mike.as_peer(), AAD, &message, cx)).unwrap();
        }
        let now = at_sean.now;
        Pair { mike, sean, published, at_sean, at_mike, on_their_way: sent, now }
    })
}

fn device(name: &str, seed: u64) -> (Bench, Account, Publication) {
    let mut bench = Bench::new(seed);
    let handle = Handle::parse(&format!("{name}@relay.test")).unwrap();
    let account = bench.step(|cx| Account::create(handle, cx)).unwrap();
    let published = bench.step(|cx| replenish(&account, Stock::default(), cx)).unwrap().unwrap();
    (bench, account, published)
}

fn rows(bench: &Bench) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = bench.vault.scan(&[]).unwrap();
    found.into_iter().map(|Found { key, value }| (key, value.to_vec())).collect()
}

/// What was published without the key package that follows.
#[cfg(test)]
fn join_key_of(published: &[u8]) -> Vec<u8> {
    crate::codec::encode(&UnverifiedJoinKey::read_first(published).unwrap().0).unwrap()
}

#[cfg(test)]
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let pair = pair();
    let published = &pair.published;
    let bundle = published.bundle.clone().unwrap();
    let verified = UnverifiedBundle::read(&bundle).unwrap().verify(&pair.mike.as_peer(), pair.now).unwrap();
    let letter = super::inbox_seal(&verified, b"a letter", &mut pair.at_sean.clone().cx()).unwrap();
    let mut seeds = vec![
        ("bundle", bundle),
        ("one_time_prekey", published.one_time_prekeys[0].clone()),
        ("join_key", join_key_of(&published.join_keys[0])),
        ("join_key", join_key_of(published.last_resort_join_key.as_ref().unwrap())),
        ("session_message", pair.on_their_way[0].clone()),
        ("session_open", pair.on_their_way[0].clone()),
        ("session_open", pair.on_their_way[3].clone()),
        ("letter", letter),
    ];
    for bench in [&pair.at_sean, &pair.at_mike] {
        seeds.extend(one_of_each_kind(bench));
    }
    seeds
}

/// One row of each kind of a vault, as the target of rows takes it.
#[cfg(test)]
pub(crate) fn one_of_each_kind(bench: &Bench) -> Vec<(&'static str, Vec<u8>)> {
    let mut rows = rows(bench);
    rows.dedup_by_key(|(key, _)| key[0]);
    let known = |kind: u8| {
        let rows = [crate::identity::fuzzing::row, row, crate::group::fuzzing::row];
        rows.iter().any(|row| row(kind, &[]).is_some())
    };
    assert!(rows.iter().all(|(key, _)| known(key[0])), "every kind of row has its target");
    rows.into_iter().map(|(key, value)| ("vault_row", [&key[..1], &value].concat())).collect()
}
