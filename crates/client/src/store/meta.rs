//! Single facts of the store: which relay, whether registered, what was shown.

use super::Tx;
use crate::{ClientError, Result};
use rusqlite::{OptionalExtension, params};

/// What is known of the account's relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelayFacts {
    /// Its address, as the person gave it.
    pub(crate) url: String,
    /// Its id, pinned at registration.
    pub(crate) id: [u8; 32],
    /// The host of its handles.
    pub(crate) host: String,
}

/// The keys of this table.
#[derive(Clone, Copy)]
pub(crate) enum Fact {
    /// The relay's address.
    RelayUrl,
    /// The relay's id.
    RelayId,
    /// The host of its handles.
    RelayHost,
    /// Set once the relay has confirmed the registration.
    Registered,
    /// The registration as it is asked for, until it is confirmed.
    Registration,
    /// The device list that the relay has, by its version.
    ListPublished,
    /// The number of the last event that a report told.
    Told,
    /// Counts the wishes of all processes to be brought up to date.
    SyncWanted,
    /// The last wish that was fulfilled.
    SyncDone,
}

impl Fact {
    fn key(self) -> &'static str {
        match self {
            Self::RelayUrl => "relay_url",
            Self::RelayId => "relay_id",
            Self::RelayHost => "relay_host",
            Self::Registered => "registered",
            Self::Registration => "registration",
            Self::ListPublished => "list_published",
            Self::Told => "told",
            Self::SyncWanted => "sync_wanted",
            Self::SyncDone => "sync_done",
        }
    }
}

impl Tx<'_> {
    /// A number; 0 if it was never set.
    pub(crate) fn number(&self, fact: Fact) -> Result<i64> {
        let mut query = self.db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(query.query_row([fact.key()], |row| row.get(0)).optional()?.unwrap_or(0))
    }

    /// Sets a number.
    pub(crate) fn set_number(&self, fact: Fact, value: i64) -> Result<()> {
        self.set(fact, &value)
    }

    fn set(&self, fact: Fact, value: &dyn rusqlite::ToSql) -> Result<()> {
        let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
        Ok(self.db.prepare_cached(sql)?.execute(params![fact.key(), value]).map(drop)?)
    }

    fn text(&self, fact: Fact) -> Result<String> {
        let mut query = self.db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        let found = query.query_row([fact.key()], |row| row.get(0)).optional()?;
        found.ok_or(ClientError::NotRegistered)
    }

    /// The registration that is not confirmed yet.
    pub(crate) fn registration(&self) -> Result<Option<Vec<u8>>> {
        let mut query = self.db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(query.query_row([Fact::Registration.key()], |row| row.get(0)).optional()?)
    }

    /// Keeps a registration before it is asked for.
    pub(crate) fn set_registration(&self, request: &[u8]) -> Result<()> {
        self.set(Fact::Registration, &request)
    }

    /// The relay has confirmed the registration.
    pub(crate) fn set_registered(&self) -> Result<()> {
        self.db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([Fact::Registration.key()])?;
        self.set_number(Fact::Registered, 1)
    }

    /// The account's relay.
    ///
    /// # Errors
    /// `NotRegistered` if none was set.
    pub(crate) fn relay(&self) -> Result<RelayFacts> {
        let mut query = self.db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        let id: Option<Vec<u8>> = query.query_row([Fact::RelayId.key()], |row| row.get(0)).optional()?;
        let id = id.ok_or(ClientError::NotRegistered)?;
        let id =
            id.try_into().map_err(|_| ClientError::StoreDamaged("a relay's id has a wrong size".into()))?;
        Ok(RelayFacts { url: self.text(Fact::RelayUrl)?, id, host: self.text(Fact::RelayHost)? })
    }

    /// Notes the account's relay.
    pub(crate) fn set_relay(&self, relay: &RelayFacts) -> Result<()> {
        self.set(Fact::RelayUrl, &relay.url)?;
        self.set(Fact::RelayId, &&relay.id[..])?;
        self.set(Fact::RelayHost, &relay.host)
    }
}
