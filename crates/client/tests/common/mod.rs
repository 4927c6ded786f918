//! A stage for tests: a relay on loopback in this process, and people with stores of their own.
#![allow(dead_code)] // Each test file uses a part of it.

pub(crate) mod lives;
pub(crate) mod proxy;
pub(crate) mod years;

use conclave_client::{Client, Delivery, Message, Outcome, ReadOptions, Scheme};
use conclave_relay::{Config, Running, serve};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const PASSPHRASE: &str = "correct horse";
/// Longer than anything takes; nothing waits for it in a test that passes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) dir: TempDir,
    pub(crate) relay: Option<Running>,
    pub(crate) addr: SocketAddr,
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let relay = serve(config(&dir, listen)).await.unwrap();
        let addr = relay.addr;
        Self { dir, relay: Some(relay), addr }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) async fn person(&self, name: &str) -> Client {
        Client::create(&self.home(name), PASSPHRASE, name, &self.url(), None).await.unwrap()
    }

    /// A person whose relay is reached at `url`, quickly: see [`lives::cheap_sidecar`].
    pub(crate) async fn person_at(&self, name: &str, url: &str) -> Client {
        let home = self.home(name);
        lives::cheap_sidecar(&home);
        Client::create(&home, PASSPHRASE, name, url, None).await.unwrap()
    }

    /// The same store, as another process would open it.
    pub(crate) async fn again(&self, name: &str) -> Client {
        Client::open(&self.home(name), PASSPHRASE).await.unwrap()
    }

    pub(crate) async fn stop_relay(&mut self) {
        self.relay.take().unwrap().shutdown().await.unwrap();
    }

    pub(crate) async fn start_relay(&mut self) {
        self.relay = Some(serve(config(&self.dir, self.addr)).await.unwrap());
    }
}

fn config(dir: &TempDir, listen: SocketAddr) -> Config {
    Config { data: Some(dir.path().join("relay")), listen, ..Config::default() }
}

/// Says it, and sees it to the relay.
pub(crate) async fn say(who: &Client, to: &str, text: &str) {
    let ticket = who.send(to, text).await.unwrap();
    assert_eq!(who.wait(&ticket, PATIENCE).await.unwrap(), Delivery::Sent, "{text}");
}

/// Syncs and reads everything.
pub(crate) async fn texts(who: &Client, target: &str) -> Vec<String> {
    messages(who, target).await.into_iter().map(|message| message.text).collect()
}

pub(crate) async fn messages(who: &Client, target: &str) -> Vec<Message> {
    sync(who).await;
    who.read(target, ReadOptions::default()).await.unwrap()
}

pub(crate) async fn sync(who: &Client) -> Vec<conclave_client::Event> {
    let report = who.sync(PATIENCE).await.unwrap();
    assert!(report.caught_up, "{:?}", report.events);
    report.events
}

pub(crate) fn done(outcome: Result<Outcome, conclave_client::ClientError>) {
    assert_eq!(outcome.unwrap(), Outcome::Done);
}

/// A person whose relay is honest, quickly.
pub(crate) async fn cheap_person(stage: &Stage, name: &str) -> Client {
    stage.person_at(name, &stage.url()).await
}

/// Three strangers become a group in which each has said something: a, b and c.
pub(crate) async fn trip([mike, sean, steve]: &[Client; 3], scheme: Scheme) {
    for one in [sean, steve] {
        one.add_contact("mike").await.unwrap();
    }
    mike.new_group("Trip", scheme).await.unwrap();
    done(mike.add("Trip", &["sean", "steve"], PATIENCE).await);
    for (one, text) in [(mike, "a"), (sean, "b"), (steve, "c")] {
        sync(one).await;
        say(one, "Trip", text).await;
    }
    for one in [mike, sean, steve] {
        sync(one).await;
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "engine.lock" {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
}

/// Until a device that was let in again reads in "Trip" what `other` says.
pub(crate) async fn comes_back(who: &Client, other: &Client) {
    for round in 0..10 {
        sync(who).await;
        sync(other).await;
        let text = format!("round {round}");
        say(other, "Trip", &text).await;
        if texts(who, "Trip").await.contains(&text) {
            return;
        }
    }
    panic!("the device does not find its way back");
}
