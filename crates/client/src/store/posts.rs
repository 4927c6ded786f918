//! The one post of each group that waits for its fate: sealed bytes with their number, on disk before they leave.

use super::Tx;
use super::conversations::id;
use super::messages::signed;
use crate::{ClientError, Result};
use conclave_protocol::GroupId;
use conclave_protocol::primitives::kdf::sha256;
use conclave_wire::v1;
use prost::Message;
use rusqlite::{OptionalExtension, params};

/// A sealed post.
#[derive(Clone)]
pub(crate) struct StoredPost {
    pub(crate) group: GroupId,
    /// The outbox row that it carries out.
    pub(crate) intent: i64,
    /// The seat's own count.
    pub(crate) number: u64,
    /// The request as it goes to the relay.
    pub(crate) bytes: Vec<u8>,
    /// When it was sealed: the instant that others see.
    pub(crate) sealed_at: u64,
    /// Whether the relay has said that it took it.
    pub(crate) accepted: bool,
}

impl StoredPost {
    /// The request.
    pub(crate) fn request(&self) -> Result<v1::Post> {
        let damaged = |_| ClientError::StoreDamaged("a stored post is not readable".into());
        v1::Post::decode(self.bytes.as_slice()).map_err(damaged)
    }

    /// SHA-256 of its shared part: the relay knows it by that.
    pub(crate) fn shared_hash(&self) -> Result<[u8; 32]> {
        Ok(sha256(&self.request()?.shared))
    }
}

impl Tx<'_> {
    /// The post of a group that waits for its fate.
    pub(crate) fn post(&self, group: &GroupId) -> Result<Option<StoredPost>> {
        let sql = "SELECT grp, intent, number, bytes, accepted, sealed_at FROM posts WHERE grp = ?1";
        let mut query = self.db.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row| {
            Ok(StoredPost {
                group: id(row, 0).map(GroupId)?,
                intent: row.get(1)?,
                number: row.get::<_, i64>(2)?.unsigned_abs(),
                bytes: row.get(3)?,
                accepted: row.get(4)?,
                sealed_at: row.get::<_, i64>(5)?.unsigned_abs(),
            })
        };
        Ok(query.query_row([group.as_bytes()], read).optional()?)
    }

    /// Keeps a post before it is sent.
    pub(crate) fn add_post(&self, post: &StoredPost) -> Result<()> {
        let sql = "INSERT INTO posts (grp, intent, number, bytes, sealed_at) VALUES (?1, ?2, ?3, ?4, ?5)";
        let mut write = self.db.prepare_cached(sql)?;
        let (number, sealed_at) = (signed(post.number), signed(post.sealed_at));
        write.execute(params![post.group.as_bytes(), post.intent, number, post.bytes, sealed_at])?;
        Ok(())
    }

    /// Whether the relay has taken the post.
    pub(crate) fn set_accepted(&self, group: &GroupId, accepted: bool) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE posts SET accepted = ?2 WHERE grp = ?1")?;
        Ok(write.execute(params![group.as_bytes(), accepted]).map(drop)?)
    }

    /// The post has met its fate.
    pub(crate) fn drop_post(&self, group: &GroupId) -> Result<()> {
        let mut write = self.db.prepare_cached("DELETE FROM posts WHERE grp = ?1")?;
        Ok(write.execute([group.as_bytes()]).map(drop)?)
    }
}
