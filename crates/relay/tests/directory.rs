//! Handles, keys and letters over real sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::Bytes;
use common::{Client, Device, Seat, channel_of_two, keys, refusal, relay};
use conclave_relay::{Config, Limits, Rate, Registration, serve};
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use conclave_wire::{Code, limits};

fn lookup(names: &[&str]) -> Request {
    Request::Lookup(v1::Lookup {
        names: names.iter().map(|name| name.to_string()).collect(),
        persons: vec![],
    })
}

fn take(devices: &[&Device]) -> Request {
    let one =
        |device: &&Device| v1::KeyRequest { device: device.id.to_bytes(), prekey: true, join_key: true };
    Request::TakeKeys(v1::TakeKeys { devices: devices.iter().map(one).collect() })
}

fn letter(to: &Device, body: impl Into<Bytes>) -> v1::Letter {
    v1::Letter { device: to.id.to_bytes(), body: body.into() }
}

fn send(to: &Device, body: impl Into<Bytes>) -> Request {
    Request::SendLetter(v1::SendLetter { letter: Some(letter(to, body)) })
}

#[tokio::test]
async fn a_registered_person_is_found_by_name_and_by_id() {
    let relay = relay().await;
    let mut client = Client::connect(&relay).await;
    let mike = Device::new("mike");
    let Body::Registered(registered) = client.register(&mike).await else { panic!() };
    assert_eq!(registered.handle, format!("mike@{}", relay.addr));
    assert_eq!(registered.stock, Some(v1::Stock { one_time_prekeys: 12, join_keys: 12 }));
    let mut stranger = Client::connect(&relay).await;
    let persons = vec![mike.person()];
    let by_id = stranger.ask(Request::Lookup(v1::Lookup { names: vec![], persons })).await;
    let by_name = stranger.ask(lookup(&["mike", "nobody", "NOT A NAME"])).await;
    assert_eq!(by_id, by_name);
    let Body::Directory(directory) = by_name else { panic!() };
    assert_eq!(directory.persons.len(), 1);
    assert_eq!(directory.persons[0].device_list, "list of mike");
    assert_eq!(directory.persons[0].devices[0].bundle, "mike bundle");
}

#[tokio::test]
async fn a_login_is_for_this_relay_this_connection_and_this_device() {
    let relay = relay().await;
    let mut client = Client::connect(&relay).await;
    let (mike, sean) = (Device::new("mike"), Device::new("sean"));
    client.register(&mike).await;
    client.register(&sean).await;
    let mut other = Client::connect(&relay).await;
    let login =
        |device: &Device, signature| Request::Login(v1::Login { device: device.id.to_bytes(), signature });
    let elsewhere = mike.sign(&client.hello);
    assert_eq!(refusal(&other.ask(login(&mike, elsewhere)).await), Code::BadSignature);
    let of_sean = sean.sign(&other.hello);
    assert_eq!(refusal(&other.ask(login(&mike, of_sean)).await), Code::BadSignature);
    let cut = mike.sign(&other.hello).slice(..63);
    assert_eq!(refusal(&other.ask(login(&mike, cut)).await), Code::BadSignature);
    assert_eq!(refusal(&other.login(&Device::new("nobody")).await), Code::UnknownDevice);
    for request in
        [Request::Publish(v1::Publish::default()), Request::AckLetters(v1::AckLetters { up_to: 1 })]
    {
        assert_eq!(refusal(&other.ask(request).await), Code::LoginNeeded);
    }
    assert_eq!(other.login(&mike).await, Body::Stock(v1::Stock { one_time_prekeys: 12, join_keys: 12 }));
}

