//! What this device has seen of relays' key logs: the newest root of each, the chain at every position on the way to it, and
//! what members said they have seen. Whether any of it fits together is another file's concern.

use super::Tx;
use super::messages::signed;
use crate::Result;
use conclave_protocol::{GroupId, PersonId};
use rusqlite::{OptionalExtension, params};

/// Positions that are kept of each log.
const KEPT: i64 = 16_384;

/// Where a root stands: incarnation and epoch.
pub(crate) type Position = (u64, u64);

/// Somebody says that this root is one of a relay's log, and it cannot be compared yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HeardRoot {
    pub(crate) relay: [u8; 32],
    pub(crate) root: Vec<u8>,
    pub(crate) person: PersonId,
    pub(crate) via: GroupId,
}

/// A root of which a group is to be told.
pub(crate) struct Untold {
    pub(crate) relay: [u8; 32],
    /// The host that the relay answers for.
    pub(crate) host: String,
    pub(crate) at: Position,
    pub(crate) root: Vec<u8>,
}

impl Tx<'_> {
    /// The newest root of a relay's log, as it was signed.
    pub(crate) fn newest_root(&self, relay: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT root FROM log_roots WHERE relay = ?1 AND root IS NOT NULL
                   ORDER BY incarnation DESC, epoch DESC LIMIT 1";
        Ok(self.db.prepare_cached(sql)?.query_row([&relay[..]], |row| row.get(0)).optional()?)
    }

    /// The chain of a relay's log at a position, if this device has been there.
    pub(crate) fn chain_at(
        &self,
        relay: &[u8; 32],
        (incarnation, epoch): Position,
    ) -> Result<Option<[u8; 32]>> {
        let sql = "SELECT chain FROM log_roots WHERE relay = ?1 AND incarnation = ?2 AND epoch = ?3";
        let at = params![&relay[..], signed(incarnation), signed(epoch)];
        Ok(self.db.prepare_cached(sql)?.query_row(at, |row| row.get(0)).optional()?)
    }

    /// The root at a position, as it was signed, if it was ever the newest here.
    pub(crate) fn root_at(
        &self,
        relay: &[u8; 32],
        (incarnation, epoch): Position,
    ) -> Result<Option<Vec<u8>>> {
        let sql = "SELECT root FROM log_roots WHERE relay = ?1 AND incarnation = ?2 AND epoch = ?3";
        let at = params![&relay[..], signed(incarnation), signed(epoch)];
        Ok(self.db.prepare_cached(sql)?.query_row(at, |row| row.get(0)).optional()?.flatten())
    }

    /// Notes the chain at a position, and the root if it was signed.
    pub(crate) fn add_root(
        &self,
        relay: &[u8; 32],
        (incarnation, epoch): Position,
        chain: &[u8; 32],
        root: Option<&[u8]>,
    ) -> Result<()> {
        let sql = "INSERT INTO log_roots (relay, incarnation, epoch, chain, root) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (relay, incarnation, epoch) DO UPDATE SET root = coalesce(root, ?5)";
        let row = params![&relay[..], signed(incarnation), signed(epoch), &chain[..], root];
        self.db.prepare_cached(sql)?.execute(row)?;
        let sql = "DELETE FROM log_roots WHERE relay = ?1 AND epoch <= ?2";
        self.db.prepare_cached(sql)?.execute(params![&relay[..], signed(epoch).saturating_sub(KEPT)])?;
        Ok(())
    }

    /// Notes a root that cannot be compared yet.
    pub(crate) fn hear_root(&self, heard: &HeardRoot) -> Result<()> {
        let sql = "INSERT INTO log_heard (relay, root, person, via, at) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (relay, root) DO NOTHING";
        let HeardRoot { relay, root, person, via } = heard;
        let row = params![&relay[..], root, person.as_bytes(), via.as_bytes(), signed(self.now.0)];
        self.db.prepare_cached(sql)?.execute(row)?;
        let sql =
            "DELETE FROM log_heard WHERE relay = ?1 AND rowid <= (SELECT max(rowid) FROM log_heard) - 256";
        Ok(self.db.prepare_cached(sql)?.execute([&relay[..]]).map(drop)?)
    }

    /// The roots of a relay's log that others have seen and this device could not compare.
    pub(crate) fn heard_roots(&self, relay: &[u8; 32]) -> Result<Vec<HeardRoot>> {
        let sql = "SELECT root, person, via FROM log_heard WHERE relay = ?1 ORDER BY rowid";
        let mut query = self.db.prepare_cached(sql)?;
        let rows = query.query_map([&relay[..]], |row| {
            let (root, person, via) = (row.get(0)?, PersonId(row.get(1)?), GroupId(row.get(2)?));
            Ok(HeardRoot { relay: *relay, root, person, via })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A root was compared.
    pub(crate) fn forget_heard_root(&self, heard: &HeardRoot) -> Result<()> {
        let sql = "DELETE FROM log_heard WHERE relay = ?1 AND root = ?2";
        Ok(self.db.prepare_cached(sql)?.execute(params![&heard.relay[..], heard.root]).map(drop)?)
    }

    /// The newest roots that a group was not told of, or not last.
    pub(crate) fn untold_roots(&self, group: &GroupId) -> Result<Vec<Untold>> {
        let sql = "SELECT l.relay, l.incarnation, l.epoch, l.root, r.host FROM log_roots l JOIN relays r ON r.id = l.relay
                   WHERE l.root IS NOT NULL AND r.host IS NOT NULL
                     AND NOT EXISTS (SELECT 1 FROM log_roots n WHERE n.relay = l.relay AND n.root IS NOT NULL
                                     AND (n.incarnation, n.epoch) > (l.incarnation, l.epoch))
                     AND NOT EXISTS (SELECT 1 FROM log_told t WHERE t.grp = ?1 AND t.relay = l.relay
                                     AND t.incarnation = l.incarnation AND t.epoch = l.epoch)";
        let mut query = self.db.prepare_cached(sql)?;
        let number =
            |row: &rusqlite::Row, at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.unsigned_abs());
        let rows = query.query_map([group.as_bytes()], |row| {
            let at = (number(row, 1)?, number(row, 2)?);
            Ok(Untold { relay: row.get(0)?, at, root: row.get(3)?, host: row.get(4)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes the root that a group is told of.
    pub(crate) fn set_root_told(&self, group: &GroupId, relay: &[u8; 32], at: Position) -> Result<()> {
        let sql = "INSERT INTO log_told (grp, relay, incarnation, epoch) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (grp, relay) DO UPDATE SET incarnation = ?3, epoch = ?4";
        let row = params![group.as_bytes(), &relay[..], signed(at.0), signed(at.1)];
        Ok(self.db.prepare_cached(sql)?.execute(row).map(drop)?)
    }

    /// What a group was told of roots does not count: the message did not get through.
    pub(crate) fn forget_roots_told(&self, group: &GroupId) -> Result<()> {
        let sql = "DELETE FROM log_told WHERE grp = ?1";
        Ok(self.db.prepare_cached(sql)?.execute([group.as_bytes()]).map(drop)?)
    }
}
