//! What the client tells of who is in a group, and how well they are known: plain values, as in `info`.

use crate::info::ConversationRef;
use serde::Serialize;

/// A group code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodeInfo {
    /// 40 digits.
    pub code: String,
    /// Whether it is another one than was shown here the last time.
    pub changed: bool,
    /// What changed it since then, in words.
    pub changes: Vec<String>,
}

/// A comparison of four words in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallInfo {
    /// Whether this device takes part.
    pub joined: bool,
    /// Who is waited for.
    pub missing: Vec<String>,
    /// The words, once they are there.
    pub words: Option<Vec<String>>,
    /// Why it came to nothing, if so.
    pub aborted: Option<String>,
}

/// Who can read a message: the devices that had keys of its epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageReaders {
    /// The message's id, 32 hex digits.
    pub id: String,
    /// Where it was said.
    pub conversation: ConversationRef,
    /// The sender's handle.
    pub from: String,
    /// The group's epoch.
    pub epoch: u64,
    /// How many devices they are.
    pub devices: usize,
    /// Whose devices they are.
    pub people: Vec<Reader>,
}

/// An exported history of a group's membership that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditReport {
    /// The group's id, 64 hex digits.
    pub group: String,
    /// The epoch at which it begins.
    pub begins: u64,
    /// Whether who was in at the beginning is signed by whoever let the exporting device in.
    pub begin_signed: bool,
    /// The message that it was exported for, if it was for one.
    pub message: Option<String>,
    /// The epoch that the exporting device says it was said in.
    pub message_epoch: Option<u64>,
    /// The commits, in order; each signature holds, and so does each right.
    pub steps: Vec<AuditedStep>,
    /// How many devices can read after the last of them.
    pub devices: usize,
    /// Whose devices they are.
    pub people: Vec<Reader>,
}

/// A commit of an exported history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditedStep {
    /// The epoch since.
    pub epoch: u64,
    /// The handle of who signed it.
    pub by: String,
    /// Their id.
    pub by_person: String,
    /// The device that signed.
    pub device: String,
    /// What it changed.
    pub what: Vec<String>,
    /// Its hash.
    pub commit: String,
}

/// Somebody who can read a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reader {
    /// `name@host[:port]`.
    pub handle: String,
    /// The person's id, 64 hex digits.
    pub person: String,
    /// The devices' ids.
    pub devices: Vec<String>,
}

/// How well the members of a group are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupGrades {
    /// So many were compared by oneself.
    pub met: usize,
    /// So many are vouched for by people who have met each other.
    pub vouched: usize,
    /// So many are neither.
    pub unchecked: usize,
    /// Everybody but oneself.
    pub members: Vec<GradeInfo>,
}

impl GroupGrades {
    /// All of it in one line.
    pub fn banner(&self) -> String {
        let (all, checked) = (self.members.len(), self.met);
        match (self.vouched, self.unchecked) {
            (0, 0) => format!("all {all} checked"),
            (vouched, 0) => format!("{checked} of {all} checked, {vouched} vouched"),
            (0, new) => format!("{checked} of {all} checked, {new} new"),
            (vouched, new) => format!("{checked} of {all} checked, {vouched} vouched, {new} new"),
        }
    }
}

/// How well a member is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GradeInfo {
    /// The local name.
    pub name: String,
    /// `name@host[:port]`.
    pub handle: String,
    /// The person's id, 64 hex digits.
    pub person: String,
    /// `met`, `vouched` or `unchecked`.
    pub grade: String,
    /// Through whom, where it is `vouched`: from somebody one has met to somebody who has met this member.
    pub through: Vec<String>,
}

/// One thing that happened to a group's membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MembershipInfo {
    /// The epoch since.
    pub epoch: u64,
    /// By the relay's clock, milliseconds since 1970.
    pub at: i64,
    /// Who signed it.
    pub by: String,
    /// The id of who signed it.
    pub by_person: String,
    /// `added`, `removed`, `left`, `renamed`, `role`, `policy`, `device-added`, `device-removed`, `new-keys`, `new-identity`,
    /// `recovered`, `away`, `rejoined`, `proposed`, `endorsed` or `objected`; `founded` or `joined` where this device's knowledge begins.
    pub kind: String,
    /// To whom.
    pub who: Option<String>,
    /// Their id.
    pub person: Option<String>,
    /// A new name, role or policy, or a reason; for the beginning, who was in.
    pub detail: String,
    /// The hash of the commit, 64 hex digits.
    pub commit: String,
}
