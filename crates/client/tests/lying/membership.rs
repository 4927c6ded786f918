//! Lies about who is in: a ghost with a seat of its own, and somebody who was removed and is to be there again.

use super::common::{self, PATIENCE, cheap_person, done};
use super::{Table, alarms, is_ignored};
use conclave_client::{AlarmCause, Scheme};
use conclave_wire::v1;
use std::sync::{Arc, Mutex};

/// Mike adds eve and takes her out again, while sean looks on; the entry that let her in, as the relay gave it to sean.
async fn eve_comes_and_goes(table: &Table) -> v1::Entry {
    let eve = cheap_person(&table._stage, "eve").await;
    table.mike.add_contact("eve").await.unwrap();
    let seen: Arc<Mutex<Option<v1::Entry>>> = Arc::default();
    let noted = seen.clone();
    table.proxy.alter_entries(move |push| {
        let opens = |entry: &&v1::Entry| !entry.seats.is_empty();
        if let Some(entry) = push.entries.iter().find(opens) {
            noted.lock().unwrap().get_or_insert_with(|| entry.clone());
        }
    });
    done(table.mike.add("Trip", &["eve"], PATIENCE).await);
    table.sean_syncs().await;
    common::sync(&eve).await;
    done(table.mike.remove("Trip", &["eve"], PATIENCE).await);
    table.sean_syncs().await;
    seen.lock().unwrap().take().unwrap()
}

/// The relay gives sean `lie` for what mike says next; he is told, and nobody is in whom mike did not let in.
async fn instead_of_what_mike_says(mut table: Table, lie: impl Fn(&mut v1::Entry) + Send + 'static) {
    let of_mike = table.mike.group_code("Trip").await.unwrap().code;
    common::say(&table.mike, "Trip", "kept back").await;
    table.proxy.alter_entries(move |push| push.entries.iter_mut().for_each(&lie));
    let events = table.sean_syncs().await;
    assert!(is_ignored(&events, ""), "{events:?}");
    assert_eq!(table.sean.group_info("Trip").await.unwrap().members.len(), 2);
    assert_eq!(table.sean.group_code("Trip").await.unwrap().code, of_mike);
    // What mike says next, says that there was something else.
    table.proxy.be_honest();
    table.mike_says("and now?").await;
    let events = table.sean_syncs().await;
    assert!(matches!(alarms(&events)[..], [AlarmCause::Fork { .. }]), "{events:?}");
}

#[tokio::test]
async fn somebody_who_was_removed_is_not_brought_back_by_the_commit_that_once_let_them_in() {
    let table = Table::set(Scheme::SenderKeys).await;
    let old = eve_comes_and_goes(&table).await;
    let lie = move |entry: &mut v1::Entry| {
        *entry = v1::Entry {
            number: entry.number,
            turn: entry.turn,
            seat_number: entry.seat_number,
            ..old.clone()
        };
    };
    instead_of_what_mike_says(table, lie).await;
}

#[tokio::test]
async fn a_ghost_that_the_relay_seats_is_nobody_and_says_nothing() {
    let table = Table::set(Scheme::SenderKeys).await;
    let old = eve_comes_and_goes(&table).await;
    let ghost = move |entry: &mut v1::Entry| {
        let open = v1::OpenSeat { seat: vec![3; 16].into(), claim_hash: vec![4; 32].into(), after: 0 };
        entry.seat = vec![3; 16].into();
        (entry.shared, entry.hash) = (old.shared.clone(), old.hash.clone());
        entry.seats.push(v1::SeatChange { change: Some(v1::seat_change::Change::Open(open)) });
    };
    instead_of_what_mike_says(table, ghost).await;
}
