//! Alarms: one row for each cause and subject until it is acknowledged. What raises one is the engine's concern.

use super::Tx;
use super::messages::signed;
use crate::alarm::{AlarmCause, AlarmInfo};
use crate::{ClientError, Event, Result};
use rusqlite::{OptionalExtension, params};

/// How many are kept: the oldest acknowledged ones go first.
pub(crate) const KEPT: i64 = 1000;

impl Tx<'_> {
    /// Raises an alarm, with what shows its cause to others, if anything does. The same one again only counts up.
    pub(crate) fn alarm(&self, cause: &AlarmCause, proof: Option<&[u8]>) -> Result<bool> {
        let subject = cause.subject();
        let sql =
            "UPDATE alarms SET count = count + 1, last = ?2 WHERE subject = ?1 AND acknowledged IS NULL";
        if self.db.prepare_cached(sql)?.execute(params![subject, signed(self.now.0)])? > 0 {
            return Ok(false);
        }
        let text = serde_json::to_string(cause).map_err(|error| ClientError::Store(error.to_string()))?;
        let sql = "INSERT INTO alarms (subject, cause, proof, first, last) VALUES (?1, ?2, ?3, ?4, ?4)";
        self.db.prepare_cached(sql)?.execute(params![subject, text, proof, signed(self.now.0)])?;
        let id = self.db.last_insert_rowid();
        let sql = "DELETE FROM alarms WHERE acknowledged IS NOT NULL AND seq <= ?1";
        self.db.prepare_cached(sql)?.execute([id - KEPT])?;
        self.tell(&Event::Alarm { alarm: id, cause: cause.clone() })?;
        Ok(true)
    }

    /// All alarms, the newest first.
    pub(crate) fn alarms(&self) -> Result<Vec<AlarmInfo>> {
        let sql = "SELECT seq, cause, first, last, count, acknowledged IS NOT NULL, proof IS NOT NULL
                   FROM alarms ORDER BY seq DESC";
        let mut query = self.db.prepare_cached(sql)?;
        let mut rows = query.query([])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            // One of a newer version that this one has no word for is passed over.
            let Ok(cause) = serde_json::from_str::<AlarmCause>(&row.get::<_, String>(1)?) else { continue };
            all.push(AlarmInfo {
                id: row.get(0)?,
                text: cause.to_string(),
                cause,
                first: row.get(2)?,
                last: row.get(3)?,
                count: row.get::<_, i64>(4)?.unsigned_abs(),
                acknowledged: row.get(5)?,
                exportable: row.get(6)?,
            });
        }
        Ok(all)
    }

    /// The person has seen an alarm; `false` if there is none of this number.
    pub(crate) fn acknowledge(&self, id: i64) -> Result<bool> {
        let sql = "UPDATE alarms SET acknowledged = coalesce(acknowledged, ?2) WHERE seq = ?1";
        Ok(self.db.prepare_cached(sql)?.execute(params![id, signed(self.now.0)])? > 0)
    }

    /// What shows an alarm's cause to others; the outer `None`: there is no such alarm.
    pub(crate) fn alarm_proof(&self, id: i64) -> Result<Option<Option<Vec<u8>>>> {
        let mut query = self.db.prepare_cached("SELECT proof FROM alarms WHERE seq = ?1")?;
        Ok(query.query_row([id], |row| row.get(0)).optional()?)
    }

    /// How many wait to be acknowledged.
    pub(crate) fn open_alarms(&self) -> Result<u64> {
        let sql = "SELECT count(*) FROM alarms WHERE acknowledged IS NULL";
        Ok(self.db.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }
}
