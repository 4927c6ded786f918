//! Lies about who somebody is, and with which keys. What is pinned is never given up for them.

use super::common::{self, PATIENCE};
use super::{BRIEFLY, Table, alarms, is_told};
use conclave_client::{AlarmCause, ClientError, Delivery, Event, Scheme};
use conclave_wire::v1::server_frame::Body;

/// Sean writes to mike for the first time while his relay lies about mike's keys; honest again, it arrives.
async fn sean_writes_to_mike(table: &Table) -> Vec<Event> {
    let ticket = table.sean.send("mike", "x").await.unwrap();
    let delivery = table.sean.wait(&ticket, BRIEFLY).await.unwrap();
    let report = table.sean.sync(BRIEFLY).await.unwrap();
    assert_eq!((delivery, report.caught_up), (Delivery::Queued, false), "{:?}", report.events);
    table.proxy.be_honest();
    assert_eq!(table.sean.wait(&ticket, PATIENCE).await.unwrap(), Delivery::Sent);
    let got = common::texts(&table.mike, "sean").await;
    assert_eq!(got, ["x"]);
    report.events
}

async fn friends() -> Table {
    let table = Table::strangers().await;
    table.mike.add_contact("sean").await.unwrap();
    table.sean.add_contact("mike").await.unwrap();
    table
}

#[tokio::test]
async fn a_device_list_of_somebody_else_under_a_pinned_name_is_named() {
    let table = friends().await;
    let (sean, eve) = (&table.sean, common::cheap_person(&table._stage, "eve").await);
    let list = sean.add_contact("eve").await.unwrap();
    assert_eq!(list.person, eve.account().await.unwrap().person);
    let mut eves = bytes::Bytes::new();
    // What the directory says of eve is remembered, and said of mike.
    table.proxy.alter(move |body| {
        if let Body::Directory(directory) = body {
            for person in &mut directory.persons {
                match person.name.as_str() {
                    "eve" => eves = person.device_list.clone(),
                    _ if !eves.is_empty() => person.device_list = eves.clone(),
                    _ => person.device_list = vec![1; 40].into(),
                }
            }
        }
    });
    // First a list that is none, then eve's.
    let ticket = sean.send("mike", "x").await.unwrap();
    assert_eq!(sean.wait(&ticket, BRIEFLY).await.unwrap(), Delivery::Queued);
    let events = sean.sync(BRIEFLY).await.unwrap().events;
    assert!(matches!(alarms(&events)[..], [AlarmCause::LogFault { .. }]), "{events:?}");
    sean.new_group("Eve's", Scheme::SenderKeys).await.unwrap();
    common::done(sean.add("Eve's", &["eve"], PATIENCE).await);
    let events = sean.sync(BRIEFLY).await.unwrap().events;
    assert!(alarms(&events).is_empty(), "the same again is counted: {events:?}");
    assert!(sean.alarms().await.unwrap()[0].count > 1);
    table.proxy.be_honest();
    assert_eq!(sean.wait(&ticket, PATIENCE).await.unwrap(), Delivery::Sent);
    assert_eq!(common::texts(&table.mike, "sean").await, ["x"]);
}

#[tokio::test]
async fn a_known_person_under_another_name_is_named() {
    let table = friends().await;
    let _eve = common::cheap_person(&table._stage, "eve").await;
    let mut mikes = None;
    table.proxy.alter(move |body| {
        if let Body::Directory(directory) = body {
            for person in &mut directory.persons {
                if person.name == "mike" {
                    mikes = Some(person.clone());
                } else if let Some(mike) = &mikes {
                    *person = conclave_wire::v1::Person { name: person.name.clone(), ..mike.clone() };
                }
            }
        }
    });
    // Asked for by a message that begins a chat.
    let ticket = table.sean.send("mike", "x").await.unwrap();
    assert_eq!(table.sean.wait(&ticket, PATIENCE).await.unwrap(), Delivery::Sent);
    let told = table.sean.add_contact("eve").await.unwrap_err();
    assert_eq!(told.code(), "key_log", "not what is logged under that name: {told:?}");
    table.proxy.be_honest();
    assert!(table.sean.add_contact("eve").await.unwrap().handle.starts_with("eve@"));
}

