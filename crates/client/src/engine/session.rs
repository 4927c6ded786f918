//! One connection's life: attach the seats at this relay, then follow and send until it ends. At the account's own relay
//! it logs in first, takes letters and publishes keys.
//!
//! ```text
//! hello ─►(login ─► letters ─► keys)─► seats ─► ┌► pushes ─► outbox of those caught up ─► letters out ─► idle ─┐
//!                                               └──────────────────────────────────────────────────────────────┘
//! ```

use super::inbox::AT_ONCE;
use super::keys::log_in;
use super::seats::Seats;
use crate::clock::check_reach;
use crate::directory::Reach;
use crate::store::Store;
use crate::store::meta::Fact;
use crate::store::relays::RelayFacts;
use crate::transport::{Address, Link, Push};
use crate::{ClientError, Result};
use conclave_protocol::{GroupId, Timestamp};
use conclave_wire::RelayId;
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// The engine looks around at least so often.
const LOOK_AROUND: Duration = Duration::from_secs(60);

/// How long a commit that lost its turn waits at most.
const APART: Duration = Duration::from_millis(500);

/// A connection that serves.
pub(super) struct Session<'s> {
    pub(super) store: &'s Store,
    pub(super) link: Link,
    pub(super) relay: RelayFacts,
    /// Whether it is the account's own relay.
    pub(super) own: bool,
    /// The relays of those who are to be added, or are new in a group.
    pub(super) reach: Reach,
    pub(super) seats: Seats,
    /// Groups whose next post must wait.
    pub(super) held: HashMap<GroupId, Hold>,
    /// Since when it serves, by the client's clock.
    pub(super) since: Timestamp,
    /// Up to where this connection has put what the posts of groups need.
    pub(super) put: HashMap<GroupId, i64>,
    /// When it is looked at next whether everybody is to be looked up.
    pub(super) look_next: Instant,
    /// Whether the directory has given this person's list as this device knows it on this connection.
    pub(super) agreed: bool,
    /// When this connection last asked for everything, by the client's clock.
    pub(super) asked: Timestamp,
    /// The wish to be brought up to date that this connection fulfils once it is idle.
    wanted: i64,
}

/// Why and how long a group's next post waits.
pub(super) struct Hold {
    pub(super) until: Instant,
    /// Another relay cannot be reached: that may take long, and being up to date does not wait for it.
    pub(super) away: bool,
}

impl<'s> Session<'s> {
    /// Runs a connection to its end, which is always an error; `up` is called once everything was fetched and sent.
    pub(super) async fn run(
        store: &'s Store,
        relay: &RelayFacts,
        own: bool,
        up: impl FnOnce(),
    ) -> ClientError {
        match Self::open(store, relay.clone(), own).await {
            Ok(mut session) => match session.serve(up).await {
                Ok(never) => match never {},
                Err(cause) => cause,
            },
            Err(cause) => cause,
        }
    }

    async fn open(store: &'s Store, relay: RelayFacts, own: bool) -> Result<Self> {
        let (registered, since) = store.view(|tx| Ok((tx.number(Fact::Registered)?, tx.now))).await?;
        if registered == 0 {
            return Err(ClientError::NotRegistered);
        }
        let link = connect(store, &relay).await?;
        if !own {
            let id = relay.id;
            store.step(move |tx| tx.set_away(&id, false)).await?;
        }
        let (reach, seats) = (Reach::new(store.clone()), Seats::default());
        let (held, put) = (HashMap::new(), HashMap::new());
        let look_next = Instant::now();
        Ok(Self {
            store,
            link,
            relay,
            own,
            reach,
            seats,
            held,
            put,
            since,
            look_next,
            agreed: false,
            asked: Timestamp(0),
            wanted: 0,
        })
    }

