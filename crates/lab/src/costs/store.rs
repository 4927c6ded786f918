//! What one group message leaves in a relay's database.

use crate::load::wire::{Seat, Wire};
use crate::load::{Stage, relay};
use crate::{LabError, Result};
use bytes::Bytes;
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use conclave_wire::{SeatId, slices};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Rows that a message adds to a relay's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Without slices.
    pub plain: i64,
    /// With slices of 165 bytes for so many members.
    pub sliced: (usize, i64),
}

/// Counts them.
pub async fn rows(members: usize) -> Result<Rows> {
    let stage = Stage::open().await?;
    let mut wire = Wire::connect(&stage.relay).await?;
    let mut seat = Seat::new(0, 0);
    wire.ask(seat.create()).await?;
    posted(wire.ask(seat.open(&[Seat::new(0, 1)])).await?)?;
    let database = stage.database();
    let before = count(&database)?;
    let body = Bytes::from_static(&[7; 1024]);
    posted(wire.ask(seat.post(body.clone(), relay::TURN)).await?)?;
    let between = count(&database)?;
    let Request::Post(post) = seat.post(body, relay::TURN) else {
        return Err(LabError::unexpected("a post is no post"));
    };
    let to = (0..members as u128).map(|n| (SeatId::new(n.to_be_bytes()), [7; 165]));
    posted(wire.ask(Request::Post(v1::Post { slices: slices::pack(to)?, ..post })).await?)?;
    let after = count(&database)?;
    Ok(Rows { plain: between - before, sliced: (members, after - between) })
}

fn posted(body: Body) -> Result<()> {
    match body {
        Body::Posted(_) => Ok(()),
        other => Err(LabError::unexpected(format!("a post was answered by {other:?}"))),
    }
}

fn count(database: &Path) -> Result<i64> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut total = 0;
    for name in names {
        total += db.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get::<_, i64>(0))?;
    }
    Ok(total)
}
