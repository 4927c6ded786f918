//! What all connections share, and what has to happen whether or not the
//! connection that asked for it still lives.

use std::net::IpAddr;
use std::sync::Arc;

use conclave_wire::v1::{self, server_frame::Body};
use conclave_wire::{Code, RelayId};

use crate::admission::Admission;
use crate::config::{Config, Rate};
use crate::cursors::Cursors;
use crate::hub::Hub;
use crate::limits::Limiter;
use crate::log::Log;
use crate::storage::{Op, Outcome, PostOp, Recent, Refusal, Storage, StorageError, Waiting};
use crate::tag::Tags;

/// Loopback addresses are this much less limited: they are one's own.
pub(crate) const LOOPBACK_FACTOR: f64 = 100.0;

/// The shared state of one relay.
pub(crate) struct Relay {
    pub(crate) id: RelayId,
    pub(crate) host: String,
    pub(crate) config: Config,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) log: Arc<Log>,
    pub(crate) hub: Hub,
    pub(crate) cursors: Cursors,
    pub(crate) limiter: Limiter,
    pub(crate) tags: Tags,
    pub(crate) connections: Arc<Admission>,
}

impl Relay {
    /// A relay over what it stores; `salt` is that of its logs' tags.
    pub(crate) fn over(
        storage: Arc<dyn Storage>,
        log: Arc<Log>,
        id: RelayId,
        host: String,
        config: Config,
        salt: [u8; 16],
    ) -> Self {
        Self {
            id,
            host,
            limiter: Limiter::new(config.clock.clone()),
            connections: Admission::new(config.limits.connections, config.limits.connections_per_address),
            config,
            storage,
            log,
            hub: Hub::default(),
            cursors: Cursors::default(),
            tags: Tags::new(salt),
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.config.clock.now()
    }

    pub(crate) fn retention_ms(&self) -> u64 {
        u64::try_from(self.config.retention.as_millis()).unwrap_or(u64::MAX)
    }

    /// Entries from before this instant are served no more.
    pub(crate) fn cutoff(&self) -> u64 {
        self.now().saturating_sub(self.retention_ms())
    }

    /// Draws from a bucket of an address, where it matters one for each thing
    /// it asks `about`.
    pub(crate) fn limit_address(
        &self,
        what: &str,
        rate: Rate,
        amount: f64,
        peer: IpAddr,
        about: &[u8],
    ) -> Result<(), u64> {
        let rate = self.rate_for(peer, rate);
        self.limiter.take(rate, amount, &[what.as_bytes(), &network(peer), about])
    }

    /// A rate by address as this address has it.
    pub(crate) fn rate_for(&self, peer: IpAddr, rate: Rate) -> Rate {
        let factor = if peer.is_loopback() { LOOPBACK_FACTOR } else { 1.0 };
        Rate::new(rate.burst * factor, rate.per_second * factor)
    }

    /// One operation's outcome.
    pub(crate) async fn apply(&self, op: Op) -> Result<Outcome, StorageError> {
        let outcomes = self.storage.apply(vec![op]).await?;
        let missing = || StorageError::Failed("the storage gave no outcome".into());
        outcomes.into_iter().next().ok_or_else(missing)
    }

    /// Waits for a post and tells everybody concerned.
    pub(crate) async fn posted(&self, post: Box<PostOp>, waiting: Waiting<Vec<Outcome>>) -> Body {
        let outcome = match waiting.await {
            Ok(outcomes) => outcomes.into_iter().next(),
            Err(error) => return failed(&error),
        };
        if let Some(Outcome::Posted(accepted)) = &outcome
            && !accepted.repeated
        {
            tracing::debug!(channel = self.tags.of(post.channel.as_ref()), accepted.entry, "posted");
            self.hub.publish(post.channel, Recent::new(&post, accepted));
            post.letters.iter().for_each(|(device, _)| self.hub.letter(device));
        }
        post_frame(outcome.as_ref())
    }

    /// Stores the cursors that came in; returns whether it worked.
    pub(crate) async fn flush_cursors(&self) {
        let waiting = self.cursors.take();
        if waiting.is_empty() {
            return;
        }
        match self.apply(Op::Acks(waiting)).await {
            Ok(Outcome::Floors(floors)) => floors.iter().for_each(|(channel, up_to)| {
                self.hub.forget(channel, *up_to);
            }),
            Ok(_) => {}
            // Lost cursors mean only that entries come again.
            Err(error) => tracing::warn!(%error, "cursors were not stored"),
        }
    }
}

/// The answer where the storage failed.
pub(crate) fn failed(error: &StorageError) -> Body {
    Body::Refused(v1::Refused::new(error.code()))
}

/// What answers a post.
pub(crate) fn post_frame(outcome: Option<&Outcome>) -> Body {
    match outcome {
        Some(Outcome::Posted(accepted)) => {
            Body::Posted(v1::Posted { entry: accepted.entry, turn: accepted.turn, at: accepted.at })
        }
        Some(Outcome::Stale { turn, head }) => Body::Stale(v1::Stale { turn: *turn, head: *head }),
        Some(Outcome::Refused(refusal)) => Body::Refused(refusal_frame(refusal)),
        _ => Body::Refused(v1::Refused::new(Code::Unavailable)),
    }
}

pub(crate) fn refusal_frame(refusal: &Refusal) -> v1::Refused {
    let mut frame = v1::Refused::new(refusal.code);
    if let Some((number, hash)) = refusal.last {
        frame.last_post = number;
        if number > 0 {
            frame.last_hash = hash.to_vec().into();
        }
    }
    frame
}

/// An IPv4 address, or the network of an IPv6 one: who has one of its
/// addresses has them all.
pub(crate) fn network(peer: IpAddr) -> Vec<u8> {
    match peer.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().into_iter().take(8).collect(),
    }
}