#[tokio::test]
async fn a_name_is_never_given_to_another_person() {
    let relay = relay().await;
    let mut client = Client::connect(&relay).await;
    let mike = Device::new("mike");
    client.register(&mike).await;
    assert!(matches!(client.register(&mike).await, Body::Registered(_)), "a lost answer costs nothing");
    let thief = Device::new("thief");
    type Change = fn(&mut v1::Register);
    let with = |change: Change, hello: &v1::Hello| {
        let mut register = thief.register(hello);
        change(&mut register);
        Request::Register(register)
    };
    let cases: [(Change, Code); 6] = [
        (|register| register.name = "mike".into(), Code::NameTaken),
        (|register| register.name = "Mike".into(), Code::BadName),
        (|register| register.person = Device::new("mike").person(), Code::PersonTaken),
        (|register| register.person = Bytes::from_static(b"short"), Code::Malformed),
        (|register| register.device_key = vec![2; 32].into(), Code::BadSignature),
        (|register| register.device_list = vec![0; limits::DEVICE_LIST_BYTES + 1].into(), Code::TooLarge),
    ];
    for (change, code) in cases {
        let request = with(change, &client.hello);
        assert_eq!(refusal(&client.ask(request).await), code);
    }
    assert!(matches!(client.register(&thief).await, Body::Registered(_)), "refusals left nothing behind");
}

#[tokio::test]
async fn registration_can_be_by_invite_or_closed() {
    let registration = Registration::Invite(vec!["sesame".into(), "mellon".into()]);
    let relay = serve(Config { registration, ..Config::default() }).await.unwrap();
    let mut client = Client::connect(&relay).await;
    assert_eq!(client.hello.registration, "invite");
    let mike = Device::new("mike");
    for wrong in ["", "Sesame", "sesam", "sesamemellon"] {
        let register = v1::Register { invite: wrong.into(), ..mike.register(&client.hello) };
        assert_eq!(refusal(&client.ask(Request::Register(register)).await), Code::BadInvite);
    }
    let register = v1::Register { invite: "mellon".into(), ..mike.register(&client.hello) };
    assert!(matches!(client.ask(Request::Register(register)).await, Body::Registered(_)));
    let closed = serve(Config { registration: Registration::Closed, ..Config::default() }).await.unwrap();
    let mut client = Client::connect(&closed).await;
    assert_eq!(refusal(&client.register(&mike).await), Code::RegistrationClosed);
}

#[tokio::test]
async fn keys_are_handed_out_once_and_their_owner_hears_of_a_low_stock() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (m, s) = (Device::new("mike"), Device::new("sean"));
    mike.register(&m).await;
    sean.register(&s).await;
    let mut seen = std::collections::HashSet::new();
    for left in (9..12).rev() {
        let Body::Keys(taken) = sean.ask(take(&[&m])).await else { panic!() };
        assert!(seen.insert(taken.devices[0].one_time_prekey.clone()));
        assert!(seen.insert(taken.devices[0].join_key.clone()));
        assert_eq!(taken.devices[0].bundle, "mike bundle");
        let _ = left;
    }
    let stock = v1::Stock { one_time_prekeys: 9, join_keys: 9 };
    assert_eq!(mike.push().await, Body::Stock(stock));
    let publish = v1::Publish { keys: Some(keys("more", 5)), ..v1::Publish::default() };
    let stock = v1::Stock { one_time_prekeys: 14, join_keys: 14 };
    assert_eq!(mike.ask(Request::Publish(publish)).await, Body::Stock(stock));
    let newer = v1::Publish { keys: Some(keys("newer", 90)), ..v1::Publish::default() };
    let full = v1::Stock { one_time_prekeys: 100, join_keys: 100 };
    assert_eq!(mike.ask(Request::Publish(newer)).await, Body::Stock(full));
    let Body::Keys(taken) = sean.ask(take(&[&m])).await else { panic!() };
    assert_eq!(taken.devices[0].one_time_prekey, "mike prekey 7", "the four oldest had to go");
    let too_many = v1::Publish { keys: Some(keys("more", 101)), ..v1::Publish::default() };
    assert_eq!(refusal(&mike.ask(Request::Publish(too_many)).await), Code::TooLarge);
}

