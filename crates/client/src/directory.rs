//! The relay's directory: who is behind a name, and with which keys. What it says is checked against what is pinned, and
//! never believed over it.

use crate::store::people::Person;
use crate::store::{Store, Tx};
use crate::transport::Link;
use crate::{ClientError, Event, Result};
use conclave_protocol::group::{Bundles, Need};
use conclave_protocol::identity::{DeviceList, Handle, UnverifiedDeviceList};
use conclave_protocol::{DeviceId, PersonId};
use conclave_wire::limits::LOOKUPS_PER_REQUEST;
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};

/// Devices asked for at once, so that one-time prekeys come along.
const DEVICES_AT_ONCE: usize = conclave_wire::limits::TAKES_WITH_PREKEYS;

/// Reads `name` or `name@host` as a handle at this relay.
///
/// # Errors
/// `BadHandle`; `OtherRelay`.
pub(crate) fn handle_of(who: &str, host: &str) -> Result<Handle> {
    let handle =
        if who.contains('@') { Handle::parse(who)? } else { Handle::parse(&format!("{who}@{host}"))? };
    if handle.host() != host {
        return Err(ClientError::OtherRelay(who.to_owned()));
    }
    Ok(handle)
}

/// Looks somebody up by handle, and pins what was found.
pub(crate) async fn look_up(link: &Link, store: &Store, handle: Handle) -> Result<Person> {
    let lookup = v1::Lookup { names: vec![handle.name().to_owned()], persons: Vec::new() };
    let found = directory(link, lookup).await?.into_iter().find(|person| person.name == handle.name());
    let found = found.ok_or_else(|| ClientError::UnknownPerson(handle.to_string()))?;
    let list = verified(&found)?;
    pin(store, handle.to_string(), list).await
}

/// Looks people up by id, for a step that adds them.
pub(crate) async fn fetch_people(
    link: &Link,
    store: &Store,
    people: &[PersonId],
    bundles: &mut Bundles,
) -> Result<()> {
    for some in people.chunks(LOOKUPS_PER_REQUEST) {
        let persons = some.iter().map(|person| person.0.to_vec().into()).collect();
        let found = directory(link, v1::Lookup { names: Vec::new(), persons }).await?;
        for person in some {
            let known = *person;
            let known = store.view(move |tx| tx.person(&known)).await?;
            let known = known.ok_or_else(|| ClientError::UnknownPerson(person.to_string()))?;
            let found = found.iter().find(|found| found.person.as_ref() == person.as_bytes());
            let list = verified(found.ok_or_else(|| ClientError::UnknownPerson(known.handle.clone()))?)?;
            let pinned = pin(store, known.handle, list).await?;
            bundles.person(Handle::parse(&pinned.handle)?, &pinned.list)?;
        }
    }
    Ok(())
}

/// Fetches the keys that a step needs.
///
/// # Errors
/// `JoinKeyNeeded` or `BundleNeeded` if the directory has none for a device.
pub(crate) async fn fetch_keys(link: &Link, needs: &[Need], bundles: &mut Bundles) -> Result<()> {
    for some in needs.chunks(DEVICES_AT_ONCE) {
        let request = |need: &Need| v1::KeyRequest {
            device: need.device.0.to_vec().into(),
            prekey: need.prekey,
            join_key: need.join_key,
        };
        let take = v1::TakeKeys { devices: some.iter().map(request).collect() };
        let Body::Keys(keys) = link.ask(Request::TakeKeys(take)).await? else { return Err(answer_fault()) };
        for keys in keys.devices {
            let some_of = |bytes: bytes::Bytes| Some(bytes.to_vec()).filter(|bytes| !bytes.is_empty());
            let device = DeviceId::try_from(keys.device.as_ref())?;
            if let Some(bundle) = some_of(keys.bundle) {
                bundles.device(device, bundle, some_of(keys.one_time_prekey), some_of(keys.join_key));
            }
        }
    }
    Ok(())
}

/// Pins a list in a step of its own; a contradiction is an event.
async fn pin(store: &Store, handle: String, list: DeviceList) -> Result<Person> {
    let pinned = store.step(move |tx| match tx.pin(&handle, &list) {
        Err(ClientError::IdentityChanged(who)) => {
            tx.tell_once(&Event::IdentityChanged { who: who.clone() })?;
            Ok(Err(ClientError::IdentityChanged(who)))
        }
        pinned => Ok(pinned),
    });
    pinned.await?
}

async fn directory(link: &Link, lookup: v1::Lookup) -> Result<Vec<v1::Person>> {
    match link.ask(Request::Lookup(lookup)).await? {
        Body::Directory(directory) => Ok(directory.persons),
        _ => Err(answer_fault()),
    }
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
    for member in group.people() {
        match tx.pin(member.handle.as_str(), member.list) {
            Err(ClientError::IdentityChanged(who)) => tx.tell_once(&Event::IdentityChanged { who })?,
            // An older list than the one pinned: the roster keeps the list of its last change.
            pinned => drop(pinned?),
        }
    }
    Ok(())
}
