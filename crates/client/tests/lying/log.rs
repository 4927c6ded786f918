//! Lies about the log: numbers, turns, hashes, bodies, slices, authors.

use super::common::{PATIENCE, done};
use super::{BRIEFLY, Table, alarms, back_and_healed, is_ignored, is_told, trip};
use conclave_client::{AlarmCause, Deed, Delivery, Event, ReadOptions, Scheme};
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use std::sync::{Arc, Mutex};

use super::common::proxy::Passing;

const CONTRADICTION: &str = "contradicts itself";

/// A lie about each entry that carries a body.
fn about_bodies(
    mut alter: impl FnMut(&mut v1::Entry) + Send + 'static,
) -> impl FnMut(&mut v1::Entries) + Send {
    move |push| push.entries.iter_mut().filter(|entry| !entry.shared.is_empty()).for_each(&mut alter)
}

#[tokio::test]
async fn a_turn_that_falls_is_named_and_nothing_of_it_taken() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.mike_says("x").await;
    table.proxy.alter_entries(|push| push.entries.iter_mut().for_each(|entry| entry.turn = 0));
    table.sean_finds_a_fault(CONTRADICTION).await;
    assert!(!table.texts(&table.sean).await.contains(&"x".to_owned()));
    table.all_is_well().await;
}

#[tokio::test]
async fn a_turn_that_leaps_is_named_and_nothing_of_it_taken() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.mike_says("x").await;
    table.proxy.alter_entries(|push| push.entries.iter_mut().for_each(|entry| entry.turn += 5));
    table.sean_finds_a_fault(CONTRADICTION).await;
    table.all_is_well().await;
}

/// A turn too many cannot be told from a true one: a member might have taken it. It shows later, and spoils the own count.
#[tokio::test]
async fn a_turn_that_nobody_took_ends_in_being_let_in_again() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.mike_says("x").await;
    table.proxy.alter_entries(|push| push.entries.iter_mut().for_each(|entry| entry.turn += 1));
    table.sean_syncs().await;
    table.proxy.be_honest();
    table.sean_finds_a_fault("counts turns otherwise").await;
    table.mike_says("y").await;
    let events = table.sean_tries().await.unwrap().events;
    assert!(is_told(&events, CONTRADICTION), "{events:?}");
    let events = table.sean_is_let_in_again().await;
    assert!(events.iter().any(|event| matches!(event, Event::Messages { missing: 1, .. })), "{events:?}");
    table.all_is_well_but(&["y"]).await;
}

#[tokio::test]
async fn a_gap_in_the_numbers_is_named_and_filled_later() {
    let mut table = Table::set(Scheme::Pairwise).await;
    table.mike_says("x").await;
    table.mike_says("y").await;
    table.proxy.alter_entries(|push| push.entries.retain(|entry| entry.number != 4));
    table.sean_finds_a_fault(CONTRADICTION).await;
    table.all_is_well().await;
}

#[tokio::test]
async fn repeated_entries_are_shown_once() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.mike_says("x").await;
    table.mike_says("y").await;
    table.proxy.alter_entries(|push| push.entries = [push.entries.clone(), push.entries.clone()].concat());
    let events = table.sean_syncs().await;
    assert!(events.iter().all(|event| matches!(event, Event::Messages { .. })), "{events:?}");
    table.all_is_well().await;
}

#[tokio::test]
async fn reordered_entries_are_named_and_taken_in_order_later() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.mike_says("x").await;
    table.mike_says("y").await;
    table.proxy.alter_entries(|push| push.entries.reverse());
    table.sean_finds_a_fault(CONTRADICTION).await;
    table.all_is_well().await;
}

#[tokio::test]
async fn a_head_that_is_too_high_holds_posts_back_and_loses_none() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.mike_says("x").await;
    table.proxy.alter(|body| match body {
        Body::Entries(push) => push.head += 10,
        Body::Attached(attached) => attached.seats.iter_mut().for_each(|seat| seat.head += 10),
        _ => {}
    });
    let report = table.sean.sync(BRIEFLY).await.unwrap();
    assert!(!report.caught_up);
    table.sean_queues("y").await;
    table.all_is_well().await;
}

#[tokio::test]
async fn a_wrong_hash_is_named_and_nothing_of_it_taken() {
    let mut table = Table::set(Scheme::Pairwise).await;
    table.mike_says("x").await;
    table.proxy.alter_entries(about_bodies(|entry| entry.hash = vec![7; 32].into()));
    table.sean_finds_a_fault("does not match its hash").await;
    table.all_is_well().await;
}