#[tokio::test]
async fn a_new_device_key_ends_what_the_one_before_has_open() {
    let relay = relay().await;
    let (mut mike, mut thief) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let m = Device::new("mike");
    mike.register(&m).await;
    thief.login(&m).await;
    let publish = v1::Publish {
        device_key: vec![9; 32].into(),
        keys: Some(keys("fresh", 1)),
        ..v1::Publish::default()
    };
    let Body::Stock(_) = mike.ask(Request::Publish(publish)).await else { panic!() };
    assert_eq!(thief.frame().await, None, "its connection is over");
    assert_eq!(mike.ask(send(&m, "hello")).await, Body::Done(v1::Done {}));
}

#[tokio::test]
async fn the_identity_key_recovers_a_name_on_a_new_device_and_no_other_key_does() {
    let relay = relay().await;
    let (mut mike, mut new) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (m, phone) = (Device::new("mike"), Device::new("phone"));
    mike.register(&m).await;
    let right = m.recover(&phone, &new.hello);
    let by_another = v1::Recover { name: "mike".into(), ..phone.recover(&phone, &new.hello) };
    let of_another = v1::Recover { signature: m.sign(&new.hello), ..right.clone() };
    let elsewhere = m.recover(&phone, &mike.hello);
    for (bad, code) in [
        (by_another, Code::BadSignature),
        (of_another, Code::BadSignature),
        (elsewhere, Code::BadSignature),
        (v1::Recover { name: "nobody".into(), ..right.clone() }, Code::NoRecovery),
        (v1::Recover { devices: Vec::new(), ..right.clone() }, Code::Malformed),
    ] {
        assert_eq!(refusal(&new.ask(Request::Recover(bad)).await), code);
    }
    let stock = v1::Stock { one_time_prekeys: 3, join_keys: 3 };
    assert_eq!(new.ask(Request::Recover(right)).await, Body::Stock(stock));
    assert_eq!(mike.frame().await, None, "the lost one's connection is over");
    assert_eq!(new.ask(send(&phone, "logged in")).await, Body::Done(v1::Done {}));
    let mut stranger = Client::connect(&relay).await;
    assert_eq!(refusal(&stranger.login(&m).await), Code::UnknownDevice);
    let Body::Directory(directory) = stranger.ask(lookup(&["mike"])).await else { panic!() };
    assert_eq!(
        (directory.persons[0].device_list.as_ref(), directory.persons[0].devices.len()),
        (&b"recovered"[..], 1)
    );
}

#[tokio::test]
async fn above_twenty_devices_keys_come_without_one_time_prekeys() {
    let relay = relay().await;
    let mut client = Client::connect(&relay).await;
    let devices: Vec<_> = (0..21).map(|n| Device::new(&format!("person{n}"))).collect();
    for device in &devices {
        client.register(device).await;
    }
    let all: Vec<_> = devices.iter().collect();
    let Body::Keys(many) = client.ask(take(&all)).await else { panic!() };
    assert_eq!(many.devices.len(), 21);
    assert!(many.devices.iter().all(|keys| keys.one_time_prekey.is_empty() && !keys.join_key.is_empty()));
    let Body::Keys(few) = client.ask(take(&all[..20])).await else { panic!() };
    assert!(few.devices.iter().all(|keys| !keys.one_time_prekey.is_empty()));
    let request = vec![v1::KeyRequest::default(); limits::TAKES_PER_REQUEST + 1];
    let request = Request::TakeKeys(v1::TakeKeys { devices: request });
    assert_eq!(refusal(&client.ask(request).await), Code::TooLarge);
}

