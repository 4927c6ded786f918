//! Own names: what is done in this person's name that this device did not do, what others say was not theirs, and which
//! devices are in doubt for it. A device in doubt still moves its groups: whether a commit is valid depends on nothing that
//! is said of its author. What it says is marked, what it changes is loud; it is taken out by nobody for that alone.

use super::changes::{named, shown};
use super::healing::heal_all;
use super::inbox::{Taken, drop_unsettled, ignored, stranded};
use super::people::member_groups;
use crate::alarm::{AlarmCause, Deed};
use crate::store::Tx;
use crate::store::frozen::Frozen;
use crate::store::outbox::What;
use crate::{Event, Result};
use conclave_protocol::content::Content;
use conclave_protocol::group::Group;
use conclave_protocol::identity::{Account, Disavowal, Doings, UnverifiedDisavowal, Verdict};
use conclave_protocol::{
    DeviceId, Digest, Error as ProtocolError, GroupId, MessageId, PeerFault, PersonId, codec,
};
use conclave_wire::v1;
use std::collections::BTreeSet;

/// In how many conversations it is said at most that it was not this person.
const WAYS: usize = 64;

/// An entry of the own seat that this device did not post. It is somebody else for certain where this process had agreed
/// with the relay about the own posts; else this store may be an older copy.
pub(super) fn not_posted(tx: &Tx, account: &Account, group: &Group, entry: &v1::Entry) -> Result<Taken> {
    let agreed = |channel: &crate::store::channels::Channel| {
        !channel.behind && channel.asked_at == 0 && channel.lost == 0
    };
    if !tx.channel(group.id())?.as_ref().is_some_and(agreed) {
        return stranded(tx, group, PeerFault::RolledBack);
    }
    drop_unsettled(tx, group.id())?;
    own_name(tx, account, group, Deed::Posted, entry)?;
    if let Some(conversation) = tx.conversation(group.id())? {
        let (id, conversation) = named(&conversation);
        let cause = "an entry of its own that it did not post".to_owned();
        tx.tell(&Event::Stranded { id, conversation, cause })?;
    }
    Ok(Taken::Other)
}

/// Something was done in this person's name: the alarm is raised, all are told, and everything is healed.
pub(super) fn own_name(
    tx: &Tx,
    account: &Account,
    group: &Group,
    deed: Deed,
    entry: &v1::Entry,
) -> Result<()> {
    let Some(conversation) = tx.conversation(group.id())? else { return Ok(()) };
    let (id, conversation) = named(&conversation);
    // Each post shuts this device out until it is let in again, with the keys of then: that bounds how often it is answered.
    if !tx.alarm(&AlarmCause::OwnName { deed, id, conversation }, None)? && deed != Deed::Posted {
        return Ok(());
    }
    let of = Doings {
        device: *account.device_id(),
        key: *account.device_signing().public(),
        group: *group.id(),
        entry: entry.number,
        hash: Digest(<[u8; 32]>::try_from(entry.hash.as_ref()).unwrap_or_default()),
    };
    say_everywhere(tx, account, group, Verdict::NotMe, of)?;
    heal_all(tx, true).map(drop)
}

/// Says something of an own device's doings in a group: there, and wherever else somebody of that group is.
pub(crate) fn say_everywhere(
    tx: &Tx,
    account: &Account,
    group: &Group,
    verdict: Verdict,
    of: Doings,
) -> Result<()> {
    let said = tx.protocol(|cx| Disavowal::sign(account, verdict, of, cx))?;
    let content = Content::Disavowal(Box::new(said.unverified().clone())).encode()?;
    for way in ways(tx, account, group)? {
        let (id, content) = (MessageId(tx.random()?), content.clone());
        tx.wish_beyond(&way, &What::Tell { id, content }, 0)?;
    }
    Ok(())
}

/// The group itself, and those in which somebody of it is, or an own device.
fn ways(tx: &Tx, account: &Account, group: &Group) -> Result<Vec<GroupId>> {
    let others = |group: &Group| -> BTreeSet<PersonId> {
        group.people().map(|one| one.person).filter(|person| person != account.person()).collect()
    };
    let here = others(group);
    let mut ways = vec![*group.id()];
    for id in member_groups(tx)? {
        if id == *group.id() || ways.len() == WAYS {
            continue;
        }
        let there = others(&tx.protocol(|cx| Group::load(&id, cx))?);
        if there.is_empty() || !there.is_disjoint(&here) {
            ways.push(id);
        }
    }
    Ok(ways)
}

