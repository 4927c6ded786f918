//! Bare inserts into an encrypted SQLite file: the least that keeping messages costs on this disk.

use crate::Result;
use crate::costs::session::MESSAGE;
use rusqlite::{Connection, params};
use std::path::Path;
use std::time::Instant;

/// Rows in one transaction, as the client takes entries in.
const AT_ONCE: usize = 256;

/// Seconds for `count` messages of 1 KiB, durable.
pub fn measure(dir: &Path, count: usize) -> Result<f64> {
    let mut db = Connection::open(dir.join("inserts.db"))?;
    db.execute_batch(
        "PRAGMA key = \"x'2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a'\";",
    )?;
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    db.execute_batch("CREATE TABLE messages (seq INTEGER PRIMARY KEY, grp BLOB, id BLOB, text BLOB)")?;
    let text = vec![7_u8; MESSAGE];
    let start = Instant::now();
    for from in (0..count).step_by(AT_ONCE) {
        let tx = db.transaction()?;
        for n in from..count.min(from + AT_ONCE) {
            let sql = "INSERT INTO messages (grp, id, text) VALUES (?1, ?2, ?3)";
            tx.prepare_cached(sql)?.execute(params![[1_u8; 32], n.to_be_bytes(), text])?;
        }
        tx.commit()?;
    }
    Ok(start.elapsed().as_secs_f64())
}
