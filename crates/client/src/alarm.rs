//! What is loud: rare things that honest people, devices and relays do not do. Each is told once, and stays until the person
//! acknowledges it. What is continuous (a device linked, a planned change, a recovery) is an event like any other.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an alarm is raised. Names and handles in it are other people's text: a face shows them inert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlarmCause {
    /// Other keys are given for somebody than those pinned here, and not signed by these. Nothing is encrypted to them.
    IdentityReplaced {
        /// Whose.
        who: String,
    },
    /// The directory gives an older list of somebody's devices than was seen before, or one that somebody else signed.
    ListRolledBack {
        /// Whose.
        who: String,
    },
    /// Something was done in this person's own name that none of its devices did.
    OwnName {
        /// What.
        deed: Deed,
        /// The group's id; empty where it is not about one.
        id: String,
        /// Its local name; empty where it is not about one.
        conversation: String,
    },
    /// Somebody says that what one of their devices says in a group is not theirs.
    Disavowed {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who.
        who: String,
        /// From which entry of the group's log on.
        entry: u64,
    },
    /// A device whose person says that it is in other hands has changed a group.
    DoubtfulChange {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Whose device.
        who: String,
    },
    /// Two different messages of one device under one number: two hold its keys.
    CounterTwice {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Whose device.
        who: String,
    },
    /// The relay of a group shows its members different logs.
    Fork {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Whose view is another one.
        who: String,
        /// In which conversation they said so.
        via: String,
    },
    /// A relay has signed two different roots of its key log for one moment: it shows people two directories. The two roots are
    /// kept, for anybody to check.
    LogForked {
        /// The relay's host.
        relay: String,
    },
    /// What a relay says of people does not go together with its key log, or its key log not with what it said before.
    /// Nothing of it is taken.
    LogFault {
        /// The relay's host.
        relay: String,
        /// What is wrong.
        what: String,
    },
    /// The relay of a group says that there is nothing new although somebody has seen more.
    Withheld {
        /// The group's id.
        id: String,
        /// Its local name.
        conversation: String,
        /// Who has seen more.
        who: String,
        /// In which conversation they said so.
        via: String,
    },
}

/// What was done in this person's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Deed {
    /// An entry of this device's seat in a group that it did not post.
    Posted,
    /// A change of a group, signed by this device's key there, that it did not make.
    Changed,
    /// A list of this person's devices that this one, which alone signs them, did not sign.
    Listed,
    /// An entry of the relay's key log under this person's name that is not this person's.
    Logged,
}

impl AlarmCause {
    /// What makes two alarms the same one.
    pub(crate) fn subject(&self) -> String {
        match self {
            Self::IdentityReplaced { who } => format!("identity-replaced {who}"),
            Self::ListRolledBack { who } => format!("list-rolled-back {who}"),
            Self::OwnName { deed, id, .. } => format!("own-name {deed:?} {id}"),
            Self::Disavowed { id, who, .. } => format!("disavowed {id} {who}"),
            Self::DoubtfulChange { id, who, .. } => format!("doubtful-change {id} {who}"),
            Self::CounterTwice { id, who, .. } => format!("counter-twice {id} {who}"),
            Self::Fork { id, .. } => format!("fork {id}"),
            Self::Withheld { id, .. } => format!("withheld {id}"),
            Self::LogForked { relay } => format!("log-forked {relay}"),
            Self::LogFault { relay, what } => format!("log-fault {relay} {what}"),
        }
    }
}

impl fmt::Display for AlarmCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdentityReplaced { who } => write!(
                f,
                "the relay gives other keys for {who} than before, not signed by these; nothing is encrypted to them: call {who}"
            ),
            Self::ListRolledBack { who } => write!(
                f,
                "the relay gives devices of {who} that are not what {who} signed last; nothing of it is taken"
            ),
            Self::OwnName { deed, conversation, .. } => own_name(f, *deed, conversation),
            Self::Disavowed { conversation, who, entry, .. } => write!(
                f,
                "{conversation}: {who} says that from entry {entry} on a device of theirs is in other hands; what it says \
                 is marked until {who} or a removal decides"
            ),
            Self::DoubtfulChange { conversation, who, .. } => write!(
                f,
                "{conversation}: the device that {who} says is in other hands has changed the group; look at `group audit`"
            ),
            Self::CounterTwice { conversation, who, .. } => write!(
                f,
                "{conversation}: two different messages of one device of {who} came under one number: somebody else has its \
                 keys, or the relay lies; what it says is marked; call {who}"
            ),
            Self::Fork { conversation, who, via, .. } => write!(
                f,
                "{conversation}: its relay shows {who} another history than this device (found in {via}); compare with \
                 them what was said, and leave that relay"
            ),
            Self::LogForked { relay } => write!(
                f,
                "the relay {relay} shows people two different directories, and has signed both: export the proof, show it to \
                 its other users, and leave that relay"
            ),
            Self::LogFault { relay, what } => write!(
                f,
                "what the relay {relay} says of people does not hold: {what}; nothing of it is taken: ask its owner"
            ),
            Self::Withheld { conversation, who, via, .. } => write!(
                f,
                "{conversation}: its relay says that there is nothing new, but {who} has seen more (said in {via})"
            ),
        }
    }
}

fn own_name(f: &mut fmt::Formatter<'_>, deed: Deed, conversation: &str) -> fmt::Result {
    match deed {
        Deed::Posted => write!(
            f,
            "{conversation}: something was posted in your name that this device did not post. Somebody has its keys, or \
             the relay lies. The others are told and keys are replaced; take away a linked device, and link it anew"
        ),
        Deed::Changed => write!(
            f,
            "{conversation}: a change is signed with this device's key that it did not make. Somebody has its keys. The \
             others are told and keys are replaced; take away a linked device, and link it anew"
        ),
        Deed::Listed => f.write_str(
            "a list of your devices is signed with your identity key that this device did not sign. Somebody has that \
             key: tell your contacts, and begin anew",
        ),
        Deed::Logged => f.write_str(
            "your relay's key log has had under your name what you did not sign: others may have been given somebody \
             else's keys for yours. Compare safety numbers, and leave that relay",
        ),
    }
}

/// An alarm as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlarmInfo {
    /// Its number.
    pub id: i64,
    /// Why.
    pub cause: AlarmCause,
    /// The same in words.
    pub text: String,
    /// When it was raised, milliseconds since 1970.
    pub first: i64,
    /// When the same was seen the last time.
    pub last: i64,
    /// How often.
    pub count: u64,
    /// Whether the person has acknowledged it.
    pub acknowledged: bool,
    /// Whether there is something to be shown to others.
    pub exportable: bool,
}
