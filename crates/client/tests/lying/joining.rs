//! Lies to a newcomer: about the seat that it is offered, and about what it finds there. The invitation outlives them.

use super::common::{self, PATIENCE, done};
use super::{Table, is_ignored};
use conclave_client::{Event, Scheme};
use conclave_wire::Code;
use conclave_wire::v1::{self, server_frame::Body};

/// Sean is invited while his relay lies; honest again, he is in and has what was said.
async fn invited(alter: impl FnMut(&mut Body) + Send + 'static) {
    let mut table = Table::strangers().await;
    table.mike.add_contact("sean").await.unwrap();
    table.sean.add_contact("mike").await.unwrap();
    table.mike.new_group("Trip", Scheme::SenderKeys).await.unwrap();
    done(table.mike.add("Trip", &["sean"], PATIENCE).await);
    table.mike_says("hello").await;
    table.proxy.alter(alter);
    let events = table.sean_tries().await.unwrap().events;
    assert!(events.iter().any(|event| matches!(event, Event::InvitationFails { .. })), "{events:?}");
    // And once more, without a word.
    let events = table.sean_tries().await.unwrap().events;
    assert_eq!(events, []);
    table.proxy.be_honest();
    let events = table.sean_syncs().await;
    assert!(events.iter().any(|event| matches!(event, Event::Joined { .. })), "{events:?}");
    table.all_is_well().await;
}

fn about_bodies(mut alter: impl FnMut(&mut v1::Entry) + Send + 'static) -> impl FnMut(&mut Body) + Send {
    move |body| {
        if let Body::Entries(push) = body {
            push.entries.iter_mut().filter(|entry| !entry.shared.is_empty()).for_each(&mut alter);
        }
    }
}

#[tokio::test]
async fn a_welcome_withheld_is_told_and_taken_later() {
    invited(about_bodies(|entry| entry.slice.clear())).await;
}

#[tokio::test]
async fn a_welcome_altered_is_told_and_taken_later() {
    invited(about_bodies(|entry| {
        let mut slice = entry.slice.to_vec();
        if let Some(last) = slice.last_mut() {
            *last ^= 1;
        }
        entry.slice = slice.into();
    }))
    .await;
}

#[tokio::test]
async fn a_commit_of_another_author_turn_or_hash_lets_nobody_in() {
    invited(about_bodies(|entry| entry.seat = vec![7; 16].into())).await;
    invited(about_bodies(|entry| entry.turn += 1)).await;
    invited(about_bodies(|entry| entry.hash = vec![7; 32].into())).await;
    invited(about_bodies(|entry| entry.number += 1)).await;
}

#[tokio::test]
async fn an_offered_seat_refused_with_any_code_is_told_and_taken_later() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    for (n, code) in Code::ALL.iter().enumerate() {
        let name = format!("Group {n}");
        table.mike.new_group(&name, Scheme::SenderKeys).await.unwrap();
        done(table.mike.add(&name, &["sean"], PATIENCE).await);
        table.proxy.lie(move |passing, out| {
            use conclave_wire::v1::client_frame::Request;
            match &passing {
                common::proxy::Passing::ToRelay(frame)
                    if matches!(frame.request, Some(Request::Claim(_))) =>
                {
                    let refused = v1::Refused::new(*code);
                    out.for_client(v1::ServerFrame::new(frame.id, Body::Refused(refused)));
                }
                _ => out.pass(passing),
            }
        });
        match table.sean_tries().await {
            Ok(report) => {
                let told = |event: &Event| matches!(event, Event::InvitationFails { .. });
                assert!(report.events.iter().any(told), "{code}: {:?}", report.events);
            }
            Err(error) => assert_eq!(error.code(), code.as_str()),
        }
        table.proxy.be_honest();
        let events = table.sean_syncs().await;
        let is_in =
            |event: &Event| matches!(event, Event::Joined { conversation, .. } if *conversation == name);
        assert!(events.iter().any(is_in), "{code}: {events:?}");
        assert!(!is_ignored(&events, ""), "{events:?}");
    }
    table.all_is_well().await;
}
