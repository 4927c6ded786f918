//! The key log's tables in memory.

use std::ops::Bound;

use bytes::Bytes;

use super::super::Hash;
use super::super::log::{LoggedRow, Position, WaitingRow};
use super::super::tables::{LogTables, PersonRow, Result};
use super::Maps;

impl LogTables for Maps {
    fn node(&mut self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.nodes.get(key).cloned())
    }

    fn set_node(&mut self, key: &[u8], body: &Bytes) -> Result<()> {
        self.nodes.insert(key.to_vec(), body.clone());
        Ok(())
    }

    fn logged(&mut self, name: &str, up_to: u64) -> Result<Option<LoggedRow>> {
        let mut rows = self.logged.range((name.to_owned(), 0)..=(name.to_owned(), up_to));
        let row = rows.next_back().map(|(_, row)| row.clone());
        Ok(row.map(|row| LoggedRow { device_list: Bytes::new(), ..row }))
    }

    fn history(&mut self, name: &str) -> Result<Vec<LoggedRow>> {
        let rows = self.logged.range((name.to_owned(), 0)..=(name.to_owned(), u64::MAX));
        Ok(rows.map(|(_, row)| row.clone()).collect())
    }

    fn add_logged(&mut self, row: &LoggedRow) -> Result<()> {
        self.logged.insert((row.name.clone(), row.epoch), row.clone());
        Ok(())
    }

    fn root(&mut self, at: Position) -> Result<Option<Bytes>> {
        Ok(self.roots.get(&at).cloned())
    }

    fn newest_root(&mut self) -> Result<Option<Bytes>> {
        Ok(self.roots.last_key_value().map(|(_, root)| root.clone()))
    }

    fn roots_after(&mut self, after: Position, most: usize) -> Result<Vec<Bytes>> {
        let rows = self.roots.range((Bound::Excluded(after), Bound::Unbounded));
        Ok(rows.take(most).map(|(_, root)| root.clone()).collect())
    }

    fn add_root(&mut self, at: Position, root: &Bytes) -> Result<()> {
        self.roots.insert(at, root.clone());
        Ok(())
    }

    fn cosignatures(&mut self, at: Position) -> Result<Vec<Bytes>> {
        let rows = self.cosignatures.range((at, [0; 32])..=(at, [u8::MAX; 32]));
        Ok(rows.map(|(_, cosignature)| cosignature.clone()).collect())
    }

    fn set_cosignature(&mut self, at: Position, witness: &Hash, cosignature: &Bytes) -> Result<()> {
        self.cosignatures.insert((at, *witness), cosignature.clone());
        Ok(())
    }

    fn step(&mut self, epoch: u64) -> Result<Option<Bytes>> {
        Ok(self.steps.get(&epoch).cloned())
    }

    fn set_step(&mut self, epoch: u64, step: &Bytes) -> Result<()> {
        self.steps.insert(epoch, step.clone());
        Ok(())
    }

    fn waiting(&mut self, most: usize) -> Result<Vec<WaitingRow>> {
        let rows = self.waiting.iter().filter_map(|key| self.people.get(key)).take(most);
        let row = |row: &PersonRow| WaitingRow {
            key: row.key,
            name: row.name.clone(),
            person: *row.person.as_bytes(),
            device_list: row.device_list.clone(),
        };
        Ok(rows.map(row).collect())
    }

    fn is_waiting(&mut self, person: i64) -> Result<bool> {
        Ok(self.waiting.contains(&person))
    }

    fn set_waiting(&mut self, person: i64, waits: bool) -> Result<()> {
        if waits {
            self.waiting.insert(person);
        } else {
            self.waiting.remove(&person);
        }
        Ok(())
    }
}
