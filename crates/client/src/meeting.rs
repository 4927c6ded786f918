//! Meeting relays: the one that answers for a host, pinned when it is first met.

use crate::clock::check_reach;
use crate::engine::connect;
use crate::store::Store;
use crate::store::relays::RelayFacts;
use crate::transport::{Address, Link};
use crate::{ClientError, Result};

/// Connects to the relay that answers for a host: the one that is pinned, or else whoever is found there.
///
/// # Errors
/// `RelayAway`; `RelayFault` if it goes by another name.
pub(crate) async fn meet(store: &Store, host: &str) -> Result<(Link, RelayFacts)> {
    let asked = host.to_owned();
    if let Some(known) = store.view(move |tx| tx.relay_at(&asked)).await? {
        return Ok((connect(store, &known).await?, known));
    }
    let (url, link) = find(store, host).await?;
    if link.hello().host != host {
        return Err(ClientError::RelayFault("it answers for another host than it was asked for"));
    }
    let facts = RelayFacts { url, id: relay_id(&link)?, host: host.to_owned() };
    let noted = facts.clone();
    store.step(move |tx| tx.add_relay(&noted)).await?;
    Ok((link, facts))
}

async fn find(store: &Store, host: &str) -> Result<(String, Link)> {
    let mut last = ClientError::BadAddress(host.to_owned());
    for url in Address::of_host(host) {
        let address = Address::parse(&url)?;
        check_reach(store.clock(), &address)?;
        match Link::connect(&address).await {
            Ok(link) => return Ok((url, link)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The id that a relay states.
pub(crate) fn relay_id(link: &Link) -> Result<[u8; 32]> {
    let bad = |_| ClientError::RelayFault("its id has a wrong size");
    link.hello().relay_id.as_ref().try_into().map_err(bad)
}
