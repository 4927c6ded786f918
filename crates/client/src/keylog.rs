//! Relays' key logs, as this device checks them: every answer of a directory has to be logged, every newer root has to
//! follow from the ones before, and what others have seen must be the same.
//!
//! ```text
//! answer ─► root signed by its relay? ─► follows from the newest root known? ─► proof of each person holds? ─► taken
//!                                             └─ no: the relay forks its log, or goes back: an alarm, and nothing is taken
//! ```
//!
//! How roots and proofs are made is `conclave-keylog`'s concern, which roots are remembered the store's.

use crate::alarm::AlarmCause;
use crate::directory::answer_fault;
use crate::meeting::relay_id;
use crate::store::log::HeardRoot;
use crate::store::meta::Fact;
use crate::store::{Store, Tx};
use crate::transport::Link;
use crate::{ClientError, Event, Result};
use bytes::Bytes;
use conclave_keylog::{Fork, KeyLogError, Logged, MOST_EPOCHS, Root, Span, Value, VerifiedRoot, follow};
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};

/// A relay whose log is looked at: the connection, its id, and what to call it.
#[derive(Clone, Copy)]
pub(crate) struct Log<'l> {
    pub(crate) link: &'l Link,
    pub(crate) relay: [u8; 32],
    pub(crate) name: &'l str,
}

/// Somebody in a directory, whose list the log has.
pub(crate) struct LoggedPerson {
    pub(crate) person: v1::Person,
    pub(crate) logged: Logged,
}

/// Why an answer is not taken.
enum Fault {
    /// What the log says is wrong, or does not go together with what it said before.
    Log(KeyLogError, Option<Box<Fork>>),
    Other(ClientError),
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Self {
        Self::Other(error)
    }
}

impl From<KeyLogError> for Fault {
    fn from(error: KeyLogError) -> Self {
        Self::Log(error, None)
    }
}

impl<'l> Log<'l> {
    /// The log of the relay at the other end.
    pub(crate) fn of(link: &'l Link) -> Result<Self> {
        Ok(Self { link, relay: relay_id(link)?, name: &link.hello().host })
    }

    /// Looks people up. Who is found is logged so.
    ///
    /// # Errors
    /// `KeyLog` where the relay's log does not say the same as its directory, or not what it said before: an alarm is raised.
    pub(crate) async fn look_up(&self, store: &Store, lookup: v1::Lookup) -> Result<Vec<LoggedPerson>> {
        match self.checked(store, lookup).await {
            Ok(found) => Ok(found),
            Err(fault) => Err(self.refuse(store, fault).await?),
        }
    }

    /// Follows the log to its newest root, and compares what others have seen of it.
    ///
    /// # Errors
    /// As [`Log::look_up`].
    pub(crate) async fn compare_heard(&self, store: &Store) -> Result<()> {
        let relay = self.relay;
        let heard = store.view(move |tx| tx.heard_roots(&relay)).await?;
        for heard in heard {
            match self.compare(store, &heard).await {
                Ok(()) => {}
                Err(Fault::Other(error)) => return Err(error),
                Err(fault) => {
                    self.refuse(store, fault).await?;
                }
            }
            store.step(move |tx| tx.forget_heard_root(&heard)).await?;
        }
        Ok(())
    }

    /// Everything that was ever logged of the person logged in, newest first, with the lists that the relay still gives.
    ///
    /// # Errors
    /// As [`Log::look_up`].
    pub(crate) async fn history(&self, store: &Store, name: &str) -> Result<Vec<(Logged, Option<Bytes>)>> {
        match self.whole(store, name).await {
            Ok(all) => Ok(all),
            Err(fault) => Err(self.refuse(store, fault).await?),
        }
    }

    async fn whole(&self, store: &Store, name: &str) -> Result<Vec<(Logged, Option<Bytes>)>, Fault> {
        let Body::History(history) = self.link.ask(Request::LogHistory(v1::LogHistory {})).await? else {
            return Err(answer_fault().into());
        };
        let root = self.read(&history.root)?;
        self.reach(store, &root).await?;
        let all = root.history(name, &history.proof, Span::Complete)?;
        let mut lists = history.device_lists.into_iter();
        let with_list = |logged: Logged| match lists.next() {
            Some(list) if Value::of(logged.value.person, &list) != logged.value => Err(KeyLogError::BadProof),
            list => Ok((logged, list)),
        };
        Ok(all.into_iter().map(with_list).collect::<Result<_, _>>()?)
    }

