//! What a post that waits needs to be at the relay before it: sealed pieces, on disk before they leave. They go with
//! their post, whatever its fate.

use super::Tx;
use crate::Result;
use conclave_protocol::GroupId;
use conclave_protocol::group::Blob;
use rusqlite::{OptionalExtension, params};

impl Tx<'_> {
    /// Keeps what the post of a group needs; the post is kept already.
    pub(crate) fn add_blobs(&self, group: &GroupId, blobs: &[Blob]) -> Result<()> {
        let mut write = self.db.prepare_cached("INSERT INTO blobs (grp, bytes) VALUES (?1, ?2)")?;
        for blob in blobs {
            write.execute(params![group.as_bytes(), blob.bytes])?;
        }
        Ok(())
    }

    /// The next piece that the post of a group needs, after the one at `after`: its place and its bytes.
    pub(crate) fn next_blob(&self, group: &GroupId, after: i64) -> Result<Option<(i64, Vec<u8>)>> {
        let sql = "SELECT seq, bytes FROM blobs WHERE grp = ?1 AND seq > ?2 ORDER BY seq LIMIT 1";
        let mut query = self.db.prepare_cached(sql)?;
        let read = query.query_row(params![group.as_bytes(), after], |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(read.optional()?)
    }
}