#[tokio::test]
async fn nobody_drains_the_one_time_keys_of_another() {
    let limits = Limits { takes_of_one: Rate::new(2.0, 0.0), ..Limits::default() };
    let relay = serve(Config { limits, ..Config::default() }).await.unwrap();
    let mut client = Client::connect(&relay).await;
    let (mike, thief) = (Device::new("mike"), Device::new("thief"));
    client.register(&mike).await;
    client.register(&thief).await;
    for _ in 0..30 {
        client.ask(take(&[&mike])).await;
    }
    let Body::Keys(last) = client.ask(take(&[&mike])).await else { panic!() };
    assert_eq!(
        (last.devices[0].one_time_prekey.as_ref(), last.devices[0].join_key.as_ref()),
        (&b""[..], &b"mike last resort"[..])
    );
    assert_eq!(client.login(&mike).await, Body::Stock(v1::Stock { one_time_prekeys: 10, join_keys: 10 }));
}

#[tokio::test]
async fn a_member_of_another_relay_takes_keys_and_writes_without_login() {
    let relay = relay().await;
    let (mut mike, mut stranger) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let m = Device::new("mike");
    mike.register(&m).await;
    let Body::Keys(taken) = stranger.ask(take(&[&m, &Device::new("nobody")])).await else { panic!() };
    assert_eq!(taken.devices.len(), 1);
    assert_eq!(
        (taken.devices[0].one_time_prekey.as_ref(), taken.devices[0].join_key.as_ref()),
        (&b"mike prekey 0"[..], &b"mike join 0"[..])
    );
    for _ in 0..2 {
        assert!(matches!(stranger.ask(send(&m, "from afar")).await, Body::Done(_)), "a lost answer");
    }
    let Body::Letters(arrived) = mike.push().await else { panic!() };
    assert_eq!(arrived.letters.iter().map(|letter| letter.body.as_ref()).collect::<Vec<_>>(), [b"from afar"]);
    mike.ask(Request::Credit(v1::Credit::default())).await;
    assert!(mike.no_push_waits(), "the repeat brings no second letter");
    assert_eq!(refusal(&stranger.ask(send(&Device::new("nobody"), "x")).await), Code::UnknownDevice);
}

#[tokio::test]
async fn without_login_nobody_drains_keys_floods_an_inbox_or_takes_the_rate_of_members() {
    // Loopback has a hundred times as much.
    let limits = Limits {
        foreign_takes_of_one: Rate::new(0.02, 0.0),
        foreign_letters_to_one: Rate::new(0.03, 0.0),
        foreign_takes: Rate::new(0.06, 0.0),
        ..Limits::default()
    };
    let relay = serve(Config { limits, ..Config::default() }).await.unwrap();
    let (mut mike, mut thief) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (m, s) = (Device::new("mike"), Device::new("sean"));
    mike.register(&m).await;
    for (given, last) in [(true, false), (true, false), (false, true), (false, true)] {
        let Body::Keys(keys) = thief.ask(take(&[&m])).await else { panic!() };
        assert_eq!(!keys.devices[0].one_time_prekey.is_empty(), given);
        assert_eq!(keys.devices[0].join_key == "mike last resort", last);
    }
    // Another connection of the same address is the same stranger.
    let mut again = Client::connect(&relay).await;
    again.ask(take(&[&m])).await;
    again.ask(take(&[&m])).await;
    assert_eq!(refusal(&again.ask(take(&[&m])).await), Code::RateLimited);
    for text in ["one", "two", "three"] {
        assert!(matches!(thief.ask(send(&m, text)).await, Body::Done(_)));
    }
    assert_eq!(refusal(&thief.ask(send(&m, "four")).await), Code::RateLimited);
    let mut sean = Client::connect(&relay).await;
    sean.register(&s).await;
    let Body::Keys(keys) = sean.ask(take(&[&m])).await else { panic!() };
    assert_eq!(keys.devices[0].one_time_prekey, "mike prekey 2", "who is logged in draws from its own rates");
    assert!(matches!(sean.ask(send(&m, "five")).await, Body::Done(_)));
}

