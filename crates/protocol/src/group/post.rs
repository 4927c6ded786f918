//! What goes to the relay and comes back: posts and entries, as far as the protocol sees them.

use crate::identity::Handle;
use crate::primitives::kdf;
use crate::{DeviceId, Digest, SeatId, Timestamp};

/// Something to post: one upload, whatever the group's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// For everyone.
    pub shared: Vec<u8>,
    /// For single seats, sorted by seat.
    pub slices: Vec<Slice>,
    /// The turn at which this was sealed: at any other the relay refuses it.
    pub at_turn: u64,
    /// Whether acceptance raises the turn.
    pub takes_turn: bool,
    /// Seats to open and close.
    pub seats: Vec<SeatChange>,
    /// To be at the relay before this is sent: what newcomers fetch.
    pub blobs: Vec<Blob>,
    /// Letters to be sent if this is accepted. Those to inboxes at the channel's own relay ride along.
    pub letters: Vec<OutgoingLetter>,
}

/// Sealed bytes, named by their hash: uploaded once, fetched by whoever was told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of the bytes.
    pub hash: Digest,
    /// At most 512 KiB.
    pub bytes: Vec<u8>,
}

impl Blob {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { hash: Digest(kdf::sha256(&bytes)), bytes }
    }
}

/// The part of a post for one seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Whose it is.
    pub seat: SeatId,
    /// Opaque bytes.
    pub bytes: Vec<u8>,
}

/// A letter to a device's inbox, which lies at the relay of its person's handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingLetter {
    /// Whose inbox.
    pub device: DeviceId,
    /// Its person's handle.
    pub handle: Handle,
    /// Opaque bytes.
    pub body: Vec<u8>,
}

/// A seat that a post opens or closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeatChange {
    /// A new seat, taken with a one-use claim.
    Open {
        /// The seat.
        seat: SeatId,
        /// SHA-256 of the claim.
        claim_hash: [u8; 32],
        /// The seat gets what comes after this entry.
        after: u64,
    },
    /// No more posts from this seat, none to it.
    Close(SeatId),
}

/// One entry of a channel's log, as the relay gave it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its place: 1, 2, 3, …
    pub number: u64,
    /// The channel's turn after it.
    pub turn: u64,
    /// Who posted, says the relay.
    pub seat: SeatId,
    /// SHA-256 of the shared part.
    pub hash: [u8; 32],
    /// The shared part, where there is one.
    pub body: Body<'a>,
    /// The own slice; empty: none.
    pub slice: &'a [u8],
    /// The relay's clock.
    pub at: Timestamp,
    /// The seats it opened and closed, says the relay.
    pub seats: &'a [SeatChange],
}

/// The shared part of an entry.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// As it was posted.
    Whole(&'a [u8]),
    /// This seat's own post: the relay gives only its hash.
    Own,
    /// From before this seat was opened.
    Before,
    /// No longer kept.
    Expired,
}
