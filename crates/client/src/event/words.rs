//! Events in words, for people.

use super::{Event, LateHeal};
use std::fmt;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages { conversation, count, missing, .. } => {
                messages(f, conversation, *count, *missing)
            }
            // A chat of two goes by the other's name.
            Self::Joined { conversation, by, .. } if conversation == by => {
                write!(f, "{conversation} has begun a chat with you")
            }
            Self::Joined { conversation, by, .. } => write!(f, "{conversation}: you are in, invited by {by}"),
            Self::Request { conversation, by, .. } => {
                write!(f, "{conversation}: {by} wants to talk to you; accept, decline or block")
            }
            Self::Changed { conversation, by, what, epoch, .. } => {
                write!(f, "{conversation}: {by} {what} (epoch {epoch})")
            }
            Self::Proposed { conversation, by, who, reason, missing, .. } => {
                proposed(f, conversation, (by, who), reason, *missing)
            }
            Self::Leaving { conversation, who, .. } => write!(f, "{conversation}: {who} leaves"),
            Self::Removed { conversation, by, .. } => {
                write!(f, "{conversation}: {by} removed you; what was said stays readable here")
            }
            Self::Ignored { conversation, cause, .. } => {
                write!(f, "{conversation}: an entry was ignored ({cause}); nothing else is affected")
            }
            Self::Stranded { conversation, cause, .. } => {
                write!(f, "{conversation}: this device lost track ({cause}) and asks to be let in again")
            }
            Self::GivenUp { conversation, what, cause, .. } => {
                write!(f, "{conversation}: {what} was given up: {cause}")
            }
            Self::Alarm { alarm, cause } => write!(f, "ALARM {alarm}: {cause}"),
            Self::Believed { conversation, who, .. } => {
                write!(f, "{conversation}: what {who} says is theirs again; what was in doubt stays marked")
            }
            Self::LetterDropped { cause } => write!(f, "a letter was dropped: {cause}"),
            Self::InvitationFails { cause } => {
                write!(f, "an invitation does not hold so far: {cause}; it is tried again for a week")
            }
            Self::RelayFault { cause } => write!(f, "the relay broke its rules: {cause}"),
            Self::RelayAway { relay, cause } => {
                write!(f, "the relay {relay} cannot be reached ({cause}); it is tried again by itself")
            }
            Self::RelayRestored { conversation, lost, changes, .. } => {
                restored(f, conversation, *lost, *changes)
            }
            Self::LogRestored { relay, lost } => write!(
                f,
                "the relay {relay} was restored from a backup and lost {lost} epochs of its key log that were seen here"
            ),
            Self::History { messages } => {
                write!(f, "your other device told this one what was before: {messages} messages")
            }
            Self::Attested { conversation, by, of, .. } => write!(f, "{conversation}: {by} has met {of}"),
            Self::CallBegun { conversation, by, .. } => {
                write!(f, "{conversation}: {by} wants to compare four words in a call; take part with `group sas`")
            }
            Self::CallAborted { conversation, cause, .. } => {
                write!(f, "{conversation}: the comparison of four words came to nothing: {cause}")
            }
            Self::Paused { conversation, who, .. } => {
                write!(f, "{conversation}: what you said waits until {who} is checked: the group is for verified members only")
            }
            Self::IdentityRenewed { who } => write!(
                f,
                "{who} has a new identity key, signed by the one before; compare the safety number again when you can"
            ),
            Self::IdentityTakenOver => {
                f.write_str("your new identity key counts now; write down the new recovery key: conclave account recovery-key")
            }
            Self::IdentityAnnounced { .. } => f.write_str(
                "a new identity key of yours is announced, and not by this device: if it was not you, say                  `conclave account rotate --veto` within a day",
            ),
            Self::IdentityWithdrawn => {
                f.write_str("your new identity key will not be: one of your devices objected")
            }
            Self::DeviceAsks => {
                f.write_str("a new device asks to be linked; approve it with the code that it shows")
            }
            Self::TurnedAway { by, why } => write!(f, "{by} does not let you in by their link: {why}"),
            Self::HealOverdue { conversation, who, cause, .. } => overdue(f, conversation, who, *cause),
            Self::Restored { conversation, .. } => {
                write!(
                    f,
                    "{conversation}: the relay has posts of this device that its store does not know: the store is an older \
                     copy, or somebody else posts with its keys; it catches up before it says anything"
                )
            }
        }
    }
}

fn overdue(f: &mut fmt::Formatter<'_>, conversation: &str, who: &str, cause: LateHeal) -> fmt::Result {
    match cause {
        LateHeal::NotThrough => write!(
            f,
            "{conversation}: for an hour this device's fresh secrets do not get through although the relay answers; \
             who has copied its keys reads on; ask the relay's owner"
        ),
        LateHeal::NotMade => write!(
            f,
            "{conversation}: a device of {who} speaks without having brought fresh secrets in time: its clock is \
             wrong, its heal was given up, or somebody else has its keys; ask them"
        ),
    }
}

fn proposed(
    f: &mut fmt::Formatter<'_>,
    conversation: &str,
    (by, who): (&str, &str),
    reason: &str,
    missing: usize,
) -> fmt::Result {
    write!(f, "{conversation}: {by} wants to add {who}")?;
    if !reason.is_empty() {
        write!(f, " ({reason})")?;
    }
    match missing {
        0 => f.write_str("; object with `group object`"),
        1 => f.write_str("; it needs one more: `group endorse`, or `group object`"),
        _ => write!(f, "; it needs {missing} more: `group endorse`, or `group object`"),
    }
}

fn messages(f: &mut fmt::Formatter<'_>, conversation: &str, count: u64, missing: u64) -> fmt::Result {
    write!(f, "{conversation}: {count} new message{}", if count == 1 { "" } else { "s" })?;
    match missing {
        0 if count < 2 => Ok(()),
        0 => write!(f, ", none missing"),
        _ => write!(f, "; {missing} older than the relay keeps them, or not readable here, are missing"),
    }
}

fn restored(f: &mut fmt::Formatter<'_>, conversation: &str, lost: u64, changes: bool) -> fmt::Result {
    let entries = if lost == 1 { "entry" } else { "entries" };
    write!(f, "{conversation}: the relay was restored from a backup and lost {lost} {entries} seen here")?;
    f.write_str(if changes {
        ", changes of the group among them; members who had not seen those are let in again"
    } else {
        "; who had not read them yet never will"
    })
}
