//! Names, keys and inboxes.

use super::*;

#[test]
fn a_one_time_key_is_given_once_and_then_the_last_resort() {
    over_each(async |storage| {
        one(&*storage, register(1, some_keys(2, 1))).await;
        let mut given = Vec::new();
        for _ in 0..3 {
            let Outcome::Keys { keys, low } = one(&*storage, Op::TakeKeys(vec![take(1), take(7)])).await
            else {
                panic!()
            };
            assert_eq!((keys.len(), low), (1, vec![device(1)]), "an unknown device is left out");
            given.push((keys[0].one_time_prekey.clone(), keys[0].join_key.clone()));
        }
        let (first, second, last) = (Bytes::from(vec![0; 4]), Bytes::from(vec![1; 4]), "last");
        assert_eq!(given, [(first.clone(), first), (second, last.into()), (Bytes::new(), last.into())]);
        assert_eq!(storage.stock(device(1)).await.unwrap(), v1::Stock::default());
    });
}

#[test]
fn a_full_inbox_refuses_the_whole_post() {
    over_each(async |storage| {
        one(&*storage, create(1, 1)).await;
        one(&*storage, register(1, KeysOp::default())).await;
        let with = |number, to: u8, count: usize| {
            let letters = vec![(device(to), Bytes::from_static(b"letter")); count];
            Op::Post(Box::new(PostOp { letters, ..post(1, number, 0, "with letters") }))
        };
        let refused = |code: Code| Outcome::Refused(code.into());
        assert_eq!(one(&*storage, with(1, 7, 1)).await, refused(Code::UnknownDevice));
        assert_eq!(one(&*storage, with(1, 1, 65)).await, refused(Code::InboxFull));
        assert!(matches!(one(&*storage, with(1, 1, 60)).await, Outcome::Posted(_)));
        let letter = |n: u8| Op::SendLetter {
            device: device(1),
            body: Bytes::from(vec![n; 2]),
            at: 5,
            most: limits::LETTERS_PER_INBOX,
        };
        for n in 0..4 {
            assert_eq!(one(&*storage, letter(n)).await, Outcome::Done);
        }
        assert_eq!(one(&*storage, letter(4)).await, refused(Code::InboxFull));
        let waiting = storage.letters(device(1), 0).await.unwrap();
        assert_eq!(waiting.iter().map(|l| l.number).collect::<Vec<_>>(), (1..=64).collect::<Vec<_>>());
        one(&*storage, Op::AckLetters { device: device(1), up_to: 63 }).await;
        one(&*storage, letter(5)).await;
        let left = storage.letters(device(1), 0).await.unwrap();
        assert_eq!(left.iter().map(|l| l.number).collect::<Vec<_>>(), [64, 65]);
        one(&*storage, Op::AckLetters { device: device(1), up_to: u64::MAX }).await;
        assert!(storage.letters(device(1), 0).await.unwrap().is_empty());
    });
}

#[test]
fn names_persons_and_devices_belong_to_who_came_first() {
    over_each(async |storage| {
        let stock = v1::Stock { one_time_prekeys: 2, join_keys: 3 };
        assert_eq!(one(&*storage, register(1, some_keys(2, 3))).await, Outcome::Stock(stock));
        assert_eq!(one(&*storage, register(1, some_keys(2, 3))).await, Outcome::Stock(stock), "a repeat");
        let Op::Register(first) = register(1, KeysOp::default()) else { panic!() };
        let Op::Register(other) = register(2, KeysOp::default()) else { panic!() };
        let cases = [
            (RegisterOp { name: first.name.clone(), ..(*other).clone() }, Code::NameTaken),
            (RegisterOp { device_key: [9; 32], ..(*first).clone() }, Code::NameTaken),
            (RegisterOp { device: device(1), ..(*other).clone() }, Code::DeviceTaken),
            (RegisterOp { person: first.person, ..(*other).clone() }, Code::PersonTaken),
        ];
        for (op, code) in cases {
            assert_eq!(one(&*storage, Op::Register(Box::new(op))).await, Outcome::Refused(code.into()));
        }
        let found = storage.people(vec!["name1".into(), "name2".into()], vec![first.person]).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].device_list.as_ref()), ("name1", &[1, 1, 1][..]));
        assert_eq!(found[0].devices[0].bundle, "bundle");
    });
}

