//! What is loud: listed, acknowledged, exported.

use super::Client;
use crate::alarm::AlarmInfo;
use crate::{ClientError, Result};

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

    /// What shows an alarm's cause to others, as bytes; `None` where nothing but this device's word does.
    ///
    /// # Errors
    /// `UnknownTarget` if there is none of this number.
    pub async fn export_alarm(&self, alarm: i64) -> Result<Option<Vec<u8>>> {
        let proof = self.store.view(move |tx| tx.alarm_proof(alarm)).await?;
        proof.ok_or_else(|| ClientError::UnknownTarget(alarm.to_string()))
    }
}
