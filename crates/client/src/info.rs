//! What the client tells faces: plain values, ready to be shown or written as JSON. None holds a secret.

use crate::Event;
use conclave_protocol::{GroupId, MessageId};
use serde::Serialize;

/// The account of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountInfo {
    /// `name@host[:port]`.
    pub handle: String,
    /// The person's id, 64 hex digits.
    pub person: String,
    /// This device's id, 32 hex digits.
    pub device: String,
    /// The relay's address.
    pub relay: String,
    /// The relay's id, 64 hex digits.
    pub relay_id: String,
}

/// One of the own devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// 32 hex digits.
    pub device: String,
    /// Whether it is this one.
    pub this: bool,
    /// This many messages are still to be told to it. `None`: nothing is, or another device tells it.
    pub untold: Option<u64>,
}

/// Somebody known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContactInfo {
    /// The local name, unique over contacts and groups.
    pub name: String,
    /// `name@host[:port]`.
    pub handle: String,
    /// The person's id, 64 hex digits.
    pub person: String,
    /// Whether the safety number was compared.
    pub verified: bool,
    /// Whether this person is blocked.
    pub blocked: bool,
}

/// A group, as this device sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupInfo {
    /// 64 hex digits.
    pub id: String,
    /// The local name, unique over contacts and groups.
    pub name: String,
    /// What the group calls itself.
    pub title: String,
    /// `pairwise`, `sender-keys` or `tree`; `unknown` where only another device of this person was ever in it.
    pub scheme: String,
    /// Counts the changes.
    pub epoch: u64,
    /// Whether this is a chat of two.
    pub direct: bool,
    /// `member`, `request`, `declined`, `left` or `removed`.
    pub state: String,
    /// Whether nobody speaks while a member is unchecked by them.
    pub verified_only: bool,
    /// Who may do what, in words.
    pub policy: String,
    /// Who is to be added.
    pub proposed: Vec<ProposedInfo>,
    /// Until when, at worst, somebody who has copied one device's keys reads what is said: the latest `exposed_until` of
    /// a device, in milliseconds since 1970. `None`: one of them is overdue, and there is no bound until it is heard of
    /// or taken out; or this account is not in the group.
    pub exposed_until: Option<i64>,
    /// Everybody in it.
    pub members: Vec<MemberInfo>,
}

/// Somebody who is to be added to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProposedInfo {
    /// `name@host[:port]`.
    pub handle: String,
    /// The person's id, 64 hex digits.
    pub person: String,
    /// Why; empty: nothing was said.
    pub reason: String,
    /// Who proposed it.
    pub by: String,
    /// Who agreed.
    pub endorsers: Vec<String>,
    /// How many more have to.
    pub missing: usize,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberInfo {
    /// `name@host[:port]`.
    pub handle: String,
    /// The person's id, 64 hex digits.
    pub person: String,
    /// `member` or `administrator`.
    pub role: String,
    /// How many devices that have keys.
    pub devices: usize,
    /// None has: they were put away, not heard of for 45 days. Who comes back is let in again.
    pub away: bool,
    /// When each of them last brought fresh secrets of its own into the group.
    pub heals: Vec<HealInfo>,
    /// Whether it is the own person.
    pub you: bool,
}

/// A device and its last heal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealInfo {
    /// The device's id in hex digits.
    pub device: String,
    /// In milliseconds since 1970, by the relay's clock (own heals by the own one). `None`: none since this account is in.
    pub healed_at: Option<i64>,
    /// When it will have healed again if it is online all the time, in milliseconds since 1970: two and a half times the
    /// time after which one heals that speaks, counted from its last heal, or since it, or this account, is in. Whoever
    /// has copied its keys reads until then. `None`: that is past, so it is not online, and nothing bounds it.
    pub exposed_until: Option<i64>,
    /// For two weeks it has neither healed nor has its person said anything.
    pub idle: bool,
}

/// What came of healing everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealReport {
    /// Whether the relay has new prekeys, a new bundle and new join keys, and none of the old ones.
    pub keys_replaced: bool,
    /// Every group and chat that this device is in.
    pub groups: Vec<GroupHeal>,
}

/// A group, and whether it is healed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupHeal {
    /// The group's id, 64 hex digits.
    pub id: String,
    /// The local name.
    pub name: String,
    /// Whether it is.
    pub healed: bool,
    /// If not: `queued` if it is done later by itself, else why it was given up.
    pub code: Option<String>,
}

/// A group that somebody unknown invited to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestInfo {
    /// The group's id, 64 hex digits.
    pub id: String,
    /// The local name.
    pub name: String,
    /// The inviter's handle.
    pub from: String,
    /// Whether it is a chat of two.
    pub direct: bool,
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConversationRef {
    /// The group's id, 64 hex digits.
    pub id: String,
    /// The local name.
    pub name: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// 32 hex digits.
    pub id: String,
    /// Where it was said.
    pub conversation: ConversationRef,
    /// The sender's handle.
    pub from: String,
    /// What was said.
    pub text: String,
    /// The sender's claim, Unix milliseconds.
    pub sent_at: i64,
    /// When the relay took it, Unix milliseconds.
    pub received_at: i64,
    /// The group's epoch.
    pub epoch: u64,
    /// Why it is in doubt who said it. `None`: it is not.
    pub doubtful: Option<Doubt>,
}

/// Why it is in doubt who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Doubt {
    /// The person whose device it is says that it was not them.
    Disavowed,
    /// Two different messages of that device came under one number before.
    NumberTwice,
}

/// How a link may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InviteOptions {
    /// By how many people.
    pub uses: u32,
    /// For how many days.
    pub days: u32,
    /// Whether to be asked each time, instead of letting its bearer in at once.
    pub asks: bool,
}

impl Default for InviteOptions {
    fn default() -> Self {
        Self { uses: 1, days: 7, asks: false }
    }
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// The relay's address, with its id.
    pub relay: String,
    /// Whose link it is, `name@host[:port]`.
    pub handle: String,
}

/// What to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Only what no reading with this flag gave before.
    pub only_new: bool,
    /// Only the last so many.
    pub limit: Option<usize>,
}

/// What came of synchronising.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SyncReport {
    /// What happened, oldest first, that no report told before.
    pub events: Vec<Event>,
    /// Whether everything was fetched and sent.
    pub caught_up: bool,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub(crate) message: MessageId,
    pub(crate) group: GroupId,
    pub(crate) outbox: i64,
}

impl Ticket {
    /// The message's id.
    pub fn message(&self) -> MessageId {
        self.message
    }

    /// The conversation's id.
    pub fn group(&self) -> GroupId {
        self.group
    }
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The relay holds it.
    Sent,
    /// Stored here; the engine sends it when it can.
    Queued,
}

/// Where a change of a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Done,
    /// Stored here; the engine carries it out when it can.
    Queued,
}
