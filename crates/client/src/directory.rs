//! The relays' directories: who is behind a name, and with which keys. What they say is checked against what is pinned,
//! and never believed over it.

use crate::alarm::AlarmCause;
use crate::engine::connect;
use crate::keylog::{Log, LoggedPerson};
use crate::meeting::meet;
use crate::store::people::Person;
use crate::store::relays::RelayFacts;
use crate::store::{Store, Tx};
use crate::transport::Link;
use crate::{ClientError, Result};
use bytes::Bytes;
use conclave_protocol::group::{Bundles, Need};
use conclave_protocol::identity::{Account, DeviceList, Handle, UnverifiedDeviceList};
use conclave_protocol::{DeviceId, PersonId};
use conclave_wire::limits::LOOKUPS_PER_REQUEST;
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use std::collections::{BTreeMap, HashMap};

/// Devices asked for at once, so that one-time prekeys come along.
const DEVICES_AT_ONCE: usize = conclave_wire::limits::TAKES_WITH_PREKEYS;

/// A connection at hand, and which relay it leads to.
pub(crate) type Near<'l> = (&'l Link, &'l RelayFacts);

/// The directories of all relays: the one at hand, and those of others, connected when they are first needed.
pub(crate) struct Reach {
    store: Store,
    open: HashMap<String, Link>,
}

