//! The client: an account, its contacts and groups, and the one engine that keeps them in step with their relay.
//!
//! Everything lasting lives in one encrypted store; faces call [`Client`] and show what it says. What bytes mean is the
//! protocol's concern, how anything looks is a face's.

mod advice;
mod alarm;
mod client;
mod clock;
mod directory;
mod doctor;
mod engine;
mod error;
mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod info;
pub mod key_log;
mod keylog;
pub mod limits;
mod log_reader;
mod meeting;
mod store;
mod transport;
mod who;

pub use alarm::{AlarmCause, AlarmInfo, Deed};
pub use client::{Client, Events, Follow, audit_file, exists, read_link};
pub use clock::{Clock, SystemClock};
pub use conclave_protocol::group::{Endorsers, Policy, Right, Role, Scheme};
pub use conclave_protocol::{MessageId, Timestamp};
pub use doctor::{About, Directory, File, RelayReport, Report, Versions, examine};
pub use error::{ClientError, ExitClass};
pub use event::{Event, LateHeal};
pub use info::{
    AccountInfo, ContactInfo, ConversationRef, Delivery, DeviceInfo, Door, Doubt, GroupHeal, GroupInfo,
    HealInfo, HealReport, InviteOptions, MemberInfo, Message, Outcome, ProposedInfo, ReadOptions,
    RequestInfo, SyncReport, Ticket,
};
pub use store::census::{Census, Keys, People};
pub use store::{backup, restore};
pub use who::{
    AuditReport, AuditedStep, CallInfo, CodeInfo, GradeInfo, GroupGrades, MembershipInfo, MessageReaders,
    Reader,
};

/// Shorthand for results of this crate.
pub type Result<T, E = ClientError> = std::result::Result<T, E>;
