//! How much there is of everything in a store: numbers only, for a report that is safe to post.

use super::Tx;
use super::sidecar::VERSION;
use crate::Result;
use conclave_protocol::group::Group;
use conclave_protocol::identity::Account;
use conclave_protocol::session;
use conclave_protocol::{GroupId, Timestamp};
use rusqlite::OptionalExtension;
use serde::Serialize;
use std::collections::BTreeMap;

/// Counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Census {
    /// The version of the store.
    pub version: u32,
    /// Whether every page of it is sound.
    pub sound: bool,
    /// Whether the relay has confirmed the account.
    pub registered: bool,
    /// Conversations by what they are: `direct` or the group's scheme, then how this person stands to them.
    pub conversations: BTreeMap<String, u64>,
    /// Groups that this device has lost track of; it asks to be let in again by itself.
    pub stranded: u64,
    /// Groups whose rows cannot be read.
    pub unreadable: u64,
    /// Messages.
    pub messages: u64,
    /// People: contacts, those with a compared safety number, those blocked.
    pub people: People,
    /// What the person wants said and done, by state.
    pub outbox: BTreeMap<String, u64>,
    /// What was given up, by its code.
    pub given_up: BTreeMap<String, u64>,
    /// Letters that wait.
    pub letters: u64,
    /// Alarms that were not acknowledged.
    pub alarms: u64,
    /// This device's keys.
    pub keys: Keys,
}

/// People.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct People {
    /// Contacts.
    pub contacts: u64,
    /// Of these, with a compared safety number.
    pub verified: u64,
    /// Blocked.
    pub blocked: u64,
}

/// This device's keys. Days are whole ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Keys {
    /// Until the device list expires; below 0: it has.
    pub list_days_left: Option<i64>,
    /// Since the prekey bundle was made.
    pub bundle_days_old: Option<i64>,
    /// One-time prekeys held here.
    pub one_time_prekeys: usize,
    /// One-time join keys held here.
    pub join_keys: usize,
}

impl Tx<'_> {
    /// Counts everything.
    pub(crate) fn census(&self) -> Result<Census> {
        let mut census = Census {
            version: VERSION,
            sound: self.is_sound()?,
            registered: self.number(super::meta::Fact::Registered)? != 0,
            conversations: BTreeMap::new(),
            stranded: 0,
            unreadable: 0,
            messages: self.count("messages")?,
            people: People {
                contacts: self.count("people WHERE contact <> 0")?,
                verified: self.count("people WHERE verified <> 0")?,
                blocked: self.count("blocked")?,
            },
            outbox: self.by("SELECT state, count(*) FROM outbox GROUP BY state")?,
            given_up: self.given_up()?,
            letters: self.count("letters")?,
            alarms: self.open_alarms()?,
            keys: self.keys()?,
        };
        for known in self.all_conversations()? {
            let group: GroupId = known.group;
            if self.was_told_of(&known)? {
                continue;
            }
            let (kind, stranded) = match self.protocol(|cx| Group::load(&group, cx)) {
                Ok(group) if group.is_direct() => ("direct".to_owned(), group.is_stranded()),
                Ok(group) => (group.scheme()?.to_string(), group.is_stranded()),
                Err(_) => {
                    census.unreadable += 1;
                    continue;
                }
            };
            *census.conversations.entry(format!("{kind} {}", known.state.as_str())).or_default() += 1;
            let lost = self.channel(&group)?.is_some_and(|channel| channel.lost > 0);
            census.stranded += u64::from(stranded || lost);
        }
        Ok(census)
    }

    /// Every page authenticates, and the database holds together.
    fn is_sound(&self) -> Result<bool> {
        let mut pages = self.db.prepare("PRAGMA cipher_integrity_check")?;
        let fault = pages.query([])?.next()?.is_some();
        let said: Option<String> =
            self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).optional()?;
        Ok(!fault && said.as_deref() == Some("ok"))
    }

    /// By codes that this version knows: others may be anybody's words.
    fn given_up(&self) -> Result<BTreeMap<String, u64>> {
        let sql = "SELECT coalesce(code, ''), count(*) FROM outbox WHERE state = 'failed' GROUP BY 1";
        let mut known = BTreeMap::new();
        for (code, count) in self.by(sql)? {
            let code = if crate::advice::is_known(&code) { code } else { "other".to_owned() };
            *known.entry(code).or_default() += count;
        }
        Ok(known)
    }

    fn keys(&self) -> Result<Keys> {
        let Ok(account) = self.protocol(Account::load) else { return Ok(Keys::default()) };
        let fresh = self.protocol(|cx| session::freshness(cx))?;
        let days = |from: Timestamp, to: Timestamp| {
            (to.0.cast_signed() - from.0.cast_signed()).div_euclid(Timestamp::DAY.cast_signed())
        };
        Ok(Keys {
            list_days_left: Some(days(self.now, account.device_list().expires())),
            bundle_days_old: fresh.bundle_made.map(|made| days(made, self.now)),
            one_time_prekeys: fresh.one_time_prekeys,
            join_keys: fresh.join_keys,
        })
    }

    fn count(&self, what: &'static str) -> Result<u64> {
        let count: i64 = self.db.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    fn by(&self, sql: &'static str) -> Result<BTreeMap<String, u64>> {
        let mut query = self.db.prepare(sql)?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
