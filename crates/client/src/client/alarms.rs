//! What is loud: listed, acknowledged, exported.

use super::Client;
use crate::alarm::AlarmInfo;
use crate::engine::say_everywhere;
use crate::store::Tx;
use crate::{ClientError, Result};
use conclave_protocol::group::Group;
use conclave_protocol::identity::{Account, Doings, Verdict};
use conclave_protocol::{DeviceId, Digest, Misuse};

impl Client {
    /// All alarms, the newest first; those acknowledged as well.
    pub async fn alarms(&self) -> Result<Vec<AlarmInfo>> {
        self.store.view(|tx| tx.alarms()).await
    }

    /// The person has seen an alarm. If its cause comes up again, a new one is raised.
    ///
    /// # Errors
    /// `UnknownTarget` if there is none of this number.
    pub async fn acknowledge(&self, alarm: i64) -> Result<()> {
        match self.store.step(move |tx| tx.acknowledge(alarm)).await? {
            true => Ok(()),
            false => Err(ClientError::UnknownTarget(alarm.to_string())),
        }
    }

    /// Says that another device of this person, which one of them said not to be theirs, or which others doubt, is theirs
    /// again: in every group where this device doubts it as well. In how many that is.
    ///
    /// # Errors
    /// `NotAMember` for what is no other device of this person.
    pub async fn believe_device(&self, device: &str) -> Result<usize> {
        let id = hex::decode(device).ok().and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()).map(DeviceId);
        self.store.step(move |tx| believe(tx, id.ok_or(Misuse::NotAMember)?)).await
    }

    /// What shows an alarm's cause to others, as bytes; `None` where nothing but this device's word does.
    ///
    /// # Errors
    /// `UnknownTarget` if there is none of this number.
    pub async fn export_alarm(&self, alarm: i64) -> Result<Option<Vec<u8>>> {
        let proof = self.store.view(move |tx| tx.alarm_proof(alarm)).await?;
        proof.ok_or_else(|| ClientError::UnknownTarget(alarm.to_string()))
    }
}

fn believe(tx: &Tx, device: DeviceId) -> Result<usize> {
    let account = tx.protocol(Account::load)?;
    let list = account.device_list();
    let listed = list.device(device).filter(|_| device != *account.device_id()).ok_or(Misuse::NotAMember)?;
    let mut groups = 0;
    for known in tx.all_conversations()? {
        if !tx.frozen_in(&known.group)?.iter().any(|frozen| frozen.device == device) {
            continue;
        }
        let group = tx.protocol(|cx| Group::load(&known.group, cx))?;
        let (entry, hash) = (group.cursor(), Digest([0; 32]));
        let of = Doings { device, key: listed.signing, group: known.group, entry, hash };
        say_everywhere(tx, &account, &group, Verdict::MeAgain, of)?;
        tx.thaw(&known.group, &device, entry + 1)?;
        groups += 1;
    }
    Ok(groups)
}
