//! A relay that lies: every lie is named, or has no effect; and once the relay is honest again, everything is there, once
//! and in order. One named test for each lie.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod blobs;
#[path = "../common/mod.rs"]
mod common;
mod connection;
mod devices;
mod directory;
mod forks;
mod impersonation;
mod joining;
mod key_log;
mod log;
mod membership;
mod posts;

use common::proxy::Proxy;
use common::{PATIENCE, Stage, done};
use conclave_client::{AlarmCause, Client, ClientError, Delivery, Event, ReadOptions, Scheme, SyncReport};
use std::time::Duration;

/// For what cannot come while the relay lies.
const BRIEFLY: Duration = Duration::from_millis(300);

/// Mike has an honest relay. Sean reaches it through the proxy.
struct Table {
    _stage: Stage,
    proxy: Proxy,
    mike: Client,
    sean: Client,
    /// What was said in the group, in order.
    said: Vec<String>,
}

impl Table {
    /// Both in a group in which both have spoken.
    async fn set(scheme: Scheme) -> Self {
        let mut table = Self::strangers().await;
        table.join(scheme).await;
        table
    }

    async fn join(&mut self, scheme: Scheme) {
        self.mike.add_contact("sean").await.unwrap();
        self.sean.add_contact("mike").await.unwrap();
        self.mike.new_group("Trip", scheme).await.unwrap();
        done(self.mike.add("Trip", &["sean"], PATIENCE).await);
        self.mike_says("hello").await;
        self.sean_syncs().await;
        self.sean_says("hi").await;
    }

    async fn strangers() -> Self {
        let stage = Stage::open().await;
        let proxy = Proxy::before(stage.addr).await;
        let mike = stage.person_at("mike", &stage.url()).await;
        let sean = stage.person_at("sean", &proxy.url()).await;
        Self { _stage: stage, proxy, mike, sean, said: Vec::new() }
    }

    async fn mike_says(&mut self, text: &str) {
        common::say(&self.mike, "Trip", text).await;
        self.said.push(text.to_owned());
    }

    async fn sean_says(&mut self, text: &str) {
        common::say(&self.sean, "Trip", text).await;
        self.said.push(text.to_owned());
    }

    /// Sean says something that cannot get through now.
    async fn sean_queues(&mut self, text: &str) {
        let ticket = self.sean.send("Trip", text).await.unwrap();
        assert_eq!(self.sean.wait(&ticket, BRIEFLY).await.unwrap(), Delivery::Queued);
        self.said.push(text.to_owned());
    }

    async fn sean_tries(&self) -> Result<SyncReport, ClientError> {
        self.sean.sync(PATIENCE).await
    }

    /// Sean hears everything there is; what was told on the way.
    async fn sean_syncs(&self) -> Vec<Event> {
        let report = self.sean_tries().await.unwrap();
        assert!(report.caught_up, "{:?}", report.events);
        report.events
    }

    /// Sean is told that the relay broke its rules, and that there is more.
    async fn sean_finds_a_fault(&self, cause: &str) {
        let report = self.sean_tries().await.unwrap();
        assert!(is_told(&report.events, cause), "{:?}", report.events);
        assert!(!report.caught_up);
    }

    /// Sean has asked to be let in again, and mike does that.
    async fn sean_is_let_in_again(&self) -> Vec<Event> {
        let epoch = self.epoch(&self.mike).await;
        let mut events = self.sean_tries().await.unwrap().events;
        common::sync(&self.mike).await;
        assert_eq!(self.epoch(&self.mike).await, epoch + 1, "{events:?}");
        events.extend(self.sean_syncs().await);
        assert_eq!(self.epoch(&self.sean).await, epoch + 1, "{events:?}");
        events
    }

    async fn epoch(&self, who: &Client) -> u64 {
        who.group_info("Trip").await.unwrap().epoch
    }

    async fn texts(&self, who: &Client) -> Vec<String> {
        let all = who.read("Trip", ReadOptions::default()).await.unwrap();
        all.into_iter().map(|message| message.text).collect()
    }

    /// The relay is honest again: both go on, and both have all of it, once and in order.
    async fn all_is_well(&mut self) {
        self.all_is_well_but(&[]).await;
    }

    /// As [`Table::all_is_well`], but for what sean was told to have lost.
    async fn all_is_well_but(&mut self, lost: &[&str]) {
        self.proxy.be_honest();
        self.sean_syncs().await;
        self.mike_says("after").await;
        self.sean_syncs().await;
        self.sean_says("too").await;
        self.sean_syncs().await;
        common::sync(&self.mike).await;
        assert_eq!(self.texts(&self.mike).await, self.said);
        let heard: Vec<_> = self.said.iter().filter(|text| !lost.contains(&text.as_str())).collect();
        assert_eq!(self.texts(&self.sean).await.iter().collect::<Vec<_>>(), heard);
        assert_eq!(self.epoch(&self.mike).await, self.epoch(&self.sean).await);
    }
}

/// Whether a fault of the relay was told whose cause contains this.
fn is_told(events: &[Event], part: &str) -> bool {
    events.iter().any(|event| matches!(event, Event::RelayFault { cause } if cause.contains(part)))
}

/// The causes of the alarms that were told.
fn alarms(events: &[Event]) -> Vec<&AlarmCause> {
    let mut causes = Vec::new();
    for event in events {
        if let Event::Alarm { cause, .. } = event {
            causes.push(cause);
        }
    }
    causes
}

/// Whether something was ignored whose cause contains this.
fn is_ignored(events: &[Event], part: &str) -> bool {
    events.iter().any(|event| matches!(event, Event::Ignored { cause, .. } if cause.contains(part)))
}

/// The id of the group.
async fn trip(table: &Table) -> String {
    table.mike.group_info("Trip").await.unwrap().id
}

/// Until sean, after an alarm, is in again with all keys replaced, and has told so; what mike was told.
async fn back_and_healed(table: &Table) -> Vec<Event> {
    let mut told = Vec::new();
    for _ in 0..10 {
        table.sean_tries().await.unwrap();
        told.extend(common::sync(&table.mike).await);
        let healed =
            |event: &Event| matches!(event, Event::Changed { what, .. } if what.contains("new device keys"));
        if !alarms(&told).is_empty() && told.iter().any(healed) {
            table.sean_syncs().await;
            told.extend(common::sync(&table.mike).await);
            return told;
        }
    }
    panic!("sean is not back: {told:?}");
}
