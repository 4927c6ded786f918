//! The engine keeps a store in step with its relays: one loop for each, the account's own and those where its groups
//! live. It runs while somebody in this process wants it and no other process of the same store has the lease; dropping
//! it anywhere is as harmless as a crash.

mod alarms;
mod blobs;
mod calls;
mod changes;
mod doubts;
mod forms;
mod gossip;
mod healing;
mod history;
mod inbox;
mod joining;
mod keys;
mod knocks;
mod letters;
mod messages;
mod outbox;
mod own_name;
mod people;
mod proposals;
mod refusals;
mod roots;
mod seats;
mod session;
mod trust;

use crate::store::Store;
use crate::store::lease::Lease;
use crate::store::relays::RelayFacts;
use crate::{ClientError, Event, Result};
pub(crate) use alarms::say_everywhere;
pub(crate) use calls::{may_call, say_step, why as why_aborted};
#[cfg(any(test, fuzzing))]
pub(crate) use forms::fuzz as entries_fuzz;
pub(crate) use healing::{Wished, heal_all, plan as plan_heal};
pub(crate) use history::own_chat;
pub(crate) use joining::note_begin;
pub(crate) use keys::{device_key, identity_key, listed, published, sign_login, sign_recovery, want_devices};
pub(crate) use knocks::admit;
pub(crate) use people::list_changed;
pub(crate) use proposals::policy_words;
use session::Session;
pub(crate) use session::connect;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
pub(crate) use trust::{grades_in, met, unchecked};

/// How often a busy lease is tried.
const LEASE_AGAIN: Duration = Duration::from_millis(40);
/// How soon a change of the relays in use is noticed.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// This layer's bounds, for the page of all of them.
pub(crate) mod limits {
    pub(crate) use super::LONGEST_PAUSE;
    pub(crate) use super::inbox::AT_ONCE as ENTRIES_AT_ONCE;
    pub(crate) use super::letters::MOST_REQUESTS as REQUESTS;
    pub(crate) use super::people::{LOOK_AFTER as PEOPLE_LOOKED_UP, SIBLING_TIME};
    pub(crate) use crate::store::heals::LATE as HEAL_LATE;
}

/// The first pause after a failure; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The engine of this process, cheap to clone.
#[derive(Clone)]
pub(crate) struct Engine {
    store: Store,
    slot: Arc<Mutex<Slot>>,
    status: watch::Sender<Status>,
}

#[derive(Default)]
struct Slot {
    wanted: usize,
    task: Option<AbortHandle>,
}

/// How the engine of this process fares with the account's own relay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// How often it failed.
    pub(crate) failures: u64,
    /// Why, the last time.
    pub(crate) cause: Option<ClientError>,
}

/// The engine runs while one of these lives.
pub(crate) struct Demand(Engine);

impl Engine {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, slot: Arc::default(), status: watch::Sender::default() }
    }

    /// Wants the engine to run.
    pub(crate) fn demand(&self) -> Demand {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.wanted += 1;
        if slot.task.is_none() {
            // What hindered an engine before need not hinder this one.
            self.status.send_modify(|status| status.cause = None);
            slot.task = Some(tokio::spawn(run(self.store.clone(), self.status.clone())).abort_handle());
        }
        drop(slot);
        Demand(self.clone())
    }

    /// How it fares.
    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }
}

impl Drop for Demand {
    fn drop(&mut self) {
        let mut slot = self.0.slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.wanted -= 1;
        if slot.wanted == 0
            && let Some(task) = slot.task.take()
        {
            task.abort();
        }
    }
}

async fn run(store: Store, status: watch::Sender<Status>) {
    let report = Report(status);
    let _lease = loop {
        match Lease::take(store.dir()) {
            Ok(Some(lease)) => break lease,
            Ok(None) => {}
            Err(cause) => report.failed(cause),
        }
        tokio::time::sleep(LEASE_AGAIN).await;
    };
    while let Err(cause) = serve_all(&store, &report).await {
        report.failed(cause);
        tokio::time::sleep(jittered(FIRST_PAUSE)).await;
    }
}

/// Keeps one loop for each relay in use, and notices when there are more.
async fn serve_all(store: &Store, report: &Report) -> Result<()> {
    store.step(|tx| tx.expect_all_relays().and_then(|()| tx.heal_after_restore())).await?;
    let mut watch = store.watch();
    let mut loops = JoinSet::new();
    let mut served: HashMap<[u8; 32], AbortHandle> = HashMap::new();
    loop {
        let (own, relays) = store.view(|tx| Ok((tx.relay()?.id, tx.relays_in_use()?))).await?;
        served.retain(|id, task| {
            let wanted = relays.iter().any(|relay| relay.id == *id);
            if !wanted {
                task.abort();
            }
            wanted
        });
        for relay in relays {
            let id = relay.id;
            let (store, report) = (store.clone(), report.clone());
            served.entry(id).or_insert_with(|| loops.spawn(serve(store, relay, id == own, report)));
        }
        watch.changed().await?;
        // A busy store changes at every step; which relays are in use hardly ever does.
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Connects to a relay again and again.
async fn serve(store: Store, relay: RelayFacts, own: bool, report: Report) {
    let mut pause = FIRST_PAUSE;
    loop {
        let up = || {
            pause = FIRST_PAUSE;
            if own {
                report.well();
            }
        };
        let cause = Session::run(&store, &relay, own, up).await;
        tracing::debug!(code = cause.code(), own, "the connection ended");
        if own || is_ours(&cause) {
            report.failed(cause);
        } else if let Err(cause) = away(&store, &relay, &cause).await {
            report.failed(cause);
        }
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A relay of others cannot be used now: nobody waits for it, and the person hears of it once.
async fn away(store: &Store, relay: &RelayFacts, cause: &ClientError) -> Result<()> {
    let (id, relay, cause) = (relay.id, relay.shown().to_owned(), cause.to_string());
    let note = move |tx: &crate::store::Tx| match tx.set_away(&id, true)? {
        true => tx.tell(&Event::RelayAway { relay, cause }),
        false => Ok(()),
    };
    store.step(note).await
}

/// Tells everybody who waits how it goes.
#[derive(Clone)]
struct Report(watch::Sender<Status>);

impl Report {
    fn well(&self) {
        self.0.send_modify(|status| status.cause = None);
    }

    fn failed(&self, cause: ClientError) {
        self.0.send_modify(|status| {
            status.failures += 1;
            status.cause = Some(cause);
        });
    }
}

/// Between half and the whole of it, so that clients do not come back all at once.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [u8::MAX];
    // Without randomness the pause is whole.
    let _ = getrandom::fill(&mut byte);
    let [byte] = byte;
    pause / 2 + pause * u32::from(byte) / 510
}

/// Whether a failure is the store's: then no connection helps.
fn is_ours(error: &ClientError) -> bool {
    matches!(error, ClientError::Store(_) | ClientError::StoreFull(_) | ClientError::StoreDamaged(_))
}
