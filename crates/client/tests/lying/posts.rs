//! Lies about what this device posts: lost and false answers, false counts, every refusal.

use super::common::proxy::{Out, Passing};
use super::{BRIEFLY, Table, is_told};
use conclave_client::{ClientError, Delivery, Event, LateHeal, Scheme};
use conclave_wire::Code;
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, ServerFrame, server_frame::Body};
use std::sync::Arc;
use tokio::sync::Notify;

/// Answers posts in the relay's place; they never reach it.
fn instead_of_posting(
    mut answer: impl FnMut(&v1::Post) -> Body + Send + 'static,
) -> impl FnMut(Passing, &mut Out) + Send {
    move |passing, out| match &passing {
        Passing::ToRelay(frame) => match &frame.request {
            Some(Request::Post(post)) => out.for_client(ServerFrame::new(frame.id, answer(post))),
            _ => out.pass(passing),
        },
        Passing::ToClient(_) => out.pass(passing),
    }
}

#[tokio::test]
async fn a_count_of_own_posts_that_is_too_low_or_too_high_queues_and_loses_nothing() {
    for wrong in [0, 1, 100] {
        let mut table = Table::set(Scheme::SenderKeys).await;
        table.sean_says("x").await;
        table.proxy.alter(move |body| {
            if let Body::Attached(attached) = body {
                attached.seats.iter_mut().for_each(|seat| seat.last_post = wrong);
            }
        });
        table.sean_queues("y").await;
        table.all_is_well().await;
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_post_costs_nothing() {
    let mut table = Table::set(Scheme::Pairwise).await;
    table.proxy.lie(|passing, out| match &passing {
        Passing::ToClient(ServerFrame { body: Some(Body::Posted(_) | Body::Entries(_)), .. }) => {
            out.cut_off()
        }
        _ => out.pass(passing),
    });
    table.sean_queues("x").await;
    table.all_is_well().await;
}

/// What the relay says to have taken and does not have goes once more.
#[tokio::test]
async fn a_post_said_to_be_taken_that_was_not_goes_once_more() {
    for scheme in [Scheme::Pairwise, Scheme::SenderKeys] {
        let mut table = Table::set(scheme).await;
        table.proxy.lie(instead_of_posting(|_| Body::Posted(v1::Posted { entry: 4, turn: 1, at: 0 })));
        let ticket = table.sean.send("Trip", "x").await.unwrap();
        assert_eq!(table.sean.wait(&ticket, BRIEFLY).await.unwrap(), Delivery::Sent);
        table.proxy.be_honest();
        // Others go on meanwhile.
        table.mike_says("between").await;
        let events = table.sean_syncs().await;
        assert!(is_told(&events, "does not have a post that it had taken"), "{events:?}");
        table.said.push("x".into());
        table.all_is_well().await;
    }
}

#[tokio::test]
async fn posts_called_late_for_ever_stay_queued() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    let posts = Arc::new(std::sync::Mutex::new(0));
    let counted = posts.clone();
    table.proxy.lie(instead_of_posting(move |post| {
        *counted.lock().unwrap() += 1;
        Body::Stale(v1::Stale { turn: post.at_turn + 1, head: 3 })
    }));
    table.sean_queues("x").await;
    table.sean_finds_a_fault("none is before it").await;
    assert!(*posts.lock().unwrap() < 4, "it is not tried again and again");
    table.all_is_well().await;
}

#[tokio::test]
async fn posts_called_late_behind_entries_that_do_not_come_stay_queued() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    table.proxy.lie(instead_of_posting(|post| Body::Stale(v1::Stale { turn: post.at_turn + 1, head: 1000 })));
    table.sean_queues("x").await;
    table.all_is_well().await;
}

/// A post is given up only where that is what the refusal means; the person is told, and what follows goes on.
#[tokio::test]
async fn a_post_refused_with_any_code_stays_or_is_given_up_by_name() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    let newer = ["something_newer"].into_iter();
    for code in Code::ALL.iter().map(|code| code.as_str()).chain(newer) {
        let (refused, told) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let tell = refused.clone();
        table.proxy.lie(instead_of_posting(move |_| {
            tell.notify_one();
            Body::Refused(v1::Refused { code: code.into(), ..v1::Refused::default() })
        }));
        let ticket = table.sean.send("Trip", code).await.unwrap();
        let wait = async {
            let waited = table.sean.wait(&ticket, super::PATIENCE).await;
            told.notify_one();
            waited
        };
        // Either the person is told, or it is tried until the relay relents.
        let outcome = tokio::select! {
            outcome = wait => Some(outcome),
            () = refused.notified() => None,
        };
        let given_up = match outcome {
            None => table.sean.wait(&ticket, BRIEFLY).await,
            Some(outcome) => outcome,
        };
        table.proxy.be_honest();
        match (code, given_up) {
            ("malformed" | "too_large" | "unknown_device", Err(ClientError::GivenUp { code: told, .. })) => {
                assert_eq!(told, code);
                let events = table.sean_syncs().await;
                assert!(events.iter().any(|event| matches!(event, Event::GivenUp { .. })), "{events:?}");
            }
            ("unknown_device" | "malformed" | "too_large", other) => panic!("{code}: {other:?}"),
            (_, Ok(Delivery::Queued)) => table.said.push(code.into()),
            (_, other) => panic!("{code}: {other:?}"),
        }
        table.sean_syncs().await;
    }
    table.all_is_well().await;
}

