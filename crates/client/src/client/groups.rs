//! Groups: made here at once, changed by wishes that the engine carries out.

use super::Client;
use super::contacts::known;
use super::conversations::{Target, found};
use crate::info::{GroupInfo, HealInfo, MemberInfo, Outcome};
use crate::store::Tx;
use crate::store::conversations::{Conversation, State};
use crate::store::messages::signed;
use crate::store::outbox::What;
use crate::{ClientError, Result};
use conclave_protocol::group::{Group, Intent, Role, Scheme};
use conclave_protocol::identity::Account;
use conclave_protocol::{GroupId, Misuse, PersonId, Timestamp};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Devices that one commit adds: their leaves and what a tree needs for them fill the most that one may have by half.
pub(crate) const DEVICES_AT_ONCE: usize = 150;

/// Of a device that was not heard of for so long, the person is told.
pub(crate) const IDLE: u64 = 14 * Timestamp::DAY;

impl Client {
    /// Makes a group of this person alone.
    ///
    /// # Errors
    /// `TooLong`.
    pub async fn new_group(&self, name: &str, scheme: Scheme) -> Result<GroupInfo> {
        let name = name.to_owned();
        self.store
            .step(move |tx| {
                let group = found(tx, scheme, &name, None)?;
                let conversation = tx.conversation(&group)?.ok_or(ClientError::UnknownTarget(name))?;
                info(tx, &conversation)
            })
            .await
    }

    /// Adds people. Those who are no contacts are looked up.
    ///
    /// # Errors
    /// As [`Client::add_for`].
    pub async fn add(&self, group: &str, who: &[impl AsRef<str>], wait: Duration) -> Result<Outcome> {
        self.add_for(group, who, "", wait).await
    }

    /// Adds people, for a reason that everybody is shown; under a policy that asks for endorsers or gives time to object,
    /// proposes them, or endorses whom somebody else has proposed. [`GroupInfo::proposed`] has those who are not in yet.
    ///
    /// # Errors
    /// `UnknownTarget`, `UnknownPerson`, `AlreadyMember`, `TooLong` above 256 bytes of reason, `GivenUp` with the reason.
    pub async fn add_for(
        &self,
        group: &str,
        who: &[impl AsRef<str>],
        reason: &str,
        wait: Duration,
    ) -> Result<Outcome> {
        let id = self.group_id(group).await?;
        let (mut people, mut known) = (Vec::new(), self.members(id).await?);
        for one in who {
            let found = self.find(one.as_ref()).await?;
            if !known.contains(&found.person) {
                known.push(found.person);
                people.push((found.person, found.device_list()?.devices().len()));
            }
        }
        if people.is_empty() {
            return Err(Misuse::AlreadyMember.into());
        }
        let offered = self.store.view(move |tx| tx.protocol(|cx| Group::load(&id, cx)?.scheme())).await?;
        let offered = offered.promise().devices;
        if known.len() > offered {
            return Err(Misuse::GroupFull(offered).into());
        }
        let shares = shares(people).into_iter().map(|share| Intent::add(share, reason));
        self.change_all(id, shares.collect::<Result<_, _>>()?, wait).await
    }

    /// Removes people, and with them whomever they add before the removal gets through.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotAMember`, `GivenUp` with the reason.
    pub async fn remove(&self, group: &str, who: &[impl AsRef<str>], wait: Duration) -> Result<Outcome> {
        let id = self.group_id(group).await?;
        let mut people = Vec::new();
        for one in who {
            people.push(self.member(id, one.as_ref()).await?);
        }
        let epoch = self.store.view(move |tx| tx.protocol(|cx| Ok(Group::load(&id, cx)?.epoch()))).await?;
        self.change(id, Intent::RemoveSince(people, epoch), wait).await
    }

    /// Leaves a group. What was said stays.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotInGroup`, `GivenUp` with the reason.
    pub async fn leave(&self, group: &str, wait: Duration) -> Result<Outcome> {
        let id = self.group_id(group).await?;
        self.change(id, Intent::Leave, wait).await
    }

    /// Gives a group another name, for everybody in it.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotInGroup`, `GivenUp` with the reason.
    pub async fn rename(&self, group: &str, name: &str, wait: Duration) -> Result<Outcome> {
        let id = self.group_id(group).await?;
        self.change(id, Intent::Rename(name.as_bytes().into()), wait).await
    }

