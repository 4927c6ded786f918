//! Single facts of the store: which relay is the account's own, whether it is registered, what was shown.

use super::Tx;
use crate::Result;
use rusqlite::{OptionalExtension, params};

/// The keys of this table.
#[derive(Clone, Copy)]
pub(crate) enum Fact {
    /// The id of the account's own relay.
    RelayId,
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
    /// Set where the store was made from a backup, until its groups are to heal before anything is said.
    Restored,
    /// Counts the wishes to have all published keys replaced.
    KeysWanted,
    /// As many of these are fulfilled.
    KeysReplaced,
    /// The id of the link by which one new device may ask.
    DeviceLink,
    /// Until when it is good.
    DeviceLinkUntil,
    /// What a new device asked by it.
    DeviceAsks,
    /// Counts the changes of the own devices.
    DevicesWanted,
    /// As many of these are known to the relay, and wished for in every group.
    DevicesTold,
    /// Set once the relay knows the identity key.
    IdentityTold,
    /// Set once the relay has announced the next identity key.
    IdentityAnnounced,
    /// The announced key is not taken over before this time.
    IdentityLater,
    /// Set while the announced key is to be objected to.
    VetoWanted,
    /// When calls came to nothing lately.
    CallsAborted,
    /// When everybody was looked up the last time.
    PeopleSeen,
    /// What is being told to a new device, and how far it has come.
    Telling,
    /// The version of the own list in the key log up to which all were looked at.
    LogSeen,
}

impl Fact {
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::RelayId => "relay_id",
            Self::Registered => "registered",
            Self::Registration => "registration",
            Self::ListPublished => "list_published",
            Self::Told => "told",
            Self::SyncWanted => "sync_wanted",
            Self::Restored => "restored",
            Self::KeysWanted => "keys_wanted",
            Self::KeysReplaced => "keys_replaced",
            Self::DeviceLink => "device_link",
            Self::DeviceLinkUntil => "device_link_until",
            Self::DeviceAsks => "device_asks",
            Self::DevicesWanted => "devices_wanted",
            Self::DevicesTold => "devices_told",
            Self::IdentityTold => "identity_told",
            Self::IdentityAnnounced => "identity_announced",
            Self::IdentityLater => "identity_later",
            Self::VetoWanted => "veto_wanted",
            Self::CallsAborted => "calls_aborted",
            Self::PeopleSeen => "people_seen",
            Self::Telling => "telling",
            Self::LogSeen => "log_seen",
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

    /// Sets bytes.
    pub(crate) fn set_blob(&self, fact: Fact, value: &[u8]) -> Result<()> {
        self.set(fact, &value)
    }

    /// Bytes, if they were ever set.
    pub(crate) fn blob(&self, fact: Fact) -> Result<Option<Vec<u8>>> {
        let mut query = self.db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(query.query_row([fact.key()], |row| row.get(0)).optional()?)
    }

    /// The registration that is not confirmed yet.
    pub(crate) fn registration(&self) -> Result<Option<Vec<u8>>> {
        self.blob(Fact::Registration)
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
}
