//! The door: who may come in, and how long one may stand in it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use common::{Client, channel_of_two, relay};
use conclave_relay::{Clock, Config, Limits, RelayError, Running, Tls, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn secured(limits: Limits) -> Running {
    serve(Config { tls: Tls::SelfSigned, limits, ..Config::default() }).await.unwrap()
}

/// Everything until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is a close, too.
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn beyond_loopback_nothing_is_served_in_the_clear() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:7400"] {
        let listen: SocketAddr = listen.parse().unwrap();
        let refused = serve(Config { listen, ..Config::default() }).await.unwrap_err();
        assert!(matches!(&refused, RelayError::TlsNeeded(addr) if *addr == listen), "{refused}");
        assert!(refused.to_string().contains("--tls self-signed"), "it says what to do: {refused}");
    }
    for tls in [Tls::SelfSigned, Tls::Elsewhere] {
        let listen = "0.0.0.0:0".parse().unwrap();
        assert!(serve(Config { listen, tls, ..Config::default() }).await.is_ok());
    }
}

#[tokio::test]
async fn a_relay_with_a_shifted_clock_serves_this_machine_only() {
    struct Shifted;
    impl Clock for Shifted {
        fn now(&self) -> u64 {
            1
        }
        fn is_shifted(&self) -> bool {
            true
        }
    }
    let start = |listen: &str| {
        let (listen, clock) = (listen.parse().unwrap(), Arc::new(Shifted));
        serve(Config { listen, clock, tls: Tls::SelfSigned, ..Config::default() })
    };
    assert!(matches!(start("0.0.0.0:0").await, Err(RelayError::ClockShifted(_))));
    assert!(start("127.0.0.1:0").await.is_ok());
}

// Time stands still, and leaps to the next deadline whenever nothing else is to be done.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_ends_is_ended() {
    let relay = secured(Limits::default()).await;
    for beginning in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut slow = TcpStream::connect(relay.addr).await.unwrap();
        slow.write_all(beginning).await.unwrap();
        assert_eq!(rest(&mut slow).await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_is_ended() {
    let relay = relay().await;
    for beginning in ["", "GET /v1/con", "GET /v1/about HTTP/1.1\r\nhost: x\r\n"] {
        let mut slow = TcpStream::connect(relay.addr).await.unwrap();
        slow.write_all(beginning.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut slow).await, "");
    }
}

#[tokio::test]
async fn a_crowded_doorway_takes_nobody_more_and_those_inside_do_not_notice() {
    let limits = Limits { doorway: 3, ..Limits::default() };
    let relay = serve(Config { limits, ..Config::default() }).await.unwrap();
    let mut mike = Client::connect(&relay).await;
    let (a, _) = channel_of_two(&mut mike, 1).await;
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(TcpStream::connect(relay.addr).await.unwrap());
    }
    let mut one_more = TcpStream::connect(relay.addr).await.unwrap();
    assert_eq!(rest(&mut one_more).await, "", "closed at once");
    mike.post(a.text(2, 1, "inside")).await;
    idle.clear();
    // Room comes back as soon as the relay sees that they went.
    loop {
        let mut next = TcpStream::connect(relay.addr).await.unwrap();
        let _ = next.write_all(b"GET /v1/about HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        if rest(&mut next).await.starts_with("HTTP/1.1 200") {
            break;
        }
    }
}

#[tokio::test]
async fn a_plain_request_to_a_tls_port_is_told_so() {
    let relay = secured(Limits::default()).await;
    let mut plain = TcpStream::connect(relay.addr).await.unwrap();
    plain.write_all(b"GET /v1/about HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let said = rest(&mut plain).await;
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 400 ") && head.contains(&format!("content-length: {}", body.len())),
        "{said}"
    );
    assert!(body.contains("https://"), "{said}");
}

#[tokio::test]
async fn a_stop_lets_those_in_the_doorway_go() {
    let relay = secured(Limits::default()).await;
    let mut idle = TcpStream::connect(relay.addr).await.unwrap();
    idle.write_all(b"\x16").await.unwrap();
    relay.shutdown().await.unwrap();
    assert_eq!(rest(&mut idle).await, "");
}