    /// Gives a member a role.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotAMember`, `NotInGroup`, `GivenUp` with the reason.
    pub async fn set_role(&self, group: &str, who: &str, role: Role, wait: Duration) -> Result<Outcome> {
        let id = self.group_id(group).await?;
        let person = self.member(id, who).await?;
        self.change(id, Intent::SetRole(person, role), wait).await
    }

    /// Brings fresh secrets into a group.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotInGroup`, `GivenUp` with the reason.
    pub async fn heal(&self, group: &str, wait: Duration) -> Result<Outcome> {
        let id = self.group_id(group).await?;
        self.change(id, Intent::Heal, wait).await
    }

    /// All groups, chats of two not among them.
    pub async fn groups(&self) -> Result<Vec<GroupInfo>> {
        self.store
            .view(|tx| {
                let all = tx.all_conversations()?;
                all.iter().filter(|one| one.direct.is_none()).map(|one| info(tx, one)).collect()
            })
            .await
    }

    /// A group, or the chat with a contact.
    ///
    /// # Errors
    /// `UnknownTarget`.
    pub async fn group_info(&self, group: &str) -> Result<GroupInfo> {
        let id = self.group_id(group).await?;
        self.store
            .view(move |tx| {
                let conversation = tx.conversation(&id)?.ok_or(ClientError::UnknownTarget(id.to_string()))?;
                info(tx, &conversation)
            })
            .await
    }

    pub(super) async fn change(&self, group: GroupId, intent: Intent, wait: Duration) -> Result<Outcome> {
        self.change_all(group, vec![intent], wait).await
    }

    /// Wishes for all of it at once, so that nothing is half noted, and waits for each.
    async fn change_all(&self, group: GroupId, intents: Vec<Intent>, wait: Duration) -> Result<Outcome> {
        let until = Instant::now() + wait;
        let wishes = self.store.step(move |tx| {
            if tx.channel(&group)?.is_none() {
                let name = tx.conversation(&group)?.map_or_else(|| group.to_string(), |known| known.name);
                return Err(ClientError::NotInGroup(name));
            }
            let wish = |intent| tx.wish(&group, &What::Change(intent), 0);
            intents.into_iter().map(wish).collect::<Result<Vec<_>>>()
        });
        let mut all = Ok(Outcome::Done);
        for wish in wishes.await? {
            let one = self.wait_for(wish, until.saturating_duration_since(Instant::now())).await;
            // What was given up is told; what only waits is not, should the rest of it be.
            all = match (all, one) {
                (Err(error), _) | (_, Err(error)) => Err(error),
                (Ok(Outcome::Done), Ok(one)) => Ok(one),
                (Ok(waits), Ok(_)) => Ok(waits),
            };
        }
        all
    }

    pub(super) async fn group_id(&self, group: &str) -> Result<GroupId> {
        let name = group.to_owned();
        self.store
            .view(move |tx| match Target::read(tx, &name)? {
                Target::Group(group) => Ok(group.group),
                Target::Person(_, chats) => {
                    chats.first().map(|chat| chat.group).ok_or(ClientError::UnknownTarget(name))
                }
            })
            .await
    }

    async fn members(&self, group: GroupId) -> Result<Vec<PersonId>> {
        let people = move |tx: &Tx| {
            tx.protocol(|cx| Ok(Group::load(&group, cx)?.people().map(|one| one.person).collect()))
        };
        self.store.view(people).await
    }

    /// A member, by local name, handle, id, or the name in the handle.
    async fn member(&self, group: GroupId, who: &str) -> Result<PersonId> {
        let who = who.to_owned();
        self.store
            .view(move |tx| {
                let group = tx.protocol(|cx| Group::load(&group, cx))?;
                let known = known(tx, &who)?.map(|known| known.person);
                let fits = |person: PersonId, handle: &str| {
                    known == Some(person) || handle == who || handle.split('@').next() == Some(who.as_str())
                };
                let mut people = group.people();
                let found = people.find(|one| fits(one.person, one.handle.as_str()));
                Ok(found.ok_or(Misuse::NotAMember)?.person)
            })
            .await
    }
}

