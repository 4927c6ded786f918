//! Between the forms of the relay's API and those of the protocol. What they mean is neither's concern here.

use crate::{ClientError, Result};
use bytes::Bytes;
use conclave_protocol::group::{Body, Entry, Post, SeatChange};
use conclave_protocol::{Error as ProtocolError, PeerFault, SeatId, Timestamp};
use conclave_wire::slices;
use conclave_wire::v1::{self, seat_change::Change};

/// Whether the relay closed this seat with an entry.
pub(super) fn closes(entry: &v1::Entry, seat: &SeatId) -> bool {
    let closed = |change: &v1::SeatChange| matches!(&change.change, Some(Change::Close(closed)) if closed.as_ref() == seat.as_bytes());
    entry.seats.iter().any(closed)
}

/// An entry as the protocol sees it.
pub(super) fn seen<'a>(
    entry: &'a v1::Entry,
    seats: &'a [SeatChange],
    own: Option<&SeatId>,
) -> Result<Entry<'a>> {
    let lied = |_| PeerFault::RelayLied;
    let seat = SeatId::try_from(entry.seat.as_ref())?;
    let body = match (entry.expired, entry.shared.is_empty()) {
        (true, _) => Body::Expired,
        (false, true) if own == Some(&seat) => Body::Own,
        (false, true) => Body::Before,
        (false, false) => Body::Whole(&entry.shared),
    };
    Ok(Entry {
        number: entry.number,
        turn: entry.turn,
        seat,
        hash: entry.hash.as_ref().try_into().map_err(lied)?,
        body,
        slice: &entry.slice,
        at: Timestamp(entry.at),
        seats,
    })
}

pub(super) fn seat_changes(seats: &[v1::SeatChange]) -> Result<Vec<SeatChange>> {
    let read = |change: &v1::SeatChange| match &change.change {
        Some(Change::Open(open)) => Ok(SeatChange::Open {
            seat: SeatId::try_from(open.seat.as_ref())?,
            claim_hash: open.claim_hash.as_ref().try_into().map_err(|_| PeerFault::RelayLied)?,
            after: open.after,
        }),
        Some(Change::Close(seat)) => Ok(SeatChange::Close(SeatId::try_from(seat.as_ref())?)),
        None => Err(PeerFault::RelayLied.into()),
    };
    seats.iter().map(read).collect()
}

/// A post as the relay takes it.
pub(super) fn wire_post(
    post: Post,
    channel: &[u8; 16],
    seat: &SeatId,
    token: &[u8; 32],
    number: u64,
) -> Result<v1::Post> {
    let too_large = |_| ClientError::Protocol(ProtocolError::TooLarge);
    let packed = post.slices.into_iter().map(|slice| (conclave_wire::SeatId::new(slice.seat.0), slice.bytes));
    let letters = post.letters.into_iter();
    Ok(v1::Post {
        channel: Bytes::copy_from_slice(channel),
        seat: Bytes::copy_from_slice(seat.as_bytes()),
        token: Bytes::copy_from_slice(token),
        number,
        at_turn: post.at_turn,
        takes_turn: post.takes_turn,
        shared: post.shared.into(),
        slices: slices::pack(packed).map_err(too_large)?,
        seats: post.seats.iter().map(wire_change).collect(),
        letters: letters
            .map(|letter| v1::Letter { device: letter.device.0.to_vec().into(), body: letter.body.into() })
            .collect(),
    })
}

fn wire_change(change: &SeatChange) -> v1::SeatChange {
    let change = match change {
        SeatChange::Open { seat, claim_hash, after } => Change::Open(v1::OpenSeat {
            seat: seat.0.to_vec().into(),
            claim_hash: claim_hash.to_vec().into(),
            after: *after,
        }),
        SeatChange::Close(seat) => Change::Close(seat.0.to_vec().into()),
    };
    v1::SeatChange { change: Some(change) }
}

/// Any bytes as what a relay pushes: each entry is one of the protocol's, or a fault.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) -> bool {
    use prost::Message;
    let Ok(push) = v1::Entries::decode(bytes) else { return false };
    let mut all = true;
    for entry in &push.entries {
        let read = seat_changes(&entry.seats).and_then(|seats| {
            let own = SeatId::try_from(push.seat.as_ref())?;
            let seen = seen(entry, &seats, Some(&own))?;
            assert_eq!((seen.number, seen.turn, seen.slice), (entry.number, entry.turn, &entry.slice[..]));
            let own_post = matches!(seen.body, Body::Own);
            assert!(!own_post || seen.seat == own && entry.shared.is_empty());
            Ok(())
        });
        all &= read.is_ok();
    }
    all
}
