//! Gossip about key logs: own messages carry the newest roots of the relays where members of the group are registered, and
//! what others carry is held against the own. A relay that shows people two directories is found out by the first message
//! that crosses.

use crate::alarm::AlarmCause;
use crate::keylog::Log;
use crate::store::Tx;
use crate::store::log::HeardRoot;
use crate::{ClientError, Result};
use conclave_keylog::{Fork, Root, VerifiedRoot};
use conclave_protocol::gossip::MAX_ROOTS;
use conclave_protocol::group::Group;
use conclave_protocol::{GroupId, PersonId};
use std::collections::BTreeSet;

use super::session::Session;

impl Session<'_> {
    /// Compares what others have seen of this relay's log, and could not be compared when it was heard.
    pub(super) async fn compare_roots(&self) -> Result<()> {
        match Log::of(&self.link)?.compare_heard(self.store).await {
            // It asks for patience: what was heard waits.
            Err(ClientError::Refused { .. }) => Ok(()),
            compared => compared,
        }
    }
}

/// The roots that an own message in a group carries: those that have changed since its members were told.
pub(super) fn carried(tx: &Tx, group: &GroupId) -> Result<Vec<Vec<u8>>> {
    let untold = tx.untold_roots(group)?;
    if untold.is_empty() {
        return Ok(Vec::new());
    }
    let hosts = hosts(tx, group)?;
    let mut roots = Vec::new();
    for root in untold {
        // Which other relays this device has looked at is nobody's business here.
        if hosts.contains(&root.host) && roots.len() < MAX_ROOTS {
            roots.push(root.root);
        }
        tx.set_root_told(group, &root.relay, root.at)?;
    }
    Ok(roots)
}

/// The hosts in the handles of a group's people.
fn hosts(tx: &Tx, group: &GroupId) -> Result<BTreeSet<String>> {
    let mut hosts = BTreeSet::new();
    for person in tx.protocol(|cx| Group::people_of(group, cx))? {
        let handle = tx.person(&person)?.map(|known| known.handle);
        hosts.extend(
            handle.as_deref().and_then(|handle| handle.split_once('@')).map(|(_, host)| host.to_owned()),
        );
    }
    Ok(hosts)
}

/// Takes in the roots that a message carries. Those of relays that nobody here has to do with mean nothing.
pub(super) fn hear<'r>(
    tx: &Tx,
    (group, person): (&GroupId, PersonId),
    roots: impl Iterator<Item = &'r [u8]>,
) -> Result<()> {
    for bytes in roots {
        let Ok(root) = Root::decode(bytes) else { continue };
        let relay = root.relay_id();
        let Some(name) = tx.relay_name(&relay)? else { continue };
        let Ok(root) = root.verify(&relay) else { continue };
        let heard = HeardRoot { relay, root: bytes.to_vec(), person, via: *group };
        compare(tx, &root, &heard, name)?;
    }
    Ok(())
}

fn compare(tx: &Tx, root: &VerifiedRoot, heard: &HeardRoot, name: String) -> Result<()> {
    let (relay, at) = (&heard.relay, root.position());
    let known = |bytes: Vec<u8>| Root::decode(&bytes).and_then(|root| root.verify(relay)).ok();
    match tx.chain_at(relay, at)? {
        Some(chain) if chain == root.statement().chain => Ok(()),
        Some(_) => match tx.root_at(relay, at)?.and_then(known).and_then(|own| Fork::between(&own, root)) {
            Some(fork) => tx.alarm(&AlarmCause::LogForked { relay: name }, Some(&fork.encode())).map(drop),
            // The relay is asked for what it signed there.
            None => tx.hear_root(heard),
        },
        // Older than what this device has seen, it is of before this device looked.
        None => match tx.newest_root(relay)?.and_then(known) {
            Some(newest) if newest.position() > at => Ok(()),
            _ => tx.hear_root(heard),
        },
    }
}
