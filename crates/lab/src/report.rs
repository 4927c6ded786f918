//! Runs the measurements in their order and puts them into the table.

use crate::costs::group::GroupBench;
use crate::costs::session::{MESSAGE, Sessions};
use crate::costs::store;
use crate::figures::{self, Figure, Run};
use crate::load::{Crowd, Rates, Stage, catch_up, relay};
use crate::measure::{Extent, Spread, spread};
use crate::peers::inserts;
use crate::peers::olm::Olm;
use crate::{LabError, Result};
use conclave_protocol::group::Scheme;

/// Sessions and groups.
pub fn costs(extent: Extent) -> Result<Vec<Figure>> {
    let people = extent.pick(50, 3);
    let (mut olm, mut sessions) = (Olm::new(extent)?, Sessions::new(extent)?);
    let mut sender_keys = GroupBench::new(Scheme::SenderKeys, people, false, extent)?;
    let mut pairwise = GroupBench::new(Scheme::Pairwise, people, false, extent)?;
    let mut direct = GroupBench::new(Scheme::Pairwise, 2, true, extent)?;
    let mut runs = Vec::new();
    for _ in 0..extent.pick(11, 1) {
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

/// A relay and clients.
pub async fn load(extent: Extent) -> Result<Vec<Figure>> {
    let bytes = MESSAGE;
    let durable = catch_up::durable(extent.pick(200, 2), bytes).await?;
    let mut table = figures::disk(durable.as_ref());
    table.push(crowd(extent).await?);
    table.push(figures::relay_rows(store::rows(50).await?));
    let (messages, runs) = (extent.pick(10_000, 20), extent.pick(5, 1));
    let stage = Stage::open().await?;
    let mut from_relay = Vec::new();
    for run in 0..runs {
        let seat = relay::fill(&stage.relay, run, messages, bytes).await?;
        from_relay.push(relay::catch_up(&stage.relay, &seat, messages).await?);
    }
    drop(stage);
    let (mut client, mut channels, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..extent.pick(3, 1) {
        client.push(catch_up::one_group(messages, bytes).await?);
        let dir = tempfile::tempdir()?;
        bare.push(inserts::measure(dir.path(), messages)?);
    }
    for _ in 0..extent.pick(1, 1) {
        channels.push(catch_up::many_groups(extent.pick(500, 3), extent.pick(10, 2), bytes).await?);
    }
    let of = Spread::of;
    table.extend(figures::catching_up(of(from_relay), of(client), of(bare), of(channels)));
    table.push(figures::cold_send(of(catch_up::cold_send(extent.pick(9, 1)).await?)));
    Ok(table)
}

/// Our relay and the raw fan-out in turns, so that a change of the machine's mood meets both.
async fn crowd(extent: Extent) -> Result<Figure> {
    let crowd = Crowd::usual(extent);
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..extent.pick(3, 1) {
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
    table.extend(load(extent).await?);
    Ok(table)
}
