//! Somebody speaks in sean's name, with a copy of all that his device has.

use super::common::{self, PASSPHRASE, PATIENCE, done};
use super::{Table, alarms, back_and_healed};
use conclave_client::{AlarmCause, Client, Deed, Doubt, Event, ReadOptions, Scheme};

/// A copy of sean's store, at the honest relay.
async fn thief(table: &Table) -> Client {
    let (from, to) = (table._stage.home("sean"), table._stage.home("thief"));
    common::copy(&from, &to);
    Client::open(&to, PASSPHRASE).await.unwrap()
}

async fn doubts(who: &Client) -> Vec<(String, Option<Doubt>)> {
    let all = who.read("Trip", ReadOptions::default()).await.unwrap();
    all.into_iter().map(|message| (message.text, message.doubtful)).collect()
}

/// `direct`: the two have a chat as well, by which mike hears of it while sean is not in the group.
async fn a_thief_speaks(scheme: Scheme, direct: bool) {
    let mut table = Table::set(scheme).await;
    if direct {
        common::say(&table.sean, "mike", "hello").await;
        common::sync(&table.mike).await;
    }
    let thief = thief(&table).await;
    // Sean is there, and agrees with the relay about what he has posted.
    let here = table.sean.follow("Trip").await.unwrap();
    table.sean_syncs().await;
    common::say(&thief, "Trip", "send me money").await;
    drop(thief);
    let mut heard = table.sean_tries().await.unwrap().events;
    for _ in 0..10 {
        if heard.iter().any(|event| matches!(event, Event::Alarm { .. })) {
            break;
        }
        heard.extend(table.sean_tries().await.unwrap().events);
    }
    let causes = alarms(&heard);
    assert!(matches!(causes[..], [AlarmCause::OwnName { deed: Deed::Posted, .. }]), "{heard:?}");
    let told = back_and_healed(&table).await;
    let causes = alarms(&told);
    assert!(matches!(causes[..], [AlarmCause::Disavowed { who, .. }] if who == "sean"), "{told:?}");
    // In doubt until his person's newer list gives the device other keys.
    assert_eq!(told.iter().any(|event| matches!(event, Event::Believed { .. })), direct, "{told:?}");
    table.sean_says("that was not me").await;
    common::sync(&table.mike).await;
    let said = doubts(&table.mike).await;
    let marked: Vec<_> =
        said.iter().filter_map(|(text, doubt)| doubt.map(|doubt| (&**text, doubt))).collect();
    assert_eq!(marked, [("send me money", Doubt::Disavowed)]);
    assert_eq!(said.last().unwrap(), &("that was not me".to_owned(), None), "with keys that no thief has");
    drop(here);
}

#[tokio::test]
async fn what_a_thief_says_is_an_alarm_for_the_victim_and_marked_for_the_others_sender_keys() {
    a_thief_speaks(Scheme::SenderKeys, true).await;
}

#[tokio::test]
async fn what_a_thief_says_is_an_alarm_for_the_victim_and_marked_for_the_others_tree() {
    a_thief_speaks(Scheme::Tree, false).await;
}

/// Who comes back to find that somebody, or an own later store, has spoken cannot tell which: both are named, and nobody
/// else is told of a thief.
#[tokio::test]
async fn what_was_said_while_away_is_no_alarm_but_names_both_that_it_may_be() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    let thief = thief(&table).await;
    common::say(&thief, "Trip", "from a later store, or a thief").await;
    drop(thief);
    let events = table.sean_tries().await.unwrap().events;
    let restored = events.iter().find(|event| matches!(event, Event::Restored { .. })).unwrap();
    assert!(restored.to_string().contains("older copy, or somebody else"), "{restored}");
    assert!(alarms(&events).is_empty(), "{events:?}");
    table.said.push("from a later store, or a thief".into());
    assert!(alarms(&table.sean_is_let_in_again().await).is_empty());
    assert!(table.mike.alarms().await.unwrap().is_empty());
    done(table.mike.heal("Trip", PATIENCE).await);
}

/// With sean's identity key a device can be listed that sean never linked. He alone signs lists, and was there.
#[tokio::test]
async fn a_device_listed_in_ones_name_is_an_alarm_and_taken_off_again() {
    let table = Table::set(Scheme::SenderKeys).await;
    let thief = thief(&table).await;
    let (link, code) = super::devices::asks(&table, &thief, "ghost").await;
    let here = table.sean.follow("Trip").await.unwrap();
    table.sean_syncs().await;
    done(thief.approve_device(&code, PATIENCE).await);
    drop((thief, link));
    let events = table.sean_syncs().await;
    let causes = alarms(&events);
    assert!(matches!(causes[..], [AlarmCause::OwnName { deed: Deed::Listed, .. }]), "{events:?}");
    assert!(table.sean.alarms().await.unwrap()[0].exportable, "the list that was signed");
    table.sean_syncs().await;
    assert_eq!(table.sean.devices().await.unwrap().len(), 1);
    common::sync(&table.mike).await;
    let info = table.mike.group_info("Trip").await.unwrap();
    assert!(info.members.iter().all(|member| member.devices == 1), "{info:?}");
    drop(here);
}

/// A linked device cannot sign new keys for itself: it is in doubt until the first one says that it is theirs again.
#[tokio::test]
async fn a_linked_device_is_in_doubt_until_a_sibling_says_otherwise() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    let laptop = super::devices::laptop(&table).await;
    while !laptop.groups().await.unwrap().iter().any(|group| group.name == "Trip") {
        table.sean_syncs().await;
        common::sync(&table.mike).await;
        common::sync(&laptop).await;
    }
    let trip = super::trip(&table).await;
    common::say(&laptop, &trip, "from the laptop").await;
    let (from, to) = (table._stage.home("laptop"), table._stage.home("thief"));
    common::copy(&from, &to);
    let thief = Client::open(&to, PASSPHRASE).await.unwrap();
    let here = laptop.follow(&trip).await.unwrap();
    common::sync(&laptop).await;
    common::say(&thief, &trip, "send me money").await;
    drop(thief);
    let (mut of_mike, mut of_sean) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let _ = laptop.sync(PATIENCE).await.unwrap();
        of_mike.extend(common::sync(&table.mike).await);
        of_sean.extend(table.sean_tries().await.unwrap().events);
    }
    for told in [&of_mike, &of_sean] {
        let disavowed = |cause: &&AlarmCause| matches!(cause, AlarmCause::Disavowed { .. });
        assert_eq!(alarms(told).into_iter().filter(disavowed).count(), 1, "{told:?}");
    }
    common::say(&laptop, &trip, "still in doubt").await;
    common::sync(&table.mike).await;
    let device = laptop.account().await.unwrap().device;
    assert!(
        table.sean.believe_device(&table.sean.account().await.unwrap().device).await.is_err(),
        "not itself"
    );
    assert_eq!(table.sean.believe_device(&device).await.unwrap(), 1);
    table.sean_syncs().await;
    let told = common::sync(&table.mike).await;
    assert!(told.iter().any(|event| matches!(event, Event::Believed { .. })), "{told:?}");
    common::say(&laptop, &trip, "in doubt no more").await;
    common::sync(&table.mike).await;
    let said = doubts(&table.mike).await;
    let marked: Vec<_> = said.iter().filter_map(|(text, doubt)| doubt.map(|_| &**text)).collect();
    assert_eq!(marked, ["send me money", "still in doubt"]);
    assert_eq!(said.last().unwrap().0, "in doubt no more");
    table.said.clear();
    drop(here);
}