    async fn checked(&self, store: &Store, lookup: v1::Lookup) -> Result<Vec<LoggedPerson>, Fault> {
        // A relay goes back if it answers with a root that is older than the newest one known before the question.
        let before = self.newest(store).await?;
        let Body::Directory(directory) = self.link.ask(Request::Lookup(lookup)).await? else {
            return Err(answer_fault().into());
        };
        if directory.persons.is_empty() {
            return Ok(Vec::new());
        }
        let root = self.read(&directory.root)?;
        if before.as_ref().is_some_and(|before| root.position() < before.position()) {
            return Err(KeyLogError::WentBack.into());
        }
        if before.as_ref() != Some(&root) {
            self.reach(store, &root).await?;
        }
        let found = directory.persons.into_iter().map(|person| {
            let logged = root.lookup(&person.name, &person.log_proof)?;
            let id = person.person.as_ref().try_into().map_err(|_| KeyLogError::Malformed)?;
            match logged.value == Value::of(id, &person.device_list) {
                true => Ok(LoggedPerson { person, logged }),
                false => Err(KeyLogError::BadProof),
            }
        });
        Ok(found.collect::<Result<_, KeyLogError>>()?)
    }

    async fn compare(&self, store: &Store, heard: &HeardRoot) -> Result<(), Fault> {
        let root = self.read(&heard.root)?;
        let newest = self.newest(store).await?;
        if newest.is_some_and(|newest| root.position() > newest.position()) {
            return self.reach(store, &root).await;
        }
        self.same(store, &root).await
    }

    /// Follows the log from the newest root known to a given one, or holds that one against what is known.
    async fn reach(&self, store: &Store, root: &VerifiedRoot) -> Result<(), Fault> {
        let Some(mut at) = self.newest(store).await? else { return self.keep(store, &[], root).await };
        while at.position() < root.position() {
            at = self.follow(store, &at).await?;
        }
        self.same(store, root).await
    }

    /// One step along the log, from a root to a newer one.
    async fn follow(&self, store: &Store, from: &VerifiedRoot) -> Result<VerifiedRoot, Fault> {
        let (incarnation, epoch) = from.position();
        let Body::Trail(trail) =
            self.link.ask(Request::LogRoots(v1::LogRoots { incarnation, epoch, most: 0 })).await?
        else {
            return Err(answer_fault().into());
        };
        let to = self.read(&trail.root)?;
        let links = conclave_keylog::Link::decode_all(&trail.links)?;
        if links.is_empty() {
            // Somebody has seen more than it says there is.
            return Err(KeyLogError::WentBack.into());
        }
        let chains = match follow(from, &links, &to) {
            Ok(chains) => chains,
            Err(KeyLogError::Rewound { had, kept }) => return self.rewound(store, from, (had, kept)).await,
            Err(error) => return Err(Fault::Log(error, self.fork_at(from).await?)),
        };
        let steps: Vec<_> =
            links.iter().zip(chains).map(|(link, chain)| ((link.incarnation, link.epoch), chain)).collect();
        self.keep(store, &steps, &to).await?;
        Ok(to)
    }

    /// The relay says that it was restored from a backup: the log goes on from an epoch where this device has been. It is told,
    /// and all that was ever logged under the own name is looked at anew.
    async fn rewound(
        &self,
        store: &Store,
        from: &VerifiedRoot,
        (had, kept): (u64, u64),
    ) -> Result<VerifiedRoot, Fault> {
        let (relay, at) = (self.relay, (from.position().0, kept));
        let known = store.view(move |tx| tx.chain_at(&relay, at)).await?;
        let Some(root) = self.at(at).await? else {
            // Not even that is left, after a second restore perhaps. An alarm, and the log is believed from here on.
            self.begin_anew(store, from).await?;
            return Err(KeyLogError::Rewound { had, kept }.into());
        };
        // Where it went back to before this device came there is nothing to compare.
        if known.is_some_and(|chain| chain != root.statement().chain) {
            return Err(KeyLogError::NotConnected.into());
        }
        let relay = self.name.to_owned();
        let told = move |tx: &Tx| {
            tx.set_number(Fact::LogSeen, 0)?;
            tx.tell_once(&Event::LogRestored { relay, lost: had.saturating_sub(kept) })
        };
        store.step(told).await?;
        Ok(root)
    }