#[test]
fn new_one_time_keys_push_out_the_oldest_above_the_limit() {
    over_each(async |storage| {
        one(&*storage, register(1, some_keys(60, 1))).await;
        let prekeys = (60..130).map(|n| Bytes::from(vec![n; 4])).collect();
        let keys = KeysOp { prekeys, ..KeysOp::default() };
        let publish = publish(None, keys);
        let Outcome::Published { stock, .. } = one(&*storage, publish).await else { panic!() };
        assert_eq!((stock.one_time_prekeys, stock.join_keys), (limits::ONE_TIME_KEYS as u32, 1));
        let Outcome::Keys { keys, .. } = one(&*storage, Op::TakeKeys(vec![take(1)])).await else { panic!() };
        assert_eq!(keys[0].one_time_prekey, vec![30; 4], "the oldest that was left");
        assert_eq!(keys[0].join_key, vec![0; 4], "the other kind was not touched");
    });
}

fn publish(device_key: Option<[u8; 32]>, keys: KeysOp) -> Op {
    Op::Publish(Box::new(PublishOp {
        device: device(1),
        device_list: Bytes::new(),
        device_key,
        devices: Vec::new(),
        identity_key: Bytes::new(),
        next_identity: NextIdentity::Nothing,
        at: 0,
        keys,
    }))
}

#[test]
fn a_new_device_key_takes_away_what_the_one_before_has_signed() {
    over_each(async |storage| {
        one(&*storage, register(1, some_keys(6, 7))).await;
        let before = storage.device_key(device(1)).await.unwrap().unwrap();
        let Outcome::Published { stock, .. } = one(&*storage, publish(Some(before), some_keys(1, 1))).await
        else {
            panic!()
        };
        assert_eq!((stock.one_time_prekeys, stock.join_keys), (7, 8), "the same key again changes nothing");
        let fresh = KeysOp { prekeys: vec![Bytes::from_static(b"fresh")], ..KeysOp::default() };
        let Outcome::Published { stock, .. } = one(&*storage, publish(Some([9; 32]), fresh)).await else {
            panic!()
        };
        assert_eq!((stock.one_time_prekeys, stock.join_keys), (1, 0));
        assert_eq!(storage.device_key(device(1)).await.unwrap(), Some([9; 32]));
        let Outcome::Keys { keys, .. } = one(&*storage, Op::TakeKeys(vec![take(1)])).await else { panic!() };
        assert_eq!((keys[0].one_time_prekey.as_ref(), keys[0].bundle.as_ref()), (&b"fresh"[..], &b""[..]));
        assert_eq!(keys[0].device_list, vec![1, 1, 1], "given along");
    });
}

#[test]
fn a_list_brings_devices_in_and_takes_others_away_with_all_they_had() {
    over_each(async |storage| {
        one(&*storage, register(1, some_keys(1, 1))).await;
        one(&*storage, register(2, some_keys(1, 1))).await;
        let devices = |listed: Vec<(u8, u8)>| {
            let devices = listed.into_iter().map(|(n, key)| (device(n), [key; 32])).collect();
            let (device_list, keys) = (Bytes::from_static(b"list"), KeysOp::default());
            let (device, device_key) = (device(1), None);
            Op::Publish(Box::new(PublishOp {
                device,
                device_list,
                device_key,
                devices,
                identity_key: Bytes::new(),
                next_identity: NextIdentity::Nothing,
                at: 0,
                keys,
            }))
        };
        let taken = one(&*storage, devices(vec![(1, 1), (2, 2)])).await;
        assert_eq!(taken, Outcome::Refused(Code::DeviceTaken.into()), "somebody else's");
        one(&*storage, devices(vec![(1, 1), (3, 3)])).await;
        assert_eq!(storage.device_key(device(3)).await.unwrap(), Some([3; 32]));
        one(&*storage, devices(vec![(1, 1), (3, 3)])).await;
        let letter =
            Op::SendLetter { device: device(3), body: Bytes::from_static(b"letter"), at: 5, most: 9 };
        assert_eq!(one(&*storage, letter).await, Outcome::Done);
        one(&*storage, devices(vec![(1, 1)])).await;
        assert_eq!(storage.device_key(device(3)).await.unwrap(), None);
        assert!(storage.letters(device(3), 0).await.unwrap().is_empty());
        one(&*storage, devices(Vec::new())).await;
        assert!(storage.device_key(device(1)).await.unwrap().is_some(), "none named: unchanged");
    });
}

