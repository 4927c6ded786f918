//! Channels over real sockets: posts, turns, seats, claims, fan-out, catch-up.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{Client, Seat, channel_of_two, refusal, relay};
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use conclave_wire::{Code, limits, slices};
use sha2::{Digest, Sha256};

#[tokio::test]
async fn a_post_reaches_the_other_seat_live_and_whole() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let state = sean.attach(&b, 1).await;
    assert_eq!((state.refused.as_str(), state.head, state.turn, state.last_post), ("", 1, 1, 0));
    let slices = slices::pack([(b.seat, "for b"), (a.seat, "for a")]).unwrap();
    let posted = mike.post(v1::Post { slices, ..a.text(2, 1, "hello") }).await;
    assert_eq!((posted.entry, posted.turn), (2, 1));
    let entry = sean.entries(&b, 1).await.remove(0);
    assert_eq!((entry.number, entry.turn, entry.seat_number, entry.at), (2, 1, 2, posted.at));
    assert_eq!((entry.shared.as_ref(), entry.slice.as_ref()), (&b"hello"[..], &b"for b"[..]));
    assert_eq!(entry.hash, Sha256::digest("hello").to_vec());
    assert_eq!(entry.seat, a.seat.to_bytes());
    assert!(!entry.expired && entry.seats.is_empty());
}

#[tokio::test]
async fn own_posts_come_back_without_their_shared_part() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, _) = channel_of_two(&mut mike, 1).await;
    mike.post(a.text(2, 1, "mine")).await;
    let state = mike.attach(&a, 0).await;
    assert_eq!((state.last_post, state.last_entry, state.head), (2, 2, 2));
    assert_eq!(state.last_hash, Sha256::digest("mine").to_vec());
    for caught_up_from in [mike.entries(&a, 2).await, {
        mike.attach(&a, 0).await;
        mike.entries(&a, 2).await
    }] {
        assert!(caught_up_from.iter().all(|entry| entry.shared.is_empty() && !entry.expired));
        assert_eq!(caught_up_from[1].hash, Sha256::digest("mine").to_vec());
    }
    mike.post(a.text(3, 1, "mine, live")).await;
    let live = mike.entries(&a, 1).await.remove(0);
    assert_eq!((live.shared.as_ref(), live.expired), (&b""[..], false));
    assert_eq!(live.hash, Sha256::digest("mine, live").to_vec());
}

#[tokio::test]
async fn a_repeated_post_is_answered_as_the_first_time_and_written_once() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let first = mike.post(a.text(2, 1, "once")).await;
    let again = mike.post(a.text(2, 1, "once")).await;
    assert_eq!(first, again);
    mike.post(b.commit(1, 1, vec![])).await;
    let after_a_turn = mike.post(a.text(2, 1, "once")).await;
    assert_eq!(first, after_a_turn, "also when the turn has passed since");
    let other = mike.ask(Request::Post(a.text(2, 2, "other"))).await;
    assert_eq!(refusal(&other), Code::WrongNumber);
    let Body::Refused(other) = other else { unreachable!() };
    assert_eq!((other.last_post, other.last_hash), (2, Sha256::digest("once").to_vec().into()));
    let gap = mike.ask(Request::Post(a.text(4, 2, "gap"))).await;
    assert_eq!(refusal(&gap), Code::WrongNumber);
    assert_eq!(mike.attach(&a, 0).await.head, 3);
}

#[tokio::test]
async fn a_post_for_another_turn_is_stale_and_leaves_nothing() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    mike.post(b.commit(1, 1, vec![])).await;
    for turn in [0, 1, 3, u64::MAX] {
        let stale = mike.ask(Request::Post(a.commit(2, turn, vec![Seat::new(1, 3).open(b"x", 0)]))).await;
        assert_eq!(stale, Body::Stale(v1::Stale { turn: 2, head: 2 }));
    }
    assert_eq!(mike.attach(&a, 0).await.head, 2);
    assert_eq!(mike.attach(&Seat::new(1, 3), 0).await.refused, "unknown_seat");
}

#[tokio::test]
async fn two_commits_at_one_turn_have_one_winner() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let one = mike.send(Request::Post(a.commit(2, 1, vec![]))).await;
    let two = mike.send(Request::Post(b.commit(1, 1, vec![]))).await;
    let answers = [mike.answer(one).await, mike.answer(two).await];
    assert!(matches!(&answers[0], Body::Posted(posted) if posted.turn == 2), "{answers:?}");
    assert!(matches!(&answers[1], Body::Stale(stale) if stale.turn == 2), "{answers:?}");
}

