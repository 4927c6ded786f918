//! What clients must not be able to do: broken frames, sizes, rates, floods.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use bytes::Bytes;
use common::{Client, Seat, channel_of_two, refusal, relay};
use conclave_relay::{Config, Limits, Rate, serve};
use conclave_wire::frame::Frame;
use conclave_wire::v1::{self, ClientFrame, client_frame::Request, server_frame::Body};
use conclave_wire::{Code, SeatId, limits, slices};
use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::Message;

async fn is_broken_off(client: &mut Client) {
    let frame = client.frame().await.unwrap();
    assert_eq!((frame.id, refusal(&frame.body.unwrap())), (0, Code::Malformed));
    assert!(client.frame().await.is_none(), "the connection ends");
}

#[tokio::test]
async fn broken_frames_end_the_connection_and_nothing_else() {
    let relay = relay().await;
    let mut well = Client::connect(&relay).await;
    let id_zero = ClientFrame::new(0, Request::Credit(v1::Credit { bytes: 1 })).to_frame().unwrap();
    let cut = id_zero.slice(..id_zero.len() - 1);
    let messages = [
        Message::Binary(Bytes::from_static(b"\xff\xff\xff")),
        Message::Binary(Bytes::new()),
        Message::Binary(id_zero),
        Message::Binary(cut),
        Message::text("hello"),
    ];
    for message in messages {
        let mut client = Client::connect(&relay).await;
        client.raw(message).await;
        is_broken_off(&mut client).await;
    }
    let (a, _) = channel_of_two(&mut well, 1).await;
    well.post(a.text(2, 1, "still served")).await;
}

#[tokio::test]
async fn a_frame_above_its_bound_ends_the_connection() {
    let relay = relay().await;
    let mut client = Client::connect(&relay).await;
    client.raw(Message::Binary(vec![0; limits::FRAME_BYTES + 1].into())).await;
    assert!(client.frame().await.is_none());
    Client::connect(&relay).await;
}

#[tokio::test]
async fn a_request_of_a_later_version_is_refused_and_the_connection_stays() {
    let relay = relay().await;
    let mut client = Client::connect(&relay).await;
    // Field 2000 of a request that is not there yet, under id 9.
    client.raw(Message::Binary(Bytes::from_static(&[0x08, 9, 0x82, 0x7d, 0]))).await;
    assert_eq!(refusal(&client.answer(9).await), Code::Malformed);
    assert!(matches!(client.ask(Request::Credit(v1::Credit { bytes: 1 })).await, Body::Done(_)));
}

#[tokio::test]
async fn oversized_and_misshapen_posts_are_refused_and_write_nothing() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let (a, _) = channel_of_two(&mut mike, 1).await;
    let seats = |count: u8| (10..count).map(|n| (SeatId::new([n; 16]), vec![0; 64 * 1024]));
    let packed = slices::pack(seats(20)).unwrap();
    let mut slice_too_long = packed.to_vec();
    slice_too_long[16..20].copy_from_slice(&(limits::SLICE_BYTES as u32 + 1).to_be_bytes());
    let whole = slices::pack(seats(74)).unwrap();
    let plain = || a.text(2, 1, "x");
    let letter = v1::Letter { device: vec![1; 16].into(), body: vec![0; limits::LETTER_BYTES + 1].into() };
    let cases = [
        (a.text(2, 1, vec![0; limits::SHARED_BYTES + 1]), Code::TooLarge),
        (
            v1::Post { shared: vec![0; limits::COMMIT_BYTES + 1].into(), ..a.commit(2, 1, vec![]) },
            Code::TooLarge,
        ),
        (v1::Post { slices: slice_too_long.into(), ..plain() }, Code::TooLarge),
        (v1::Post { slices: packed.slice(..packed.len() - 1), ..plain() }, Code::Malformed),
        (v1::Post { slices: [packed.clone(), packed].concat().into(), ..plain() }, Code::Malformed),
        (v1::Post { slices: whole, ..plain() }, Code::TooLarge),
        (v1::Post { letters: vec![letter], ..plain() }, Code::TooLarge),
        (v1::Post { letters: vec![v1::Letter::default()], ..plain() }, Code::Malformed),
        (v1::Post { channel: Bytes::new(), ..plain() }, Code::Malformed),
        (v1::Post { seat: vec![1; 17].into(), ..plain() }, Code::Malformed),
        (v1::Post { token: Bytes::new(), ..plain() }, Code::WrongToken),
        (v1::Post { number: 0, ..plain() }, Code::WrongNumber),
        (v1::Post { number: u64::MAX, ..plain() }, Code::WrongNumber),
        (v1::Post { channel: vec![8; 16].into(), ..plain() }, Code::UnknownChannel),
        (v1::Post { seat: vec![8; 16].into(), ..plain() }, Code::UnknownSeat),
    ];
    for (post, code) in cases {
        assert_eq!(refusal(&mike.ask(Request::Post(post)).await), code);
    }
    assert_eq!(mike.attach(&a, 0).await.head, 1);
    mike.post(a.text(2, 1, vec![0; limits::SHARED_BYTES])).await;
    mike.post(v1::Post { shared: vec![0; limits::COMMIT_BYTES].into(), ..a.commit(3, 1, vec![]) }).await;
}