#[tokio::test]
async fn a_prekey_bundle_or_join_key_of_somebody_else_is_named_and_nothing_sealed_to_it() {
    let table = friends().await;
    table.proxy.alter(|body| {
        if let Body::Keys(keys) = body {
            for keys in &mut keys.devices {
                // Signed by another device: any bit does.
                let mut bundle = keys.bundle.to_vec();
                bundle[40] ^= 1;
                keys.bundle = bundle.into();
            }
        }
    });
    let events = sean_writes_to_mike(&table).await;
    assert!(is_told(&events, "keys that do not hold"), "{events:?}");
}

#[tokio::test]
async fn a_join_key_that_its_device_did_not_sign_is_named_and_nothing_sealed_to_it() {
    let table = friends().await;
    table.proxy.alter(|body| {
        if let Body::Keys(keys) = body {
            for keys in &mut keys.devices {
                let mut key = keys.join_key.to_vec();
                if let Some(byte) = key.get_mut(40) {
                    *byte ^= 1;
                }
                keys.join_key = key.into();
            }
        }
    });
    let events = sean_writes_to_mike(&table).await;
    assert!(is_told(&events, "keys that do not hold"), "{events:?}");
}

#[tokio::test]
async fn keys_withheld_give_the_change_up_by_name() {
    let table = friends().await;
    table.proxy.alter(|body| {
        if let Body::Keys(keys) = body {
            keys.devices.clear();
        }
    });
    table.sean.new_group("Trip", Scheme::SenderKeys).await.unwrap();
    let told = table.sean.add("Trip", &["mike"], PATIENCE).await.unwrap_err();
    assert!(matches!(&told, ClientError::GivenUp { code, .. } if code == "no_keys"), "{told:?}");
    table.proxy.be_honest();
    common::done(table.sean.add("Trip", &["mike"], PATIENCE).await);
}

#[tokio::test]
async fn somebody_said_not_to_exist_gives_the_change_up_by_name() {
    let table = friends().await;
    table.proxy.alter(|body| {
        if let Body::Directory(directory) = body {
            directory.persons.clear();
        }
    });
    table.sean.new_group("Trip", Scheme::SenderKeys).await.unwrap();
    let told = table.sean.add("Trip", &["mike"], PATIENCE).await.unwrap_err();
    assert!(matches!(&told, ClientError::GivenUp { code, .. } if code == "unknown_person"), "{told:?}");
    table.proxy.be_honest();
    common::done(table.sean.add("Trip", &["mike"], PATIENCE).await);
}

#[tokio::test]
async fn a_list_rolled_back_is_one_alarm_and_nothing_of_it_taken() {
    let table = friends().await;
    let mut first = None;
    // The first list of mike that the relay gives is what it gives for ever; its key log is honest.
    table.proxy.alter(move |body| {
        if let Body::Directory(directory) = body {
            for person in directory.persons.iter_mut().filter(|person| person.name == "mike") {
                person.device_list = first.get_or_insert_with(|| person.device_list.clone()).clone();
            }
        }
    });
    table.sean.new_group("Before", Scheme::SenderKeys).await.unwrap();
    common::done(table.sean.add("Before", &["mike"], PATIENCE).await);
    common::sync(&table.mike).await;
    assert!(table.mike.heal_everything(PATIENCE).await.unwrap().keys_replaced);
    table.sean.new_group("After", Scheme::SenderKeys).await.unwrap();
    let outcome = table.sean.add("After", &["mike"], BRIEFLY).await.unwrap();
    assert_eq!(outcome, conclave_client::Outcome::Queued);
    let events = table.sean.sync(BRIEFLY).await.unwrap().events;
    assert!(matches!(alarms(&events)[..], [AlarmCause::LogFault { .. }]), "{events:?}");
    table.proxy.be_honest();
    common::sync(&table.sean).await;
    common::say(&table.sean, "After", "to the newest keys").await;
    assert_eq!(common::texts(&table.mike, "After").await, ["to the newest keys"]);
    let all = table.sean.alarms().await.unwrap();
    table.sean.acknowledge(all[0].id).await.unwrap();
    assert!(table.sean.alarms().await.unwrap()[0].acknowledged);
}
