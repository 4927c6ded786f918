//! Blobs: their form and their rates. Who may put and get them, the storage
//! decides; what they are, only their readers know.

use conclave_wire::v1::{self, server_frame::Body};
use conclave_wire::{ChannelId, Code, SeatId, limits};

use super::Connection;
use super::requests::{Answer, broken, hash, malformed, rate_limited, refused};
use crate::config::Rate;
use crate::storage::{BlobAsk, BlobOp, Hash, Op};

impl Connection {
    pub(super) async fn put_blob(&self, put: v1::PutBlob) -> Answer<Body> {
        match put.bytes.len() {
            0 => return Err(refused(Code::Malformed)),
            1..=limits::BLOB_BYTES => {}
            _ => return Err(refused(Code::TooLarge)),
        }
        let op = BlobOp {
            channel: ChannelId::try_from(&put.channel).map_err(malformed)?,
            seat: SeatId::try_from(&put.seat).map_err(malformed)?,
            token: hash(&put.token),
            hash: hash(&put.bytes),
            bytes: put.bytes,
            at: self.relay.now(),
        };
        let kibibytes = (op.bytes.len() + limits::BLOB_WEIGHT).div_ceil(1024);
        let rate = self.relay.config.limits.blobs;
        self.limit_blobs(b"blob", rate, kibibytes as f64, (&op.channel, &op.seat, &op.token))?;
        self.expect_done(Op::PutBlob(Box::new(op))).await
    }

    pub(super) async fn get_blob(&self, get: v1::GetBlob) -> Answer<Body> {
        let ask = BlobAsk {
            channel: ChannelId::try_from(&get.channel).map_err(malformed)?,
            seat: SeatId::try_from(&get.seat).map_err(malformed)?,
            token: hash(&get.token),
            hash: Hash::try_from(get.hash.as_ref()).map_err(|_| refused(Code::Malformed))?,
            cutoff: self.relay.cutoff(),
        };
        let rate = self.relay.config.limits.blobs_read;
        self.limit_blobs(b"blob read", rate, 1.0, (&ask.channel, &ask.seat, &ask.token))?;
        let found = self.relay.storage.blob(ask).await.map_err(broken)?;
        Ok(Body::Blob(v1::Blob { bytes: found.map_err(refused)? }))
    }

    /// The token is part of the name: only the seat itself draws from its rate.
    fn limit_blobs(
        &self,
        what: &[u8],
        rate: Rate,
        amount: f64,
        (channel, seat, token): (&ChannelId, &SeatId, &Hash),
    ) -> Answer<()> {
        let key = [what, channel.as_ref(), seat.as_ref(), token];
        self.relay.limiter.take(rate, amount, &key).map_err(rate_limited)
    }
}
