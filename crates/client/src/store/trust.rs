//! Who has met whom, as people have signed it; and who was compared here.

use super::Tx;
use super::conversations::id;
use crate::{ClientError, Result};
use conclave_protocol::PersonId;
use conclave_protocol::codec;
use conclave_protocol::identity::{Attestation, Identity, UnverifiedAttestation};
use conclave_protocol::primitives::sign::VerifyingKey;
use rusqlite::params;
use std::collections::BTreeSet;

impl Tx<'_> {
    /// Keeps an attestation that holds; whether it is a new one. One person's newest word of another replaces the one before.
    pub(crate) fn add_attestation(&self, attestation: &Attestation) -> Result<bool> {
        let (by, of) = (attestation.by(), attestation.of());
        let known = "SELECT EXISTS (SELECT 1 FROM attestations WHERE by_person = ?1 AND of_person = ?2
                     AND by_key = ?3 AND of_key = ?4)";
        let known = self.db.prepare_cached(known)?.query_row(
            params![by.person.as_bytes(), of.person.as_bytes(), by.key.as_bytes(), of.key.as_bytes()],
            |row| row.get::<_, bool>(0),
        )?;
        if known {
            return Ok(false);
        }
        let sql = "INSERT INTO attestations (by_person, of_person, by_key, of_key, signed) VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT (by_person, of_person) DO UPDATE SET by_key = ?3, of_key = ?4, signed = ?5";
        self.db.prepare_cached(sql)?.execute(params![
            by.person.as_bytes(),
            of.person.as_bytes(),
            by.key.as_bytes(),
            of.key.as_bytes(),
            codec::encode(attestation.unverified())?
        ])?;
        Ok(true)
    }

    /// All that is attested by and of these people, each with its signed form. Keys are those of the time.
    pub(crate) fn attestations(
        &self,
        among: &BTreeSet<PersonId>,
    ) -> Result<Vec<(Identity, Identity, UnverifiedAttestation)>> {
        let sql = "SELECT by_person, of_person, by_key, of_key, signed FROM attestations";
        let mut query = self.db.prepare_cached(sql)?;
        let rows = query.query_map([], |row| {
            let (by, of) = (id(row, 0).map(PersonId)?, id(row, 1).map(PersonId)?);
            Ok((by, of, id::<32>(row, 2)?, id::<32>(row, 3)?, row.get::<_, Vec<u8>>(4)?))
        })?;
        let mut all = Vec::new();
        for row in rows {
            let (by, of, by_key, of_key, signed) = row?;
            if among.contains(&by) && among.contains(&of) {
                let damaged = |_| ClientError::StoreDamaged("an attestation is not readable".into());
                let key = |bytes: [u8; 32]| codec::decode::<VerifyingKey>(&bytes).map_err(damaged);
                let (by, of) =
                    (Identity { person: by, key: key(by_key)? }, Identity { person: of, key: key(of_key)? });
                all.push((by, of, codec::decode(&signed).map_err(damaged)?));
            }
        }
        Ok(all)
    }

    /// Forgets who a person has met: they have another identity key.
    pub(crate) fn forget_attestations(&self, person: &PersonId) -> Result<()> {
        let sql = "DELETE FROM attestations WHERE by_person = ?1 OR of_person = ?1";
        Ok(self.db.prepare_cached(sql)?.execute([person.as_bytes()]).map(drop)?)
    }
}
