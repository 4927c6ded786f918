//! A stage in which the relay's clock and everybody's move together, by days if need be.

use super::PASSPHRASE;
use conclave_client::{Client, Scheme, SystemClock};
use conclave_protocol::Timestamp;
use conclave_relay::{Config, Running, serve};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The machine's clock and some days more.
#[derive(Clone, Default)]
pub(crate) struct Moved(Arc<AtomicI64>);

impl Moved {
    pub(crate) fn days(&self, days: i64) {
        self.minutes(days * 24 * 60);
    }

    pub(crate) fn minutes(&self, minutes: i64) {
        self.0.fetch_add(minutes * 60_000, Ordering::Relaxed);
    }
}

impl conclave_client::Clock for Moved {
    fn now(&self) -> Timestamp {
        let now = conclave_client::Clock::now(&SystemClock);
        Timestamp(now.0.saturating_add_signed(self.0.load(Ordering::Relaxed)))
    }
}

impl conclave_relay::Clock for Moved {
    fn now(&self) -> u64 {
        conclave_client::Clock::now(self).0
    }
}

/// A relay and people whose clocks move together.
pub(crate) struct Years {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) relay: Running,
    pub(crate) clock: Moved,
}

impl Years {
    pub(crate) async fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Moved::default();
        let config = Config {
            data: Some(dir.path().join("relay")),
            listen: "127.0.0.1:0".parse().unwrap(),
            clock: Arc::new(clock.clone()),
            ..Config::default()
        };
        Self { dir, relay: serve(config).await.unwrap(), clock }
    }

    pub(crate) async fn person(&self, name: &str) -> Client {
        self.person_with(name, &self.clock).await
    }

    pub(crate) async fn person_with(&self, name: &str, clock: &Moved) -> Client {
        let (home, url) = (self.dir.path().join(name), format!("http://{}", self.relay.addr));
        Client::create_at(&home, PASSPHRASE, name, &url, None, Arc::new(clock.clone())).await.unwrap()
    }

    /// Three in a group; steve has heard of it, and has said something.
    pub(crate) async fn trip(&self, scheme: Scheme) -> [Client; 3] {
        let three = [self.person("mike").await, self.person("sean").await, self.person("steve").await];
        super::trip(&three, scheme).await;
        three
    }
}
