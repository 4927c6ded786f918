//! Invitations: seats offered by letters, claimed with a token that is on disk before it leaves, joined when the commit
//! that opened them arrives.

use super::Tx;
use super::conversations::id;
use crate::Result;
use conclave_protocol::{GroupId, PersonId, SeatId};
use rusqlite::{OptionalExtension, Row, params};

/// A seat offered to this device.
#[derive(Clone)]
pub(crate) struct Offer {
    pub(crate) seat: SeatId,
    pub(crate) group: GroupId,
    /// Who invites, by the letter's own word.
    pub(crate) inviter: PersonId,
    pub(crate) inviter_handle: String,
    pub(crate) wanted: Wanted,
    /// The relay's id.
    pub(crate) relay: [u8; 32],
    pub(crate) channel: [u8; 16],
    pub(crate) claim: [u8; 32],
    pub(crate) token: [u8; 32],
    /// Whether the relay has taken the claim.
    pub(crate) claimed: bool,
}

/// Whether an offered seat is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The person is asked first: nothing is done with it.
    Asks,
    /// It is taken; what comes of it is decided when the welcome says who invites.
    Taken,
    /// The person has accepted it.
    Accepted,
}

impl Wanted {
    fn number(self) -> i64 {
        match self {
            Self::Asks => 0,
            Self::Taken => 1,
            Self::Accepted => 2,
        }
    }

    fn of(number: i64) -> Self {
        match number {
            0 => Self::Asks,
            2 => Self::Accepted,
            _ => Self::Taken,
        }
    }
}

const COLUMNS: &str = "seat, grp, inviter, inviter_handle, wanted, relay, channel, claim, token, claimed";

impl Offer {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            seat: id(row, 0).map(SeatId)?,
            group: id(row, 1).map(GroupId)?,
            inviter: id(row, 2).map(PersonId)?,
            inviter_handle: row.get(3)?,
            wanted: Wanted::of(row.get(4)?),
            relay: row.get(5)?,
            channel: row.get(6)?,
            claim: row.get(7)?,
            token: row.get(8)?,
            claimed: row.get(9)?,
        })
    }
}

impl Tx<'_> {
    /// Notes an offer; one of a seat that is known is passed over.
    pub(crate) fn add_offer(&self, offer: &Offer) -> Result<()> {
        let sql = "INSERT INTO invitations (seat, grp, inviter, inviter_handle, wanted, relay, channel, claim, token)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (seat) DO NOTHING";
        self.db.prepare_cached(sql)?.execute(params![
            offer.seat.as_bytes(),
            offer.group.as_bytes(),
            offer.inviter.as_bytes(),
            offer.inviter_handle,
            offer.wanted.number(),
            &offer.relay[..],
            &offer.channel[..],
            &offer.claim[..],
            &offer.token[..],
        ])?;
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

    /// The person has accepted it.
    pub(crate) fn accept_offer(&self, seat: &SeatId) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE invitations SET wanted = ?2 WHERE seat = ?1")?;
        Ok(write.execute(params![seat.as_bytes(), Wanted::Accepted.number()]).map(drop)?)
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
