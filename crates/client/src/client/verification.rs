//! Who is in this conversation, and how well one knows it.

use super::Client;
use super::contacts::known;
use crate::info::Outcome;
use crate::store::Tx;
use crate::store::membership::Membership;
use crate::who::{CallInfo, CodeInfo, GradeInfo, GroupGrades, MembershipInfo};
use crate::{ClientError, Result};
use conclave_protocol::group::{Call, Group};
use conclave_protocol::identity::{Account, Grade};
use conclave_protocol::{GroupId, Misuse, PersonId};
use std::time::Duration;

/// A call that was begun longer ago waits for nobody, in milliseconds.
const CALL_WAITS: u64 = 10 * 60 * 1000;

impl Client {
    /// The group code, and what changed it since it was shown here the last time.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotInGroup`.
    pub async fn group_code(&self, group: &str) -> Result<CodeInfo> {
        let id = self.group_id(group).await?;
        self.store
            .step(move |tx| {
                let group = load(tx, &id)?;
                let code = group.code()?.digits().to_owned();
                let shown = tx.code_shown(&id)?;
                let changes = match &shown {
                    Some((before, epoch)) if *before != code => why(tx, &id, *epoch)?,
                    _ => Vec::new(),
                };
                let changed = shown.as_ref().is_some_and(|(before, _)| *before != code);
                tx.set_code_shown(&id, &code, group.epoch())?;
                Ok(CodeInfo { code, changed, changes })
            })
            .await
    }

    /// The moment code: good while nobody heals, comes or goes.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotInGroup`.
    pub async fn moment_code(&self, group: &str) -> Result<String> {
        let id = self.group_id(group).await?;
        self.store.view(move |tx| Ok(load(tx, &id)?.moment_code()?.digits().to_owned())).await
    }

    /// How well each member is known here.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotInGroup`.
    pub async fn grades(&self, group: &str) -> Result<GroupGrades> {
        let id = self.group_id(group).await?;
        self.store.view(move |tx| grades_of(tx, &load(tx, &id)?)).await
    }

    /// Takes part in a comparison of four words: in the one that is begun and waits for this person, or in a new one, of the
    /// people named, or everybody in the group. The words come with [`Client::call`] once everybody has taken part.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotInGroup`, `NotAMember`; `TooManyCalls` after three that came to nothing within an hour.
    pub async fn take_part(&self, group: &str, people: &[&str], wait: Duration) -> Result<Outcome> {
        let id = self.group_id(group).await?;
        let people: Vec<String> = people.iter().map(|&who| who.to_owned()).collect();
        let begun = self.store.step(move |tx| begin_unless_begun(tx, &id, &people)).await?;
        if let Some(wish) = begun {
            // What one takes part in must be in the log.
            self.wait_for(wish, wait).await?;
        }
        let wish = self
            .store
            .step(move |tx| {
                let (me, group) = (*tx.protocol(Account::load)?.person(), load(tx, &id)?);
                let step = tx.protocol(|cx| Call::join(&group, &me, cx))?;
                crate::engine::say_step(tx, &group, step)
            })
            .await?;
        self.wait_for(wish, wait).await
    }

    /// How the comparison of words stands, if there is one.
    ///
    /// # Errors
    /// `UnknownTarget`, `NotInGroup`.
    pub async fn call(&self, group: &str) -> Result<Option<CallInfo>> {
        let id = self.group_id(group).await?;
        self.store
            .view(move |tx| {
                let group = load(tx, &id)?;
                let Some(call) = tx.protocol(|cx| Call::load(&group, cx))? else { return Ok(None) };
                let missing = call.missing();
                Ok(Some(CallInfo {
                    joined: call.is_joined(),
                    missing: missing.iter().map(|person| name(tx, person)).collect::<Result<_>>()?,
                    words: call
                        .words()
                        .filter(|_| call.is_joined())
                        .map(|words| words.map(str::to_owned).to_vec()),
                    aborted: call.aborted().map(|why| crate::engine::why_aborted(tx, why)).transpose()?,
                }))
            })
            .await
    }

    /// Notes that everybody in the call had the same words: all who took part are met. Who looked on has put nothing into the
    /// words, and is met by nobody.
    ///
    /// # Errors
    /// `NoCall` if there are no words, or this device did not take part.
    pub async fn confirm_call(&self, group: &str) -> Result<()> {
        let id = self.group_id(group).await?;
        self.store
            .step(move |tx| {
                let group = load(tx, &id)?;
                let call = tx.protocol(|cx| Call::load(&group, cx))?;
                let call =
                    call.filter(|call| call.is_joined() && call.words().is_some()).ok_or(Misuse::NoCall)?;
                let mut met = Vec::new();
                for one in call.identities() {
                    let known = tx.person(&one.person)?;
                    met.extend(
                        known.filter(|known| {
                            known.device_list().is_ok_and(|list| *list.identity() == one.key)
                        }),
                    );
                }
                crate::engine::met(tx, &met)
            })
            .await
    }

