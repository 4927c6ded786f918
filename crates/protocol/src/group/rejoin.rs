//! The way back of a device that lost track: its signed request, and the letters that carry it.
//!
//! Letting it in again is a commit like others (`change`); when to ask is the client's concern.

use super::letter::seal_rejoin;
use super::{Bundles, Group, Need, OutgoingLetter, Scheme};
use crate::codec;
use crate::identity::Account;
use crate::roster::{RejoinRequest, SignedRejoin};
use crate::session::{UnverifiedJoinKey, fresh_join_key};
use crate::{Context, DeviceId, Misuse, Result};

impl Group {
    /// A signed request to be let in again, and whom to send it to in letters; see [`Group::rejoin_letter`].
    pub fn rejoin_request(&self, account: &Account, cx: &mut Context) -> Result<(Vec<u8>, Vec<Need>)> {
        let published = fresh_join_key(account, cx)?;
        let (join_key, key_package) = UnverifiedJoinKey::read_first(&published)?;
        let (person, device) = (*account.person(), *account.device_id());
        let (last_epoch, asked) = (self.epoch(), cx.now.0);
        let request = RejoinRequest { group: self.id, person, device, last_epoch, asked, join_key };
        let signed = SignedRejoin::sign(request, account.device_signing())?;
        let room = self.room(account);
        let needs = room.others().filter_map(|device| self.need(device, false)).collect();
        let key_package = if self.scheme()? == Scheme::Tree { key_package } else { &[] };
        Ok(([codec::encode(&signed)?.as_slice(), key_package].concat(), needs))
    }

    /// The letter with a rejoin request to one member's device.
    pub fn rejoin_letter(
        &self,
        request: &[u8],
        to: DeviceId,
        bundles: &Bundles,
        cx: &mut Context,
    ) -> Result<OutgoingLetter> {
        let member = self.roster.member_of(to).ok_or(Misuse::NotAMember)?;
        let (list, handle) = (self.roster.list(member.person), member.handle.clone());
        let bundle = bundles.bundle(list.ok_or(Misuse::NotAMember)?, to, cx)?;
        Ok(OutgoingLetter { device: to, handle, body: seal_rejoin(request, &bundle, cx)? })
    }
}

/// A request to rejoin, and the key package that may follow it.
pub(super) fn rejoin_parts(request: &[u8]) -> Result<(SignedRejoin, &[u8])> {
    codec::decode_prefix(request)
}
