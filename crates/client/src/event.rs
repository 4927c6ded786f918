//! What happens without being asked for. Every surprise is an event, with its cause and what follows from it.

mod words;

use crate::alarm::AlarmCause;
use serde::{Deserialize, Serialize};

/// Something that happened. Names and handles in it are other people's text: a face shows them inert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Messages arrived.
    Messages {
        /// The conversation's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// How many.
        count: u64,
        /// Entries of the log, among them or right before, whose content is gone or cannot be read here.
        #[serde(default)]
        missing: u64,
    },
    /// This device is in a group now.
    Joined {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who invited.
        by: String,
    },
    /// Somebody who is no contact invited to a group, or wrote.
    Request {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who.
        by: String,
    },
    /// The group changed.
    Changed {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who changed it.
        by: String,
        /// What changed, in words.
        what: String,
        /// The epoch since.
        epoch: u64,
    },
    /// Somebody is to be added, and the group's policy wants others to agree, or gives time to object.
    Proposed {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who proposes it.
        by: String,
        /// Whom, as a handle.
        who: String,
        /// Why; empty: nothing was said.
        reason: String,
        /// How many more have to endorse it.
        missing: usize,
    },
    /// Somebody asked to leave; whoever speaks next takes them out.
    Leaving {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who leaves.
        who: String,
    },
    /// This device was taken out of a group.
    Removed {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// By whom.
        by: String,
    },
    /// An entry of a group's log was ignored: it was not what an honest client or relay sends.
    Ignored {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Why.
        cause: String,
    },
    /// The group moved on without this device, which asks to be let in again.
    Stranded {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Why.
        cause: String,
    },
    /// A queued message or change was given up.
    GivenUp {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// What it was.
        what: String,
        /// Why.
        cause: String,
    },
    /// Something loud. It stays among [`crate::Client::alarms`] until it is acknowledged.
    Alarm {
        /// Its number.
        alarm: i64,
        /// Why.
        cause: AlarmCause,
    },
    /// A device that was in doubt has other keys, signed by its person, or is vouched for by them, or is gone.
    Believed {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Whose device.
        who: String,
    },
    /// A letter was dropped.
    LetterDropped {
        /// Why.
        cause: String,
    },
    /// What an invitation leads to does not hold so far. It is tried again.
    InvitationFails {
        /// Why.
        cause: String,
    },
    /// The relay broke its own rules.
    RelayFault {
        /// How.
        cause: String,
    },
    /// A relay where groups or people are cannot be reached. It is tried again and again.
    RelayAway {
        /// Which one.
        relay: String,
        /// Why.
        cause: String,
    },
    /// The relay was started from a backup, and its log of a group lacks what was seen here.
    RelayRestored {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// How many entries it lost.
        lost: u64,
        /// Whether changes of the group were among them.
        changes: bool,
    },
    /// A relay was started from a backup, and its key log lacks epochs that were seen here. Who changed keys since makes them
    /// known anew.
    LogRestored {
        /// The relay's host.
        relay: String,
        /// How many epochs it lost.
        lost: u64,
    },
    /// Somebody has a new identity key, announced and signed by the one before. That it was compared counts no more.
    IdentityRenewed {
        /// Whose.
        who: String,
    },
    /// This person's own identity key is the announced one now, and the recovery key another one.
    IdentityTakenOver,
    /// A new identity key of this person is announced, and not by this device. Any of the person's devices can object.
    IdentityAnnounced {
        /// When it can be taken over, milliseconds since 1970, by the relay's clock.
        at: u64,
    },
    /// The new identity key that this device announced will not be: another device objected.
    IdentityWithdrawn,
    /// Two members have compared their safety number, and one of them says so.
    Attested {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who says so.
        by: String,
        /// Whom they met.
        of: String,
    },
    /// Somebody wants to compare four words in a call: `conclave group sas` takes part.
    CallBegun {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who.
        by: String,
    },
    /// A comparison of four words came to nothing, since somebody did what no honest device does.
    CallAborted {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who did what.
        cause: String,
    },
    /// What was to be said waits: the group is for verified members only, and somebody in it is unchecked.
    Paused {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who is unchecked; the first, if there are several.
        who: String,
    },
    /// A new device asks to be linked to this account.
    DeviceAsks,
    /// This new device has been told by another one of this person what was before.
    History {
        /// How many messages.
        messages: u64,
    },
    /// Whoever made a link does not let this person in by it.
    TurnedAway {
        /// Their handle.
        by: String,
        /// Why, in words.
        why: String,
    },
    /// A device does not bring fresh secrets into a group in time: whoever has copied its keys reads on. Told once until
    /// it does.
    HealOverdue {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Whose device; the own handle for this one.
        who: String,
        /// Why it is known.
        cause: LateHeal,
    },
    /// The relay has posts of this device that its store does not know: it is an older copy, or somebody else has its keys.
    Restored {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
    },
}

/// Why fresh secrets are late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LateHeal {
    /// For an hour this device's own do not get into the group, although the relay answers.
    NotThrough,
    /// Somebody's device speaks at more than twice the time after its last heal at which it should have healed first.
    NotMade,
}
