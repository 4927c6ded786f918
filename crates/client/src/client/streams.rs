//! Messages and events as they come, from whichever process stores them.

use super::Client;
use super::conversations::Target;
use crate::engine::Demand;
use crate::info::Message;
use crate::store::{Store, Watch};
use crate::{ClientError, Event, Result};
use std::collections::VecDeque;

/// The messages of a conversation from now on, own ones included. While it lives, the engine runs.
pub struct Follow {
    store: Store,
    watch: Watch,
    target: String,
    after: i64,
    ready: VecDeque<Message>,
    _demand: Demand,
}

/// What happens from now on.
pub struct Events {
    store: Store,
    watch: Watch,
    after: Option<i64>,
    ready: VecDeque<Event>,
}

impl Client {
    /// Follows a conversation. With a contact it need not have begun yet.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotAccepted`.
    pub async fn follow(&self, target: &str) -> Result<Follow> {
        let watch = self.store.watch();
        let name = target.to_owned();
        let after = self.store.view(move |tx| {
            Target::read(tx, &name)?.shown()?;
            tx.last_message()
        });
        Ok(Follow {
            after: after.await?,
            store: self.store.clone(),
            watch,
            target: target.to_owned(),
            ready: VecDeque::new(),
            _demand: self.engine.demand(),
        })
    }

    /// Everything that happens from now on.
    pub fn events(&self) -> Events {
        Events { store: self.store.clone(), watch: self.store.watch(), after: None, ready: VecDeque::new() }
    }
}

impl Follow {
    /// The next message; `None` once the store fails.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            self.fill().await.ok()?;
            if self.ready.is_empty() {
                self.watch.changed().await.ok()?;
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        let (target, after) = (self.target.clone(), self.after);
        let found = self.store.view(move |tx| match Target::read(tx, &target)?.shown() {
            Ok(Some((shown, all))) => tx.messages(&all, &shown, after, None),
            Ok(None) | Err(ClientError::NotAccepted(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        });
        for (seq, message) in found.await? {
            self.after = seq;
            self.ready.push_back(message);
        }
        Ok(())
    }
}

impl Events {
    /// The next event; `None` once the store fails.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let after = self.after;
            let found = self.store.view(move |tx| match after {
                Some(after) => tx.events(after).map(|events| (after, events)),
                None => tx.last_event().map(|last| (last, Vec::new())),
            });
            let (after, events) = found.await.ok()?;
            self.after = Some(events.last().map_or(after, |(seq, _)| *seq));
            self.ready.extend(events.into_iter().map(|(_, event)| event));
            if self.ready.is_empty() {
                self.watch.changed().await.ok()?;
            }
        }
    }
}
