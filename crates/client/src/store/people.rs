//! People whose keys were seen, pinned by the newest device list. Those with `contact` are the person's contacts; the
//! local name of a person is unique over contacts and groups.

use super::Tx;
use super::conversations::id;
use crate::{ClientError, Result};
use conclave_protocol::PersonId;
use conclave_protocol::identity::{DeviceList, UnverifiedDeviceList};
use rusqlite::{OptionalExtension, Row, params};

/// Somebody.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) person: PersonId,
    pub(crate) handle: String,
    pub(crate) name: Option<String>,
    pub(crate) list: Vec<u8>,
    pub(crate) contact: bool,
    pub(crate) verified: bool,
    pub(crate) blocked: bool,
}

const COLUMNS: &str = "person, handle, name, list, contact, verified,
    EXISTS (SELECT 1 FROM blocked b WHERE b.person = people.person)";

impl Person {
    fn read(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            person: id(row, 0).map(PersonId)?,
            handle: row.get(1)?,
            name: row.get(2)?,
            list: row.get(3)?,
            contact: row.get(4)?,
            verified: row.get(5)?,
            blocked: row.get(6)?,
        })
    }

    /// The pinned device list.
    pub(crate) fn device_list(&self) -> Result<DeviceList> {
        Ok(UnverifiedDeviceList::read(&self.list)?.verify()?)
    }

    /// What to call them here.
    pub(crate) fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.handle)
    }
}

impl Tx<'_> {
    /// Somebody, by id.
    pub(crate) fn person(&self, person: &PersonId) -> Result<Option<Person>> {
        self.one_person("person = ?1", person.as_bytes())
    }

    /// Somebody, by local name.
    pub(crate) fn person_named(&self, name: &str) -> Result<Option<Person>> {
        self.one_person("name = ?1", &name)
    }

    /// Somebody, by handle. A contact comes first.
    pub(crate) fn person_at(&self, handle: &str) -> Result<Option<Person>> {
        self.one_person("handle = ?1 ORDER BY contact DESC LIMIT 1", &handle)
    }

    fn one_person(&self, which: &str, value: &dyn rusqlite::ToSql) -> Result<Option<Person>> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM people WHERE {which}"))?;
        Ok(query.query_row([value], Person::read).optional()?)
    }

    /// The contacts, by name.
    pub(crate) fn contacts(&self) -> Result<Vec<Person>> {
        let sql = format!("SELECT {COLUMNS} FROM people WHERE contact = 1 ORDER BY name");
        let mut query = self.db.prepare_cached(&sql)?;
        Ok(query.query_map([], Person::read)?.collect::<Result<_, _>>()?)
    }

    /// Everybody.
    pub(crate) fn everybody(&self) -> Result<Vec<Person>> {
        let mut query = self.db.prepare_cached(&format!("SELECT {COLUMNS} FROM people ORDER BY person"))?;
        Ok(query.query_map([], Person::read)?.collect::<Result<_, _>>()?)
    }

    /// Pins a verified list: the first one of a person, or a newer one of the same identity.
    ///
    /// # Errors
    /// `IdentityChanged` if what is pinned speaks against it.
    pub(crate) fn pin(&self, handle: &str, list: &DeviceList) -> Result<Person> {
        let changed = || ClientError::IdentityChanged(handle.to_owned());
        if self.person_at(handle)?.is_some_and(|known| known.person != *list.person()) {
            return Err(changed());
        }
        if let Some(known) = self.person(list.person())? {
            let pinned = known.device_list()?;
            if pinned.newer(list).is_ok() {
                return Ok(known);
            }
            list.newer(&pinned).map_err(|_| changed())?;
            if list.identity() != pinned.identity() {
                self.set_person(list.person(), "verified", false)?;
                self.forget_attestations(list.person())?;
                self.tell_once(&crate::Event::IdentityRenewed { who: known.shown().to_owned() })?;
            }
        }
        let sql = "INSERT INTO people (person, handle, list) VALUES (?1, ?2, ?3)
                   ON CONFLICT (person) DO UPDATE SET list = ?3";
        self.db.prepare_cached(sql)?.execute(params![
            list.person().as_bytes(),
            handle,
            list.signed_bytes()
        ])?;
        self.person(list.person())?.ok_or_else(|| ClientError::StoreDamaged("a person vanished".into()))
    }

    /// Makes somebody a contact, with a local name.
    pub(crate) fn befriend(&self, person: &PersonId) -> Result<Person> {
        let known = self.person(person)?.ok_or(ClientError::UnknownPerson(person.to_string()))?;
        self.name_person(&known)?;
        self.set_person(person, "contact", true)?;
        self.person(person)?.ok_or_else(|| ClientError::StoreDamaged("a person vanished".into()))
    }

    /// Gives somebody a local name if they have none, and returns it.
    pub(crate) fn name_person(&self, person: &Person) -> Result<String> {
        if let Some(name) = &person.name {
            return Ok(name.clone());
        }
        let name = self.free_name(person.handle.split('@').next().unwrap_or(&person.handle))?;
        self.set_name(&person.person, &name)?;
        Ok(name)
    }

    /// Gives somebody a local name, which must be free.
    pub(crate) fn set_name(&self, person: &PersonId, name: &str) -> Result<()> {
        let mut write = self.db.prepare_cached("UPDATE people SET name = ?2 WHERE person = ?1")?;
        Ok(write.execute(params![person.as_bytes(), name]).map(drop)?)
    }

    /// Marks somebody's safety number as compared.
    pub(crate) fn set_verified(&self, person: &PersonId) -> Result<()> {
        self.set_person(person, "verified", true)
    }

    /// Blocks somebody, known or not, or no longer.
    pub(crate) fn set_blocked(&self, person: &PersonId, blocked: bool) -> Result<()> {
        let sql = match blocked {
            true => "INSERT INTO blocked (person) VALUES (?1) ON CONFLICT DO NOTHING",
            false => "DELETE FROM blocked WHERE person = ?1",
        };
        Ok(self.db.prepare_cached(sql)?.execute([person.as_bytes()]).map(drop)?)
    }

    /// Whether somebody is blocked, known or not.
    pub(crate) fn is_blocked(&self, person: &PersonId) -> Result<bool> {
        let mut query = self.db.prepare_cached("SELECT EXISTS (SELECT 1 FROM blocked WHERE person = ?1)")?;
        Ok(query.query_row([person.as_bytes()], |row| row.get(0))?)
    }

    fn set_person(&self, person: &PersonId, column: &'static str, value: bool) -> Result<()> {
        let mut write =
            self.db.prepare_cached(&format!("UPDATE people SET {column} = ?2 WHERE person = ?1"))?;
        Ok(write.execute(params![person.as_bytes(), value]).map(drop)?)
    }

    /// `wanted`, or the first of `wanted-2`, `wanted-3`… that neither a person nor a group has here.
    pub(crate) fn free_name(&self, wanted: &str) -> Result<String> {
        let sql = "SELECT EXISTS (SELECT 1 FROM people WHERE name = ?1)
                       OR EXISTS (SELECT 1 FROM conversations WHERE name = ?1 AND direct IS NULL)";
        let mut query = self.db.prepare_cached(sql)?;
        let mut name = wanted.to_owned();
        for next in 2_u32.. {
            if !query.query_row([&name], |row| row.get::<_, bool>(0))? {
                break;
            }
            name = format!("{wanted}-{next}");
        }
        Ok(name)
    }
}
