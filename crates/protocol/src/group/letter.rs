//! Letters: an invitation with a one-use claim, a request to be let in again or by a link, a refusal. Sealed to an inbox
//! key; who wrote one is shown only by what is inside.

use super::Home;
use super::knock::{TurnedAway, UnverifiedKnock};
use super::linking::UnverifiedLinking;
use crate::codec::{self, Rest};
use crate::identity::{Account, Handle};
use crate::roster::SignedRejoin;
use crate::session::{Bundle, inbox_open, inbox_seal};
use crate::{Context, DeviceId, Digest, GroupId, PersonId, Result, SeatId};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// What a letter says.
pub enum Letter {
    /// A seat in a group.
    Invitation(Invitation),
    /// A device asks to be let into a group again: for [`super::Intent::Readmit`].
    Rejoin {
        /// The group.
        group: GroupId,
        /// The device that asks.
        device: DeviceId,
        /// The signed request.
        request: Vec<u8>,
    },
    /// Somebody with a link wants in.
    Knock(UnverifiedKnock),
    /// A new device asks to be listed.
    Linking(UnverifiedLinking),
    /// The maker of a link, named by its id, does not let this device in.
    Turned(Digest, TurnedAway),
}

/// A seat in a group, claimed once. That it is an honest one is shown by the welcome.
#[derive(Clone, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Invitation {
    /// Where the group lives.
    pub home: Home,
    /// The seat.
    pub seat: SeatId,
    /// What the relay exchanges for a token.
    pub claim: [u8; 32],
    /// The group.
    pub group: GroupId,
    /// Who invites, by the letter's own word.
    pub inviter: PersonId,
    /// The inviter's handle.
    pub inviter_handle: Handle,
}

#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
pub(super) enum Body {
    Invitation(Invitation) = 0,
    Rejoin(SignedRejoin) = 1,
    Knock(UnverifiedKnock) = 2,
    Turned(Digest, TurnedAway) = 3,
    /// A request with the key package for a tree.
    RejoinTree(SignedRejoin, Rest) = 4,
    Linking(UnverifiedLinking) = 5,
}

/// Opens a letter from the own inbox.
///
/// # Errors
/// `UnknownPrekey` if the inbox key is gone, `DoesNotOpen`, `Malformed`, `UnknownVersion`.
pub fn open_letter(account: &Account, body: &[u8], cx: &mut Context) -> Result<Letter> {
    let opened = inbox_open(account, body, cx)?;
    Ok(match codec::decode(&opened)? {
        Body::Invitation(invitation) => Letter::Invitation(invitation),
        Body::Knock(knock) => Letter::Knock(knock),
        Body::Linking(linking) => Letter::Linking(linking),
        Body::Turned(link, why) => Letter::Turned(link, why),
        Body::Rejoin(signed) => Letter::Rejoin {
            group: signed.request.group,
            device: signed.request.device,
            request: codec::encode(&signed)?,
        },
        Body::RejoinTree(signed, Rest(key_package)) => Letter::Rejoin {
            group: signed.request.group,
            device: signed.request.device,
            request: [codec::encode(&signed)?, key_package].concat(),
        },
    })
}

impl Invitation {
    pub(super) fn seal(self, to: &Bundle, cx: &mut Context) -> Result<Vec<u8>> {
        seal_letter(&Body::Invitation(self), to, cx)
    }
}

pub(super) fn seal_rejoin(request: &[u8], to: &Bundle, cx: &mut Context) -> Result<Vec<u8>> {
    let (signed, key_package) = codec::decode_prefix(request)?;
    let body = match key_package {
        [] => Body::Rejoin(signed),
        key_package => Body::RejoinTree(signed, Rest(key_package.to_vec())),
    };
    seal_letter(&body, to, cx)
}

pub(super) fn seal_letter(body: &Body, to: &Bundle, cx: &mut Context) -> Result<Vec<u8>> {
    inbox_seal(to, &codec::encode(body)?, cx)
}