impl Reach {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, open: HashMap::new() }
    }

    /// Looks people up, each at the relay of their handle, for a step that adds them.
    ///
    /// # Errors
    /// `UnknownPerson`; `IdentityChanged`; `RelayAway` if the relay of one of them cannot be reached.
    pub(crate) async fn people(
        &mut self,
        near: Near<'_>,
        people: &[PersonId],
        bundles: &mut Bundles,
    ) -> Result<()> {
        let ids = people.to_vec();
        let known = self.store.view(move |tx| {
            let known =
                |id: &PersonId| tx.person(id)?.ok_or_else(|| ClientError::UnknownPerson(id.to_string()));
            ids.iter().map(known).collect::<Result<Vec<_>>>()
        });
        for (host, some) in by_host(known.await?, |person| host_of(&person.handle).to_owned()) {
            for some in some.chunks(LOOKUPS_PER_REQUEST) {
                let found = self.directory(near, &host, by_names(some)).await?;
                let restored = self.was_restored(near, &host);
                for known in some {
                    let found = found.iter().find(|found| found.name == name_of(&known.handle));
                    let found = found.ok_or_else(|| ClientError::UnknownPerson(known.handle.clone()))?;
                    let pinned =
                        pin(&self.store, known.handle.clone(), verified(found)?, least(known, restored)?)
                            .await?;
                    bundles.person(Handle::parse(&pinned.handle)?, &pinned.list)?;
                }
            }
        }
        Ok(())
    }

    /// Fetches the keys that a step needs, each from the relay of its person's handle.
    ///
    /// # Errors
    /// `RelayAway` if one of the relays cannot be reached. A device that is unknown there is left out.
    pub(crate) async fn keys(&mut self, near: Near<'_>, needs: &[Need], bundles: &mut Bundles) -> Result<()> {
        for (host, some) in by_host(needs.to_vec(), |need| need.handle.host().to_owned()) {
            for some in some.chunks(DEVICES_AT_ONCE) {
                let request = |need: &Need| v1::KeyRequest {
                    device: need.device.0.to_vec().into(),
                    prekey: need.prekey,
                    join_key: need.join_key,
                };
                let take = Request::TakeKeys(v1::TakeKeys { devices: some.iter().map(request).collect() });
                let Body::Keys(keys) = self.ask(near, &host, take).await? else { return Err(answer_fault()) };
                let mut lists = Vec::new();
                for keys in keys.devices {
                    lists.extend(take_in(keys, bundles)?);
                }
                self.take_lists(near, lists, bundles).await?;
            }
        }
        Ok(())
    }

    /// Takes in the lists that came with keys. One that is not pinned counts only if it is logged: it is looked up.
    async fn take_lists(&mut self, near: Near<'_>, lists: Vec<Bytes>, bundles: &mut Bundles) -> Result<()> {
        let sort = move |tx: &Tx| {
            // A device that is only about to become one has no account yet.
            let own = tx.protocol(Account::load).ok().map(|account| *account.person());
            let (mut known, mut others) = (Vec::new(), Vec::new());
            for bytes in lists {
                let person = *UnverifiedDeviceList::read(&bytes)?.verify()?.person();
                match tx.person(&person)? {
                    Some(pinned) if Some(person) != own && pinned.list[..] != bytes[..] => {
                        others.push(person)
                    }
                    _ => known.push(bytes),
                }
            }
            others.sort_unstable();
            others.dedup();
            Ok((known, others))
        };
        let (known, others) = self.store.view(sort).await?;
        known.iter().try_for_each(|list| bundles.listed(list))?;
        if others.is_empty() {
            return Ok(());
        }
        self.people(near, &others, &mut Bundles::default()).await?;
        let pinned = move |tx: &Tx| others.iter().map(|person| tx.person(person)).collect::<Result<Vec<_>>>();
        let pinned = self.store.view(pinned).await?;
        pinned.into_iter().flatten().try_for_each(|person| Ok(bundles.listed(&person.list)?))
    }

    /// Pins the newest lists of people, each from the relay of their handle. Who is not found, or whose relay cannot be
    /// reached, stays as pinned; contradictions are events.
    pub(crate) async fn newest(&mut self, near: Near<'_>, people: Vec<Person>) -> Result<()> {
        for (host, some) in by_host(people, |person| host_of(&person.handle).to_owned()) {
            for some in some.chunks(LOOKUPS_PER_REQUEST) {
                let found = match self.directory(near, &host, by_names(some)).await {
                    Err(
                        ClientError::RelayAway { .. } | ClientError::Refused { .. } | ClientError::KeyLog(_),
                    ) => break,
                    found => found?,
                };
                let restored = self.was_restored(near, &host);
                for known in some {
                    let found = found.iter().find(|found| found.name == name_of(&known.handle));
                    let Some(Ok(list)) = found.map(verified) else { continue };
                    match pin(&self.store, known.handle.clone(), list, least(known, restored)?).await {
                        Ok(_) | Err(ClientError::IdentityChanged(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }

    async fn directory(&mut self, near: Near<'_>, host: &str, lookup: v1::Lookup) -> Result<Vec<v1::Person>> {
        let store = self.store.clone();
        let log = Log::of(self.at(near, host).await?)?;
        let found = match log.compare_heard(&store).await {
            Ok(()) => log.look_up(&store, lookup).await,
            Err(error) => Err(error),
        };
        let found = match found {
            Err(ClientError::Unreachable(cause)) if near.1.host != host => {
                self.open.remove(host);
                Err(ClientError::RelayAway { relay: host.to_owned(), cause })
            }
            found => found,
        };
        Ok(found?.into_iter().map(|found| found.person).collect())
    }

    /// Whether the relay of a host, at hand or connected, says that it was once restored from a backup.
    fn was_restored(&self, (link, relay): Near<'_>, host: &str) -> bool {
        let link = if relay.host == host { Some(link) } else { self.open.get(host) };
        link.is_some_and(was_restored)
    }

    /// Asks the relay of a host.
    async fn ask(&mut self, near: Near<'_>, host: &str, request: Request) -> Result<Body> {
        let answer = self.at(near, host).await?.ask(request).await;
        match answer {
            Err(ClientError::Unreachable(cause)) if near.1.host != host => {
                self.open.remove(host);
                Err(ClientError::RelayAway { relay: host.to_owned(), cause })
            }
            answer => answer,
        }
    }

    /// A connection to the relay of a host. What it says about people is checked against their own keys, so it need not be
    /// vouched for.
    async fn at<'l>(&'l mut self, (link, relay): Near<'l>, host: &str) -> Result<&'l Link> {
        if relay.host == host {
            return Ok(link);
        }
        let away = |error| match error {
            ClientError::Unreachable(cause) => ClientError::RelayAway { relay: host.to_owned(), cause },
            error => error,
        };
        if !self.open.contains_key(host) {
            let asked = host.to_owned();
            let known = self.store.view(move |tx| tx.relay_for(&asked)).await?;
            let link = match known {
                Some(known) => connect(&self.store, &known).await,
                None => meet(&self.store, host).await.map(|(link, _)| link),
            };
            self.open.insert(host.to_owned(), link.map_err(away)?);
        }
        self.open.get(host).ok_or_else(answer_fault)
    }
}

/// Reads `name` or `name@host` as a handle; a bare name is at `host`.
///
/// # Errors
/// `BadHandle`.
pub(crate) fn handle_of(who: &str, host: &str) -> Result<Handle> {
    let whole = if who.contains('@') { who.to_owned() } else { format!("{who}@{host}") };
    Ok(Handle::parse(&whole)?)
}

/// What the directory says of somebody.
pub(crate) struct Listing {
    pub(crate) list: DeviceList,
    /// The next identity key that is announced, and when it was, by the relay's clock.
    pub(crate) next_identity: Option<(Bytes, u64)>,
    /// The version of the list in the key log.
    pub(crate) version: u64,
}

/// What the directory says of a name now, if anything; nothing is pinned.
pub(crate) async fn look_at(link: &Link, store: &Store, handle: Handle) -> Result<Option<Listing>> {
    let found = Log::of(link)?.look_up(store, by_name(&handle)).await?;
    let Some(found) = found.into_iter().find(|found| found.person.name == handle.name()) else {
        return Ok(None);
    };
    let LoggedPerson { person, logged } = found;
    let next = (person.next_identity_key.clone(), person.announced_at);
    let next_identity = Some(next).filter(|(key, _)| !key.is_empty());
    Ok(Some(Listing { list: verified(&person)?, next_identity, version: logged.version }))
}

/// The list under a name, for whoever has no store yet and holds it against a recovery key.
pub(crate) async fn look_before(link: &Link, handle: &Handle) -> Result<Option<DeviceList>> {
    let Body::Directory(directory) = link.ask(Request::Lookup(by_name(handle))).await? else {
        return Err(answer_fault());
    };
    let found = directory.persons.iter().find(|person| person.name == handle.name());
    found.map(verified).transpose()
}

fn by_name(handle: &Handle) -> v1::Lookup {
    v1::Lookup { names: vec![handle.name().to_owned()], persons: Vec::new() }
}

/// Looks somebody up by handle, and pins what was found.
pub(crate) async fn look_up(link: &Link, store: &Store, handle: Handle) -> Result<Person> {
    let named = handle.to_string();
    let known = store.view(move |tx| tx.person_at(&named)).await?;
    let least = known.map_or(Ok(0), |known| least(&known, was_restored(link)))?;
    let found = Log::of(link)?.look_up(store, by_name(&handle)).await?;
    let found = found.into_iter().find(|found| found.person.name == handle.name());
    let found = found.ok_or_else(|| ClientError::UnknownPerson(handle.to_string()))?;
    let list = verified(&found.person)?;
    let pinned = pin(store, handle.to_string(), list, least).await?;
    match pinned.handle == handle.as_str() {
        true => Ok(pinned),
        false => Err(ClientError::RelayFault("the directory gives one person under two names")),
    }
}

/// Takes in the keys of a device; gives the list of its person's devices that came with them.
fn take_in(keys: v1::DeviceKeys, bundles: &mut Bundles) -> Result<Option<Bytes>> {
    let some_of = |bytes: Bytes| Some(bytes.to_vec()).filter(|bytes| !bytes.is_empty());
    let device = DeviceId::try_from(keys.device.as_ref())?;
    if let Some(bundle) = some_of(keys.bundle) {
        bundles.device(device, bundle, some_of(keys.one_time_prekey), some_of(keys.join_key));
    }
    Ok(Some(keys.device_list).filter(|list| !list.is_empty()))
}

fn by_host<T>(all: Vec<T>, host: impl Fn(&T) -> String) -> BTreeMap<String, Vec<T>> {
    let mut sorted: BTreeMap<String, Vec<T>> = BTreeMap::new();
    for one in all {
        sorted.entry(host(&one)).or_default().push(one);
    }
    sorted
}

/// Asks for people by the names that they are known under: who stands under these now, the key log proves.
fn by_names(people: &[Person]) -> v1::Lookup {
    let names = people.iter().map(|known| name_of(&known.handle).to_owned()).collect();
    v1::Lookup { names, persons: Vec::new() }
}

fn name_of(handle: &str) -> &str {
    handle.split_once('@').map_or(handle, |(name, _)| name)
}

fn host_of(handle: &str) -> &str {
    handle.split_once('@').map_or("", |(_, host)| host)
}

/// Whether a relay says that it was once restored from a backup: then older lists may be honest.
pub(crate) fn was_restored(link: &Link) -> bool {
    link.hello().incarnation > 1
}

/// The version of somebody's list that the directory must have by now: what was known before it was asked.
fn least(known: &Person, restored: bool) -> Result<u64> {
    Ok(if restored { 0 } else { known.device_list()?.version() })
}

/// Pins a list in a step of its own; a contradiction is an alarm, and so is a list older than `least`.
async fn pin(store: &Store, handle: String, list: DeviceList, least: u64) -> Result<Person> {
    let pinned = store.step(move |tx| match pin_and_follow(tx, &handle, &list) {
        Ok(pinned) if list.version() < least => {
            tx.alarm(&AlarmCause::ListRolledBack { who: pinned.shown().to_owned() }, None)?;
            Ok(Ok(pinned))
        }
        Err(ClientError::IdentityChanged(who)) => {
            tx.alarm(&AlarmCause::IdentityReplaced { who: who.clone() }, None)?;
            Ok(Err(ClientError::IdentityChanged(who)))
        }
        pinned => Ok(pinned),
    });
    pinned.await?
}

/// Pins a list; where it is newer than the one before, groups follow.
fn pin_and_follow(tx: &Tx, handle: &str, list: &DeviceList) -> Result<Person> {
    let before = tx.person(list.person())?;
    let pinned = tx.pin(handle, list)?;
    if before.is_some_and(|before| before.list != pinned.list) {
        crate::engine::list_changed(tx, &pinned)?;
    }
    Ok(pinned)
}

/// What the directory says of a person, if its signature holds and is by that person.
fn verified(found: &v1::Person) -> Result<DeviceList> {
    let list = UnverifiedDeviceList::read(&found.device_list)?.verify()?;
    if list.person().as_bytes() != found.person.as_ref() {
        return Err(ClientError::RelayFault("the directory gives the device list of somebody else"));
    }
    Ok(list)
}

/// An answer of another kind than the request's.
pub(crate) fn answer_fault() -> ClientError {
    ClientError::RelayFault("an answer does not fit its request")
}

/// Pins everybody of a group by what its roster shows; contradictions are events.
pub(crate) fn pin_members(tx: &Tx, group: &conclave_protocol::group::Group) -> Result<()> {
    let mut account = tx.protocol(Account::load)?;
    for member in group.people() {
        if member.person == *account.person() && member.list.version() > account.device_list().version() {
            // By the own first device. That this one is gone from it, its seat shows.
            let _ = tx.protocol(|cx| account.take_list(member.list.clone(), cx));
        }
        match pin_and_follow(tx, member.handle.as_str(), member.list) {
            Err(ClientError::IdentityChanged(who)) => {
                tx.alarm(&AlarmCause::IdentityReplaced { who }, None)?;
            }
            // An older list than the one pinned: the roster keeps the list of its last change.
            pinned => drop(pinned?),
        }
    }
    Ok(())
}
