//! Waiting for the engine: for a wish, for being up to date, for ever. The engine runs here, or in whichever process of
//! the same store has the lease.

use super::Client;
use crate::engine::Status;
use crate::info::{Outcome, SyncReport};
use crate::store::meta::Fact;
use crate::store::outbox::WishState;
use crate::{ClientError, Result};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

impl Client {
    /// Fetches and applies everything, sends what waits, and reports what happened since the last report.
    ///
    /// # Errors
    /// `Unreachable` and the like if this process tried and failed. What was stored before is reported next time.
    pub async fn sync(&self, timeout: Duration) -> Result<SyncReport> {
        let until = Instant::now() + timeout;
        let mark = self.store.step(|tx| {
            let mark = tx.number(Fact::SyncWanted)? + 1;
            tx.set_number(Fact::SyncWanted, mark)?;
            Ok(mark)
        });
        let mark = mark.await?;
        let mut watch = self.store.watch();
        let mut status = self.engine.status();
        let before = status.borrow_and_update().failures;
        let _demand = self.engine.demand();
        let caught_up = loop {
            if self.store.view(move |tx| tx.is_synced(mark)).await? {
                break true;
            }
            if let Some(cause) = failed_since(&status, before) {
                return Err(cause);
            }
            tokio::select! {
                changed = timeout_at(until, watch.changed()) => match changed {
                    Ok(changed) => changed?,
                    Err(_) => break false,
                },
                // The engine lives as long as this client.
                _ = status.changed() => {}
            }
        };
        let (events, doubt) = self.store.step(|tx| Ok((tx.untold()?, tx.is_in_doubt()?))).await?;
        Ok(SyncReport { events, caught_up: caught_up && !doubt })
    }

    /// Stays connected until the future is dropped.
    ///
    /// # Errors
    /// What no waiting helps against, such as `RelayChanged`.
    pub async fn run(&self) -> Result<()> {
        let mut status = self.engine.status();
        let _demand = self.engine.demand();
        loop {
            hopeless(&status)?;
            if status.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Waits until a wish met its fate, at most so long.
    pub(super) async fn wait_for(&self, wish: i64, timeout: Duration) -> Result<Outcome> {
        let until = Instant::now() + timeout;
        let mut watch = self.store.watch();
        let mut status = self.engine.status();
        let _demand = self.engine.demand();
        loop {
            let stands = self.store.view(move |tx| {
                let Some(wish) = tx.wish_at(wish)? else { return Ok((None, false)) };
                Ok((Some(wish.state), tx.has_letters_leaving(&wish.group)?))
            });
            let (state, letters) = stands.await?;
            match &state {
                // Whoever it invites elsewhere is to hear of it, before this process ends.
                Some(WishState::Done) if letters => {}
                // Rows are kept for long after they were done.
                None | Some(WishState::Done) => return Ok(Outcome::Done),
                Some(WishState::Failed { code, error }) => {
                    return Err(ClientError::GivenUp { code: code.clone(), message: error.clone() });
                }
                Some(WishState::Queued | WishState::Sent) => hopeless(&status)?,
            }
            tokio::select! {
                changed = timeout_at(until, watch.changed()) => match changed {
                    Ok(changed) => changed?,
                    Err(_) if matches!(state, Some(WishState::Sent | WishState::Done)) => return Ok(Outcome::Done),
                    Err(_) => return Ok(Outcome::Queued),
                },
                _ = status.changed() => {}
            }
        }
    }
}

impl Client {
    /// Waits until `there` holds, at most so long; whether it does.
    pub(super) async fn wait_until(
        &self,
        timeout: Duration,
        there: impl Fn(&crate::store::Tx) -> Result<bool> + Clone + Send + 'static,
    ) -> Result<bool> {
        let until = Instant::now() + timeout;
        let mut watch = self.store.watch();
        let _demand = self.engine.demand();
        loop {
            if self.store.view(there.clone()).await? {
                return Ok(true);
            }
            match timeout_at(until, watch.changed()).await {
                Ok(changed) => changed?,
                Err(_) => return Ok(false),
            }
        }
    }
}

fn failed_since(status: &watch::Receiver<Status>, before: u64) -> Option<ClientError> {
    let status = status.borrow();
    status.cause.clone().filter(|_| status.failures > before)
}

/// Failures that stay however often one tries.
fn hopeless(status: &watch::Receiver<Status>) -> Result<()> {
    match &status.borrow().cause {
        Some(cause) if is_hopeless(cause) => Err(cause.clone()),
        _ => Ok(()),
    }
}

fn is_hopeless(cause: &ClientError) -> bool {
    match cause {
        ClientError::RelayChanged
        | ClientError::ClockShifted(_)
        | ClientError::RelayVersion(_)
        | ClientError::NotRegistered
        | ClientError::StoreDamaged(_) => true,
        ClientError::Refused { code, .. } => matches!(code.as_str(), "unknown_device" | "bad_signature"),
        _ => false,
    }
}