    /// What happened to the group's membership since this device is in it, oldest first.
    ///
    /// # Errors
    /// `UnknownTarget`.
    pub async fn membership(&self, group: &str) -> Result<Vec<MembershipInfo>> {
        let id = self.group_id(group).await?;
        self.store.view(move |tx| tx.membership(&id, None)?.iter().map(|what| info(tx, what)).collect()).await
    }
}

fn load(tx: &Tx, id: &GroupId) -> Result<Group> {
    let group = tx.protocol(|cx| Group::load(id, cx));
    let conversation = tx.conversation(id)?.ok_or_else(|| ClientError::UnknownTarget(id.to_string()))?;
    match group {
        Ok(group) if !group.is_out() => Ok(group),
        _ => Err(ClientError::NotInGroup(conversation.name)),
    }
}

/// Says that a call begins, unless one waits for this person.
fn begin_unless_begun(tx: &Tx, id: &GroupId, people: &[String]) -> Result<Option<i64>> {
    crate::engine::may_call(tx)?;
    let (me, group) = (*tx.protocol(Account::load)?.person(), load(tx, id)?);
    let call = tx.protocol(|cx| Call::load(&group, cx))?;
    let fresh = |call: &Call| tx.now < call.begun().plus(CALL_WAITS);
    if call.is_some_and(|call| fresh(&call) && !call.is_joined() && call.missing().contains(&me)) {
        return Ok(None);
    }
    let mut named = Vec::new();
    for who in people {
        let person = known(tx, who)?.ok_or_else(|| ClientError::UnknownTarget(who.clone()))?;
        named.push(person.person);
    }
    let named = Some(named).filter(|named| !named.is_empty()).map(|named| [named, vec![me]].concat());
    let step = tx.protocol(|cx| Call::begin(&group, &me, named, cx))?;
    crate::engine::say_step(tx, &group, step).map(Some)
}

fn grades_of(tx: &Tx, group: &Group) -> Result<GroupGrades> {
    let own = *tx.protocol(Account::load)?.person();
    let known = crate::engine::grades_in(tx, group)?;
    let mut members = Vec::new();
    for one in group.people().filter(|one| one.person != own) {
        let (grade, through) = match known.get(&one.person) {
            Some(Grade::Met) => ("met", Vec::new()),
            Some(Grade::Vouched(way)) => ("vouched", way.clone()),
            _ => ("unchecked", Vec::new()),
        };
        let through = through.iter().map(|person| name(tx, person)).collect::<Result<_>>()?;
        let (name, handle) = (name(tx, &one.person)?, one.handle.to_string());
        members.push(GradeInfo {
            name,
            handle,
            person: one.person.to_string(),
            grade: grade.into(),
            through,
        });
    }
    let count = |grade: &str| members.iter().filter(|one| one.grade == grade).count();
    let (met, vouched, unchecked) = (count("met"), count("vouched"), count("unchecked"));
    Ok(GroupGrades { met, vouched, unchecked, members })
}

/// Why a code is another one than at an epoch: who came, went, or has another identity key, in words.
fn why(tx: &Tx, group: &GroupId, since: u64) -> Result<Vec<String>> {
    let mut reasons = Vec::new();
    for what in tx.membership(group, Some(since))? {
        let by = name(tx, &what.by)?;
        let Some(who) = what.person.as_ref().map(|person| name(tx, person)).transpose()? else { continue };
        match what.kind.as_str() {
            "added" => reasons.push(format!("{who} joined, added by {by}")),
            "removed" => reasons.push(format!("{who} was removed by {by}")),
            "left" => reasons.push(format!("{who} left")),
            "new-identity" => reasons.push(format!("{who} has a new identity key, signed by the one before")),
            _ => {}
        }
    }
    Ok(reasons)
}

fn name(tx: &Tx, person: &PersonId) -> Result<String> {
    if *person == *tx.protocol(Account::load)?.person() {
        return Ok("you".into());
    }
    Ok(tx.person(person)?.map_or_else(|| person.to_string(), |known| known.shown().to_owned()))
}

fn info(tx: &Tx, what: &Membership) -> Result<MembershipInfo> {
    let person = what.person.as_ref();
    Ok(MembershipInfo {
        epoch: what.epoch,
        at: crate::store::messages::signed(what.at),
        by: name(tx, &what.by)?,
        by_person: what.by.to_string(),
        kind: what.kind.clone(),
        who: person.map(|person| name(tx, person)).transpose()?,
        person: person.map(ToString::to_string),
        detail: what.detail.clone(),
        commit: what.commit.to_string(),
    })
}