#[tokio::test]
async fn large_commits_reach_those_who_are_there_and_those_who_catch_up() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (a, b) = channel_of_two(&mut mike, 1).await;
    sean.attach(&b, 1).await;
    for number in 2..=5 {
        let shared = vec![number as u8; limits::COMMIT_BYTES].into();
        mike.post(v1::Post { shared, ..a.commit(number, number - 1, vec![]) }).await;
        assert_eq!(sean.entries(&b, 1).await[0].shared.len(), limits::COMMIT_BYTES);
    }
    let mut late = Client::connect(&relay).await;
    late.attach(&b, 1).await;
    // Two of them use up the credit that there is at first.
    assert!(late.entries(&b, 2).await.iter().all(|entry| entry.shared.len() == limits::COMMIT_BYTES));
    late.ask(Request::Credit(v1::Credit { bytes: limits::FIRST_CREDIT })).await;
    assert_eq!(late.entries(&b, 2).await[1].number, 5);
}

#[tokio::test]
async fn misshapen_requests_are_refused_one_by_one() {
    let relay = relay().await;
    let mut client = Client::connect(&relay).await;
    let requests = [
        Request::Login(v1::Login::default()),
        Request::Register(v1::Register { name: "mike".into(), ..v1::Register::default() }),
        Request::Lookup(v1::Lookup { names: vec![], persons: vec![Bytes::from_static(b"short")] }),
        Request::CreateChannel(v1::CreateChannel::default()),
        Request::Attach(v1::Attach { seats: vec![v1::SeatCursor::default()] }),
        Request::Post(v1::Post::default()),
        Request::Claim(v1::Claim::default()),
        Request::Ack(v1::Ack::default()),
    ];
    for request in requests {
        assert_eq!(refusal(&client.ask(request).await), Code::Malformed);
    }
    let names = vec!["nobody".to_string(); limits::LOOKUPS_PER_REQUEST + 1];
    let lookup = Request::Lookup(v1::Lookup { names, persons: vec![] });
    assert_eq!(refusal(&client.ask(lookup).await), Code::TooLarge);
    let seats = vec![Seat::new(1, 1).cursor(0); limits::SEATS_PER_CONNECTION + 1];
    assert_eq!(refusal(&client.ask(Request::Attach(v1::Attach { seats })).await), Code::TooLarge);
}

#[tokio::test]
async fn rates_are_limited_and_the_wait_is_told() {
    let limits = Limits {
        posts: Rate::new(3.0, 0.001),
        turns: Rate::new(1.0, 0.001),
        lookups: Rate::new(0.01, 0.0001),
        ..Limits::default()
    };
    let relay = serve(Config { limits, ..Config::default() }).await.unwrap();
    let mut mike = Client::connect(&relay).await;
    let (a, b) = channel_of_two(&mut mike, 1).await;
    mike.post(a.text(2, 1, "x")).await;
    let Body::Refused(turn) = mike.ask(Request::Post(a.commit(3, 1, vec![]))).await else { panic!() };
    assert_eq!(turn.code, "rate_limited");
    assert!(turn.retry_ms > 0);
    let forged = Seat { token: vec![0; 32].into(), ..b.clone() };
    for _ in 0..5 {
        mike.ask(Request::Post(forged.text(1, 1, "x"))).await;
    }
    mike.post(b.text(1, 1, "nobody uses up the rate of another's seat")).await;
    let lookup = || Request::Lookup(v1::Lookup { names: vec!["mike".into()], persons: vec![] });
    mike.ask(lookup()).await;
    assert_eq!(refusal(&mike.ask(lookup()).await), Code::RateLimited);
}

#[tokio::test]
async fn connections_of_one_address_are_counted() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let relay = serve(Config { limits, ..Config::default() }).await.unwrap();
    let (_one, _two) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let url = format!("ws://{}/v1/connect", relay.addr);
    assert!(tokio_tungstenite::connect_async(url).await.is_err());
}

#[tokio::test]
async fn who_reads_nothing_costs_no_memory_and_stops_nobody() {
    let relay = relay().await;
    let (mut mike, mut sean) = (Client::connect(&relay).await, Client::connect(&relay).await);
    let (a, b) = channel_of_two(&mut mike, 1).await;
    // A client that attaches and then never reads its socket again.
    let (mut silent, _) =
        tokio_tungstenite::connect_async(format!("ws://{}/v1/connect", relay.addr)).await.unwrap();
    silent.next().await.unwrap().unwrap();
    let attach = Request::Attach(v1::Attach { seats: vec![b.cursor(1)] });
    let frame = ClientFrame::new(1, attach).to_frame().unwrap();
    futures_util::SinkExt::send(&mut silent, Message::Binary(frame)).await.unwrap();
    sean.attach(&b, 1).await;
    for number in 2..=400 {
        mike.post(a.text(number, 1, vec![0; limits::SHARED_BYTES])).await;
        assert_eq!(sean.entries(&b, 1).await[0].number, number);
    }
}
