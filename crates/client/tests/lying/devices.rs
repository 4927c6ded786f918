//! Lies about the own devices and what they tell each other.

use super::common::{self, PASSPHRASE, PATIENCE, done};
use super::{BRIEFLY, Table, alarms, is_told};
use conclave_client::{AlarmCause, Client, Event};
use conclave_wire::v1::server_frame::Body;

/// Sean's second device, at the same relay; both are honest with each other.
pub(crate) async fn laptop(table: &Table) -> Client {
    linked(table, &table.sean, "laptop").await
}

/// A second device of somebody's.
async fn linked(table: &Table, first: &Client, name: &str) -> Client {
    let (link, code) = asks(table, first, name).await;
    done(first.approve_device(&code, PATIENCE).await);
    let zero = std::time::Duration::ZERO;
    Client::become_device(&table._stage.home(name), PASSPHRASE, &link, |_| {}, zero).await.unwrap()
}

/// A new device asks, and the first one has heard of it: the link, and the code that the new one shows.
pub(crate) async fn asks(table: &Table, first: &Client, name: &str) -> (String, String) {
    let link = first.link_device().await.unwrap();
    let home = table._stage.home(name);
    common::lives::cheap_sidecar(&home);
    let mut code = None;
    let zero = std::time::Duration::ZERO;
    let asked =
        Client::become_device(&home, PASSPHRASE, &link, |shown| code = Some(shown.to_owned()), zero).await;
    assert_eq!(asked.err().unwrap().code(), "not_listed");
    common::sync(first).await;
    (link, code.unwrap())
}

#[tokio::test]
async fn a_history_with_an_altered_message_is_named_and_nothing_of_it_taken() {
    let table = Table::strangers().await;
    table.sean.add_contact("mike").await.unwrap();
    table.mike.add_contact("sean").await.unwrap();
    let long = "x".repeat(20_000);
    common::say(&table.sean, "mike", &long).await;
    let laptop = laptop(&table).await;
    // What tells the history is longer than anything else.
    table.proxy.alter_entries(|push| {
        for entry in push.entries.iter_mut().filter(|entry| entry.shared.len() > 20_000) {
            let mut shared = entry.shared.to_vec();
            shared[10_000] ^= 1;
            entry.shared = shared.into();
        }
    });
    loop {
        common::sync(&table.sean).await;
        let events = laptop.sync(BRIEFLY).await.unwrap().events;
        assert!(!events.iter().any(|event| matches!(event, Event::History { .. })), "{events:?}");
        if is_told(&events, "does not match its hash") {
            break;
        }
    }
    table.proxy.be_honest();
    while !common::sync(&laptop).await.iter().any(|event| matches!(event, Event::History { .. })) {
        common::sync(&table.sean).await;
    }
    assert_eq!(common::texts(&laptop, "mike").await, [long]);
}

#[tokio::test]
async fn an_own_list_that_is_rolled_back_or_anothers_is_named_and_published_again() {
    let table = Table::strangers().await;
    table.sean.add_contact("mike").await.unwrap();
    let mut first = None;
    // The first list of sean that the relay gives is what it gives for ever.
    table.proxy.alter(move |body| {
        if let Body::Directory(directory) = body {
            for person in directory.persons.iter_mut().filter(|person| person.name == "sean") {
                person.device_list = first.get_or_insert_with(|| person.device_list.clone()).clone();
            }
        }
    });
    table.sean_syncs().await;
    let report = table.sean.heal_everything(PATIENCE).await.unwrap();
    assert!(report.keys_replaced);
    let events = table.sean_syncs().await;
    assert!(matches!(alarms(&events)[..], [AlarmCause::LogFault { .. }]), "{events:?}");
    // Others still have nothing but what sean has signed.
    table.proxy.be_honest();
    table.sean_syncs().await;
    table.mike.add_contact("sean").await.unwrap();
    common::say(&table.mike, "sean", "to the newest keys").await;
    assert_eq!(common::texts(&table.sean, "mike").await, ["to the newest keys"]);
}

#[tokio::test]
async fn a_ghost_device_that_the_relay_names_is_not_encrypted_to() {
    let table = Table::strangers().await;
    // The relay gives mike another device, with keys of somebody who is listed elsewhere.
    let eve = common::cheap_person(&table._stage, "eve").await;
    let eves = eve.account().await.unwrap().device;
    table.proxy.alter(move |body| {
        if let Body::Directory(directory) = body {
            for person in &mut directory.persons {
                let device = hex::decode(&eves).unwrap().into();
                person.devices.push(conclave_wire::v1::Device { device, bundle: vec![7; 500].into() });
            }
        }
    });
    table.sean.add_contact("mike").await.unwrap();
    table.mike.add_contact("sean").await.unwrap();
    common::say(&table.sean, "mike", "for mike alone").await;
    assert_eq!(common::texts(&table.mike, "sean").await, ["for mike alone"]);
    let said = common::messages(&table.sean, "mike").await;
    let readers = table.sean.readers(&said[0].id).await.unwrap();
    assert_eq!((readers.people.len(), readers.devices), (2, 2), "{readers:?}");
    assert!(common::sync(&eve).await.is_empty());
}
