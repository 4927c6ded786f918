//! Who may do what in a group, and those who are proposed under its policy.

use super::Client;
use crate::info::{Outcome, ProposedInfo};
use crate::store::Tx;
use crate::{ClientError, Result};
use conclave_protocol::group::{Group, Intent, Policy};
use conclave_protocol::identity::Account;
use conclave_protocol::{GroupId, Misuse, PersonId};
use std::time::Duration;

impl Client {
    /// Who may do what in a group.
    ///
    /// # Errors
    /// `UnknownTarget`.
    pub async fn policy(&self, group: &str) -> Result<Policy> {
        let id = self.group_id(group).await?;
        self.store.view(move |tx| tx.protocol(|cx| Group::policy_of(&id, cx))).await
    }

    /// Gives a group another policy. Everybody is told.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotInGroup`, `GivenUp` with the reason.
    pub async fn set_policy(&self, group: &str, policy: Policy, wait: Duration) -> Result<Outcome> {
        let id = self.group_id(group).await?;
        self.change(id, Intent::SetPolicy(policy), wait).await
    }

    /// Says that nobody speaks in the group while a member is unchecked by them, or no longer.
    ///
    /// # Errors
    /// As [`Client::set_policy`].
    pub async fn set_verified_only(
        &self,
        group: &str,
        verified_only: bool,
        wait: Duration,
    ) -> Result<Outcome> {
        let policy = self.policy(group).await?;
        self.set_policy(group, Policy { verified_only, ..policy }, wait).await
    }

    /// Agrees that somebody who is proposed be added.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotProposed`, `NotInGroup`, `GivenUp` with the reason.
    pub async fn endorse(&self, group: &str, who: &str, wait: Duration) -> Result<Outcome> {
        let id = self.group_id(group).await?;
        let person = self.proposed_as(id, who).await?;
        self.change(id, Intent::Endorse(person), wait).await
    }

    /// Objects to somebody who is proposed, or takes an own proposal back.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotProposed`, `NotInGroup`, `GivenUp` with the reason.
    pub async fn object(&self, group: &str, who: &str, wait: Duration) -> Result<Outcome> {
        let id = self.group_id(group).await?;
        let person = self.proposed_as(id, who).await?;
        self.change(id, Intent::Object(person), wait).await
    }

    /// Somebody who is proposed, by local name, handle, id, or the name in the handle.
    async fn proposed_as(&self, group: GroupId, who: &str) -> Result<PersonId> {
        let who = who.to_owned();
        self.store
            .view(move |tx| {
                let group = tx.protocol(|cx| Group::load(&group, cx))?;
                let known = super::contacts::known(tx, &who)?.map(|known| known.person);
                let found = group.proposed().into_iter().find(|one| {
                    let handle = one.handle.as_str();
                    known == Some(one.person)
                        || handle == who
                        || handle.split('@').next() == Some(who.as_str())
                });
                Ok(found.map(|one| one.person).ok_or(Misuse::NotProposed)?)
            })
            .await
    }
}

/// Who is to be added to a group.
pub(super) fn proposed(tx: &Tx, group: &Group) -> Result<Vec<ProposedInfo>> {
    let own = *tx.protocol(Account::load)?.person();
    let name = |person: &PersonId| {
        if *person == own {
            return Ok("you".to_owned());
        }
        Ok::<_, ClientError>(
            tx.person(person)?.map_or_else(|| person.to_string(), |known| known.shown().to_owned()),
        )
    };
    let proposed = |one: conclave_protocol::group::Proposed| {
        Ok(ProposedInfo {
            handle: one.handle.to_string(),
            person: one.person.to_string(),
            reason: one.reason,
            by: name(&one.by)?,
            endorsers: one.endorsers.iter().map(name).collect::<Result<_>>()?,
            missing: one.missing,
        })
    };
    group.proposed().into_iter().map(proposed).collect()
}