#[tokio::test]
async fn a_seat_refused_with_any_code_is_told_and_attached_again_later() {
    let mut table = Table::set(Scheme::SenderKeys).await;
    for code in Code::ALL {
        table.mike_says(code.as_str()).await;
        table.proxy.alter(move |body| {
            if let Body::Attached(attached) = body {
                attached.seats.iter_mut().for_each(|seat| seat.refused = code.as_str().into());
            }
        });
        match table.sean_tries().await {
            Ok(report) => assert!(is_told(&report.events, "refuses a") || !report.caught_up),
            Err(ClientError::Refused { code: told, .. }) => assert_eq!(told, code.as_str()),
            Err(other) => panic!("{code}: {other:?}"),
        }
        assert_eq!(table.sean.group_info("Trip").await.unwrap().state, "member");
    }
    table.proxy.be_honest();
    // It may have asked to be let in again; whether or not, nothing is lost.
    table.sean_syncs().await;
    table.all_is_well().await;
}

#[tokio::test]
async fn a_relay_that_is_full_is_named_and_posts_wait_for_room() {
    let mut table = Table::set(Scheme::Pairwise).await;
    let full = || Body::Refused(v1::Refused::new(Code::StorageFull));
    table.proxy.lie(instead_of_posting(move |_| full()));
    table.sean_queues("x").await;
    table.proxy.lie(move |passing, out| match &passing {
        Passing::ToRelay(frame) => out.for_client(ServerFrame::new(frame.id, full())),
        Passing::ToClient(_) => out.pass(passing),
    });
    assert_eq!(table.sean_tries().await.unwrap_err().code(), "storage_full");
    table.all_is_well().await;
}

/// The machine's clock and some minutes more.
#[derive(Clone, Default)]
struct Later(Arc<std::sync::atomic::AtomicU64>);

impl Later {
    fn minutes(&self, minutes: u64) {
        self.0.fetch_add(minutes * 60_000, std::sync::atomic::Ordering::Relaxed);
    }
}

impl conclave_client::Clock for Later {
    fn now(&self) -> conclave_client::Timestamp {
        conclave_client::Clock::now(&conclave_client::SystemClock)
            .plus(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_heal_that_a_relay_keeps_out_of_the_log_is_told_once() {
    let stage = super::Stage::open().await;
    let proxy = super::Proxy::before(stage.addr).await;
    let (clock, home) = (Later::default(), stage.home("sean"));
    let url = proxy.url();
    let sean = super::Client::create_at(
        &home,
        super::common::PASSPHRASE,
        "sean",
        &url,
        None,
        Arc::new(clock.clone()),
    );
    let sean = sean.await.unwrap();
    let mike = stage.person_at("mike", &stage.url()).await;
    let mut table = Table { _stage: stage, proxy, mike, sean, said: Vec::new() };
    table.join(Scheme::SenderKeys).await;
    let epoch = table.epoch(&table.mike).await;
    let refused = || v1::Refused { code: "unavailable".into(), ..v1::Refused::default() };
    table.proxy.lie(instead_of_posting(move |_| Body::Refused(refused())));
    let (sean, mut events) = (table.sean.clone(), table.sean.events());
    let run = tokio::spawn(async move { sean.run().await });
    clock.minutes(2);
    // What cannot be said either wakes the engine, and goes on being tried.
    table.sean_queues("x").await;
    clock.minutes(70);
    let late = |event: &Event| matches!(event, Event::HealOverdue { cause: LateHeal::NotThrough, .. });
    let told = async {
        while let Some(event) = events.next().await {
            if late(&event) {
                return;
            }
        }
    };
    tokio::time::timeout(super::PATIENCE, told).await.unwrap();
    table.proxy.be_honest();
    let report = table.sean_syncs().await;
    assert_eq!(report.iter().filter(|event| late(event)).count(), 1, "{report:?}");
    run.abort();
    super::common::sync(&table.mike).await;
    assert!(table.epoch(&table.mike).await > epoch);
}
