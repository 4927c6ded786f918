//! The seats that an entry opens and closes, says the relay, beside those that a commit's rosters have.

use super::{Group, SeatChange};
use crate::SeatId;
use crate::roster::Roster;

impl Group {
    /// Whether the relay opened and closed the seats that the commit's rosters say.
    pub(super) fn seats_fit(&self, after: &Roster, seats: &[SeatChange]) -> bool {
        let mut opened: Vec<SeatId> = after.leaves_not_in(&self.roster).map(|leaf| leaf.seat).collect();
        let closed = self.roster.seats_not_in(after);
        let mut fit = true;
        for change in seats {
            match change {
                SeatChange::Open { seat, .. } => {
                    let expected = opened.iter().position(|other| other == seat);
                    fit &= expected.map(|at| opened.swap_remove(at)).is_some();
                }
                SeatChange::Close(seat) => fit &= closed.contains(seat),
            }
        }
        let is_closed = |seat: &SeatId| seats.contains(&SeatChange::Close(*seat));
        fit && opened.is_empty() && closed.iter().all(|seat| is_closed(seat) || self.has_left(seat))
    }

    /// Whether a seat closed when its device asked to leave.
    pub(super) fn has_left(&self, seat: &SeatId) -> bool {
        let person = self.roster.author(*seat).map(|(member, _)| member.person);
        person.is_some_and(|person| self.leaving().any(|leaving| leaving == person))
    }
}
