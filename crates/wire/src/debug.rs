//! `Debug` of the messages that carry a secret: the secret is left out.

use std::fmt::{Debug, Formatter, Result};

use crate::v1::{Ack, Claim, CreateChannel, DeviceKeys, GetBlob, Post, PutBlob, Register, SeatCursor};

impl Debug for CreateChannel {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("CreateChannel").finish_non_exhaustive()
    }
}

impl Debug for SeatCursor {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("SeatCursor").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl Debug for Post {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Post")
            .field("number", &self.number)
            .field("at_turn", &self.at_turn)
            .field("takes_turn", &self.takes_turn)
            .field("shared_bytes", &self.shared.len())
            .field("slices_bytes", &self.slices.len())
            .field("seat_changes", &self.seats.len())
            .field("letters", &self.letters.len())
            .finish_non_exhaustive()
    }
}

impl Debug for Claim {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}

impl Debug for Ack {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Ack").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}

impl Debug for PutBlob {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("PutBlob").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Debug for GetBlob {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("GetBlob").finish_non_exhaustive()
    }
}

impl Debug for Register {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Register").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Debug for DeviceKeys {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("DeviceKeys").finish_non_exhaustive()
    }
}
