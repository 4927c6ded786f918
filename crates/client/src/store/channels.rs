//! Where each group lives at the relay: channel, seat, and the seat's secret. Written before it is used on the network.

use super::Tx;
use super::conversations::id;
use super::messages::signed;
use crate::Result;
use conclave_protocol::{GroupId, SeatId};
use rusqlite::{OptionalExtension, Row, params};

/// A seat of this device.
#[derive(Clone)]
pub(crate) struct Channel {
    pub(crate) group: GroupId,
    /// The relay's id.
    pub(crate) relay: [u8; 32],
    pub(crate) channel: [u8; 16],
    pub(crate) seat: SeatId,
    pub(crate) token: [u8; 32],
    /// Whether the relay is known to have the channel.
    pub(crate) made: bool,
    /// The number of the last own post known to be accepted.
    pub(crate) posts: u64,
    /// When this device last asked to be let in again.
    pub(crate) asked_at: u64,
    /// Above 0: this device lacks what it can only get by being let in again, and was found to, or asked, so often.
    pub(crate) lost: u32,
    /// The relay had more posts of this seat than this store knew of when it was attached.
    pub(crate) behind: bool,
}

const COLUMNS: &str = "grp, relay, channel, seat, token, made, posts, asked_at, lost, behind";

impl Channel {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            group: id(row, 0).map(GroupId)?,
            relay: row.get(1)?,
            channel: row.get(2)?,
            seat: id(row, 3).map(SeatId)?,
            token: row.get(4)?,
            made: row.get(5)?,
            posts: row.get::<_, i64>(6)?.unsigned_abs(),
            asked_at: row.get::<_, i64>(7)?.unsigned_abs(),
            lost: row.get(8)?,
            behind: row.get(9)?,
        })
    }
}

impl Tx<'_> {
    /// The channel of a group, while its seat is open.
    pub(crate) fn channel(&self, group: &GroupId) -> Result<Option<Channel>> {
        let sql = format!("SELECT {COLUMNS} FROM channels WHERE grp = ?1 AND open = 1");
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_row([group.as_bytes()], Channel::read).optional()?)
    }

    /// The group whose seat this is.
    pub(crate) fn channel_of_seat(&self, seat: &SeatId) -> Result<Option<Channel>> {
        let sql = format!("SELECT {COLUMNS} FROM channels WHERE seat = ?1 AND open = 1");
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_row([seat.as_bytes()], Channel::read).optional()?)
    }

    /// All open seats at a relay: those where something was said last come first, so that they are caught up first.
    pub(crate) fn channels_at(&self, relay: &[u8; 32]) -> Result<Vec<Channel>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM channels WHERE open = 1 AND relay = ?1
             ORDER BY (SELECT max(seq) FROM messages WHERE messages.grp = channels.grp) DESC, rowid DESC"
        );
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_map([&relay[..]], Channel::read)?.collect::<Result<_, _>>()?)
    }

    /// Notes a seat, in the place of an older one of the same group.
    pub(crate) fn add_channel(&self, channel: &Channel) -> Result<()> {
        let sql =
            "INSERT INTO channels (grp, channel, seat, token, made, posts, relay) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                   ON CONFLICT (grp) DO UPDATE SET
                   relay = ?7, channel = ?2, seat = ?3, token = ?4, made = ?5, posts = ?6, asked_at = 0, lost = 0, behind = 0, open = 1";
        let Channel { group, relay, channel, seat, token, made, posts, .. } = channel;
        let posts = signed(*posts);
        let mut write = self.db.prepare_cached(sql)?;
        let (seat, relay) = (seat.as_bytes(), &relay[..]);
        write.execute(params![group.as_bytes(), &channel[..], seat, &token[..], made, posts, relay])?;
        Ok(())
    }

    /// The relay has the channel.
    pub(crate) fn set_made(&self, group: &GroupId) -> Result<()> {
        self.set_channel(group, "made", 1)
    }

    /// The relay has accepted the seat's posts up to this number.
    pub(crate) fn set_posts(&self, group: &GroupId, posts: u64) -> Result<()> {
        self.set_channel(group, "posts", signed(posts))
    }

    /// The relay has posts of this seat that this store does not know.
    pub(crate) fn set_behind(&self, group: &GroupId) -> Result<()> {
        self.set_channel(group, "behind", 1)
    }

    /// This device asked to be let in again.
    pub(crate) fn set_asked(&self, group: &GroupId) -> Result<()> {
        self.set_channel(group, "asked_at", signed(self.now.0))?;
        self.db
            .prepare_cached("UPDATE channels SET lost = lost + 1 WHERE grp = ?1")?
            .execute([group.as_bytes()])?;
        Ok(())
    }

    /// This device lacks what it can only get by being let in again.
    pub(crate) fn set_lost(&self, group: &GroupId) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE channels SET lost = max(lost, 1) WHERE grp = ?1")?;
        Ok(write.execute([group.as_bytes()]).map(drop)?)
    }

    /// The seat is closed: it is attached no more.
    pub(crate) fn close_channel(&self, group: &GroupId) -> Result<()> {
        self.drop_heal(group)?;
        self.set_channel(group, "open", 0)
    }

    fn set_channel(&self, group: &GroupId, column: &'static str, value: i64) -> Result<()> {
        let mut write =
            self.db.prepare_cached(&format!("UPDATE channels SET {column} = ?2 WHERE grp = ?1"))?;
        Ok(write.execute(params![group.as_bytes(), value]).map(drop)?)
    }
}
