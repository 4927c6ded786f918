//! Leaving: a signed request whose seat closes at once; the next commit of another member takes the person out.

use super::received::Received;
use super::seal::Sealer;
use super::{Group, Inner, Pending, PendingWhat, Post, SeatChange};
use crate::codec;
use crate::identity::Account;
use crate::primitives::kdf;
use crate::roster::Role;
use crate::roster::{LeaveRequest, SignedLeave};
use crate::vault::{Row, save};
use crate::{Context, DeviceId, Error, PeerFault, Result};

impl Group {
    pub(super) fn leave(&mut self, account: &Account, cx: &mut Context) -> Result<Post> {
        if !self.is_direct() && self.roster.body().members.len() > 1 {
            self.check_administrator_remains(account, *account.person(), Role::Member)?;
        }
        let signing = self.leaf_secrets(cx)?.signing;
        let request = LeaveRequest { group: self.id, person: *account.person(), device: self.state.me };
        let signed = SignedLeave::sign(request, &signing)?;
        let sealer = Sealer::fresh(&self.state.keys, &self.place(), cx)?;
        let shared = sealer.seal_shared(codec::encode(&Inner::Leave(signed))?)?;
        let pending = Pending { hash: kdf::sha256(&shared), what: PendingWhat::Leave };
        save(cx.vault, &self.row(Row::Pending), &pending)?;
        let seats = vec![SeatChange::Close(self.state.seat)];
        let at_turn = self.state.turn;
        let (slices, blobs, letters) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Post { shared, slices, at_turn, takes_turn: true, seats, blobs, letters })
    }

    /// Somebody asks to be taken out.
    pub(super) fn note_leave(&mut self, author: DeviceId, leave: SignedLeave) -> Result<Received> {
        if leave.request.device != author {
            return Ok(Received::Void(PeerFault::WrongAddress));
        }
        match leave.verify(&self.roster) {
            Ok(()) => {}
            Err(Error::Peer(fault)) => return Ok(Received::Void(fault)),
            Err(error) => return Err(error),
        }
        let person = leave.request.person;
        if !self.leaving().any(|other| other == person) {
            self.state.leaving.push(leave);
        }
        Ok(Received::LeaveRequested { person })
    }
}