#[test]
fn a_letter_that_waits_is_kept_once_and_strangers_leave_room() {
    over_each(async |storage| {
        one(&*storage, register(1, KeysOp::default())).await;
        let letter =
            |n: u8, most| Op::SendLetter { device: device(1), body: Bytes::from(vec![n; 9]), at: 5, most };
        for n in [1, 2, 1, 2] {
            assert_eq!(one(&*storage, letter(n, 2)).await, Outcome::Done);
        }
        assert_eq!(storage.letters(device(1), 0).await.unwrap().len(), 2);
        let full = Outcome::Refused(Code::InboxFull.into());
        assert_eq!(one(&*storage, letter(3, 2)).await, full);
        assert_eq!(one(&*storage, letter(3, 3)).await, Outcome::Done);
        one(&*storage, Op::AckLetters { device: device(1), up_to: 3 }).await;
        assert_eq!(one(&*storage, letter(1, 2)).await, Outcome::Done, "said again, once the first was read");
        assert_eq!(storage.letters(device(1), 0).await.unwrap()[0].number, 4);
    });
}

#[test]
fn the_identity_key_replaces_all_devices_and_is_never_replaced_by_one() {
    over_each(async |storage| {
        one(&*storage, register(1, some_keys(2, 2))).await;
        one(&*storage, register(2, some_keys(2, 2))).await;
        let linked = Op::Publish(Box::new(PublishOp {
            device: device(1),
            device_list: Bytes::new(),
            device_key: None,
            devices: vec![(device(1), [1; 32]), (device(40), [4; 32])],
            identity_key: Bytes::new(),
            next_identity: NextIdentity::Nothing,
            at: 0,
            keys: KeysOp::default(),
        }));
        one(&*storage, linked).await;
        let recover = |n: u8, identity: u8, new: u8, devices: &[(u8, u8)]| {
            let listed = devices.iter().map(|(id, key)| (device(*id), [*key; 32])).collect();
            Op::Recover(Box::new(RecoverOp {
                name: format!("name{n}"),
                identity_key: Bytes::from(vec![identity; 32]),
                device: device(new),
                device_list: Bytes::from_static(b"recovered"),
                devices: listed,
                keys: some_keys(3, 4),
            }))
        };
        for (op, code) in [
            (recover(1, 2, 50, &[(50, 5)]), Code::NoRecovery),
            (recover(9, 1, 50, &[(50, 5)]), Code::NoRecovery),
            (recover(1, 1, 50, &[(51, 5)]), Code::Malformed),
            (recover(1, 1, 2, &[(2, 5)]), Code::DeviceTaken),
            (recover(1, 1, 50, &[(50, 5), (2, 2)]), Code::DeviceTaken),
            (recover(1, 1, 50, &[(50, 5), (40, 9)]), Code::DeviceTaken),
            (recover(1, 1, 50, &[(50, 5), (1, 1)]), Code::NotFirst),
        ] {
            assert_eq!(one(&*storage, op).await, Outcome::Refused(code.into()));
        }
        let stock = v1::Stock { one_time_prekeys: 3, join_keys: 4 };
        let with_both = one(&*storage, recover(1, 1, 50, &[(40, 4), (50, 5)])).await;
        assert_eq!(with_both, Outcome::Published { stock, ended: vec![device(1)] });
        assert_eq!(storage.device_key(device(1)).await.unwrap(), None);
        assert_eq!(storage.device_key(device(40)).await.unwrap(), Some([4; 32]), "kept");
        let Outcome::Published { ended, .. } = one(&*storage, recover(1, 1, 50, &[(50, 6)])).await else {
            panic!()
        };
        assert_eq!(ended, [device(40)]);
        assert_eq!(storage.device_key(device(40)).await.unwrap(), None);
        assert_eq!(storage.device_key(device(50)).await.unwrap(), Some([6; 32]), "tried again with new keys");
        let found = storage.people(vec!["name1".into()], Vec::new()).await.unwrap();
        assert_eq!((found[0].device_list.as_ref(), found[0].identity_key.len()), (&b"recovered"[..], 32));
        // Whoever has a device's key does not choose who recovers.
        let claim = |key: u8| {
            Op::Publish(Box::new(PublishOp {
                device: device(2),
                device_list: Bytes::new(),
                device_key: None,
                devices: Vec::new(),
                identity_key: Bytes::from(vec![key; 32]),
                next_identity: NextIdentity::Nothing,
                at: 0,
                keys: KeysOp::default(),
            }))
        };
        assert_eq!(one(&*storage, claim(7)).await, Outcome::Refused(Code::NoRecovery.into()));
        assert!(matches!(one(&*storage, claim(2)).await, Outcome::Published { .. }), "the same again");
    });
}

