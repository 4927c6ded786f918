//! Many people at once in a running relay, for who measures it: registered over the wire, each with a connection and a
//! login of its own, a hundred thousand would take longer than all that is measured.
//!
//! Only for the process that runs the relay. Nothing that a connection checks is checked here: no signature, no rate, no form.

use bytes::Bytes;
use conclave_wire::{DeviceId, PersonId};

use crate::storage::{KeysOp, NextIdentity, Op, Outcome, PublishOp, RegisterOp};
use crate::{RelayError, Running};

/// Somebody as the directory has them.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The handle, without host.
    pub name: String,
    /// The person.
    pub person: PersonId,
    /// The person's only device.
    pub device: DeviceId,
    /// The Ed25519 key that it logs in with.
    pub device_key: [u8; 32],
    /// What is logged under the name.
    pub device_list: Bytes,
}

/// Puts each into the directory; who is in it already has this device list from now on. All in one commit. Like everybody
/// else they wait for the next epoch of the key log: [`Running::publish_log`].
///
/// # Errors
/// `Storage`, also if a name, person or device is somebody else's; the others are in then.
pub async fn enter(relay: &Running, entries: Vec<Entry>) -> Result<(), RelayError> {
    let outcomes = relay.storage().apply(entries.into_iter().flat_map(ops).collect()).await?;
    match outcomes.iter().find(|outcome| matches!(outcome, Outcome::Refused(_))) {
        Some(refused) => Err(RelayError::Storage(format!("an entry was not taken: {refused:?}"))),
        None => Ok(()),
    }
}

/// The same registration again changes nothing; the list that follows does.
fn ops(entry: Entry) -> [Op; 2] {
    let Entry { name, person, device, device_key, device_list } = entry;
    let register = RegisterOp {
        name,
        person,
        device,
        device_key,
        device_list: device_list.clone(),
        identity_key: Bytes::new(),
        keys: KeysOp::default(),
    };
    let publish = PublishOp {
        device,
        device_list,
        device_key: None,
        devices: Vec::new(),
        identity_key: Bytes::new(),
        next_identity: NextIdentity::Nothing,
        at: 0,
        keys: KeysOp::default(),
    };
    [Op::Register(Box::new(register)), Op::Publish(Box::new(publish))]
}
