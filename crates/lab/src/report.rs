//! Runs the measurements in their order and puts them into the table.

use crate::costs::group::GroupBench;
use crate::costs::session::{MESSAGE, Sessions};
use crate::costs::store;
use crate::figures::{self, Figure, Run};
use crate::load::{Crowd, Rates, Stage, catch_up, log, relay};
use crate::measure::{Extent, Spread, progress, spread};
use crate::peers::inserts;
use crate::peers::olm::Olm;
use crate::{LabError, Result};
use clap::ValueEnum;
use conclave_protocol::group::Scheme;

/// Sessions and groups.
pub fn costs(extent: Extent) -> Result<Vec<Figure>> {
    let people = extent.pick(50, 3);
    let (mut olm, mut sessions) = (Olm::new(extent)?, Sessions::new(extent)?);
    let mut sender_keys = GroupBench::new(Scheme::SenderKeys, people, false, extent)?;
    let mut pairwise = GroupBench::new(Scheme::Pairwise, people, false, extent)?;
    let mut direct = GroupBench::new(Scheme::Pairwise, 2, true, extent)?;
    let mut runs = Vec::new();
    let turns = extent.pick(11, 1);
    for turn in 0..turns {
        progress("what sessions and groups cost", turn + 1, turns);
        runs.push(Run {
            olm: olm.run()?,
            session: sessions.run()?,
            sender_keys: sender_keys.run()?,
            pairwise: pairwise.run()?,
            direct: direct.run()?,
        });
    }
    let mut table = figures::session(&runs);
    table.extend(figures::groups(&runs, (sender_keys.added()?, direct.added()?)));
    // As many as the scheme is offered for; only what it writes is of interest here.
    let large = GroupBench::new(Scheme::SenderKeys, extent.pick(300, 4), false, extent)?.written()?;
    table.extend(figures::rows_written(&large));
    Ok(table)
}

/// What of a relay and clients at work can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// What a client's store writes to the disk.
    Disk,
    /// Members of many groups, all connected.
    Crowd,
    /// What a message leaves in a relay's database.
    Rows,
    /// Catching up, the relay's share.
    Relay,
    /// Catching up with one group, the whole client.
    Client,
    /// Catching up with many groups.
    Channels,
    /// A message from a closed store.
    Send,
    /// A relay's key log with many people in it.
    Log,
}

/// A relay and clients: these parts, in the order of the table.
pub async fn load(extent: Extent, parts: &[Part]) -> Result<Vec<Figure>> {
    let mut table = Vec::new();
    for part in Part::value_variants().iter().filter(|part| parts.contains(part)) {
        match part {
            Part::Disk => {
                progress("a client's writes to the disk", 1, 1);
                let durable = catch_up::durable(extent.pick(200, 2), MESSAGE).await?;
                table.extend(figures::disk(durable.as_ref()));
            }
            Part::Crowd => table.push(crowd(extent).await?),
            Part::Rows => table.push(figures::relay_rows(store::rows(50).await?)),
            Part::Relay => table.push(figures::relay_catch_up(from_relay(extent).await?)),
            Part::Client => table.push(client(extent).await?),
            Part::Channels => {
                progress("catching up with many channels", 1, 1);
                let groups = (extent.pick(500, 3), extent.pick(10, 2));
                let seconds = catch_up::many_groups(groups.0, groups.1, MESSAGE).await?;
                table.push(figures::channels(Spread::of(vec![seconds])));
            }
            Part::Send => {
                progress("sending from a closed store", 1, 1);
                let (seconds, derived) = catch_up::cold_send(extent.pick(9, 1)).await?;
                table.push(figures::cold_send(Spread::of(seconds), Spread::of(derived)));
            }
            Part::Log => table.extend(figures::key_log(&log::measure(many(extent)).await?)),
        }
    }
    Ok(table)
}

/// Messages that one seat has not seen.
fn waiting(extent: Extent) -> usize {
    extent.pick(10_000, 20)
}

/// People in a key log.
fn many(extent: Extent) -> log::Size {
    let full = log::Size { people: 100_000, changes: 1000, versions: 12, lookups: 500 };
    extent.pick(full, log::Size { people: 600, changes: 40, versions: 3, lookups: 20 })
}

async fn from_relay(extent: Extent) -> Result<Spread> {
    let (stage, runs) = (Stage::open().await?, extent.pick(5, 1));
    let mut seconds = Vec::new();
    for run in 0..runs {
        progress("catching up, the relay's share", run + 1, runs);
        let seat = relay::fill(&stage.relay, run, waiting(extent), MESSAGE).await?;
        seconds.push(relay::catch_up(&stage.relay, &seat, waiting(extent)).await?);
    }
    Ok(Spread::of(seconds))
}

/// Our client and bare inserts in turns.
async fn client(extent: Extent) -> Result<Figure> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let runs = extent.pick(3, 1);
    for run in 0..runs {
        progress("catching up, the whole client", run + 1, runs);
        ours.push(catch_up::one_group(waiting(extent), MESSAGE).await?);
        let dir = tempfile::tempdir()?;
        bare.push(inserts::measure(dir.path(), waiting(extent))?);
    }
    Ok(figures::client_catch_up(Spread::of(ours), Spread::of(bare)))
}

/// Our relay and the raw fan-out in turns, so that a change of the machine's mood meets both.
async fn crowd(extent: Extent) -> Result<Figure> {
    let crowd = Crowd::usual(extent);
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    let runs = extent.pick(3, 1);
    for run in 0..runs {
        progress("50 members of 10 groups, all connected", run + 1, runs);
        raw.push(crowd.at_fanout().await?);
        ours.push(crowd.at_relay().await?);
    }
    let deliveries = |all: &[Rates]| spread(all, |rates| rates.deliveries);
    Ok(figures::relay(deliveries(&ours), deliveries(&raw), spread(&ours, |rates| rates.posts)))
}

/// Everything.
pub async fn all(extent: Extent) -> Result<Vec<Figure>> {
    // Off the runtime: it computes for long.
    let costs = tokio::task::spawn_blocking(move || costs(extent)).await;
    let mut table = costs.map_err(|error| LabError::unexpected(error.to_string()))??;
    table.extend(load(extent, Part::value_variants()).await?);
    Ok(table)
}