#[test]
fn an_identity_key_follows_another_a_day_after_it_was_announced_if_nobody_objects() {
    over_each(async |storage| {
        const DAY: u64 = 24 * 60 * 60 * 1000;
        one(&*storage, register(1, some_keys(1, 1))).await;
        let key = |n: u8| Bytes::from(vec![n; 32]);
        let say = |identity_key: Bytes, next_identity: NextIdentity, at: u64| {
            Op::Publish(Box::new(PublishOp {
                device: device(1),
                device_list: Bytes::new(),
                device_key: None,
                devices: Vec::new(),
                identity_key,
                next_identity,
                at,
                keys: KeysOp::default(),
            }))
        };
        let announce = |by: u8, next: u8, at| {
            say(Bytes::new(), NextIdentity::Announced { by: key(by), next: key(next) }, at)
        };
        let take = |n: u8, at| say(key(n), NextIdentity::Nothing, at);
        let veto = || say(Bytes::new(), NextIdentity::Vetoed, 0);
        let not_yet = Some(Code::NotAnnounced);
        for (step, op, refused) in [
            ("by another key than the one known", announce(7, 2, 5), not_yet),
            ("announced", announce(1, 2, 5), None),
            ("announced again is not announced later", announce(1, 2, 900), None),
            ("too early", take(2, 4 + DAY), not_yet),
            ("another", take(3, 5 + DAY), not_yet),
            ("objected to", veto(), None),
            ("then never", take(2, 9 * DAY), Some(Code::NoRecovery)),
            ("announced once more", announce(1, 2, 9 * DAY), None),
            ("taken over", take(2, 10 * DAY), None),
            ("the same again", take(2, 10 * DAY), None),
            ("not back", take(1, 20 * DAY), Some(Code::NoRecovery)),
        ] {
            let outcome = one(&*storage, op).await;
            match refused {
                Some(code) => assert_eq!(outcome, Outcome::Refused(code.into()), "{step}"),
                None => assert!(matches!(outcome, Outcome::Published { .. }), "{step}: {outcome:?}"),
            }
        }
        assert_eq!(storage.identity_key(device(1)).await.unwrap(), key(2));
    });
}

#[test]
fn a_device_that_was_named_by_another_says_nothing_for_all() {
    over_each(async |storage| {
        one(&*storage, register(1, some_keys(1, 1))).await;
        let say =
            |by: u8, device_list: &'static [u8], devices: Vec<(DeviceId, [u8; 32])>, identity: &[u8]| {
                Op::Publish(Box::new(PublishOp {
                    device: device(by),
                    device_list: Bytes::from_static(device_list),
                    device_key: None,
                    devices,
                    identity_key: Bytes::copy_from_slice(identity),
                    next_identity: NextIdentity::Nothing,
                    at: 0,
                    keys: some_keys(1, 1),
                }))
            };
        let both = || vec![(device(1), [1; 32]), (device(40), [4; 32])];
        assert!(matches!(one(&*storage, say(1, b"both", both(), b"")).await, Outcome::Published { .. }));
        for forbidden in [
            say(40, b"mine alone", Vec::new(), b""),
            say(40, b"", vec![(device(40), [4; 32])], b""),
            say(40, b"", Vec::new(), &[1; 32]),
        ] {
            assert_eq!(one(&*storage, forbidden).await, Outcome::Refused(Code::NotFirst.into()));
        }
        assert!(
            matches!(one(&*storage, say(40, b"", Vec::new(), b"")).await, Outcome::Published { .. }),
            "its own keys"
        );
        let found = storage.people(vec!["name1".into()], Vec::new()).await.unwrap();
        assert_eq!((found[0].device_list.as_ref(), found[0].devices.len()), (&b"both"[..], 2));
        // Who recovers is the first one from then on.
        let recover = Op::Recover(Box::new(RecoverOp {
            name: "name1".into(),
            identity_key: Bytes::from(vec![1; 32]),
            device: device(50),
            device_list: Bytes::from_static(b"recovered"),
            devices: vec![(device(40), [4; 32]), (device(50), [5; 32])],
            keys: some_keys(1, 1),
        }));
        assert!(matches!(one(&*storage, recover).await, Outcome::Published { .. }));
        let before = one(&*storage, say(40, b"as before", Vec::new(), b"")).await;
        assert_eq!(before, Outcome::Refused(Code::NotFirst.into()));
        assert!(matches!(
            one(&*storage, say(50, b"newest", Vec::new(), b"")).await,
            Outcome::Published { .. }
        ));
    });
}
