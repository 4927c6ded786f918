//! Devices whose entries in a group are in doubt. Which ones, and until when, is the engine's concern; a message is marked
//! when it is read, by its place in the log.

use super::Tx;
use super::conversations::id;
use super::messages::signed;
use crate::Result;
use conclave_protocol::{DeviceId, GroupId, PersonId};
use rusqlite::params;

/// A device in doubt.
#[derive(Clone)]
pub(crate) struct Frozen {
    pub(crate) group: GroupId,
    pub(crate) device: DeviceId,
    pub(crate) person: PersonId,
    /// The key that it signs with: with another one it is in doubt no more.
    pub(crate) signing: [u8; 32],
    /// The first entry that is in doubt.
    pub(crate) since: u64,
    /// Who says so, as signed; `None`: two messages came under one number.
    pub(crate) signed: Option<Vec<u8>>,
}

impl Tx<'_> {
    /// Notes that a device is in doubt; `until`: it was, up to this entry. What was in doubt before stays so.
    pub(crate) fn freeze(&self, frozen: &Frozen, until: Option<u64>) -> Result<()> {
        let Frozen { group, device, person, signing, since, signed: proof } = frozen;
        let sql = "INSERT INTO frozen (grp, device, person, signing, since, signed, until)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                   ON CONFLICT (grp, device) WHERE until IS NULL DO UPDATE SET
                   since = min(since, excluded.since), signed = coalesce(excluded.signed, signed)";
        let (since, until) = (signed(*since), until.map(signed));
        self.db.prepare_cached(sql)?.execute(params![
            group.as_bytes(),
            device.as_bytes(),
            person.as_bytes(),
            &signing[..],
            since,
            proof,
            until
        ])?;
        Ok(())
    }

    /// The devices of a group that are in doubt now.
    pub(crate) fn frozen_in(&self, group: &GroupId) -> Result<Vec<Frozen>> {
        let sql =
            "SELECT device, person, signing, since, signed FROM frozen WHERE grp = ?1 AND until IS NULL";
        let mut query = self.db.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row| {
            Ok(Frozen {
                group: *group,
                device: id(row, 0).map(DeviceId)?,
                person: id(row, 1).map(PersonId)?,
                signing: row.get(2)?,
                since: row.get::<_, i64>(3)?.unsigned_abs(),
                signed: row.get(4)?,
            })
        };
        Ok(query.query_map([group.as_bytes()], read)?.collect::<Result<_, _>>()?)
    }

    /// From this entry on a device is in doubt no more.
    pub(crate) fn thaw(&self, group: &GroupId, device: &DeviceId, until: u64) -> Result<()> {
        let sql = "UPDATE frozen SET until = ?3 WHERE grp = ?1 AND device = ?2 AND until IS NULL";
        let mut write = self.db.prepare_cached(sql)?;
        Ok(write.execute(params![group.as_bytes(), device.as_bytes(), signed(until)]).map(drop)?)
    }

    /// What was said of a device in a group that put it in doubt, also before.
    pub(crate) fn said_of(&self, group: &GroupId, device: &DeviceId) -> Result<Vec<Vec<u8>>> {
        let sql = "SELECT signed FROM frozen WHERE grp = ?1 AND device = ?2 AND signed IS NOT NULL";
        let mut query = self.db.prepare_cached(sql)?;
        let rows = query.query_map(params![group.as_bytes(), device.as_bytes()], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