    /// Takes the first root of the next incarnation for the newest known.
    async fn begin_anew(&self, store: &Store, from: &VerifiedRoot) -> Result<(), Fault> {
        let asked = v1::LogRoots { incarnation: from.position().0, epoch: MOST_EPOCHS - 1, most: 1 };
        let Body::Trail(trail) = self.link.ask(Request::LogRoots(asked)).await? else {
            return Err(answer_fault().into());
        };
        let root = self.read(&trail.root)?;
        if root.position() < from.position() || root.statement().vrf_key != from.statement().vrf_key {
            return Err(KeyLogError::OtherLog.into());
        }
        store.step(|tx| tx.set_number(Fact::LogSeen, 0)).await?;
        self.keep(store, &[], &root).await
    }

    /// That a root is the one which this device knows at its position.
    async fn same(&self, store: &Store, root: &VerifiedRoot) -> Result<(), Fault> {
        let (relay, at) = (self.relay, root.position());
        let known = store.view(move |tx| Ok((tx.chain_at(&relay, at)?, tx.root_at(&relay, at)?)));
        let (chain, signed) = known.await?;
        match chain {
            // From before this device looked at the log, or so long ago that it is forgotten.
            None => Ok(()),
            Some(chain) if chain == root.statement().chain => Ok(()),
            Some(_) => {
                let known = match signed {
                    Some(signed) => Some(self.read(&signed)?),
                    None => self.at(at).await?,
                };
                let fork = known.and_then(|known| Fork::between(&known, root)).map(Box::new);
                Err(Fault::Log(KeyLogError::NotConnected, fork))
            }
        }
    }

    /// Two signed roots for the position of a known one, if the relay now gives another there.
    async fn fork_at(&self, known: &VerifiedRoot) -> Result<Option<Box<Fork>>> {
        let now = self.at(known.position()).await?;
        Ok(now.and_then(|now| Fork::between(known, &now)).map(Box::new))
    }

    /// What the relay says is its root at a position.
    async fn at(&self, (incarnation, epoch): (u64, u64)) -> Result<Option<VerifiedRoot>> {
        match self.link.ask(Request::LogRoot(v1::LogRoot { incarnation, epoch })).await {
            Ok(Body::SignedRoot(signed)) => Ok(self.read(&signed.root).ok()),
            Ok(_) => Err(answer_fault()),
            Err(ClientError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn newest(&self, store: &Store) -> Result<Option<VerifiedRoot>> {
        let relay = self.relay;
        let known = store.view(move |tx| tx.newest_root(&relay)).await?;
        known.map(|known| self.read(&known)).transpose().map_err(ClientError::KeyLog)
    }

    async fn keep(
        &self,
        store: &Store,
        steps: &[((u64, u64), [u8; 32])],
        root: &VerifiedRoot,
    ) -> Result<(), Fault> {
        let (relay, steps, root) = (self.relay, steps.to_vec(), root.clone());
        let keep = move |tx: &Tx| {
            for (at, chain) in &steps {
                tx.add_root(&relay, *at, chain, None)?;
            }
            tx.add_root(&relay, root.position(), &root.statement().chain, Some(&root.encode()))
        };
        Ok(store.step(keep).await?)
    }

    fn read(&self, root: &[u8]) -> Result<VerifiedRoot, KeyLogError> {
        Root::decode(root)?.verify(&self.relay)
    }

    /// What does not hold is an alarm; the error for whoever asked.
    async fn refuse(&self, store: &Store, fault: Fault) -> Result<ClientError> {
        let (error, fork) = match fault {
            Fault::Other(error) => return Ok(error),
            Fault::Log(error, fork) => (error, fork),
        };
        let relay = self.name.to_owned();
        let alarm = match &fork {
            Some(_) => AlarmCause::LogForked { relay },
            None => AlarmCause::LogFault { relay, what: error.to_string() },
        };
        let proof = fork.map(|fork| fork.encode());
        store.step(move |tx| tx.alarm(&alarm, proof.as_deref()).map(drop)).await?;
        Ok(ClientError::KeyLog(error))
    }
}
