//! Fuzz targets of what says who somebody is.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "part of tests only")]

use super::{
    Handle, NewDevice, UnverifiedDeviceList, UnverifiedLink, account, device_list, link, rotation,
    safety_number, succession,
};
use crate::fuzzing::canonical;
use crate::vault::Row;

/// A signed device list, and the body of one.
pub(crate) fn device_list(bytes: &[u8]) -> bool {
    if let Ok(Ok(list)) = UnverifiedDeviceList::read(bytes).map(UnverifiedDeviceList::verify) {
        assert_eq!(list.signed_bytes(), bytes, "a list is kept as it was transmitted");
        assert!((1..=super::MAX_DEVICES).contains(&list.devices().len()));
        assert_eq!(list.newer(&list), Ok(()));
    }
    let body = canonical::<device_list::Body>(bytes);
    canonical::<UnverifiedDeviceList>(bytes) || body
}

pub(crate) fn handle(bytes: &[u8]) -> bool {
    let decoded = canonical::<Handle>(bytes);
    let Some(handle) = std::str::from_utf8(bytes).ok().and_then(|text| Handle::parse(text).ok()) else {
        return decoded;
    };
    assert_eq!(handle.as_str().as_bytes(), bytes, "nothing is folded");
    assert_eq!(format!("{}@{}", handle.name(), handle.host()), handle.as_str());
    true
}

pub(crate) fn safety_number_scan(bytes: &[u8]) -> bool {
    let Ok((version, local, remote)) = safety_number::read_scannable(bytes) else { return false };
    assert_eq!(safety_number::scannable(version, &local, &remote), bytes);
    true
}

/// A link as it is pasted, and what is in it.
pub(crate) fn link(bytes: &[u8]) -> bool {
    let (signed, body) = (canonical::<link::Signed>(bytes), canonical::<link::Body>(bytes));
    let Some(text) = std::str::from_utf8(bytes).ok() else { return signed || body };
    let Ok(link) = UnverifiedLink::read(text) else { return signed || body };
    assert_eq!(link.text().as_deref(), Ok(text.trim()), "a link has one text");
    true
}

/// This layer's rows of the vault; `None` for the others'.
pub(crate) fn row(kind: u8, value: &[u8]) -> Option<bool> {
    match kind {
        kind if kind == Row::Account as u8 => Some(canonical::<account::Stored>(value)),
        kind if kind == Row::NextIdentity as u8 => Some(canonical::<succession::NextIdentity>(value)),
        kind if kind == Row::NewDevice as u8 => Some(canonical::<NewDevice>(value)),
        kind if kind == Row::NextDevice as u8 => Some(canonical::<rotation::Next>(value)),
        kind if kind == Row::FormerDevice as u8 => Some(canonical::<rotation::Former>(value)),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    use crate::content::{Content, encode_carrying};
    use crate::gossip::{Gossip, LogView};
    use crate::primitives::sign::SigningKey;
    use crate::testing::Bench;
    use crate::{PersonId, codec};
    let mut bench = Bench::new(1);
    let texts = ["mike@relay.test", "s_e.a-n@[::1]:7600", "42@127.0.0.1:80"];
    let handles: Vec<Handle> = texts.iter().map(|text| Handle::parse(text).unwrap()).collect();
    let account = bench.step(|cx| super::Account::create(handles[0].clone(), cx)).unwrap();
    let other = *SigningKey::generate(&mut bench.cx()).public();
    let (me, them) = ((account.person(), account.identity_public()), (&PersonId::of(&other), &other));
    let number = super::SafetyNumber::between(me, them);
    let list = account.device_list();
    let expires = bench.now.plus(crate::Timestamp::DAY);
    let made = bench.step(|cx| super::make_link(&account, "https://relay.test", [7; 32], expires, cx));
    let (link, _) = made.unwrap();
    let mut seeds = vec![
        ("link", link.into_bytes()),
        ("device_list", list.signed_bytes().to_vec()),
        ("safety_number_scan", number.scannable()),
        ("handle", codec::encode(&handles[0]).unwrap()),
    ];
    let of = super::Doings {
        device: *account.device_id(),
        key: *account.device_signing().public(),
        group: crate::GroupId([1; 32]),
        entry: 300,
        hash: crate::Digest([2; 32]),
    };
    let said = super::Disavowal::sign(&account, super::Verdict::NotMe, of, &bench.cx()).unwrap();
    let said = Content::Disavowal(Box::new(said.unverified().clone()));
    let view = LogView::new([3; 8], 1, 300, [4; 16]);
    let gossip = Gossip { roots: vec![vec![5; 90].into()], views: vec![view] };
    for gossip in [Gossip::default(), gossip] {
        seeds.push(("content", encode_carrying(&gossip, &said).unwrap()));
    }
    bench.step(|cx| account.announce_identity(cx)).unwrap();
    bench.now = bench.now.plus(super::IDENTITY_NOTICE);
    let next = bench.step(super::Account::with_next_identity).unwrap().unwrap();
    seeds.push(("device_list", next.device_list().signed_bytes().to_vec()));
    seeds.extend(texts.iter().map(|text| ("handle", text.as_bytes().to_vec())));
    seeds
}
