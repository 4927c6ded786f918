//! The rules of blobs: bytes that a seat puts into its channel, under their
//! hash, for whoever reads there and was told of it. They are kept until the
//! retention has passed, whoever has read them.

use bytes::Bytes;
use conclave_wire::{ChannelId, Code, SeatId, limits};

use super::channel::{authorised, refused};
use super::tables::{ChannelRow, Result, Tables};
use super::{Hash, Outcome};

/// One step of a sweep frees at most so many blobs of a channel, and stops
/// above so many bytes.
const SWEEP_BLOBS: usize = 64;
const SWEEP_BYTES: u64 = 4 * 1024 * 1024;

/// Bytes to keep.
#[derive(Debug, Clone)]
pub(crate) struct BlobOp {
    pub(crate) channel: ChannelId,
    pub(crate) seat: SeatId,
    pub(crate) token: Hash,
    pub(crate) hash: Hash,
    pub(crate) bytes: Bytes,
    pub(crate) at: u64,
}

/// What a seat asks for. Blobs from before `cutoff` are served no more.
#[derive(Debug, Clone)]
pub(crate) struct BlobAsk {
    pub(crate) channel: ChannelId,
    pub(crate) seat: SeatId,
    pub(crate) token: Hash,
    pub(crate) hash: Hash,
    pub(crate) cutoff: u64,
}

pub(super) fn put(t: &mut dyn Tables, put: &BlobOp) -> Result<Outcome> {
    let (mut channel, seat) = match authorised(t, &put.channel, &put.seat, &put.token)? {
        Ok(rows) => rows,
        Err(code) => return refused(code),
    };
    if seat.closed.is_some() {
        return refused(Code::Closed);
    }
    // Its post may come only now: it is to be there as long as that is.
    if t.renew_blob(channel.key, &put.hash, put.at)? {
        return Ok(Outcome::Done);
    }
    channel.blob_bytes = channel.blob_bytes.saturating_add(weight(put.bytes.len() as u64));
    if channel.blob_bytes > limits::BLOBS_PER_CHANNEL as u64 {
        return refused(Code::StorageFull);
    }
    t.set_channel(&channel)?;
    t.add_blob(channel.key, &put.hash, put.at, &put.bytes)?;
    Ok(Outcome::Done)
}

/// A seat that was closed still gets what came up to its closing, and with it
/// what that names.
pub(super) fn get(t: &mut dyn Tables, ask: &BlobAsk) -> Result<std::result::Result<Bytes, Code>> {
    let (channel, seat) = match authorised(t, &ask.channel, &ask.seat, &ask.token)? {
        Ok(rows) => rows,
        Err(code) => return Ok(Err(code)),
    };
    if !seat.still_reads() {
        return Ok(Err(Code::Closed));
    }
    let found = t.blob(channel.key, &ask.hash)?.filter(|(at, _)| *at >= ask.cutoff);
    Ok(found.map(|(_, bytes)| bytes).ok_or(Code::UnknownBlob))
}

/// Frees what is older than `cutoff`: how many, and whether there may be more.
pub(super) fn sweep(t: &mut dyn Tables, row: &mut ChannelRow, cutoff: u64) -> Result<(u64, bool)> {
    if row.blob_bytes == 0 {
        return Ok((0, false));
    }
    let old = t.old_blobs(row.key, cutoff, SWEEP_BLOBS)?;
    let (mut freed, mut bytes) = (0, 0);
    for (hash, size) in &old {
        if bytes >= SWEEP_BYTES {
            return Ok((freed, true));
        }
        t.drop_blob(row.key, hash)?;
        row.blob_bytes = row.blob_bytes.saturating_sub(weight(*size));
        (freed, bytes) = (freed + 1, bytes + size);
    }
    Ok((freed, old.len() == SWEEP_BLOBS))
}

fn weight(bytes: u64) -> u64 {
    bytes.saturating_add(limits::BLOB_WEIGHT as u64)
}