/// Takes in what somebody told in the group `via` of a device's doings. What its person did not sign is named with who
/// told it, and does nothing.
pub(super) fn take_disavowal(tx: &Tx, via: &Group, told_by: &str, said: &UnverifiedDisavowal) -> Result<()> {
    let held = match verified(tx, via, said)? {
        Ok(held) => held,
        Err(fault) => {
            let cause = format!("{told_by} told a \"not me\" that does not hold: {fault}");
            return ignored(tx, via, &cause).map(drop);
        }
    };
    let of = *held.of();
    if tx.conversation(&of.group)?.is_none() || tx.channel(&of.group)?.is_none() {
        // A group that this device is not in.
        return Ok(());
    }
    let group = tx.protocol(|cx| Group::load(&of.group, cx))?;
    if group.owner(of.device).is_some_and(|owner| owner != held.person()) {
        let cause = format!("{told_by} told a \"not me\" that does not hold: of somebody else's device");
        return ignored(tx, via, &cause).map(drop);
    }
    if !group.people().any(|one| one.person == held.person()) {
        // Who is not in it any more is not heard there.
        return Ok(());
    }
    match held.verdict() {
        Verdict::NotMe => freeze(tx, &group, &held),
        Verdict::MeAgain => believe(tx, &group, &held),
    }
}