    async fn serve(&mut self, up: impl FnOnce()) -> Result<std::convert::Infallible> {
        let mut up = Some(up);
        let mut watch = self.store.watch();
        self.catch_up().await?;
        loop {
            while let Some(push) = self.link.waiting_push() {
                self.take_in(push).await?;
            }
            self.open_seats().await?;
            self.ask_to_rejoin().await?;
            if self.renew_keys().await? {
                self.tell_history().await?;
            }
            if self.flush().await? || self.send_letter().await? || self.answer_knock().await? {
                continue;
            }
            if self.is_idle() {
                if let Some(up) = up.take() {
                    up();
                }
                let (heard, due) = self.leisure().await?;
                if heard {
                    self.compare_roots().await?;
                }
                if self.is_up_to_date().await? {
                    continue;
                }
                if due {
                    self.look_people_up().await?;
                }
            }
            let wake = self.next_wake().await?;
            tokio::select! {
                push = self.link.push() => {
                    let push = push?;
                    self.take_in(push).await?;
                }
                changed = watch.changed() => changed?,
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// Asks the relay for everything that there is: what waited in the inbox comes before the login's answer, and the
    /// seats are attached at their cursors.
    pub(super) async fn catch_up(&mut self) -> Result<()> {
        let relay = self.relay.id;
        self.store.step(move |tx| tx.spread_heals(&relay)).await?;
        (self.wanted, self.asked) = self.store.view(|tx| Ok((tx.number(Fact::SyncWanted)?, tx.now))).await?;
        if self.own {
            let stock = log_in(self.store, &self.link, &self.relay).await?;
            while let Some(push) = self.link.waiting_push() {
                self.take_in(push).await?;
            }
            self.publish(stock).await?;
            self.look_oneself_up().await?;
        }
        self.seats.forget_attachments();
        self.open_seats().await
    }

    /// Notes wishes to be brought up to date as fulfilled; `true` if newer ones made it look again.
    async fn is_up_to_date(&mut self) -> Result<bool> {
        let (fulfilled, relay) = (self.wanted, self.relay.id);
        let newer = self
            .store
            .view(move |tx| Ok((tx.number(Fact::SyncWanted)? > fulfilled, tx.synced(&relay)? < fulfilled)));
        let (newer, untold) = newer.await?;
        if untold {
            self.store.step(move |tx| tx.set_synced(&relay, fulfilled)).await?;
        }
        if newer {
            self.catch_up().await?;
        }
        Ok(newer)
    }

    /// A commit lost its turn. Those who lost with it try again too: chance keeps them apart.
    pub(super) fn hold_back(&mut self, group: GroupId) {
        let until = Instant::now() + super::jittered(APART);
        self.held.insert(group, Hold { until, away: false });
    }

    fn is_idle(&self) -> bool {
        self.seats.all_caught_up() && self.held.values().all(|hold| hold.away)
    }

    async fn next_wake(&mut self) -> Result<Instant> {
        let now = Instant::now();
        self.held.retain(|_, hold| hold.until > now);
        let relay = self.relay.id;
        let due = self.store.view(move |tx| {
            let due = tx.next_due()?.into_iter().chain(tx.letters_due(&relay)?).chain(tx.knocks_due()?);
            let due = due.chain(tx.next_heal(&relay)?).min();
            Ok(due.map(|due| due.saturating_sub(tx.now.0)))
        });
        let due = due.await?.map_or(LOOK_AROUND, Duration::from_millis).min(LOOK_AROUND);
        let waits = self.held.values().map(|hold| hold.until).chain(self.seats.next_rested()).min();
        Ok(waits.map_or(now + due, |wait| wait.min(now + due)))
    }

    /// Takes in a push, and entries that wait behind it along with it.
    async fn take_in(&mut self, push: Push) -> Result<()> {
        let (mut entries, mut count, mut bytes) = (Vec::new(), 0, 0);
        let mut next = Some(push);
        while let Some(Push { body: Body::Entries(pushed), bytes: size }) = next {
            (count, bytes) = (count + pushed.entries.len(), bytes + size);
            entries.push(pushed);
            next = if count < AT_ONCE { self.link.waiting_push() } else { None };
        }
        if !entries.is_empty() {
            self.take_entries(entries).await?;
            self.link.say(Request::Credit(v1::Credit { bytes: bytes as u64 })).await?;
        }
        match next.map(|push| push.body) {
            None => Ok(()),
            Some(Body::Letters(letters)) if self.own => self.take_letters(letters.letters).await,
            Some(Body::Stock(stock)) if self.own => self.publish(stock).await,
            Some(Body::Refused(refused)) => Err(ClientError::refused(&refused.code)),
            Some(_) => Err(ClientError::RelayFault("a push of an unknown kind")),
        }
    }
}

/// Connects to a relay that is known, and to no other.
pub(crate) async fn connect(store: &Store, relay: &RelayFacts) -> Result<Link> {
    let address = Address::parse(&relay.url)?.pinned(RelayId::new(relay.id));
    check_reach(store.clock(), &address)?;
    Link::connect(&address).await
}
