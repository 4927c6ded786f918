//! What one device of a person tells a new one about the time before it: whom the person knows, and what was said.
//!
//! It is said inside the chat that a person's own devices share. Which of it is shown, and in which order, is the client's
//! concern.

use crate::codec::VLBytes;
use crate::identity::{DeviceList, Handle, UnverifiedDeviceList};
use crate::{GroupId, MessageId, PersonId, Result, Timestamp};
use tls_codec::{TlsDeserializeBytes, TlsSerialize, TlsSize};

/// How much of it goes into one message, in bytes; a single longer message goes alone.
pub const BATCH: usize = 48 << 10;

/// A part of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct History {
    /// So many messages were told with this one and those before it.
    pub told: u64,
    /// So many are still to come; with none, it is the last one.
    pub left: u64,
    /// What it tells; messages newest first.
    pub items: Vec<Item>,
}

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
#[repr(u8)]
#[allow(clippy::large_enum_variant, reason = "most are messages, which are as large")]
pub enum Item {
    /// Somebody whose keys were seen.
    #[tls_codec(discriminant = 0)]
    Person(Known),
    /// A conversation that the person is not in any more.
    #[tls_codec(discriminant = 1)]
    Ended(Ended),
    /// A text.
    #[tls_codec(discriminant = 2)]
    Said(Said),
}

/// Somebody, as pinned.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Known {
    /// Where found.
    pub handle: Handle,
    /// The local name; empty if there is none.
    pub name: VLBytes,
    /// The signed device list.
    pub list: VLBytes,
    /// Bit 0: a contact; bit 1: the safety number was compared; bit 2: blocked.
    pub flags: u8,
}

/// A conversation that is over.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Ended {
    /// The group.
    pub group: GroupId,
    /// Its local name.
    pub name: VLBytes,
    /// With whom, if it was a chat of two.
    pub direct: Option<PersonId>,
    /// 0 left, 1 removed, 2 declined.
    pub how: u8,
}

/// A text that was said.
#[derive(Clone, Debug, PartialEq, Eq, TlsSize, TlsSerialize, TlsDeserializeBytes)]
pub struct Said {
    /// Where.
    pub group: GroupId,
    /// Its id.
    pub id: MessageId,
    /// By whom.
    pub person: PersonId,
    /// Their handle.
    pub handle: VLBytes,
    /// The text, UTF-8.
    pub text: VLBytes,
    /// The sender's claim.
    pub sent_at: Timestamp,
    /// When the relay took it.
    pub received_at: Timestamp,
    /// The group's epoch then.
    pub epoch: u64,
}

impl Known {
    /// The device list, verified.
    ///
    /// # Errors
    /// As [`UnverifiedDeviceList::verify`].
    pub fn device_list(&self) -> Result<DeviceList> {
        UnverifiedDeviceList::read(self.list.as_slice())?.verify()
    }
}

/// One of each kind.
#[cfg(any(test, fuzzing))]
#[allow(clippy::unwrap_used, reason = "a seed that cannot be made is a fault of the test")]
pub(crate) fn fuzz_seed() -> History {
    let known = Known {
        handle: Handle::parse("mike@h").unwrap(),
        name: VLBytes::default(),
        list: VLBytes::default(),
        flags: 3,
    };
    let ended =
        Ended { group: GroupId([1; 32]), name: VLBytes::default(), direct: Some(PersonId([2; 32])), how: 1 };
    let said = Said {
        group: GroupId([1; 32]),
        id: MessageId([3; 16]),
        person: PersonId([2; 32]),
        handle: b"mike@h".as_slice().into(),
        text: b"long ago".as_slice().into(),
        sent_at: Timestamp(1),
        received_at: Timestamp(2),
        epoch: 7,
    };
    History { told: 1, left: 0, items: vec![Item::Person(known), Item::Ended(ended), Item::Said(said)] }
}
