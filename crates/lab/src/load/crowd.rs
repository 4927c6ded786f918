//! Many members of many groups, all connected, each group posting as fast as it is answered: how much is delivered.

use super::relay;
use super::stage::Stage;
use crate::measure::Extent;
use crate::peers::fanout::{self, Fanout};
use crate::{LabError, Result};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Posts of one speaker that wait for their answers.
const UNDER_WAY: usize = 8;

/// Who is there, and how much each says.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// Groups.
    pub groups: usize,
    /// Members of each, all connected.
    pub members: usize,
    /// How many of them speak.
    pub speakers: usize,
    /// Bytes of a message.
    pub message: usize,
    /// When it ends.
    pub until: Until,
}

/// When a crowd falls silent.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// It is counted for so long, after as long for warming up.
    Over(Duration),
    /// Everybody who speaks has said so much, and all of it has arrived.
    Said(usize),
}

/// What came of it, per second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Posts acknowledged.
    pub posts: f64,
    /// Entries that arrived, the speakers' own included.
    pub deliveries: f64,
}

/// What a member heard at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Own posts acknowledged.
    pub accepted: usize,
    /// Entries.
    pub delivered: usize,
}

/// A member's connection.
pub trait Member: Send + 'static {
    /// Posts so many; they are on their way when it returns.
    fn post(&mut self, body: &Bytes, count: usize) -> impl Future<Output = Result<()>> + Send;
    /// Waits for what comes.
    fn hear(&mut self) -> impl Future<Output = Result<Heard>> + Send;
}

impl Crowd {
    /// The 50 members × 10 groups that relays are compared by.
    pub fn usual(extent: Extent) -> Self {
        Self {
            groups: extent.pick(10, 2),
            members: extent.pick(50, 3),
            speakers: extent.pick(8, 1),
            message: 1024,
            until: extent.pick(Until::Over(Duration::from_secs(4)), Until::Said(5)),
        }
    }

    /// Our relay, on a database of its own.
    pub async fn at_relay(&self) -> Result<Rates> {
        let stage = Stage::open().await?;
        let mut members = Vec::new();
        for group in 0..self.groups {
            members.push(relay::join(&stage.relay, group, self.members).await?);
        }
        self.run(members).await
    }

    /// The raw fan-out.
    pub async fn at_fanout(&self) -> Result<Rates> {
        let dir = tempfile::tempdir()?;
        let fanout = Fanout::start(dir.path()).await?;
        let mut members = Vec::new();
        for group in 0..self.groups {
            let mut joined = Vec::new();
            for _ in 0..self.members {
                joined.push(RawMember::join(&fanout, group as u32).await?);
            }
            members.push(joined);
        }
        self.run(members).await
    }

    async fn run<M: Member>(&self, groups: Vec<Vec<M>>) -> Result<Rates> {
        let budget = match self.until {
            Until::Over(_) => usize::MAX,
            Until::Said(count) => count,
        };
        let posts = (self.groups * self.speakers).saturating_mul(budget);
        let all = posts.saturating_mul(self.members).saturating_add(posts);
        let counts = Arc::new(Counts { all: all as u64, ..Counts::default() });
        let body = Bytes::from(vec![7; self.message]);
        let mut tasks = JoinSet::new();
        for members in groups {
            for (n, member) in members.into_iter().enumerate() {
                let budget = if n < self.speakers { budget } else { 0 };
                tasks.spawn(take_part(member, budget, body.clone(), counts.clone()));
            }
        }
        tokio::select! {
            rates = self.count(&counts) => Ok(rates),
            Some(ended) = tasks.join_next() => match ended {
                Ok(Err(error)) => Err(error),
                _ => Err(LabError::unexpected("a member ended early")),
            },
        }
    }

    async fn count(&self, counts: &Counts) -> Rates {
        let mut from = (Instant::now(), 0, 0);
        match self.until {
            Until::Over(time) => {
                tokio::time::sleep(time).await;
                from = (Instant::now(), counts.posts(), counts.deliveries());
                tokio::time::sleep(time).await;
            }
            Until::Said(_) => counts.done.notified().await,
        }
        let (start, posts, deliveries) = from;
        let per_second = |before: u64, after: u64| (after - before) as f64 / start.elapsed().as_secs_f64();
        Rates {
            posts: per_second(posts, counts.posts()),
            deliveries: per_second(deliveries, counts.deliveries()),
        }
    }
}

#[derive(Default)]
struct Counts {
    posts: AtomicU64,
    deliveries: AtomicU64,
    /// Posts and deliveries that there will be.
    all: u64,
    done: Notify,
}

impl Counts {
    fn posts(&self) -> u64 {
        self.posts.load(Ordering::Relaxed)
    }

    fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }

    fn add(&self, heard: Heard) {
        self.posts.fetch_add(heard.accepted as u64, Ordering::Relaxed);
        self.deliveries.fetch_add(heard.delivered as u64, Ordering::Relaxed);
        if self.posts() + self.deliveries() >= self.all {
            self.done.notify_one();
        }
    }
}

/// Keeps posts under way while there is something to say, and counts what comes, until it is dropped.
async fn take_part<M: Member>(
    mut member: M,
    mut budget: usize,
    body: Bytes,
    counts: Arc<Counts>,
) -> Result<()> {
    let mut free = UNDER_WAY;
    loop {
        let now = free.min(budget);
        if now > 0 {
            member.post(&body, now).await?;
            (free, budget) = (free - now, budget - now);
        }
        let heard = member.hear().await?;
        free += heard.accepted;
        counts.add(heard);
    }
}

struct RawMember {
    stream: TcpStream,
    group: u32,
    buffer: BytesMut,
}

impl RawMember {
    async fn join(fanout: &Fanout, group: u32) -> Result<Self> {
        let stream = TcpStream::connect(fanout.addr).await?;
        stream.set_nodelay(true)?;
        let mut member = Self { stream, group, buffer: BytesMut::with_capacity(64 << 10) };
        let join = fanout::frame(fanout::JOIN, &group.to_be_bytes());
        member.stream.write_all(&join).await?;
        match member.hear().await? {
            Heard { accepted: 1, .. } => Ok(member),
            _ => Err(LabError::unexpected("the fan-out did not let a member in")),
        }
    }
}

impl Member for RawMember {
    async fn post(&mut self, body: &Bytes, count: usize) -> Result<()> {
        let frame = fanout::frame(fanout::POST, &[&self.group.to_be_bytes(), &body[..]].concat());
        Ok(self.stream.write_all(&frame.repeat(count)).await?)
    }

    async fn hear(&mut self) -> Result<Heard> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(LabError::unexpected("the fan-out hung up"));
        }
        let mut heard = Heard::default();
        while let Some(frame) = fanout::next(&mut self.buffer) {
            match frame.first() {
                Some(&fanout::ACCEPTED) => heard.accepted += 1,
                _ => heard.delivered += 1,
            }
        }
        Ok(heard)
    }
}
