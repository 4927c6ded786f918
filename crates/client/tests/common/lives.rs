//! A person whose process dies again and again, at transactions of the test's choosing, and comes back.
#![allow(dead_code)] // Each test file uses a part of it.

use super::{PASSPHRASE, PATIENCE, Stage};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use conclave_client::{Client, ClientError, Clock, Delivery, Event, ReadOptions, SystemClock};
use conclave_protocol::Timestamp;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every transaction of a store asks the clock once, at its start. This one dies when asked once too often, and takes the
/// store's thread and the open transaction with it: what a killed process leaves behind.
struct Mortal {
    left: AtomicU64,
}

impl Clock for Mortal {
    fn now(&self) -> Timestamp {
        let asked = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        match asked {
            Ok(_) => SystemClock.now(),
            // Without the panic hook: this one is meant.
            Err(_) => std::panic::resume_unwind(Box::new("killed")),
        }
    }
}

/// A person, and how many transactions each of its next lives has; the one after those never dies.
pub(crate) struct Person {
    pub(crate) name: String,
    home: PathBuf,
    url: String,
    client: Client,
    lives: VecDeque<u64>,
    /// How often it died.
    pub(crate) deaths: usize,
    /// What its reports told.
    pub(crate) events: Vec<Event>,
}

impl Person {
    pub(crate) async fn create(stage: &Stage, name: &str, lives: impl IntoIterator<Item = u64>) -> Self {
        let (home, url) = (stage.home(name), stage.url());
        cheap_sidecar(&home);
        let mut lives: VecDeque<_> = lives.into_iter().collect();
        let mut deaths = 0;
        let client = loop {
            match Client::create_at(&home, PASSPHRASE, name, &url, None, next(&mut lives)).await {
                Ok(client) => break client,
                // The registration came through before it died: there is an account.
                Err(ClientError::AccountExists) => {
                    break Client::open_at(&home, PASSPHRASE, next(&mut lives)).await.unwrap();
                }
                Err(error) => assert!(is_death(&error), "{error:?}"),
            }
            deaths += 1;
        };
        Self { name: name.to_owned(), home, url, client, lives, deaths, events: Vec::new() }
    }

    /// Opens its store anew, with so many transactions to live from now on, and in each life after that.
    pub(crate) async fn dies_after(&mut self, lives: impl IntoIterator<Item = u64>) {
        self.lives = lives.into_iter().collect();
        self.reopen().await;
    }

    /// Does it, in as many lives as it takes. Nothing is done twice by that: a step that fails has changed nothing.
    pub(crate) async fn persist<T>(&mut self, work: impl AsyncFn(&Client) -> Result<T, ClientError>) -> T {
        loop {
            match work(&self.client).await {
                Ok(done) => return done,
                Err(error) => assert!(is_death(&error), "{}: {error:?}", self.name),
            }
            self.deaths += 1;
            self.reopen().await;
        }
    }

    async fn reopen(&mut self) {
        self.client = loop {
            match Client::open_at(&self.home, PASSPHRASE, next(&mut self.lives)).await {
                Ok(client) => break client,
                Err(error) => assert!(is_death(&error), "{}: {error:?}", self.name),
            }
            self.deaths += 1;
        };
    }

    /// Whether the life that it has now may end too: its deaths were spread over all that it did.
    pub(crate) fn still_mortal(&self) -> bool {
        !self.lives.is_empty()
    }

    pub(crate) async fn say(&mut self, to: &str, text: &str) {
        let ticket = self.persist(async |client| client.send(to, text).await).await;
        let sent = self.persist(async |client| client.wait(&ticket, PATIENCE).await).await;
        assert_eq!(sent, Delivery::Sent, "{text}");
    }

    pub(crate) async fn sync(&mut self) {
        let report = self.persist(async |client| client.sync(PATIENCE).await).await;
        assert!(report.caught_up);
        self.events.extend(report.events);
    }

    /// All that was said there, each with its id.
    pub(crate) async fn read(&mut self, target: &str) -> Vec<(String, String)> {
        self.sync().await;
        let all = self.persist(async |client| client.read(target, ReadOptions::default()).await).await;
        all.into_iter().map(|message| (message.id, message.text)).collect()
    }
}

fn next(lives: &mut VecDeque<u64>) -> Arc<dyn Clock> {
    match lives.pop_front() {
        Some(transactions) => Arc::new(Mortal { left: AtomicU64::new(transactions) }),
        None => Arc::new(SystemClock),
    }
}

fn is_death(error: &ClientError) -> bool {
    matches!(error, ClientError::Store(why) if why.contains("thread has ended"))
}

/// A store is opened here many hundred times. Its key is wrapped as always, but for cheap parameters in the sidecar: all
/// that is left out is the waiting.
pub(crate) fn cheap_sidecar(home: &Path) {
    let (memory, passes) = (8, 1);
    let params = Params::new(memory, passes, 1, Some(32)).unwrap();
    let (salt, mut key) = ([7; 16], [0; 32]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(PASSPHRASE.as_bytes(), &salt, &mut key).unwrap();
    let salt = hex::encode(salt);
    let aad = format!("conclave store 5 argon2id {salt} {memory} {passes} 1");
    let payload = Payload { msg: &[9; 32], aad: aad.as_bytes() };
    let wrapped = ChaCha20Poly1305::new(&Key::from(key)).encrypt(&Nonce::default(), payload).unwrap();
    let json = serde_json::json!({
        "version": 5,
        "kdf": { "name": "argon2id", "salt": salt, "memory_kib": memory, "passes": passes, "lanes": 1 },
        "wrapped": hex::encode(wrapped),
    });
    std::fs::create_dir_all(home).unwrap();
    std::fs::write(home.join("store.json"), json.to_string()).unwrap();
}
