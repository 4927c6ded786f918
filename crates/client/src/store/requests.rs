//! Invitations: seats offered by letters, claimed with a token that is on disk before it leaves, joined when the commit
//! that opened them arrives.

use super::Tx;
use super::conversations::id;
use crate::Result;
use conclave_protocol::{GroupId, SeatId};
use rusqlite::{OptionalExtension, Row, params};

/// A seat offered to this device.
#[derive(Clone)]
pub(crate) struct Offer {
    pub(crate) seat: SeatId,
    pub(crate) group: GroupId,
    pub(crate) channel: [u8; 16],
    pub(crate) claim: [u8; 32],
    pub(crate) token: [u8; 32],
    /// Whether the relay has taken the claim.
    pub(crate) claimed: bool,
}

const COLUMNS: &str = "seat, grp, channel, claim, token, claimed";

impl Offer {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            seat: id(row, 0).map(SeatId)?,
            group: id(row, 1).map(GroupId)?,
            channel: row.get(2)?,
            claim: row.get(3)?,
            token: row.get(4)?,
            claimed: row.get(5)?,
        })
    }
}

impl Tx<'_> {
    /// Notes an offer; one of a seat that is known is passed over.
    pub(crate) fn add_offer(&self, offer: &Offer) -> Result<()> {
        let sql = "INSERT INTO invitations (seat, grp, channel, claim, token) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (seat) DO NOTHING";
        let Offer { seat, group, channel, claim, token, .. } = offer;
        let mut write = self.db.prepare_cached(sql)?;
        write.execute(params![seat.as_bytes(), group.as_bytes(), &channel[..], &claim[..], &token[..]])?;
        Ok(())
    }

    /// An offer, by its seat.
    pub(crate) fn offer(&self, seat: &SeatId) -> Result<Option<Offer>> {
        let mut query =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM invitations WHERE seat = ?1"))?;
        Ok(query.query_row([seat.as_bytes()], Offer::read).optional()?)
    }

    /// All offers.
    pub(crate) fn offers(&self) -> Result<Vec<Offer>> {
        let mut query =
            self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM invitations ORDER BY rowid"))?;
        Ok(query.query_map([], Offer::read)?.collect::<Result<_, _>>()?)
    }

    /// The relay has taken the claim.
    pub(crate) fn set_claimed(&self, seat: &SeatId) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE invitations SET claimed = 1 WHERE seat = ?1")?;
        Ok(write.execute([seat.as_bytes()]).map(drop)?)
    }

    /// The offer is used, or came to nothing.
    pub(crate) fn drop_offer(&self, seat: &SeatId) -> Result<()> {
        let mut write = self.db.prepare_cached("DELETE FROM invitations WHERE seat = ?1")?;
        Ok(write.execute([seat.as_bytes()]).map(drop)?)
    }
}
