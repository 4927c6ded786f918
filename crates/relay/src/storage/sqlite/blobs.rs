//! The SQL of blobs.

use bytes::Bytes;
use rusqlite::{OptionalExtension, params};

use super::super::Hash;
use super::super::tables::{BlobTables, Result};
use super::{Failure, SqlTables, bytes_at, int, uint_at};

impl BlobTables for SqlTables<'_> {
    fn add_blob(&mut self, channel: i64, hash: &Hash, at: u64, bytes: &Bytes) -> Result<()> {
        self.run(
            "INSERT INTO blobs (channel, hash, at, bytes) VALUES (?1, ?2, ?3, ?4)",
            params![channel, hash, int(at)?, bytes.as_ref()],
        )
    }

    fn renew_blob(&mut self, channel: i64, hash: &Hash, at: u64) -> Result<bool> {
        let sql = "UPDATE blobs SET at = max(at, ?3) WHERE channel = ?1 AND hash = ?2";
        let mut statement = self.0.prepare_cached(sql).map_err(Failure::storage)?;
        let renewed = statement.execute(params![channel, hash, int(at)?]).map_err(Failure::storage)?;
        Ok(renewed > 0)
    }

    fn blob(&mut self, channel: i64, hash: &Hash) -> Result<Option<(u64, Bytes)>> {
        let sql = "SELECT at, bytes FROM blobs WHERE channel = ?1 AND hash = ?2";
        let mut statement = self.0.prepare_cached(sql).map_err(Failure::storage)?;
        let read =
            statement.query_row(params![channel, hash], |row| Ok((uint_at(row, 0)?, bytes_at(row, 1)?)));
        read.optional().map_err(Failure::storage)
    }

    fn old_blobs(&mut self, channel: i64, cutoff: u64, most: usize) -> Result<Vec<(Hash, u64)>> {
        let sql = "SELECT hash, length(bytes) FROM blobs WHERE channel = ?1 AND at < ?2
            ORDER BY at, hash LIMIT ?3";
        let mut statement = self.0.prepare_cached(sql).map_err(Failure::storage)?;
        let rows = statement.query_map(params![channel, int(cutoff)?, int(most as u64)?], |row| {
            Ok((row.get(0)?, uint_at(row, 1)?))
        });
        rows.and_then(Iterator::collect).map_err(Failure::storage)
    }

    fn drop_blob(&mut self, channel: i64, hash: &Hash) -> Result<()> {
        self.run("DELETE FROM blobs WHERE channel = ?1 AND hash = ?2", params![channel, hash])
    }
}
