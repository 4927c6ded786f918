//! How a roster lies in the vault: a head, and a row for each member, so that a commit writes only what it changes.

use super::{Member, Policy, Roster, RosterBody, Rules};
use crate::codec::VLBytes;
use crate::vault::{Row, delete_all, key, load, save};
use crate::{Context, Error, GroupId, PersonId, Result};
use std::collections::BTreeMap;
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// A roster's body, its members by name only.
#[derive(TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub(crate) struct Head {
    version: u8,
    suite: u8,
    scheme: u8,
    direct: u8,
    epoch: u64,
    name: VLBytes,
    rules: Rules,
    people: Vec<PersonId>,
}

impl Roster {
    /// The roster of a group in the own store.
    pub(crate) fn load(group: &GroupId, cx: &Context) -> Result<Self> {
        let head: Option<Head> = load(cx.vault, &key(Row::RosterHead, &[group.as_bytes()]))?;
        let Some(head) = head else {
            let whole = load(cx.vault, &key(Row::Roster, &[group.as_bytes()]))?;
            return Self::stored(whole.ok_or(Error::CorruptStore)?);
        };
        let member = |person| load(cx.vault, &member_row(group, person))?.ok_or(Error::CorruptStore);
        let members = head.people.iter().map(member).collect::<Result<_>>()?;
        let Head { version, suite, scheme, direct, epoch, name, rules, .. } = head;
        Self::stored(RosterBody {
            version,
            suite,
            group: *group,
            scheme,
            direct,
            epoch,
            name,
            rules,
            members,
        })
    }

    /// Who is in a group of the own store, without loading what is known of them.
    pub(crate) fn people(group: &GroupId, cx: &Context) -> Result<Vec<PersonId>> {
        let head: Option<Head> = load(cx.vault, &key(Row::RosterHead, &[group.as_bytes()]))?;
        match head {
            Some(head) => Ok(head.people),
            None => Ok(Self::load(group, cx)?.body().members.iter().map(|member| member.person).collect()),
        }
    }

    /// The policy of a group in the own store, without its members, who may be many.
    pub(crate) fn policy(group: &GroupId, cx: &Context) -> Result<Policy> {
        let head: Option<Head> = load(cx.vault, &key(Row::RosterHead, &[group.as_bytes()]))?;
        match head {
            Some(head) => Ok(head.rules.policy),
            None => Ok(Self::load(group, cx)?.body().rules.policy),
        }
    }

    /// Writes what differs from the roster that the store holds.
    pub(crate) fn save(&self, before: Option<&Self>, cx: &mut Context) -> Result<()> {
        let group = &self.body.group;
        let whole = key(Row::Roster, &[group.as_bytes()]);
        let before = match cx.vault.get(&whole)? {
            None => before,
            // An older store: none of its members has a row yet.
            Some(_) => None,
        };
        cx.vault.delete(&whole)?;
        let mut known: BTreeMap<_, _> = before.into_iter().flat_map(Self::by_person).collect();
        for (person, member) in self.by_person() {
            if known.remove(&person) != Some(member) {
                save(cx.vault, &member_row(group, &person), member)?;
            }
        }
        for person in known.keys() {
            cx.vault.delete(&member_row(group, person))?;
        }
        let RosterBody { version, suite, scheme, direct, epoch, .. } = self.body;
        let (name, rules) = (self.body.name.clone(), self.body.rules.clone());
        let people = self.body.members.iter().map(|member| member.person).collect();
        let head = Head { version, suite, scheme, direct, epoch, name, rules, people };
        save(cx.vault, &key(Row::RosterHead, &[group.as_bytes()]), &head)
    }

    /// Deletes the roster of a group from the store.
    pub(crate) fn forget(group: &GroupId, cx: &mut Context) -> Result<()> {
        cx.vault.delete(&key(Row::Roster, &[group.as_bytes()]))?;
        cx.vault.delete(&key(Row::RosterHead, &[group.as_bytes()]))?;
        delete_all(cx.vault, &key(Row::Member, &[group.as_bytes()]))
    }

    fn by_person(&self) -> impl Iterator<Item = (PersonId, &Member)> {
        self.body.members.iter().map(|member| (member.person, member))
    }
}

fn member_row(group: &GroupId, person: &PersonId) -> Vec<u8> {
    key(Row::Member, &[group.as_bytes(), person.as_bytes()])
}
