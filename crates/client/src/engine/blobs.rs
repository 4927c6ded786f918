//! What lies beside the posts at the relay: put there before the post that names it goes, fetched by newcomers. The bytes
//! are opaque here; that they are the right ones their hashes say.

use super::doubts::no_group;
use super::refusals::is_transient;
use super::session::Session;
use crate::directory::answer_fault;
use crate::store::Tx;
use crate::{ClientError, Event, Result};
use conclave_protocol::group::Blobs;
use conclave_protocol::primitives::kdf::sha256;
use conclave_protocol::{Digest, GroupId, SeatId};
use conclave_wire::limits::BLOB_BYTES;
use conclave_wire::v1::client_frame::Request;
use conclave_wire::v1::{self, server_frame::Body};
use std::collections::VecDeque;

/// Entries of one seat that are not taken in yet.
pub(super) struct Waiting {
    pub(super) seat: SeatId,
    pub(super) entries: VecDeque<v1::Entry>,
    /// What was fetched for the first of them.
    pub(super) pieces: Blobs,
}

/// An entry that cannot be taken in yet.
pub(super) struct Lacks {
    /// What it needs.
    pub(super) pieces: Vec<Digest>,
    /// It, and those after it.
    pub(super) entries: Vec<v1::Entry>,
}

impl Session<'_> {
    /// Sends a post once the relay has what it needs. A refusal of a part is one of the whole.
    pub(super) async fn post(&mut self, group: GroupId, post: v1::Post) -> Result<Body> {
        if post.takes_turn {
            self.put_blobs(group, &post).await?;
        }
        self.link.ask(Request::Post(post)).await
    }

    /// One after the other, each from the disk. What this connection has put is there; after it, the relay may be another
    /// one than it was.
    async fn put_blobs(&mut self, group: GroupId, post: &v1::Post) -> Result<()> {
        loop {
            let after = self.put.get(&group).copied().unwrap_or(0);
            let next = self.store.view(move |tx| tx.next_blob(&group, after)).await?;
            let Some((seq, bytes)) = next else { return Ok(()) };
            let v1::Post { channel, seat, token, .. } = post.clone();
            let put = v1::PutBlob { channel, seat, token, bytes: bytes.into() };
            match self.link.ask(Request::PutBlob(put)).await? {
                Body::Done(_) => self.put.insert(group, seq),
                _ => return Err(answer_fault()),
            };
        }
    }

    /// Fetches what an entry lacks, and lets it wait with that to be taken in once more. Without it the seat rests; nothing
    /// of this is stored: it is fetched again.
    pub(super) async fn complete(
        &mut self,
        id: SeatId,
        lacks: Lacks,
        waiting: &mut Vec<Waiting>,
    ) -> Result<()> {
        let Some(pieces) = self.fetch(id, &lacks.pieces).await? else { return Ok(()) };
        let mut entries: VecDeque<_> = lacks.entries.into();
        match waiting.iter_mut().find(|one| one.seat == id) {
            Some(one) => {
                entries.append(&mut one.entries);
                (one.entries, one.pieces) = (entries, pieces);
            }
            None => waiting.push(Waiting { seat: id, entries, pieces }),
        }
        Ok(())
    }

    async fn fetch(&mut self, id: SeatId, pieces: &[Digest]) -> Result<Option<Blobs>> {
        let Some(seat) = self.seats.get_mut(&id) else { return Ok(None) };
        let (channel, token) = (seat.channel.to_vec(), seat.token.to_vec());
        let mut blobs = Blobs::default();
        for piece in pieces {
            let get = v1::GetBlob {
                channel: channel.clone().into(),
                seat: id.0.to_vec().into(),
                token: token.clone().into(),
                hash: piece.0.to_vec().into(),
            };
            match self.link.ask(Request::GetBlob(get)).await {
                Ok(Body::Blob(blob)) if blob.bytes.len() <= BLOB_BYTES && sha256(&blob.bytes) == piece.0 => {
                    blobs.add(blob.bytes.to_vec());
                }
                Ok(Body::Blob(_)) => return self.goes_without(id, "it gives other bytes".into()).await,
                Ok(_) => return Err(answer_fault()),
                Err(ClientError::Refused { code, .. }) if !is_transient(&code) => {
                    return self.goes_without(id, format!("it gives nothing ({code})")).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(blobs))
    }

    /// The relay does not give what an invitation leads to: that is told, and tried again later.
    async fn goes_without(&mut self, id: SeatId, what: String) -> Result<Option<Blobs>> {
        let cause = format!("asked for what an invitation names, {what}");
        let step = move |tx: &Tx| {
            tx.tell_once(&Event::RelayFault { cause: cause.clone() })?;
            no_group(tx, id, &cause)
        };
        self.store.step(step).await?;
        self.seats.give_rest(&id);
        Ok(None)
    }
}