/// Checks it against every list of the person that is known here.
fn verified(
    tx: &Tx,
    via: &Group,
    said: &UnverifiedDisavowal,
) -> Result<std::result::Result<Disavowal, PeerFault>> {
    let mut lists = Vec::new();
    if let Some(pinned) = tx.person(&said.person())? {
        lists.push(pinned.device_list()?);
    }
    lists.extend(via.people().find(|one| one.person == said.person()).map(|one| one.list.clone()));
    let mut fault = PeerFault::WrongAddress;
    for list in lists {
        match said.clone().verify(&list) {
            Ok(held) => return Ok(Ok(held)),
            Err(ProtocolError::Peer(why)) => fault = why,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Err(fault))
}

fn freeze(tx: &Tx, group: &Group, held: &Disavowal) -> Result<()> {
    let (of, signed) = (*held.of(), codec::encode(held.unverified())?);
    if tx.said_of(group.id(), &of.device)?.contains(&signed) {
        // Told before, on another way.
        return Ok(());
    }
    let key = key_of(group, held.person(), of.device);
    // With other keys by now, it is in doubt for what it did with those.
    let until = (key != Some(*of.key.as_bytes())).then(|| group.cursor() + 1);
    let (person, signing) = (held.person(), *of.key.as_bytes());
    let proof = Some(signed.clone());
    let frozen =
        Frozen { group: *group.id(), device: of.device, person, signing, since: of.entry, signed: proof };
    tx.freeze(&frozen, until)?;
    let Some(conversation) = tx.conversation(group.id())? else { return Ok(()) };
    let (id, conversation) = named(&conversation);
    let cause = AlarmCause::Disavowed { id, conversation, who: shown(tx, &person)?, entry: of.entry };
    tx.alarm(&cause, Some(&signed)).map(drop)
}

/// The person says that a device is theirs again.
fn believe(tx: &Tx, group: &Group, held: &Disavowal) -> Result<()> {
    for frozen in tx.frozen_in(group.id())?.into_iter().filter(|one| one.device == held.of().device) {
        let before = frozen.signed.as_deref().map(codec::decode::<UnverifiedDisavowal>);
        let newer = before.is_none_or(|before| before.is_ok_and(|before| before.at() < held.at()));
        if newer && frozen.person == held.person() {
            thaw(tx, group, &frozen)?;
        }
    }
    Ok(())
}

fn thaw(tx: &Tx, group: &Group, frozen: &Frozen) -> Result<()> {
    tx.thaw(group.id(), &frozen.device, group.cursor() + 1)?;
    let Some(conversation) = tx.conversation(group.id())? else { return Ok(()) };
    let (id, conversation) = named(&conversation);
    tx.tell(&Event::Believed { id, conversation, who: shown(tx, &frozen.person)? })
}

/// A commit was taken in. Devices in doubt that have other keys by it, signed by their person's identity key, or are gone,
/// are in doubt no more; what one that still is has changed is loud.
pub(super) fn after_commit(tx: &Tx, group: &Group, author: Option<DeviceId>) -> Result<()> {
    for frozen in tx.frozen_in(group.id())? {
        if key_of(group, frozen.person, frozen.device) != Some(frozen.signing) {
            thaw(tx, group, &frozen)?;
        } else if author == Some(frozen.device)
            && let Some(conversation) = tx.conversation(group.id())?
        {
            let ((id, conversation), who) = (named(&conversation), shown(tx, &frozen.person)?);
            tx.alarm(&AlarmCause::DoubtfulChange { id, conversation, who }, None)?;
        }
    }
    Ok(())
}

/// Two different messages of a device came under one number.
pub(super) fn number_twice(
    tx: &Tx,
    group: &Group,
    (person, device): (PersonId, DeviceId),
    entry: &v1::Entry,
) -> Result<Taken> {
    if let Some(signing) = key_of(group, person, device) {
        let since = entry.number;
        let frozen = Frozen { group: *group.id(), device, person, signing, since, signed: None };
        tx.freeze(&frozen, None)?;
    }
    if let Some(conversation) = tx.conversation(group.id())? {
        let ((id, conversation), who) = (named(&conversation), shown(tx, &person)?);
        tx.alarm(&AlarmCause::CounterTwice { id, conversation, who }, None)?;
    }
    Ok(Taken::Other)
}

/// The key that a device signs with by the list of its person in a group.
fn key_of(group: &Group, person: PersonId, device: DeviceId) -> Option<[u8; 32]> {
    let list = group.people().find(|one| one.person == person)?.list;
    Some(*list.device(device)?.signing.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::store::Store;
    use crate::store::channels::Channel;
    use crate::store::conversations::State;
    use conclave_protocol::SeatId;
    use conclave_protocol::group::{Home, Scheme};
    use conclave_protocol::identity::{DeviceList, Handle};
    use conclave_protocol::{Context, MemoryVault, Timestamp};
    use std::sync::Arc;

    /// What somebody elsewhere signs about a device, and their list.
    fn elsewhere(name: &str, of: Doings) -> (DeviceList, UnverifiedDisavowal) {
        let (mut vault, mut rng) = (MemoryVault::default(), rand_core::UnwrapErr(getrandom::SysRng));
        let mut cx = Context { vault: &mut vault, rng: &mut rng, now: Timestamp(1) };
        let account = Account::create(Handle::parse(name).unwrap(), &mut cx).unwrap();
        let said = Disavowal::sign(&account, Verdict::NotMe, of, &cx).unwrap();
        (account.device_list(), said.unverified().clone())
    }

    /// A store with a group in it.
    async fn store(dir: &std::path::Path) -> (Store, GroupId) {
        let store = Store::create(dir, "correct horse", Arc::new(SystemClock)).await.unwrap();
        let found = |tx: &Tx| {
            let home = Home::new("http://relay.test", [7; 32], [9; 16]);
            let (handle, seat) = (Handle::parse("mike@relay.test")?, SeatId([1; 16]));
            let group = tx.protocol(|cx| {
                let account = Account::create(handle, cx)?;
                Group::create(&account, Scheme::SenderKeys, "Trip", home, seat, false, cx)
            })?;
            let (group, relay, channel, token) = (*group.id(), [7; 32], [9; 16], [0; 32]);
            let (made, posts, asked_at, lost, behind) = (true, 0, 0, 0, false);
            tx.add_channel(&Channel {
                group,
                relay,
                channel,
                seat,
                token,
                made,
                posts,
                asked_at,
                lost,
                behind,
            })?;
            tx.add_conversation(&group, "Trip", None, None, State::Member).map(|_| group)
        };
        let group = store.step(found).await.unwrap();
        (store, group)
    }

    #[tokio::test]
    async fn a_forged_not_me_is_named_and_freezes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (store, id) = store(dir.path()).await;
        let step = move |tx: &Tx| {
            let (account, group) = tx.protocol(|cx| Ok((Account::load(cx)?, Group::load(&id, cx)?)))?;
            let (device, key) = (*account.device_id(), *account.device_signing().public());
            let of = Doings { device, key, group: id, entry: 3, hash: Digest([0; 32]) };
            tx.pin("mike@relay.test", &account.device_list())?;
            let (list, of_a_member) = elsewhere("eve@relay.test", of);
            tx.pin("eve@relay.test", &list)?;
            let (_, of_a_stranger) = elsewhere("dave@relay.test", of);
            let honest = tx.protocol(|cx| Disavowal::sign(&account, Verdict::NotMe, of, cx))?;
            let honest = honest.unverified().clone();
            // Another entry than what was signed: the number is in what is before the last 64 bytes.
            let mut altered = codec::encode(&honest)?;
            let at = altered.len() - 64 - 2 - 8 - 32 - 1;
            altered[at] ^= 1;
            let altered = codec::decode(&altered)?;
            for forged in [&of_a_member, &of_a_stranger, &altered] {
                take_disavowal(tx, &group, "eve", forged)?;
            }
            assert_eq!(tx.events(0)?.len(), 3);
            let named = |event: &Event| matches!(event, Event::Ignored { cause, .. } if cause.contains("eve told a \"not me\""));
            assert!(tx.events(0)?.iter().all(|(_, event)| named(event)), "{:?}", tx.events(0)?);
            assert!(tx.frozen_in(&id)?.is_empty() && tx.alarms()?.is_empty());
            for _ in 0..2 {
                take_disavowal(tx, &group, "eve", &honest)?;
            }
            let told: Vec<_> = tx.alarms()?.iter().map(|alarm| (alarm.count, alarm.exportable)).collect();
            assert_eq!(told, [(1, true)], "on two ways, and raised once");
            assert_eq!(tx.frozen_in(&id)?.len(), 1);
            let again = tx.protocol(|cx| Disavowal::sign(&account, Verdict::MeAgain, of, cx))?;
            take_disavowal(tx, &group, "eve", again.unverified())?;
            assert_eq!(tx.frozen_in(&id)?.len(), 1, "said no later than what it takes back");
            Ok(())
        };
        store.step(step).await.unwrap();
    }
}
