//! Events for the person, in order, each told once by a report and streamed to whoever listens.

use super::Tx;
use super::meta::Fact;
use crate::{Event, Result};

/// How many events are kept.
pub(crate) const KEPT: i64 = 1000;
/// How far back an event counts as just told.
const LATEST: i64 = 32;

impl Tx<'_> {
    /// Notes an event.
    pub(crate) fn tell(&self, event: &Event) -> Result<()> {
        let text =
            serde_json::to_string(event).map_err(|error| crate::ClientError::Store(error.to_string()))?;
        self.db.prepare_cached("INSERT INTO journal (event) VALUES (?1)")?.execute([text])?;
        let last = self.db.last_insert_rowid();
        self.db.prepare_cached("DELETE FROM journal WHERE seq <= ?1")?.execute([last - KEPT])?;
        Ok(())
    }

    /// Notes an event, unless one of the latest says the same.
    pub(crate) fn tell_once(&self, event: &Event) -> Result<()> {
        let latest = self.events(self.last_event()? - LATEST)?;
        if latest.iter().any(|(_, told)| told == event) { Ok(()) } else { self.tell(event) }
    }

    /// The events after `after`, each with its place.
    pub(crate) fn events(&self, after: i64) -> Result<Vec<(i64, Event)>> {
        let mut query =
            self.db.prepare_cached("SELECT seq, event FROM journal WHERE seq > ?1 ORDER BY seq")?;
        let rows = query.query_map([after], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
        // Events of a newer version that this one has no word for are passed over.
        let known = |(seq, text): (i64, String)| Some((seq, serde_json::from_str(&text).ok()?));
        Ok(rows.into_iter().filter_map(known).collect())
    }

    /// The place of the last event.
    pub(crate) fn last_event(&self) -> Result<i64> {
        Ok(self.db.query_row("SELECT coalesce(max(seq), 0) FROM journal", [], |row| row.get(0))?)
    }

    /// The events that no report told yet; they count as told from now on.
    pub(crate) fn untold(&self) -> Result<Vec<Event>> {
        let events = self.events(self.number(Fact::Told)?)?;
        if let Some((last, _)) = events.last() {
            self.set_number(Fact::Told, *last)?;
        }
        Ok(summed(events.into_iter().map(|(_, event)| event)))
    }
}

/// Messages come in batches: counts of one conversation right after another are one.
fn summed(events: impl Iterator<Item = Event>) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    for event in events {
        let before = all.last_mut();
        match (before, event) {
            (
                Some(Event::Messages { id, count, missing, .. }),
                Event::Messages { id: same, count: more, missing: gone, .. },
            ) if *id == same => {
                *count += more;
                *missing += gone;
            }
            (_, event) => all.push(event),
        }
    }
    all
}
