//! When each group is healed though nothing is said there. One row a group, so that whoever looks need not load rosters.

use super::Tx;
use super::conversations::{State, id};
use super::messages::signed;
use super::meta::Fact;
use crate::Result;
use conclave_protocol::GroupId;
use rusqlite::params;

/// Of the time between two heals, the part over which those are spread that are all due at once: a minute of an hour, and
/// two seconds for each device of a large group.
pub(crate) const SPREAD: u64 = 60;
/// The person is told of a heal that was not through after so long.
pub(crate) const LATE: u64 = 60 * 60 * 1000;
/// The time between two heals where the group was not looked at yet.
const USUAL: u64 = 60 * 60 * 1000;

/// The groups of a relay in which this device takes part.
const HERE: &str = "grp IN (SELECT grp FROM channels JOIN conversations USING (grp)
                    WHERE relay = ?1 AND open = 1 AND state = 'member')";

impl Tx<'_> {
    /// Plans the next heal of a group, in the place of any that was planned; those before count as through. `spread`: it
    /// is put off no more when this device comes online late.
    pub(crate) fn plan_heal(&self, group: &GroupId, due: u64, every: u64, spread: bool) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO heals (grp, due, every, spread) VALUES (?1, ?2, ?3, ?4)";
        let values = params![group.as_bytes(), signed(due), signed(every), spread];
        Ok(self.db.prepare_cached(sql)?.execute(values).map(drop)?)
    }

    /// The planned heal is under way, or cannot be made now: it is looked at again after the time between two.
    pub(crate) fn put_heal_off(&self, group: &GroupId) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE heals SET due = ?2 + every WHERE grp = ?1")?;
        Ok(write.execute(params![group.as_bytes(), signed(self.now.0)]).map(drop)?)
    }

    /// A heal is tried: from now on it is known for how long it does not get through.
    pub(crate) fn heal_is_tried(&self, group: &GroupId) -> Result<()> {
        let mut write =
            self.db.prepare_cached("UPDATE heals SET tried = coalesce(tried, ?2) WHERE grp = ?1")?;
        Ok(write.execute(params![group.as_bytes(), signed(self.now.0)]).map(drop)?)
    }

    /// The groups of a relay whose heal was tried, or due, so long ago, and of which the person does not know.
    pub(crate) fn heals_late(&self, relay: &[u8; 32]) -> Result<Vec<GroupId>> {
        let sql = format!("SELECT grp FROM heals WHERE told = 0 AND (tried <= ?2 OR due <= ?2) AND {HERE}");
        let mut query = self.db.prepare_cached(&sql)?;
        let late = params![&relay[..], signed(self.now.0.saturating_sub(LATE))];
        Ok(query.query_map(late, |row| id(row, 0).map(GroupId))?.collect::<Result<_, _>>()?)
    }

    /// The person knows that it is late.
    pub(crate) fn set_heal_told(&self, group: &GroupId) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE heals SET told = 1 WHERE grp = ?1")?;
        Ok(write.execute([group.as_bytes()]).map(drop)?)
    }

    /// The group is healed at once, and before anything is said there.
    pub(crate) fn heal_first(&self, group: &GroupId) -> Result<()> {
        let sql = "INSERT INTO heals (grp, due, every, spread, first) VALUES (?1, 0, ?2, 1, 1)
                   ON CONFLICT (grp) DO UPDATE SET due = 0, spread = 1, first = 1";
        Ok(self.db.prepare_cached(sql)?.execute(params![group.as_bytes(), signed(USUAL)]).map(drop)?)
    }

    /// Whether it is.
    pub(crate) fn heals_first(&self, group: &GroupId) -> Result<bool> {
        let mut query = self.db.prepare_cached("SELECT 1 FROM heals WHERE grp = ?1 AND first = 1")?;
        Ok(query.exists([group.as_bytes()])?)
    }

    /// The store was made from a backup, which somebody may have read: every group is healed first.
    pub(crate) fn heal_after_restore(&self) -> Result<()> {
        if self.number(Fact::Restored)? == 0 {
            return Ok(());
        }
        for known in self.all_conversations()? {
            if known.state == State::Member && self.channel(&known.group)?.is_some() {
                self.heal_first(&known.group)?;
            }
        }
        self.set_number(Fact::Restored, 0)
    }

    /// Nothing more is to be healed there.
    pub(crate) fn drop_heal(&self, group: &GroupId) -> Result<()> {
        let mut write = self.db.prepare_cached("DELETE FROM heals WHERE grp = ?1")?;
        Ok(write.execute([group.as_bytes()]).map(drop)?)
    }

    /// The groups of a relay whose heal is due.
    pub(crate) fn heals_now(&self, relay: &[u8; 32]) -> Result<Vec<GroupId>> {
        let sql = format!("SELECT grp FROM heals WHERE due <= ?2 AND {HERE}");
        let mut query = self.db.prepare_cached(&sql)?;
        let due = params![&relay[..], signed(self.now.0)];
        Ok(query.query_map(due, |row| id(row, 0).map(GroupId))?.collect::<Result<_, _>>()?)
    }

    /// When the next one is due that is not yet.
    pub(crate) fn next_heal(&self, relay: &[u8; 32]) -> Result<Option<u64>> {
        let sql = format!("SELECT min(due) FROM heals WHERE due > ?2 AND {HERE}");
        let mut query = self.db.prepare_cached(&sql)?;
        let due: Option<i64> = query.query_row(params![&relay[..], signed(self.now.0)], |row| row.get(0))?;
        Ok(due.map(i64::unsigned_abs))
    }

    /// This device comes online. What is overdue is put off once, by chance, so that devices which come online together
    /// do not all heal at once; so is what a clock that was set back would put off for long, and what has no plan yet.
    pub(crate) fn spread_heals(&self, relay: &[u8; 32]) -> Result<()> {
        let (relay, now) = (&relay[..], signed(self.now.0));
        let plan = format!(
            "INSERT OR IGNORE INTO heals (grp, due, every) SELECT grp, 0, ?2 FROM channels WHERE {HERE}"
        );
        self.db.prepare_cached(&plan)?.execute(params![relay, signed(USUAL)])?;
        // Chance here hides nothing: it only keeps devices apart.
        let spread = format!(
            "UPDATE heals SET spread = 1, due = ?2 + every / {SPREAD} / 2 + abs(random() % (1 + every / {SPREAD} / 2))
             WHERE {HERE} AND ((due <= ?2 AND spread = 0) OR due > ?2 + 3 * every)"
        );
        Ok(self.db.prepare_cached(&spread)?.execute(params![relay, now]).map(drop)?)
    }
}
