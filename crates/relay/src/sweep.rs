//! What a relay does by itself: stores cursors about every second, frees what
//! everybody has read or what is too old about every minute.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::relay::Relay;
use crate::storage::{Op, Outcome, StorageError};

const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// In flushes.
const SWEEP_EVERY: u32 = 60;

/// Runs until told to stop.
pub(crate) async fn run(relay: Arc<Relay>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(FLUSH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut since_sweep = 0;
    loop {
        tokio::select! {
            _ = stop.changed() => return,
            _ = ticks.tick() => {}
        }
        relay.flush_cursors().await;
        since_sweep += 1;
        if since_sweep >= SWEEP_EVERY {
            since_sweep = 0;
            if let Err(error) = sweep(&relay).await {
                tracing::warn!(%error, "a sweep ended early");
            }
        }
    }
}

/// One sweep through all channels, in bounded steps between which posts go on.
pub(crate) async fn sweep(relay: &Relay) -> Result<u64, StorageError> {
    let cutoff = relay.cutoff();
    let (mut after, mut total) = (0, 0);
    loop {
        let Outcome::Swept { next, freed } = relay.apply(Op::Sweep { cutoff, after }).await? else {
            return Ok(total);
        };
        total += freed;
        match next {
            Some(next) => after = next,
            None => return Ok(total),
        }
    }
}
