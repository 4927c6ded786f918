//! The relays that this device talks to: the account's own, those where its groups live, those where people are found.
//!
//! Each is pinned by its id when it is first met; an address is only where it was found last. Which host a relay answers
//! for is believed only of whoever vouches for it: the host itself, a link from a person, the own registration. Talking to
//! them is the engine's concern.

use super::Tx;
use super::meta::Fact;
use crate::{ClientError, Result};
use rusqlite::{OptionalExtension, Row, params};

/// What is known of a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelayFacts {
    /// Where it was found.
    pub(crate) url: String,
    /// Its id, pinned.
    pub(crate) id: [u8; 32],
    /// The host of its handles; empty if nobody vouched for one.
    pub(crate) host: String,
}

const COLUMNS: &str = "r.id, r.url, coalesce(r.host, '')";
/// Own, or with a group, an offered seat that is wanted, or a letter to be sent.
const IN_USE: &str = "(r.id = (SELECT value FROM meta WHERE key = 'relay_id')
    OR EXISTS (SELECT 1 FROM channels c WHERE c.relay = r.id AND c.open = 1)
    OR EXISTS (SELECT 1 FROM invitations i WHERE i.relay = r.id AND i.wanted <> 0)
    OR EXISTS (SELECT 1 FROM letters l WHERE l.relay = r.id AND l.held IS NULL))";

impl RelayFacts {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self { id: row.get(0)?, url: row.get(1)?, host: row.get(2)? })
    }

    /// Its address as it is passed on: with its id, where that may be needed to check its certificate.
    pub(crate) fn address(&self) -> String {
        let Self { url, id, .. } = self;
        if url.starts_with("http:") { url.clone() } else { format!("{url}#{}", hex::encode(id)) }
    }

    /// What to call it.
    pub(crate) fn shown(&self) -> &str {
        if self.host.is_empty() { &self.url } else { &self.host }
    }
}

impl Tx<'_> {
    /// What to call a relay, if this device has to do with it.
    pub(crate) fn relay_name(&self, id: &[u8; 32]) -> Result<Option<String>> {
        let known = self.one_relay("r.id = ?1", &[&&id[..]])?;
        Ok(known.map(|known| known.shown().to_owned()))
    }

    /// The account's own relay.
    ///
    /// # Errors
    /// `NotRegistered` if none was set.
    pub(crate) fn relay(&self) -> Result<RelayFacts> {
        let own = "r.id = (SELECT value FROM meta WHERE key = 'relay_id')";
        self.one_relay(own, &[])?.ok_or(ClientError::NotRegistered)
    }

    /// The relay that answers for a host.
    pub(crate) fn relay_at(&self, host: &str) -> Result<Option<RelayFacts>> {
        self.one_relay("r.host = ?1", &[&host])
    }

    /// A relay at which to ask for the keys of a person with a handle at `host`. Nobody need have vouched for it: what it
    /// says of people is checked against their own keys.
    pub(crate) fn relay_for(&self, host: &str) -> Result<Option<RelayFacts>> {
        if let Some(known) = self.relay_at(host)? {
            return Ok(Some(known));
        }
        self.one_relay(
            "r.host IS NULL AND rtrim(r.url, '/') IN ('http://' || ?1, 'https://' || ?1)",
            &[&host],
        )
    }

    /// Notes the account's own relay.
    ///
    /// # Errors
    /// As [`Tx::add_relay`].
    pub(crate) fn set_relay(&self, relay: &RelayFacts) -> Result<()> {
        self.add_relay(relay)?;
        self.set_blob(Fact::RelayId, &relay.id)
    }

    /// Notes a relay. What is pinned stays: a known one only learns where it is now, and for which host it answers.
    ///
    /// # Errors
    /// `RelayChanged` if another relay is known to answer for that host.
    pub(crate) fn add_relay(&self, relay: &RelayFacts) -> Result<()> {
        let host = Some(&relay.host).filter(|host| !host.is_empty());
        if let Some(host) = host
            && self.relay_at(host)?.is_some_and(|known| known.id != relay.id)
        {
            return Err(ClientError::RelayChanged);
        }
        let sql = "INSERT INTO relays (id, url, host) VALUES (?1, ?2, ?3)
                   ON CONFLICT (id) DO UPDATE SET host = coalesce(host, ?3),
                   url = CASE WHEN ?3 IS NULL THEN url ELSE ?2 END";
        self.db.prepare_cached(sql)?.execute(params![&relay.id[..], relay.url, host])?;
        Ok(())
    }

    /// The relays that the engine has to do with.
    pub(crate) fn relays_in_use(&self) -> Result<Vec<RelayFacts>> {
        let sql = format!("SELECT {COLUMNS} FROM relays r WHERE {IN_USE} ORDER BY r.rowid");
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_map([], RelayFacts::read)?.collect::<Result<_, _>>()?)
    }

    /// The last wish to be brought up to date that was fulfilled at this relay.
    pub(crate) fn synced(&self, relay: &[u8; 32]) -> Result<i64> {
        let mut query = self.db.prepare_cached("SELECT synced FROM relays WHERE id = ?1")?;
        Ok(query.query_row([&relay[..]], |row| row.get(0)).optional()?.unwrap_or(0))
    }

    /// A wish to be brought up to date is fulfilled at this relay.
    pub(crate) fn set_synced(&self, relay: &[u8; 32], mark: i64) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE relays SET synced = ?2 WHERE id = ?1")?;
        Ok(write.execute(params![&relay[..], mark]).map(drop)?)
    }

    /// Whether a wish is fulfilled everywhere: relays of others that are away are not waited for.
    pub(crate) fn is_synced(&self, mark: i64) -> Result<bool> {
        let sql = format!(
            "SELECT NOT EXISTS (SELECT 1 FROM relays r WHERE {IN_USE} AND r.synced < ?1 AND NOT r.away)"
        );
        Ok(self.db.prepare_cached(&sql)?.query_row([mark], |row| row.get(0))?)
    }

    /// Notes that a relay of others is away, or back; `true` if that is news.
    pub(crate) fn set_away(&self, relay: &[u8; 32], away: bool) -> Result<bool> {
        let mut write = self.db.prepare_cached("UPDATE relays SET away = ?2 WHERE id = ?1 AND away <> ?2")?;
        Ok(write.execute(params![&relay[..], away])? > 0)
    }

    /// Nobody has tried yet: none counts as away.
    pub(crate) fn expect_all_relays(&self) -> Result<()> {
        self.db.prepare_cached("UPDATE relays SET away = 0 WHERE away = 1")?.execute([])?;
        Ok(())
    }

    fn one_relay(&self, which: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Option<RelayFacts>> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM relays r WHERE {which}"))?;
        Ok(query.query_row(values, RelayFacts::read).optional()?)
    }
}
