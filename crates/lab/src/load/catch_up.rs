//! Real clients: one says much while the other is away, who then comes back.

use super::stage::Stage;
use crate::measure::{bytes_to_disk, seconds};
use crate::peers::argon;
use crate::{LabError, Result};
use conclave_client::{Client, Delivery, ReadOptions, Scheme, Ticket};
use std::time::Duration;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(600);
/// Requests of strangers are bounded in number: so many groups are made before the other one takes them up.
const INVITED_AT_ONCE: usize = 50;

/// Two people who know each other, and their relay.
pub struct Duo {
    /// The relay.
    pub stage: Stage,
    /// Speaks.
    pub mike: Client,
    /// Is away most of the time.
    pub steve: Client,
}

impl Duo {
    /// Makes both.
    pub async fn open() -> Result<Self> {
        Self::at(Stage::open().await?).await
    }

    async fn at(stage: Stage) -> Result<Self> {
        let (mike, steve) = (stage.person("mike").await?, stage.person("steve").await?);
        mike.add_contact("steve").await?;
        steve.add_contact("mike").await?;
        Ok(Self { stage, mike, steve })
    }

    /// A group that both are in.
    pub async fn group(&self, name: &str) -> Result<()> {
        self.mike.new_group(name, Scheme::SenderKeys).await?;
        self.mike.add(name, &["steve"], PATIENCE).await?;
        Ok(())
    }

    /// Mike says so many texts of so many bytes; all are at the relay when this returns.
    pub async fn say(&self, group: &str, count: usize, bytes: usize) -> Result<()> {
        let mut last: Option<Ticket> = None;
        for n in 0..count {
            let text = format!("{n} {}", "x".repeat(bytes.saturating_sub(8)));
            last = Some(self.mike.send(group, &text).await?);
        }
        match last {
            Some(ticket) => self.delivered(&ticket).await,
            None => Ok(()),
        }
    }

    async fn delivered(&self, ticket: &Ticket) -> Result<()> {
        match self.mike.wait(ticket, PATIENCE).await? {
            Delivery::Sent => Ok(()),
            Delivery::Queued => Err(LabError::unexpected("a message was not sent in time")),
        }
    }

    /// Seconds until Steve has everything.
    pub async fn catch_up(&self) -> Result<f64> {
        let (seconds, report) = seconds(self.steve.sync(PATIENCE)).await;
        match report?.caught_up {
            true => Ok(seconds),
            false => Err(LabError::unexpected("a client did not catch up in time")),
        }
    }

    /// How many messages Steve has of a group.
    pub async fn read(&self, group: &str) -> Result<usize> {
        Ok(self.steve.read(group, ReadOptions::default()).await?.len())
    }
}

/// Seconds for one group with so many messages, all decrypted and stored.
pub async fn one_group(messages: usize, bytes: usize) -> Result<f64> {
    let duo = Duo::open().await?;
    duo.group("Trip").await?;
    duo.catch_up().await?;
    duo.say("Trip", messages, bytes).await?;
    let seconds = duo.catch_up().await?;
    let read = duo.read("Trip").await?;
    if read != messages {
        return Err(LabError::unexpected(format!("{read} messages of {messages} came")));
    }
    Ok(seconds)
}

/// Seconds for so many groups with so many messages each.
pub async fn many_groups(groups: usize, messages: usize, bytes: usize) -> Result<f64> {
    let duo = Duo::open().await?;
    for n in 0..groups {
        duo.group(&format!("group {n}")).await?;
        if (n + 1) % INVITED_AT_ONCE == 0 {
            duo.catch_up().await?;
        }
    }
    duo.catch_up().await?;
    for n in 0..groups {
        duo.say(&format!("group {n}"), messages, bytes).await?;
    }
    let seconds = duo.catch_up().await?;
    for n in [0, groups / 2, groups - 1] {
        let read = duo.read(&format!("group {n}")).await?;
        if read != messages {
            return Err(LabError::unexpected(format!("{read} messages of {messages} came")));
        }
    }
    Ok(seconds)
}

/// Bytes that went to the disk.
pub struct Durable {
    /// For one message, by its sender's client.
    pub sent: f64,
    /// For one message, by a client that takes it in alone.
    pub live: f64,
    /// For one message, by a client that takes in many at once.
    pub caught_up: f64,
    /// For one heal commit, by its author.
    pub committed: f64,
}

/// What the clients' stores write; the relay keeps all in memory here. `None` where the system does not tell.
pub async fn durable(messages: usize, bytes: usize) -> Result<Option<Durable>> {
    let duo = Duo::at(Stage::in_memory().await?).await?;
    duo.group("Trip").await?;
    duo.catch_up().await?;
    duo.say("Trip", 1, bytes).await?;
    duo.catch_up().await?;
    let Some(start) = bytes_to_disk() else { return Ok(None) };
    let written = |from: u64| bytes_to_disk().unwrap_or(from).saturating_sub(from) as f64;
    for _ in 0..messages {
        duo.say("Trip", 1, bytes).await?;
    }
    let sent = written(start) / messages as f64;
    let start = bytes_to_disk().unwrap_or_default();
    duo.catch_up().await?;
    let caught_up = written(start) / messages as f64;
    let start = bytes_to_disk().unwrap_or_default();
    for _ in 0..messages {
        duo.say("Trip", 1, bytes).await?;
        duo.catch_up().await?;
    }
    let live = written(start) / messages as f64 - sent;
    let start = bytes_to_disk().unwrap_or_default();
    let commits = messages.min(20);
    for _ in 0..commits {
        duo.mike.heal("Trip", PATIENCE).await?;
    }
    let committed = written(start) / commits as f64;
    Ok(Some(Durable { sent, live, caught_up, committed }))
}

/// Seconds from a closed store to a message that the relay holds: open, unlock, connect, seal, post; and, in turns with it,
/// seconds for the passphrase's key alone.
pub async fn cold_send(times: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let Duo { stage, mike, steve } = Duo::open().await?;
    mike.send("steve", "hello").await?;
    mike.sync(PATIENCE).await?;
    drop((mike, steve));
    let (mut took, mut derived) = (Vec::new(), Vec::new());
    for n in 0..times {
        let key = tokio::task::spawn_blocking(argon::measure).await;
        derived.push(key.map_err(|error| LabError::unexpected(error.to_string()))??);
        let (seconds, sent) = seconds(async {
            let mike = stage.again("mike").await?;
            let ticket = mike.send("steve", &format!("cold {n}")).await?;
            match mike.wait(&ticket, PATIENCE).await? {
                Delivery::Sent => Ok(()),
                Delivery::Queued => Err(LabError::unexpected("a message was not sent in time")),
            }
        })
        .await;
        sent?;
        took.push(seconds);
    }
    Ok((took, derived))
}