/// Cuts those who are to be added, each with the number of its devices, into what one commit adds.
fn shares(people: Vec<(PersonId, usize)>) -> Vec<Vec<PersonId>> {
    let (mut shares, mut share, mut weight) = (Vec::new(), Vec::new(), 0);
    for (person, devices) in people {
        if weight + devices > DEVICES_AT_ONCE && !share.is_empty() {
            shares.push(std::mem::take(&mut share));
            weight = 0;
        }
        share.push(person);
        weight += devices;
    }
    shares.push(share);
    shares
}

/// A group in which only another device of this person was ever in.
fn told_of(conversation: &Conversation) -> GroupInfo {
    GroupInfo {
        id: conversation.group.to_string(),
        name: conversation.name.clone(),
        title: conversation.name.clone(),
        scheme: "unknown".to_owned(),
        epoch: 0,
        direct: conversation.direct.is_some(),
        state: conversation.state.as_str().to_owned(),
        verified_only: false,
        policy: String::new(),
        proposed: Vec::new(),
        exposed_until: None,
        members: Vec::new(),
    }
}

fn info(tx: &Tx, conversation: &Conversation) -> Result<GroupInfo> {
    let own = *tx.protocol(Account::load)?.person();
    if tx.was_told_of(conversation)? {
        return Ok(told_of(conversation));
    }
    let group = tx.protocol(|cx| Group::load(&conversation.group, cx))?;
    let mut heals = Vec::new();
    let all = tx.protocol(|cx| group.healed(cx))?;
    // Only where it matters: it goes through all messages.
    let said = match all.iter().any(|healed| tx.now >= healed.since.plus(IDLE)) {
        true => tx.last_said(&conversation.group)?,
        false => HashMap::new(),
    };
    for healed in all {
        let heard = said.get(&healed.person).map_or(healed.since, |said| healed.since.max(*said));
        let known = HealInfo {
            device: healed.device.to_string(),
            healed_at: healed.at.map(|at| signed(at.0)),
            exposed_until: (healed.next >= tx.now).then(|| signed(healed.next.0)),
            idle: tx.now >= heard.plus(IDLE),
        };
        heals.push((healed.person, known));
    }
    let member_now = conversation.state == State::Member;
    let until: Option<Vec<_>> = heals.iter().map(|(_, heal)| heal.exposed_until).collect();
    let heals_of = |person: PersonId| {
        heals.iter().filter(move |(of, _)| *of == person).map(|(_, heal)| heal.clone()).collect()
    };
    let member = |one: conclave_protocol::group::PersonView| MemberInfo {
        handle: one.handle.to_string(),
        person: one.person.to_string(),
        role: if one.role == Role::Administrator { "administrator" } else { "member" }.to_owned(),
        devices: one.devices,
        away: one.devices == 0,
        heals: heals_of(one.person),
        you: one.person == own,
    };
    Ok(GroupInfo {
        id: conversation.group.to_string(),
        name: conversation.name.clone(),
        title: tx.protocol(|_| group.name())?,
        scheme: tx.protocol(|_| group.scheme())?.to_string(),
        epoch: group.epoch(),
        direct: conversation.direct.is_some(),
        state: conversation.state.as_str().to_owned(),
        verified_only: group.policy().verified_only,
        policy: crate::engine::policy_words(&group.policy()),
        proposed: super::policies::proposed(tx, &group)?,
        exposed_until: until.filter(|_| member_now).and_then(|until| until.into_iter().max()),
        members: group.people().map(member).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_to_be_added_are_cut_by_their_devices_and_nobody_is_left_out() {
        let person = |n: usize| PersonId([n as u8; 32]);
        let people: Vec<_> = (0..100).map(|n| (person(n), 1 + n % 4)).collect();
        let cut = shares(people.clone());
        let weight = |share: &Vec<PersonId>| share.iter().map(|one| 1 + usize::from(one.0[0]) % 4).sum();
        let weights: Vec<usize> = cut.iter().map(weight).collect();
        assert_eq!(weights, [150, 100], "250 devices in all");
        assert_eq!(cut.concat(), people.iter().map(|(person, _)| *person).collect::<Vec<_>>());
        assert_eq!(shares(vec![(person(1), 500), (person(2), 1)]), [vec![person(1)], vec![person(2)]]);
    }
}
