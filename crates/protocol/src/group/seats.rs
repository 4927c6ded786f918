//! The seats that an entry opens and closes, says the relay, beside those that a commit's rosters have.

use super::{Group, SeatChange};
use crate::SeatId;
use crate::roster::Roster;

impl Group {
    /// Whether the relay opened and closed the seats that the commit's rosters say.
    pub(super) fn seats_fit(&self, after: &Roster, seats: &[SeatChange]) -> bool {
        let mut opened: Vec<SeatId> = after.leaves_not_in(&self.roster).map(|leaf| leaf.seat).collect();
        let closed: Vec<SeatId> = self.roster.leaves_not_in(after).map(|leaf| leaf.seat).collect();
        let left = |seat: &SeatId| {
            let person = self.roster.author(*seat).map(|(member, _)| member);
            person.is_some_and(|member| self.leaving().any(|leaving| leaving == member.person))
        };
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
        fit && opened.is_empty() && closed.iter().all(|seat| is_closed(seat) || left(seat))
    }
}
