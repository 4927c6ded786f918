//! A raw fan-out with durability: frames over TCP, appended to one file, `fdatasync` for all that wait at once, then the
//! acknowledgement and a push to every member. What a relay would reach if it checked, named and kept nothing.
//!
//! ```text
//! client: length u32 ‖ 'J' group u32      joins    server: length u32 ‖ 'A'          a post is durable
//!         length u32 ‖ 'P' group u32 ‖ …  posts            length u32 ‖ 'D' ‖ …      a delivery
//! ```

use crate::Result;
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Joins a group.
pub const JOIN: u8 = b'J';
/// Posts to it.
pub const POST: u8 = b'P';
/// A post is durable.
pub const ACCEPTED: u8 = b'A';
/// Somebody's post.
pub const DELIVERY: u8 = b'D';

type Outbox = mpsc::UnboundedSender<Bytes>;
type Groups = Arc<Mutex<HashMap<u32, Vec<Outbox>>>>;

struct Posted {
    group: u32,
    body: Bytes,
    from: Outbox,
}

/// A server that runs.
pub struct Fanout {
    /// Where it listens.
    pub addr: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Fanout {
    /// Starts it; its log lies in `dir`.
    pub async fn start(dir: &Path) -> Result<Self> {
        let log = File::create(dir.join("fanout.log"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let groups = Groups::default();
        let (post, posts) = mpsc::unbounded_channel();
        let members = groups.clone();
        std::thread::spawn(move || commit(log, posts, &members));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Small frames must not wait for each other.
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, post.clone(), groups.clone()));
            }
        });
        Ok(Self { addr, accepting })
    }
}

impl Drop for Fanout {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Takes what waits, makes it durable at once, then tells.
fn commit(mut log: File, mut posts: mpsc::UnboundedReceiver<Posted>, groups: &Groups) {
    while let Some(first) = posts.blocking_recv() {
        let mut batch = vec![first];
        while let (true, Ok(next)) = (batch.len() < 512, posts.try_recv()) {
            batch.push(next);
        }
        let bytes: Vec<u8> = batch.iter().flat_map(|posted| posted.body.iter().copied()).collect();
        if log.write_all(&bytes).and_then(|()| log.sync_data()).is_err() {
            return;
        }
        let groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
        for Posted { group, body, from } in batch {
            let _ = from.send(frame(ACCEPTED, &[]));
            let delivery = frame(DELIVERY, &body);
            for member in groups.get(&group).into_iter().flatten() {
                // Whoever has gone needs nothing.
                let _ = member.send(delivery.clone());
            }
        }
    }
}

async fn serve(stream: TcpStream, post: mpsc::UnboundedSender<Posted>, groups: Groups) {
    let (mut read, mut write) = stream.into_split();
    let (out, mut outbox) = mpsc::unbounded_channel::<Bytes>();
    tokio::spawn(async move {
        let mut batch = BytesMut::new();
        while let Some(first) = outbox.recv().await {
            batch.put(first);
            while let (true, Ok(next)) = (batch.len() < 64 << 10, outbox.try_recv()) {
                batch.put(next);
            }
            if write.write_all(&batch.split()).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = BytesMut::with_capacity(64 << 10);
    while let Ok(1..) = read.read_buf(&mut buffer).await {
        while let Some(mut frame) = next(&mut buffer) {
            let (Some(kind), Some(group)) = (take(&mut frame, 1), take(&mut frame, 4)) else { return };
            let group = group.iter().fold(0, |read, byte| read << 8 | u32::from(*byte));
            match kind.first() {
                Some(&JOIN) => {
                    let mut groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
                    groups.entry(group).or_default().push(out.clone());
                    let _ = out.send(self::frame(ACCEPTED, &[]));
                }
                _ => {
                    if post.send(Posted { group, body: frame.freeze(), from: out.clone() }).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn take(from: &mut BytesMut, count: usize) -> Option<BytesMut> {
    (from.len() >= count).then(|| from.split_to(count))
}

/// A frame with its length.
pub fn frame(kind: u8, body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + body.len());
    frame.put_u32((1 + body.len()) as u32);
    frame.put_u8(kind);
    frame.put_slice(body);
    frame.freeze()
}

/// The next whole frame that has come, without its length.
pub fn next(buffer: &mut BytesMut) -> Option<BytesMut> {
    let length = buffer.first_chunk().map(|length| u32::from_be_bytes(*length) as usize)?;
    if buffer.len() < 4 + length {
        return None;
    }
    drop(buffer.split_to(4));
    Some(buffer.split_to(length))
}