#[tokio::test]
async fn a_new_seat_sees_hashes_before_it_and_everything_from_its_opening_on() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    mike.post(a.text(2, 1, "before")).await;
    let c = Seat::new(1, 3);
    let slices = slices::pack([(c.seat, "welcome")]).unwrap();
    mike.post(v1::Post { slices, ..a.commit(3, 1, vec![c.open(b"claim c", 1)]) }).await;
    mike.post(b.text(1, 2, "after")).await;
    let mut dave = Client::connect(&relay).await;
    assert_eq!(dave.attach(&c, 0).await.refused, "unclaimed");
    assert!(matches!(dave.ask(c.claim(b"claim c")).await, Body::Done(_)));
    assert_eq!(dave.attach(&c, 0).await.refused, "");
    let entries = dave.entries(&c, 3).await;
    let seen: Vec<_> = entries.iter().map(|e| (e.number, e.shared.as_ref(), e.slice.as_ref())).collect();
    let none = &b""[..];
    let opening = &b"commit 3 at 1"[..];
    assert_eq!(seen, [(2, none, none), (3, opening, &b"welcome"[..]), (4, &b"after"[..], none)]);
    assert_eq!(entries[0].hash, Sha256::digest("before").to_vec());
    assert_eq!(entries[1].seats, vec![c.open(b"claim c", 1)]);
}

#[tokio::test]
async fn a_claim_is_exchanged_once_for_one_token() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, _) = channel_of_two(&mut mike, 1).await;
    let c = Seat::new(1, 3);
    mike.post(a.commit(2, 1, vec![c.open(b"claim", 0)])).await;
    assert_eq!(refusal(&mike.ask(c.claim(b"guess")).await), Code::WrongClaim);
    assert!(matches!(mike.ask(c.claim(b"claim")).await, Body::Done(_)));
    assert!(matches!(mike.ask(c.claim(b"claim")).await, Body::Done(_)), "a lost answer costs nothing");
    let thief = Seat { token: vec![9; 32].into(), ..c.clone() };
    assert_eq!(refusal(&mike.ask(thief.claim(b"claim")).await), Code::ClaimUsed);
    assert_eq!(mike.attach(&thief, 0).await.refused, "wrong_token");
    assert_eq!(refusal(&mike.ask(a.claim(b"claim")).await), Code::WrongClaim, "a first seat has no claim");
    let missing = Seat::new(1, 7);
    assert_eq!(refusal(&mike.ask(missing.claim(b"claim")).await), Code::UnknownSeat);
    assert_eq!(refusal(&mike.ask(Seat::new(5, 7).claim(b"claim")).await), Code::UnknownChannel);
}

#[tokio::test]
async fn closing_a_seat_ends_its_attach_after_the_entry_that_closes_it() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (a, b) = channel_of_two(&mut mike, 1).await;
    sean.attach(&b, 1).await;
    mike.post(a.commit(2, 1, vec![b.close()])).await;
    assert_eq!(sean.entries(&b, 1).await[0].seats, vec![b.close()]);
    mike.post(a.text(3, 2, "without sean")).await;
    assert_eq!(refusal(&sean.ask(Request::Post(b.text(1, 2, "still here"))).await), Code::Closed);
    let state = sean.attach(&b, 2).await;
    assert_eq!(state.refused, "closed");
    assert!(sean.no_push_waits());
    let mut late = Client::connect(&relay).await;
    assert_eq!(late.attach(&b, 1).await.head, 2, "what came up to its closing is still the seat's");
    assert_eq!(late.entries(&b, 1).await[0].seats, vec![b.close()]);
    assert_eq!(refusal(&sean.ask(b.claim(b"claim")).await), Code::Closed);
    let c = Seat::new(1, 3);
    let again = mike.ask(Request::Post(a.commit(4, 2, vec![b.open(b"x", 0)]))).await;
    assert_eq!(refusal(&again), Code::SeatTaken, "a closed seat never comes back");
    mike.post(a.commit(4, 2, vec![b.close(), c.open(b"x", 0)])).await;
}

#[tokio::test]
async fn a_leaver_whose_answer_got_lost_learns_that_its_post_was_taken() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (_, b) = channel_of_two(&mut mike, 1).await;
    let leave = b.commit(1, 1, vec![b.close()]);
    let first = mike.post(leave.clone()).await;
    assert_eq!(mike.post(leave).await, first);
    assert_eq!(refusal(&mike.ask(Request::Post(b.text(2, 2, "x"))).await), Code::Closed);
}

#[tokio::test]
async fn seat_changes_are_checked_before_anything_is_written() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let c = Seat::new(1, 3);
    let cases = [
        (vec![b.open(b"x", 0)], Code::SeatTaken),
        (vec![c.open(b"x", 2)], Code::BadCursor),
        (vec![c.open(b"x", 0), c.open(b"x", 0)], Code::Malformed),
        (vec![v1::SeatChange { change: None }], Code::Malformed),
    ];
    for (changes, code) in cases {
        assert_eq!(refusal(&mike.ask(Request::Post(a.commit(2, 1, changes))).await), code);
    }
    let without_turn = v1::Post { takes_turn: false, ..a.commit(2, 1, vec![c.open(b"x", 0)]) };
    assert_eq!(refusal(&mike.ask(Request::Post(without_turn)).await), Code::Malformed);
    assert_eq!(mike.attach(&a, 0).await.head, 1);
}

