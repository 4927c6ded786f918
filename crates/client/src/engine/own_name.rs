//! Watching the own name in the relay's key log: whoever asks for it is given what stands there, so that all that was ever
//! logged under it has to be this person's own.

use super::session::Session;
use crate::Result;
use crate::alarm::{AlarmCause, Deed};
use crate::keylog::Log;
use crate::store::Tx;
use crate::store::meta::Fact;
use bytes::Bytes;
use conclave_keylog::Logged;
use conclave_protocol::PersonId;
use conclave_protocol::identity::UnverifiedDeviceList;
use std::collections::BTreeSet;

impl Session<'_> {
    /// Looks through what was logged under the own name since it was looked at the last time, the newest being `version`:
    /// all of it, the first time.
    ///
    /// # Errors
    /// `KeyLog` where the log does not hold.
    pub(super) async fn watch_own_name(&mut self, (name, me): (&str, PersonId), version: u64) -> Result<()> {
        let seen = self.store.view(|tx| tx.number(Fact::LogSeen)).await?.unsigned_abs();
        if seen >= version {
            return Ok(());
        }
        let history = Log::of(&self.link)?.history(self.store, name).await?;
        let name = name.to_owned();
        self.store.step(move |tx| look_through(tx, (name, me), seen, &history)).await
    }
}

fn look_through(
    tx: &Tx,
    (name, me): (String, PersonId),
    seen: u64,
    history: &[(Logged, Option<Bytes>)],
) -> Result<()> {
    let newer = history.iter().filter(|(logged, _)| logged.version > seen);
    if newer.clone().any(|(logged, list)| !is_mine(me, logged, list.as_ref())) {
        let nowhere = String::new;
        let cause = AlarmCause::OwnName { deed: Deed::Logged, id: nowhere(), conversation: nowhere() };
        tx.alarm(&cause, None)?;
    }
    if came_back(seen, history) {
        tx.alarm(&AlarmCause::ListRolledBack { who: name }, None)?;
    }
    let newest = newer.map(|(logged, _)| logged.version).max().unwrap_or(seen);
    tx.set_number(Fact::LogSeen, crate::store::messages::signed(newest))
}

/// Whether a list that another had taken the place of was logged once more: it has devices that may be taken away since.
fn came_back(seen: u64, history: &[(Logged, Option<Bytes>)]) -> bool {
    let mut before = BTreeSet::new();
    // From the first version on.
    history.iter().rev().any(|(logged, _)| !before.insert(logged.value.device_list) && logged.version > seen)
}

/// Whether what is logged is this person, with a list that this person signed. A list too far back for the relay to give
/// counts as one: its hash shows nothing.
fn is_mine(me: PersonId, logged: &Logged, list: Option<&Bytes>) -> bool {
    let by_me = |list: &Bytes| {
        let list = UnverifiedDeviceList::read(list).and_then(UnverifiedDeviceList::verify);
        list.is_ok_and(|list| *list.person() == me)
    };
    logged.value.person == me.0 && list.is_none_or(by_me)
}
