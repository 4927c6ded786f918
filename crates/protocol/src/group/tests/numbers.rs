//! The numbers that stand before what may take several forms: those that the page of the protocol gives, and that stores and
//! logs have.

use super::*;
use crate::codec::VLBytes;
use crate::identity::Handle;
use crate::roster::{Change, Leaf, LeafKeys};
use crate::{Digest, SeatId};

fn number<T: crate::codec::Encode>(value: &T) -> u8 {
    crate::codec::encode(value).unwrap()[0]
}

#[test]
fn forms_have_the_numbers_of_the_page() {
    let page = include_str!("../../../../../docs/protocol.md");
    let person = PersonId([1; 32]);
    let changes = [
        ("remove", number(&Change::Remove(person))),
        ("rename", number(&Change::Rename(VLBytes::default()))),
        ("role", number(&Change::Role(person, Role::Member))),
        ("away", number(&Change::Away(DeviceId([1; 16])))),
        ("policy", number(&Change::Policy(Policy::default()))),
        ("endorse", number(&Change::Endorse(person))),
        ("object", number(&Change::Object(person))),
        ("devices", number(&Change::Devices(VLBytes::default(), Vec::new()))),
    ];
    for (name, number) in changes {
        assert!(page.contains(&format!("| {name} ({number}) |")), "{name} is {number}");
    }
    let away = Leaf { device: DeviceId([1; 16]), seat: SeatId([1; 16]), asked: 0, keys: LeafKeys::Away };
    assert_eq!(number(&away.keys), 2);
    assert!(page.contains("enum { joined(0), own(1), away(2) } LeafKind;"));
    let turned = letter::Body::Turned(Digest([1; 32]), TurnedAway::Used);
    assert!(page.contains(&format!("`uint8 {} || Turned`", number(&turned))));
    assert!(page.contains("case 0: count counter; case 1: Digest commitment;"));
    assert_eq!(number(&message::KeyName::Committed(Digest([1; 32]))), 1);
    let chat =
        message::Chat { key: message::KeyName::Committed(Digest([1; 32])), sealed: VLBytes::default() };
    assert_eq!(number(&Inner::Chat(chat)), 0);
    assert!(page.contains("case 0: Chat; case 1: Commit; case 2: leave request;"));
}

/// What the first stores have.
#[test]
fn an_account_begins_with_its_format() {
    let mut bench = crate::testing::Bench::new(1);
    let handle = Handle::parse("mike@relay.test").unwrap();
    bench.step(|cx| Account::create(handle, cx)).unwrap();
    let row = crate::Vault::get(&bench.vault, &[crate::vault::Row::Account as u8]).unwrap().unwrap();
    assert_eq!(row[0], 1);
}