#[tokio::test]
async fn wrong_tokens_open_nothing() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, _) = channel_of_two(&mut mike, 1).await;
    let other = Seat { token: vec![0; 32].into(), ..a.clone() };
    let short = Seat { token: vec![0; 3].into(), ..a.clone() };
    for wrong in [other, short] {
        assert_eq!(refusal(&mike.ask(Request::Post(wrong.text(2, 1, "x"))).await), Code::WrongToken);
        let state = mike.attach(&wrong, 0).await;
        assert_eq!((state.refused.as_str(), state.head, state.last_post), ("wrong_token", 0, 0));
        assert_eq!(refusal(&mike.ack(&wrong, 1).await), Code::WrongToken);
    }
    assert_eq!(
        refusal(&mike.ask(Seat { token: vec![].into(), ..Seat::new(3, 3) }.create()).await),
        Code::Malformed
    );
    assert_eq!(refusal(&mike.ask(Seat::new(1, 9).create()).await), Code::ChannelTaken);
    assert!(matches!(mike.ask(a.create()).await, Body::Done(_)), "the same again is fine");
}

#[tokio::test]
async fn cursors_beyond_the_head_are_refused() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, _) = channel_of_two(&mut mike, 1).await;
    let state = mike.attach(&a, 2).await;
    assert_eq!((state.refused.as_str(), state.head), ("bad_cursor", 1), "the client sees what the relay has");
    assert_eq!(refusal(&mike.ack(&a, 2).await), Code::BadCursor);
    assert!(matches!(mike.ack(&a, 1).await, Body::Done(_)));
}

#[tokio::test]
async fn catching_up_comes_in_order_without_gaps_and_flows_into_live() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (a, b) = channel_of_two(&mut mike, 1).await;
    for number in 2..=700 {
        mike.send(Request::Post(a.text(number, 1, format!("message {number}")))).await;
    }
    sean.attach(&b, 0).await;
    let entries = sean.entries(&b, 700).await;
    for (entry, number) in entries.iter().zip(1..).skip(1) {
        assert_eq!((entry.number, entry.shared.as_ref()), (number, format!("message {number}").as_bytes()));
    }
}

#[tokio::test]
async fn catching_up_stops_without_credit_and_live_channels_go_on() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let (c, d) = channel_of_two(&mut mike, 2).await;
    for number in 2..=100 {
        mike.post(a.text(number, 1, vec![0; limits::SHARED_BYTES])).await;
    }
    let seats = vec![b.cursor(0), d.cursor(1)];
    assert!(matches!(sean.ask(Request::Attach(v1::Attach { seats })).await, Body::Attached(_)));
    let mut got = 0;
    let mut live = false;
    mike.post(c.text(2, 1, "live")).await;
    // 4 MiB are 61 of these entries; one push may overshoot.
    while got < 61 || !live {
        let Body::Entries(push) = sean.push().await else { panic!("entries expected") };
        match push.seat == d.seat.to_bytes() && push.channel == d.channel.to_bytes() {
            true => live = true,
            false => got += push.entries.len(),
        }
    }
    assert!((61..70).contains(&got), "{got}");
    mike.post(c.text(3, 1, "live again")).await;
    assert_eq!(sean.entries(&d, 1).await[0].shared, "live again");
    sean.ask(Request::Credit(v1::Credit { bytes: 4 << 20 })).await;
    assert_eq!(sean.entries(&b, 100 - got).await.last().unwrap().number, 100);
}

#[tokio::test]
async fn many_channels_share_one_connection() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let mut pairs = Vec::new();
    for channel in 1..=20 {
        pairs.push(channel_of_two(&mut mike, channel).await);
    }
    let seats = pairs.iter().map(|(_, b)| b.cursor(1)).collect();
    let Body::Attached(attached) = sean.ask(Request::Attach(v1::Attach { seats })).await else { panic!() };
    assert!(attached.seats.iter().all(|state| state.refused.is_empty()));
    for (a, _) in &pairs {
        mike.post(a.text(2, 1, "x")).await;
    }
    let mut heard = std::collections::HashSet::new();
    while heard.len() < 20 {
        let Body::Entries(push) = sean.push().await else { panic!("entries expected") };
        assert_eq!(push.entries[0].number, 2);
        heard.insert(push.channel);
    }
}

#[tokio::test]
async fn a_seat_attached_twice_is_served_on_both_connections() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    let (mut one, mut two) = (Client::connect(&relay).await, Client::connect(&relay).await);
    one.attach(&b, 1).await;
    two.attach(&b, 1).await;
    mike.post(a.text(2, 1, "both")).await;
    assert_eq!(one.entries(&b, 1).await, two.entries(&b, 1).await);
}

#[tokio::test]
async fn a_post_of_a_client_that_is_gone_still_reaches_the_others() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (a, b) = channel_of_two(&mut mike, 1).await;
    sean.attach(&b, 1).await;
    for number in 2..=20 {
        mike.send(Request::Post(a.text(number, 1, "last words"))).await;
    }
    mike.ask(Request::Credit(v1::Credit::default())).await;
    drop(mike);
    assert_eq!(sean.entries(&b, 19).await.len(), 19);
}