#[tokio::test]
async fn a_body_of_another_entry_is_named_and_nothing_of_it_taken() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.mike_says("x").await;
    table.mike_says("y").await;
    table.proxy.alter_entries(|push| {
        if let [first, second] = &mut push.entries[..] {
            std::mem::swap(&mut first.shared, &mut second.shared);
        }
    });
    table.sean_finds_a_fault("does not match its hash").await;
    table.all_is_well().await;
}

/// With hash and slice moved along, each opens for itself; but the second says that it has seen the first.
#[tokio::test]
async fn two_entries_in_each_others_place_are_noticed() {
    let mut table = Table::set(Scheme::Pairwise).await;
    table.mike_says("x").await;
    table.mike_says("y").await;
    table.proxy.alter_entries(|push| {
        if let [first, second] = &mut push.entries[..] {
            std::mem::swap(&mut first.number, &mut second.number);
            push.entries.reverse();
        }
    });
    let events = table.sean_syncs().await;
    assert!(matches!(alarms(&events)[..], [AlarmCause::Fork { .. }]), "{events:?}");
    // That they came in this order cannot be undone; that they were said can't either.
    table.said.swap(2, 3);
    let of_mike = table.texts(&table.mike).await;
    assert_ne!(of_mike, table.said);
    assert_eq!(table.texts(&table.sean).await, table.said);
}

#[tokio::test]
async fn a_body_withheld_is_named_and_taken_later() {
    let mut table = Table::set(Scheme::Pairwise).await;
    table.mike_says("x").await;
    table.proxy.alter_entries(about_bodies(|entry| entry.shared.clear()));
    table.sean_finds_a_fault(CONTRADICTION).await;
    table.all_is_well().await;
}

#[tokio::test]
async fn a_body_said_to_be_gone_is_told_as_lost() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.mike_says("x").await;
    table.proxy.alter_entries(about_bodies(|entry| {
        entry.shared.clear();
        entry.expired = true;
    }));
    let events = table.sean_syncs().await;
    assert!(events.iter().any(|event| matches!(event, Event::Messages { missing: 1, .. })), "{events:?}");
    table.all_is_well_but(&["x"]).await;
}

#[tokio::test]
async fn anothers_post_claimed_to_be_ones_own_is_alarming_and_ends_in_being_let_in_again() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    let own = Arc::new(Mutex::new(bytes::Bytes::new()));
    table.mike_says("x").await;
    table.proxy.lie(move |mut passing, out| {
        match &mut passing {
            Passing::ToClient(frame) => {
                if let Some(Body::Entries(push)) = &mut frame.body {
                    let own = own.lock().unwrap().clone();
                    about_bodies(move |entry| {
                        entry.seat = own.clone();
                        entry.shared.clear();
                    })(push);
                }
            }
            Passing::ToRelay(frame) => {
                if let Some(Request::Attach(attach)) = &frame.request {
                    *own.lock().unwrap() = attach.seats[0].seat.clone();
                }
            }
        }
        out.pass(passing);
    });
    let events = table.sean_syncs().await;
    let own = AlarmCause::OwnName { deed: Deed::Posted, id: trip(&table).await, conversation: "Trip".into() };
    assert_eq!(alarms(&events), [&own]);
    assert!(events.iter().any(|event| matches!(event, Event::Stranded { .. })), "{events:?}");
    table.proxy.be_honest();
    let told = back_and_healed(&table).await;
    assert!(matches!(alarms(&told)[..], [AlarmCause::Disavowed { who, .. }] if who == "sean"), "{told:?}");
    table.all_is_well_but(&["x"]).await;
    let said = table.mike.read("Trip", ReadOptions::default()).await.unwrap();
    assert!(said.iter().all(|message| message.doubtful.is_none()), "sean said nothing while in doubt");
}

