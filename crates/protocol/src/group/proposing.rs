//! Adding people where a group's policy asks for endorsers or for time, and removing those whom a removed one brought in
//! meanwhile.
//!
//! ```text
//! add ─► proposed ─► endorsed by others ─► (time to object) ─► added
//!            └─ objected to, or its proposer removed ─► gone
//! ```

use super::change::newcomer;
use super::{Bundles, Group};
use crate::codec::VLBytes;
use crate::identity::{Account, Handle};
use crate::roster::{Change, Proposal, Proposed as NewProposal};
use crate::{Context, Misuse, PersonId, Result};
use std::collections::BTreeSet;

/// Somebody who is proposed in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// Who is to be added.
    pub person: PersonId,
    /// Where found, says the proposer.
    pub handle: Handle,
    /// Why, in the proposer's words; empty: nothing was said.
    pub reason: String,
    /// Who proposed it.
    pub by: PersonId,
    /// Who agreed.
    pub endorsers: Vec<PersonId>,
    /// How many more have to.
    pub missing: usize,
}

impl Group {
    /// Who is proposed.
    pub fn proposed(&self) -> Vec<Proposed> {
        let body = self.roster.body();
        let needed = body.rules.policy.endorsements(body.members.len());
        let proposed = |proposal: &Proposal| Proposed {
            person: proposal.proposed.person,
            handle: proposal.proposed.handle.clone(),
            reason: String::from_utf8_lossy(proposal.proposed.reason.as_slice()).into_owned(),
            by: proposal.by,
            endorsers: proposal.endorsers.clone(),
            missing: needed.saturating_sub(proposal.endorsers.len()),
        };
        body.rules.proposals.iter().map(proposed).collect()
    }

    /// Whether a wish to add a person is a commit that does so, not one that proposes it.
    pub(super) fn adds_now(&self, person: PersonId) -> bool {
        let body = self.roster.body();
        self.roster.member(person).is_none() && body.rules.admits(person, body.members.len())
    }

    /// Adds people, or proposes them; who is proposed by somebody else is endorsed.
    pub(super) fn add_or_propose(
        &self,
        account: &Account,
        people: &[PersonId],
        reason: &VLBytes,
        bundles: &Bundles,
        cx: &mut Context,
    ) -> Result<Vec<Change>> {
        let (me, rules) = (*account.person(), &self.roster.body().rules);
        let mut changes = Vec::new();
        let mut size = self.roster.body().members.len();
        for person in people.iter().filter(|person| self.roster.member(**person).is_none()) {
            let proposal = rules.proposal(*person);
            match proposal {
                None if rules.policy.proposes(size) => {
                    let handle = bundles.list(*person)?.0.clone();
                    changes.push(Change::Propose(NewProposal {
                        person: *person,
                        handle,
                        reason: reason.clone(),
                    }));
                }
                Some(proposal) if rules.policy.proposes(size) => {
                    if proposal.by != me && !proposal.endorsers.contains(&me) {
                        changes.push(Change::Endorse(*person));
                    }
                }
                _ => {
                    let member = newcomer(*person, bundles, cx)?;
                    size += 1;
                    changes.push(match reason.as_slice() {
                        [] => Change::Add(member),
                        _ => Change::AddFor(member, reason.clone()),
                    });
                }
            }
        }
        if changes.is_empty() { Err(Misuse::AlreadyMember.into()) } else { Ok(changes) }
    }

    pub(super) fn admit(
        &self,
        people: &[PersonId],
        bundles: &Bundles,
        cx: &mut Context,
    ) -> Result<Vec<Change>> {
        let rules = &self.roster.body().rules;
        let due =
            people.iter().filter(|person| rules.proposal(**person).is_some() && self.adds_now(**person));
        let changes: Vec<_> =
            due.map(|person| newcomer(*person, bundles, cx).map(Change::Add)).collect::<Result<_>>()?;
        if changes.is_empty() { Err(Misuse::NotAMember.into()) } else { Ok(changes) }
    }

    pub(super) fn endorse(&self, account: &Account, person: PersonId) -> Result<Change> {
        let proposal = self.roster.body().rules.proposal(person).ok_or(Misuse::NotProposed)?;
        let me = account.person();
        match proposal.by == *me || proposal.endorsers.contains(me) {
            true => Err(Misuse::AlreadyMember.into()),
            false => Ok(Change::Endorse(person)),
        }
    }

    pub(super) fn object(&self, person: PersonId) -> Result<Change> {
        self.roster.body().rules.proposal(person).ok_or(Misuse::NotProposed)?;
        Ok(Change::Object(person))
    }

    /// The removal of people who are still in, and of those whom they added after an epoch. Who removes somebody has not
    /// seen these, or would not have had to hurry.
    pub(super) fn remove_since(
        &self,
        account: &Account,
        people: &[PersonId],
        epoch: u64,
        cx: &Context,
    ) -> Result<Vec<Change>> {
        let mut out: BTreeSet<PersonId> = people.iter().copied().collect();
        for step in self.kept_steps(cx)? {
            let draft = &step.commit.body.draft;
            let by = self.roster.owner_of(draft.author).filter(|by| draft.epoch > epoch && out.contains(by));
            let added = draft.changes.iter().filter(|_| by.is_some()).filter_map(Change::added);
            out.extend(added.filter(|person| person != account.person()));
        }
        let is_in = |person: &PersonId| self.roster.member(*person).is_some();
        let changes: Vec<_> = out.into_iter().filter(is_in).map(Change::Remove).collect();
        if changes.is_empty() { Err(Misuse::NotAMember.into()) } else { Ok(changes) }
    }
}
