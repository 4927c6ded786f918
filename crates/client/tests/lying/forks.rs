//! Two members are shown two logs of one group, or one of them less of it: found by the first message that crosses, in the
//! group or in any other conversation that both are in.

use super::common::{self, PATIENCE, done};
use super::{Table, alarms};
use bytes::Bytes;
use conclave_client::{AlarmCause, Event, Scheme};
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::server_frame::Body;
use std::sync::{Arc, Mutex};

use super::common::proxy::Passing;

/// Sean's seat in the one group that there is so far.
async fn seat(table: &Table) -> Bytes {
    let seen = Arc::new(Mutex::new(Bytes::new()));
    let found = seen.clone();
    table.proxy.lie(move |passing, out| {
        if let Passing::ToRelay(frame) = &passing
            && let Some(Request::Attach(attach)) = &frame.request
        {
            *seen.lock().unwrap() = attach.seats[0].seat.clone();
        }
        out.pass(passing);
    });
    table.sean_syncs().await;
    table.proxy.be_honest();
    let seat = found.lock().unwrap().clone();
    assert!(!seat.is_empty());
    seat
}

/// From here on sean is shown other entries of that seat than mike is.
fn show_another_log(table: &Table, seat: Bytes) {
    table.proxy.alter_entries(move |push| {
        if push.seat == seat {
            for entry in push.entries.iter_mut().filter(|entry| !entry.shared.is_empty()) {
                entry.shared.clear();
                (entry.expired, entry.hash) = (true, vec![7; 32].into());
            }
        }
    });
}

/// From here on sean is shown nothing new of that seat, and told that there is nothing.
fn show_no_more(table: &Table, seat: Bytes, head: u64) {
    table.proxy.alter(move |body| match body {
        Body::Entries(push) if push.seat == seat => {
            push.entries.retain(|entry| entry.number <= head);
            push.head = push.head.min(head);
        }
        Body::Attached(attached) => {
            for state in attached.seats.iter_mut().filter(|state| state.seat == seat) {
                state.head = state.head.min(head);
            }
        }
        _ => {}
    });
}

fn forks(events: &[Event]) -> Vec<(&str, &str, &str)> {
    let mut forks = Vec::new();
    for cause in alarms(events) {
        match cause {
            AlarmCause::Fork { conversation, who, via, .. } => forks.push((&**conversation, &**who, &**via)),
            other => panic!("{other:?}"),
        }
    }
    forks
}

#[tokio::test]
async fn a_fork_of_a_group_is_found_by_the_first_message_that_crosses() {
    for scheme in Scheme::ALL {
        let mut table = Table::set(scheme).await;
        let seat = seat(&table).await;
        show_another_log(&table, seat);
        table.mike_says("for mike's side").await;
        assert!(alarms(&table.sean_syncs().await).is_empty());
        table.proxy.be_honest();
        table.mike_says("crosses").await;
        let events = table.sean_syncs().await;
        assert_eq!(forks(&events), [("Trip", "mike", "Trip")], "{events:?}");
        table.mike_says("crosses too").await;
        assert!(alarms(&table.sean_syncs().await).is_empty(), "one banner");
    }
}

#[tokio::test]
async fn a_fork_that_nothing_crosses_is_found_by_a_message_in_a_direct_chat() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    let seat = seat(&table).await;
    show_another_log(&table, seat);
    table.mike_says("for mike's side").await;
    assert!(alarms(&table.sean_syncs().await).is_empty());
    common::say(&table.mike, "sean", "how are you?").await;
    let events = table.sean_syncs().await;
    assert_eq!(forks(&events), [("Trip", "mike", "mike")], "{events:?}");
}

#[tokio::test]
async fn what_a_relay_keeps_back_is_found_by_a_message_in_another_group() {
    let mut table = Table::set(Scheme::Tree).await;
    let seat = seat(&table).await;
    table.mike.new_group("Other", Scheme::SenderKeys).await.unwrap();
    done(table.mike.add("Other", &["sean"], PATIENCE).await);
    table.sean_syncs().await;
    let head = 3;
    show_no_more(&table, seat, head);
    table.mike_says("not for sean").await;
    common::say(&table.mike, "Other", "have you heard?").await;
    // It may be on its way still.
    let mut events = table.sean_syncs().await;
    assert!(alarms(&events).is_empty(), "{events:?}");
    events.extend(table.sean_syncs().await);
    let causes = alarms(&events);
    let named = matches!(causes[..], [AlarmCause::Withheld { conversation, who, via, .. }]
        if conversation == "Trip" && who == "mike" && via == "Other");
    assert!(named, "{events:?}");
    table.all_is_well().await;
    assert_eq!(table.sean.alarms().await.unwrap().len(), 1, "kept back is no fork");
}

/// The same ways with an honest relay: nothing is alarming. One that was restored: `restores`.
#[tokio::test]
async fn honest_gossip_raises_no_alarm() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    for round in 0..3 {
        table.mike_says(&format!("in the group {round}")).await;
        common::say(&table.mike, "sean", &format!("in the chat {round}")).await;
        table.sean_says(&format!("back in the group {round}")).await;
        common::say(&table.sean, "mike", &format!("back in the chat {round}")).await;
        common::sync(&table.mike).await;
    }
    table.all_is_well().await;
    for one in [&table.mike, &table.sean] {
        assert!(one.alarms().await.unwrap().is_empty());
    }
}
