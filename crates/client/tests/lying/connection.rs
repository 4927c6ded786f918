//! Lies about the connection itself: who answers, in which version, garbage, silence, and its end at any moment.

use super::Table;
use super::common::PATIENCE;
use super::common::proxy::Passing;
use conclave_client::{ClientError, Delivery, Scheme};
use conclave_wire::v1::{ServerFrame, client_frame::Request, server_frame::Body};
use std::sync::Arc;
use tokio::sync::Notify;

#[tokio::test]
async fn another_relay_at_the_address_is_told_nothing() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.proxy.lie(|mut passing, out| {
        match &mut passing {
            Passing::ToClient(ServerFrame { body: Some(Body::Hello(hello)), .. }) => {
                hello.relay_id = vec![7; 32].into();
            }
            Passing::ToRelay(frame) if matches!(frame.request, Some(Request::Login(_))) => {
                panic!("it proved its device to another relay");
            }
            _ => {}
        }
        out.pass(passing);
    });
    assert_eq!(table.sean_tries().await.unwrap_err(), ClientError::RelayChanged);
    let ticket = table.sean.send("Trip", "x").await.unwrap();
    assert_eq!(table.sean.wait(&ticket, PATIENCE).await.unwrap_err(), ClientError::RelayChanged);
    table.said.push("x".into());
    table.all_is_well().await;
}

#[tokio::test]
async fn another_version_is_named() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.proxy.alter(|body| {
        if let Body::Hello(hello) = body {
            hello.version = 9;
        }
    });
    assert_eq!(table.sean_tries().await.unwrap_err(), ClientError::RelayVersion(9));
    table.all_is_well().await;
}

#[tokio::test]
async fn a_hello_or_an_answer_out_of_form_is_named() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.proxy.alter(|body| {
        if let Body::Hello(hello) = body {
            hello.challenge.clear();
        }
    });
    assert_eq!(table.sean_tries().await.unwrap_err().code(), "relay_fault");
    table.proxy.alter(|body| {
        if !matches!(body, Body::Hello(_)) {
            *body = Body::Done(Default::default());
        }
    });
    assert_eq!(table.sean_tries().await.unwrap_err().code(), "relay_fault");
    table.all_is_well().await;
}

#[tokio::test]
async fn garbage_is_named() {
    for garbage in [&b"\xff\xff\xff\xff"[..], b"", b"\x08\x01"] {
        let mut table = Table::set(Scheme::SenderKeys).await;
        table.mike_says("x").await;
        table.proxy.lie(move |passing, out| match &passing {
            Passing::ToClient(ServerFrame { body: Some(Body::Attached(_)), .. }) => {
                out.bytes_for_client(garbage);
            }
            _ => out.pass(passing),
        });
        assert_eq!(table.sean_tries().await.unwrap_err().code(), "relay_fault");
        table.all_is_well().await;
    }
}

#[tokio::test]
async fn a_stream_that_is_cut_short_is_unreachable() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.mike_says("x").await;
    table.proxy.lie(|passing, out| match &passing {
        Passing::ToClient(ServerFrame { body: Some(Body::Attached(_)), .. }) => out.truncate(),
        _ => out.pass(passing),
    });
    assert_eq!(table.sean_tries().await.unwrap_err().code(), "unreachable");
    table.all_is_well().await;
}

/// The clock of timers is stopped once the relay is silent, and then runs as fast as nothing happens.
#[tokio::test]
async fn a_relay_that_stops_answering_is_unreachable_and_nothing_is_lost() {
    for silent_at in ["login", "attach", "post"] {
        let mut table = Table::set(Scheme::SenderKeys).await;
        let silent = Arc::new(Notify::new());
        let tell = silent.clone();
        table.proxy.lie(move |passing, out| {
            let swallowed = match &passing {
                Passing::ToRelay(frame) => match &frame.request {
                    Some(Request::Login(_)) => silent_at == "login",
                    Some(Request::Attach(_)) => silent_at == "attach",
                    Some(Request::Post(_)) => silent_at == "post",
                    _ => false,
                },
                Passing::ToClient(_) => false,
            };
            if swallowed { tell.notify_one() } else { out.pass(passing) }
        });
        let ticket = table.sean.send("Trip", "x").await.unwrap();
        table.said.push("x".into());
        let sean = table.sean.clone();
        let trying = tokio::spawn(async move { sean.sync(PATIENCE).await });
        silent.notified().await;
        tokio::time::pause();
        let tried = trying.await.unwrap();
        tokio::time::resume();
        assert_eq!(tried.unwrap_err(), ClientError::Unreachable("no answer in time".into()), "{silent_at}");
        table.proxy.be_honest();
        assert_eq!(table.sean.wait(&ticket, PATIENCE).await.unwrap(), Delivery::Sent);
        table.all_is_well().await;
    }
}

/// Every connection ends at its `frames`-th frame, whichever way that goes, until one is long enough. The schemes, whose
/// connections are alike, take every second number each.
#[tokio::test]
async fn connections_that_end_at_any_frame_lose_and_repeat_nothing() {
    for (scheme, first) in [(Scheme::Pairwise, 1), (Scheme::SenderKeys, 2)] {
        let mut table = Table::set(scheme).await;
        let mut frames = first;
        loop {
            let text = format!("after {frames} frames");
            table.mike_says(&format!("before {text}")).await;
            let ticket = table.sean.send("Trip", &text).await.unwrap();
            table.said.push(text);
            let mut left = frames;
            table.proxy.lie(move |passing, out| {
                if matches!(&passing, Passing::ToClient(ServerFrame { body: Some(Body::Hello(_)), .. })) {
                    left = frames;
                }
                left -= 1;
                out.pass(passing);
                if left == 0 {
                    out.cut_off();
                }
            });
            let whole = table.sean_tries().await;
            table.proxy.be_honest();
            assert_eq!(table.sean.wait(&ticket, PATIENCE).await.unwrap(), Delivery::Sent);
            if whole.is_ok() {
                break;
            }
            frames += 2;
        }
        assert!(frames > 6, "it took {frames} frames");
        table.all_is_well().await;
    }
}