#[tokio::test]
async fn all_strangers_together_get_so_many_one_time_keys_of_a_device_and_no_more() {
    let limits = Limits { foreign_takes_in_all: Rate::new(0.04, 0.0), ..Limits::default() };
    let relay = serve(Config { limits, ..Config::default() }).await.unwrap();
    let (mut mike, mut stranger) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let m = Device::new("mike");
    mike.register(&m).await;
    for n in 0..8 {
        let Body::Keys(keys) = stranger.ask(take(&[&m])).await else { panic!() };
        assert_eq!(keys.devices[0].one_time_prekey.is_empty(), n >= 4, "{n}");
    }
    assert_eq!(mike.login(&m).await, Body::Stock(v1::Stock { one_time_prekeys: 8, join_keys: 8 }));
}

#[tokio::test]
async fn strangers_fill_half_of_an_inbox_and_members_the_rest() {
    let relay = relay().await;
    let (mut mike, mut stranger) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (m, s) = (Device::new("mike"), Device::new("sean"));
    mike.register(&m).await;
    for n in 0..limits::FOREIGN_LETTERS_PER_INBOX {
        assert!(matches!(stranger.ask(send(&m, format!("letter {n}"))).await, Body::Done(_)));
    }
    assert_eq!(refusal(&stranger.ask(send(&m, "one more")).await), Code::InboxFull);
    let mut sean = Client::connect(&relay).await;
    sean.register(&s).await;
    assert!(matches!(sean.ask(send(&m, "of a member")).await, Body::Done(_)));
}

#[tokio::test]
async fn letters_wait_arrive_live_and_go_once_acknowledged() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (m, s) = (Device::new("mike"), Device::new("sean"));
    mike.register(&m).await;
    sean.register(&s).await;
    drop(sean);
    assert!(matches!(mike.ask(send(&s, "one")).await, Body::Done(_)));
    let mut sean = Client::connect(&relay).await;
    sean.login(&s).await;
    let Body::Letters(waiting) = sean.push().await else { panic!() };
    assert_eq!(
        (waiting.letters.len(), waiting.letters[0].number, waiting.letters[0].body.as_ref()),
        (1, 1, &b"one"[..])
    );
    mike.ask(send(&s, "two")).await;
    let Body::Letters(live) = sean.push().await else { panic!() };
    assert_eq!((live.letters.len(), live.letters[0].number), (1, 2), "only the new one");
    sean.ask(Request::AckLetters(v1::AckLetters { up_to: 1 })).await;
    let mut again = Client::connect(&relay).await;
    again.login(&s).await;
    let Body::Letters(left) = again.push().await else { panic!() };
    assert_eq!(left.letters.iter().map(|letter| letter.number).collect::<Vec<_>>(), [2]);
    let body = vec![0; limits::LETTER_BYTES + 1];
    assert_eq!(refusal(&mike.ask(send(&s, body)).await), Code::TooLarge);
    assert_eq!(refusal(&mike.ask(send(&Device::new("nobody"), "x")).await), Code::UnknownDevice);
}

#[tokio::test]
async fn letters_of_a_post_arrive_only_if_it_is_accepted() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let s = Device::new("sean");
    sean.register(&s).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let with = |text: &'static str, post| v1::Post { letters: vec![letter(&s, text)], ..post };
    let stale = mike.ask(Request::Post(with("stale", a.commit(2, 0, vec![])))).await;
    assert!(matches!(stale, Body::Stale(_)));
    let refused = mike.ask(Request::Post(with("refused", a.commit(2, 1, vec![b.open(b"x", 0)])))).await;
    assert_eq!(refusal(&refused), Code::SeatTaken);
    let welcome = with("welcome", a.commit(2, 1, vec![Seat::new(1, 3).open(b"x", 0)]));
    mike.post(welcome.clone()).await;
    mike.post(welcome).await;
    let Body::Letters(arrived) = sean.push().await else { panic!() };
    assert_eq!(arrived.letters.iter().map(|letter| letter.body.as_ref()).collect::<Vec<_>>(), [b"welcome"]);
    sean.ask(Request::Credit(v1::Credit::default())).await;
    assert!(sean.no_push_waits(), "a repeated post brings no second letter");
}
