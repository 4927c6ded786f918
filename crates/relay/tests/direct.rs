//! The relay's rules, called without a connection: the same numbers, turns and seats as over one.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use bytes::Bytes;
use conclave_relay::Direct;
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};

const CHANNEL: [u8; 16] = [9; 16];
const SEAT: [u8; 16] = [1; 16];

fn seat(cursor: u64) -> v1::SeatCursor {
    let token = Bytes::from_static(&[5; 32]);
    v1::SeatCursor { channel: CHANNEL.to_vec().into(), seat: SEAT.to_vec().into(), token, cursor }
}

fn post(number: u64, at_turn: u64) -> Request {
    let v1::SeatCursor { channel, seat, token, .. } = seat(0);
    let shared = Bytes::from(format!("post {number}"));
    let takes_turn = true;
    Request::Post(v1::Post {
        channel,
        seat,
        token,
        number,
        at_turn,
        takes_turn,
        shared,
        ..v1::Post::default()
    })
}

fn relay() -> Direct {
    let relay = Direct::default();
    let v1::SeatCursor { channel, seat, token, .. } = seat(0);
    let create = Request::CreateChannel(v1::CreateChannel { channel, seat, token });
    assert!(matches!(relay.answer(create, 1), Body::Done(_)));
    relay
}

#[test]
fn posts_are_numbered_and_a_late_one_is_stale() {
    let relay = relay();
    let posted = Body::Posted(v1::Posted { entry: 1, turn: 1, at: 7 });
    assert_eq!(relay.answer(post(1, 0), 7), posted);
    assert_eq!(relay.answer(post(1, 0), 8), posted, "the answer was lost: the same one again");
    assert_eq!(relay.answer(post(2, 0), 9), Body::Stale(v1::Stale { turn: 1, head: 1 }));
    assert!(matches!(relay.answer(post(3, 1), 9), Body::Refused(_)), "a number is left out");
    let Body::Attached(attached) = relay.answer(Request::Attach(v1::Attach { seats: vec![seat(0)] }), 9)
    else {
        panic!("attached")
    };
    assert_eq!((attached.seats[0].head, attached.seats[0].last_post), (1, 1));
    assert_eq!(relay.entries(&seat(0), 10).len(), 1);
    assert_eq!(relay.entries(&seat(1), 10).len(), 0);
}

#[test]
fn a_copy_goes_its_own_way() {
    let relay = relay();
    let copy = relay.clone();
    assert!(matches!(relay.answer(post(1, 0), 7), Body::Posted(_)));
    assert_eq!(copy.entries(&seat(0), 10).len(), 0);
    assert!(matches!(copy.answer(post(1, 0), 7), Body::Posted(_)));
}
