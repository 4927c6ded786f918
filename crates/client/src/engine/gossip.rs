//! Gossip: each own message carries what this device has seen of other groups in which somebody of its group is, and what
//! others tell is held against the own view. So a relay that shows two histories of a group, or keeps a part of it back,
//! must cut every other way between its members too.
//!
//! ```text
//! told ─► the same ─► nothing
//!     ├─► differs ──────────────────────────────► fork
//!     └─► beyond the own cursor ─► kept ─► compared when the cursor comes there ─► nothing, or fork
//!                                      └─► a relay asked again since still says there is less ─► withheld
//! ```

use super::changes::shown;
use crate::alarm::AlarmCause;
use crate::store::outbox::{What, Wish};
use crate::store::views::Heard;
use crate::store::{Names, Tx};
use crate::{Event, Result};
use conclave_protocol::gossip::{Gossip, LogView, MAX_VIEWS};
use conclave_protocol::group::{Compared, Group, ReceivedMessage, ViewCheck};
use conclave_protocol::identity::Account;
use conclave_protocol::{GroupId, PersonId, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// Groups looked at for one message.
const LOOKED_AT: usize = 64;

/// What a wish carries, if it is to say something.
pub(super) fn of_wish(tx: &Tx, wish: &Wish) -> Result<Gossip> {
    match &wish.what {
        What::Change(_) => Ok(Gossip::default()),
        _ => carried(tx, &wish.group),
    }
}

/// What an own message in a group carries: views of groups that somebody of it is in, and whose logs have grown since its
/// members were told of them.
fn carried(tx: &Tx, group: &GroupId) -> Result<Gossip> {
    let roots = super::roots::carried(tx, group)?.into_iter().map(Into::into).collect();
    let mut gossip = Gossip { roots, views: Vec::new() };
    let mut here: Option<Here> = None;
    for (about, incarnation, entry) in tx.tellable(group, LOOKED_AT)? {
        let Some(view) = tx.protocol(|cx| Group::view_for(&about, group, cx))? else { continue };
        if (view.incarnation(), view.entry()) == (incarnation, entry) {
            continue;
        }
        // Who is in both is looked at once for each time that the log has grown, not for each message.
        let here = match &mut here {
            Some(here) => here,
            none => none.insert(Here::of(tx, group)?),
        };
        if here.shares_somebody(tx, &about)? {
            gossip.views.push(view);
        }
        tx.set_told(group, &about, view.incarnation(), view.entry())?;
        if gossip.views.len() == MAX_VIEWS {
            break;
        }
    }
    Ok(gossip)
}

/// Who hears what is said in a group.
struct Here {
    others: BTreeSet<PersonId>,
    /// There is another own device: it is in all that this one is in.
    siblings: bool,
}

impl Here {
    fn of(tx: &Tx, group: &GroupId) -> Result<Self> {
        let account = tx.protocol(Account::load)?;
        let people = tx.protocol(|cx| Group::people_of(group, cx))?;
        let others = people.into_iter().filter(|person| person != account.person()).collect();
        Ok(Self { others, siblings: account.device_list().devices().len() > 1 })
    }

    fn shares_somebody(&self, tx: &Tx, about: &GroupId) -> Result<bool> {
        let there = tx.protocol(|cx| Group::people_of(about, cx))?;
        Ok(self.siblings || there.iter().any(|person| self.others.contains(person)))
    }
}

/// Takes in what a message claims of logs: of its own group's, and beside it of others'.
pub(super) fn take(tx: &Tx, group: &Group, message: &ReceivedMessage) -> Result<()> {
    if message.view == ViewCheck::Differs {
        alarm(tx, (group.id(), &message.person, group.id()), true)?;
    }
    let roots = message.gossip.roots.iter().map(|root| root.as_slice());
    super::roots::hear(tx, (group.id(), message.person), roots)?;
    if message.gossip.views.is_empty() {
        return Ok(());
    }
    let names = names(tx, group.id())?;
    for view in &message.gossip.views {
        let Some(about) = names.get(&view.tag) else { continue };
        let heard = heard(about, view, (group.id(), message.person), tx.now);
        match compare(tx, &heard)? {
            Compared::Differs => alarm(tx, heard.told(), true)?,
            Compared::Ahead => tx.hear(&heard)?,
            Compared::Same | Compared::Unchecked => {}
        }
    }
    Ok(())
}

fn heard(about: &GroupId, view: &LogView, (via, person): (&GroupId, PersonId), now: Timestamp) -> Heard {
    Heard {
        about: *about,
        incarnation: view.incarnation(),
        entry: view.entry(),
        hash: view.hash,
        via: *via,
        person,
        at: now.0,
    }
}

/// The groups at hand by the names that they have in one of them, worked out once a step.
fn names(tx: &Tx, via: &GroupId) -> Result<Names> {
    if let Some(names) = tx.names.borrow().get(via) {
        return Ok(names.clone());
    }
    let mut names = HashMap::new();
    for known in super::people::member_groups(tx)? {
        names.insert(tx.protocol(|cx| Group::tag_in(&known, via, cx))?, known);
    }
    let names = Rc::new(names);
    tx.names.borrow_mut().insert(*via, names.clone());
    Ok(names)
}

fn compare(tx: &Tx, heard: &Heard) -> Result<Compared> {
    let told = (heard.incarnation, heard.entry, &heard.hash);
    tx.protocol(|cx| Group::compare(&heard.about, told, cx))
}

/// A group has come further: what waited for that is compared.
pub(super) fn came_to(tx: &Tx, about: &GroupId) -> Result<()> {
    for heard in tx.heard(about)? {
        match compare(tx, &heard)? {
            Compared::Ahead => continue,
            Compared::Differs => alarm(tx, heard.told(), true)?,
            Compared::Same | Compared::Unchecked => {}
        }
        tx.forget_heard(&heard)?;
    }
    Ok(())
}

/// The relay was asked for everything at `asked`, and has said how far a group's log goes. Whoever told of more before that
/// had it from the same relay.
pub(super) fn stands(tx: &Tx, about: &GroupId, head: u64, asked: Timestamp) -> Result<()> {
    came_to(tx, about)?;
    for heard in tx.heard(about)? {
        if heard.at >= asked.0 || heard.entry <= head && same_relay(tx, &heard)? {
            continue;
        }
        // By a relay that was restored more often than it says here, members were told different things.
        alarm(tx, heard.told(), !same_relay(tx, &heard)?)?;
        tx.forget_heard(&heard)?;
    }
    Ok(())
}

/// Whether a view is of the incarnation that the relay states here.
fn same_relay(tx: &Tx, heard: &Heard) -> Result<bool> {
    let own = tx.protocol(|cx| Group::view_for(&heard.about, &heard.via, cx))?;
    Ok(own.is_none_or(|own| own.incarnation() == heard.incarnation))
}

/// The relay shows somebody another log of a group than this device, or a longer one, as they said in `via`.
fn alarm(tx: &Tx, (about, who, via): (&GroupId, &PersonId, &GroupId), fork: bool) -> Result<()> {
    let name = |id: &GroupId| -> Result<String> {
        Ok(tx.conversation(id)?.map_or_else(|| id.to_string(), |known| known.name))
    };
    let (id, conversation, via) = (about.to_string(), name(about)?, name(via)?);
    let who = shown(tx, who)?;
    if fork && tx.protocol(|cx| Group::relay_was_restored(about, cx))? {
        // It said so when it was; what was lost then and what came in its place have the same numbers.
        let cause =
            format!("{conversation}: it shows {who} another history than this device, since it was restored");
        return tx.tell_once(&Event::RelayFault { cause });
    }
    let cause = match fork {
        true => AlarmCause::Fork { id, conversation, who, via },
        false => AlarmCause::Withheld { id, conversation, who, via },
    };
    tx.alarm(&cause, None).map(drop)
}