#[tokio::test]
async fn ones_own_post_claimed_to_be_anothers_is_ignored_and_said_again() {
    for scheme in [Scheme::Pairwise, Scheme::SenderKeys] {
        let mut table = Table::set(scheme).await;
        let (mut own, mut posted) = (bytes::Bytes::new(), bytes::Bytes::new());
        let others = Arc::new(Mutex::new(bytes::Bytes::new()));
        let found = others.clone();
        table.mike_says("x").await;
        table.proxy.alter_entries(about_bodies(move |entry| *found.lock().unwrap() = entry.seat.clone()));
        table.sean_syncs().await;
        table.proxy.lie(move |mut passing, out| {
            match &mut passing {
                Passing::ToClient(frame) => {
                    if let Some(Body::Entries(push)) = &mut frame.body {
                        for entry in push.entries.iter_mut().filter(|entry| entry.seat == own) {
                            (entry.seat, entry.shared) = (others.lock().unwrap().clone(), posted.clone());
                        }
                    }
                }
                Passing::ToRelay(frame) => {
                    if let Some(Request::Post(post)) = &frame.request {
                        (own, posted) = (post.seat.clone(), post.shared.clone());
                    }
                }
            }
            out.pass(passing);
        });
        let ticket = table.sean.send("Trip", "y").await.unwrap();
        assert_eq!(table.sean.wait(&ticket, BRIEFLY).await.unwrap(), Delivery::Sent);
        table.said.push("y".into());
        let events = table.sean_tries().await.unwrap().events;
        assert!(is_ignored(&events, "of mike cannot be read"), "{events:?}");
        assert!(is_told(&events, "the own post as another's"), "{events:?}");
        table.proxy.be_honest();
        table.sean_is_let_in_again().await;
        table.all_is_well().await;
    }
}

#[tokio::test]
async fn seats_opened_that_the_commit_does_not_say_are_told() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    done(table.mike.heal("Trip", PATIENCE).await);
    let open = v1::OpenSeat { seat: vec![3; 16].into(), claim_hash: vec![4; 32].into(), after: 0 };
    let change = v1::SeatChange { change: Some(v1::seat_change::Change::Open(open)) };
    table.proxy.alter_entries(about_bodies(move |entry| entry.seats.push(change.clone())));
    let events = table.sean_syncs().await;
    assert!(is_ignored(&events, "opened or closed other seats"), "{events:?}");
    table.all_is_well().await;
}

#[tokio::test]
async fn seats_closed_that_the_commit_does_not_say_are_told() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    done(table.mike.heal("Trip", PATIENCE).await);
    let change = v1::SeatChange { change: Some(v1::seat_change::Change::Close(vec![3; 16].into())) };
    table.proxy.alter_entries(about_bodies(move |entry| entry.seats.push(change.clone())));
    let events = table.sean_syncs().await;
    assert!(is_ignored(&events, "opened or closed other seats"), "{events:?}");
    table.all_is_well().await;
}

#[tokio::test]
async fn a_commits_slice_withheld_strands_and_ends_in_being_let_in_again() {
    for scheme in [Scheme::Pairwise, Scheme::SenderKeys] {
        let mut table = Table::set(scheme).await;
        done(table.mike.heal("Trip", PATIENCE).await);
        table.proxy.alter_entries(about_bodies(|entry| entry.slice.clear()));
        let events = table.sean_syncs().await;
        assert!(events.iter().any(|event| matches!(event, Event::Stranded { .. })), "{events:?}");
        table.proxy.be_honest();
        table.mike_says("x").await;
        table.sean_is_let_in_again().await;
        table.all_is_well_but(&["x"]).await;
    }
}

#[tokio::test]
async fn a_messages_slice_withheld_is_told_and_ends_in_being_let_in_again() {
    let mut table = Table::set(Scheme::Pairwise).await;
    table.mike_says("x").await;
    table.proxy.alter_entries(about_bodies(|entry| entry.slice.clear()));
    let events = table.sean_syncs().await;
    assert!(is_ignored(&events, "cannot be read here"), "{events:?}");
    table.proxy.be_honest();
    // What is said before the request is met can be read as ever.
    table.mike_says("y").await;
    table.sean_is_let_in_again().await;
    table.all_is_well_but(&["x"]).await;
}

#[tokio::test]
async fn a_commit_said_to_have_taken_no_turn_ends_in_being_let_in_again() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    done(table.mike.heal("Trip", PATIENCE).await);
    table.proxy.alter_entries(about_bodies(|entry| entry.turn -= 1));
    let events = table.sean_syncs().await;
    assert!(is_ignored(&events, "wrong group or epoch"), "{events:?}");
    table.proxy.be_honest();
    table.mike_says("x").await;
    table.sean_is_let_in_again().await;
    table.all_is_well_but(&["x"]).await;
}
