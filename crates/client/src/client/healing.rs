//! "I lost my phone": everything that a thief of this device's secrets could use is replaced at once.

use super::Client;
use crate::info::{GroupHeal, HealReport, Outcome};
use crate::store::Tx;
use crate::store::conversations::State;
use crate::store::meta::Fact;
use crate::store::outbox::What;
use crate::{ClientError, Result};
use conclave_protocol::group::{Group, Intent};
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
        let (keys, wishes) = self.store.step(wish_all).await?;
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

/// A group whose heal was wished for.
struct Wished {
    id: String,
    name: String,
    wish: i64,
}

/// Wishes for it: the number of the keys' wish, and the groups with theirs.
fn wish_all(tx: &Tx) -> Result<(i64, Vec<Wished>)> {
    let keys = tx.number(Fact::KeysWanted)? + 1;
    tx.set_number(Fact::KeysWanted, keys)?;
    // Whoever is connected logs in again, and publishes what is missing.
    tx.set_number(Fact::SyncWanted, tx.number(Fact::SyncWanted)? + 1)?;
    let mut wishes = Vec::new();
    for known in tx.all_conversations()? {
        if known.state != State::Member || tx.channel(&known.group)?.is_none() {
            continue;
        }
        let group = tx.protocol(|cx| Group::load(&known.group, cx))?;
        if group.is_out() {
            continue;
        }
        let wish = tx.wish(&known.group, &What::Change(Intent::Heal), 0)?;
        wishes.push(Wished { id: known.group.to_string(), name: known.name, wish });
    }
    Ok((keys, wishes))
}
