//! "I lost my phone": everything that a thief of this device's secrets could use is replaced at once.

use super::Client;
use crate::engine::{Wished, heal_all};
use crate::info::{GroupHeal, HealReport, Outcome};
use crate::store::meta::Fact;
use crate::{ClientError, Result};
use std::time::Duration;
use tokio::time::Instant;

impl Client {
    /// Replaces this device's own keys, and with them prekeys, bundle and join keys at the relay, and heals every group and
    /// chat, which tells the others. The identity stays. What is not done within `wait` is done later, by itself.
    ///
    /// # Errors
    /// `OutboxFull`; `Unreachable` and the like are no errors here: what waits is reported as queued.
    pub async fn heal_everything(&self, wait: Duration) -> Result<HealReport> {
        let until = Instant::now() + wait;
        let (keys, wishes) = self.store.step(|tx| heal_all(tx, false)).await?;
        let mut groups = Vec::new();
        for Wished { id, name, wish } in wishes {
            let outcome = match self.wait_for(wish, until.saturating_duration_since(Instant::now())).await {
                Ok(Outcome::Done) => Ok(()),
                Ok(Outcome::Queued) => Err("queued".to_owned()),
                Err(ClientError::GivenUp { code, .. }) => Err(code),
                // No waiting helps now; the wish stays all the same.
                Err(_) => Err("queued".to_owned()),
            };
            groups.push(GroupHeal { id, name, healed: outcome.is_ok(), code: outcome.err() });
        }
        let left = until.saturating_duration_since(Instant::now());
        let keys_replaced =
            self.wait_until(left, move |tx| Ok(tx.number(Fact::KeysReplaced)? >= keys)).await?;
        Ok(HealReport { keys_replaced, groups })
    }
}
