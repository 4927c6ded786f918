//! Everything that a client refuses or fails at, for a face to show: a closed set with a code for scripts, a message, a
//! hint, and the class that decides how a command ends.

use conclave_keylog::KeyLogError;
use conclave_protocol::identity::ScanError;
use conclave_protocol::{Error as ProtocolError, Misuse};

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The directory holds no account.
    #[error("there is no account here yet")]
    NoAccount,
    /// The directory holds an account.
    #[error("there is an account here already")]
    AccountExists,
    /// Registration was begun but never confirmed by the relay.
    #[error("the account was never registered with its relay")]
    NotRegistered,
    /// The passphrase does not open the store.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// The store was written by a newer version.
    #[error("the store has version {needs}, newer than this program")]
    StoreTooNew {
        /// The version to have.
        needs: u32,
    },
    /// The store's bytes make no sense.
    #[error("the store is damaged: {0}")]
    StoreDamaged(String),
    /// The store cannot be written or read now.
    #[error("the store failed: {0}")]
    Store(String),
    /// There is no room to write to the store. Nothing of the step was kept.
    #[error("there is no room left for the store: {0}")]
    StoreFull(String),
    /// An address that is none.
    #[error("'{0}' is no address of a relay")]
    BadAddress(String),
    /// An address that would need TLS.
    #[error("'{0}' is not on this machine, and nothing would encrypt the way there")]
    NeedsTls(String),
    /// Another machine would be told a time that is wrong on purpose.
    #[error("'{0}' is not on this machine, and the clock is shifted")]
    ClockShifted(String),
    /// No encrypted connection came about.
    #[error("no encrypted connection to the relay: {0}")]
    TlsFailed(String),
    /// The relay does not answer.
    #[error("the relay cannot be reached: {0}")]
    Unreachable(String),
    /// Another relay answers at the address.
    #[error("another relay answers at the address: its key is not the one known")]
    RelayChanged,
    /// The relay speaks another version.
    #[error("the relay speaks version {0} of the API, which this program does not")]
    RelayVersion(u32),
    /// The relay breaks its own rules.
    #[error("the relay misbehaves: {0}")]
    RelayFault(&'static str),
    /// What the relay says of people is not what its key log says, or its key log not what it said before.
    #[error("the relay's key log does not bear out what it says: {0}")]
    KeyLog(KeyLogError),
    /// The relay refuses.
    #[error("the relay refused: {message}")]
    Refused {
        /// The relay's code.
        code: String,
        /// What it means, in the client's words.
        message: String,
    },
    /// The name means neither a group nor a person here.
    #[error("'{0}' is no group and no contact here")]
    UnknownTarget(String),
    /// The directory knows nobody of that name.
    #[error("the relay knows nobody called '{0}'")]
    UnknownPerson(String),
    /// The relay of somebody else cannot be reached.
    #[error("the relay {relay} cannot be reached: {cause}")]
    RelayAway {
        /// Which one.
        relay: String,
        /// Why.
        cause: String,
    },
    /// What the directory says contradicts what is pinned here.
    #[error("the keys of '{0}' are not the ones known: somebody may stand in for them")]
    IdentityChanged(String),
    /// The request of a person that is blocked, or that was answered.
    #[error("'{0}' is no open request")]
    NoSuchRequest(String),
    /// A file that is no backup, or not a whole one.
    #[error("the backup cannot be used: {0}")]
    BadBackup(&'static str),
    /// A link that leads nowhere.
    #[error("the link does not hold: {0}")]
    BadLink(&'static str),
    /// No new device has asked to be linked.
    #[error("no new device has asked")]
    NoDeviceAsks,
    /// The device that asks shows another code.
    #[error("this is not the code of the device that asked; it was turned away")]
    WrongCode,
    /// A recovery key of somebody else.
    #[error("this recovery key is not that of the person by this name")]
    WrongRecoveryKey,
    /// Nobody has approved this device in time.
    #[error("this device was not approved in time")]
    NotListed,
    /// What was scanned is no proof.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// Too many comparisons of words came to nothing lately.
    #[error("three calls came to nothing within an hour: somebody may be trying until the words fit")]
    TooManyCalls,
    /// The group's policy lets nobody speak to people they have not checked.
    #[error("this group is for verified members only, and you have not checked {0}")]
    NotVerified(String),
    /// A link past its time.
    #[error("the link is past its time")]
    LinkExpired,
    /// The conversation is a request that was not accepted.
    #[error("'{0}' is a request that you have not accepted")]
    NotAccepted(String),
    /// The own handle.
    #[error("that is you")]
    Yourself,
    /// Too much waits to be sent.
    #[error("too much waits to be sent: {0} at most")]
    OutboxFull(usize),
    /// The conversation was left, or the person was removed from it.
    #[error("you are no longer in '{0}'")]
    NotInGroup(String),
    /// A queued message or change was given up.
    #[error("it was given up: {message}")]
    GivenUp {
        /// The code of the reason.
        code: String,
        /// The reason.
        message: String,
    },
    /// The protocol refused.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
}

/// How a command ends that failed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitClass {
    /// Nothing was done, and trying again as it is will not help.
    Refused,
    /// The relay could not be reached.
    Unreachable,
    /// Stored here, not yet at the relay.
    Queued,
    /// The store does not open.
    Locked,
    /// The environment is not fit for it.
    Usage,
}

impl ClientError {
    /// What a relay's refusal means to a person, and what to do about it.
    pub fn of_refusal(code: conclave_wire::Code) -> (&'static str, &'static str) {
        crate::advice::refusal(code)
    }

    /// A relay's refusal. A code that this version does not know is `unavailable`, and no relay speaks in its own words.
    pub(crate) fn refused(code: &str) -> Self {
        let (code, message) = crate::advice::known(code);
        Self::Refused { code: code.to_owned(), message: message.to_owned() }
    }

    /// A word for scripts, in snake case; never changes.
    pub fn code(&self) -> &str {
        match self {
            Self::NoAccount => "no_account",
            Self::AccountExists => "account_exists",
            Self::NotRegistered => "not_registered",
            Self::WrongPassphrase => "wrong_passphrase",
            Self::StoreTooNew { .. } => "store_too_new",
            Self::StoreDamaged(_) => "store_damaged",
            Self::Store(_) => "store_failed",
            Self::StoreFull(_) => "store_full",
            Self::BadAddress(_) => "bad_address",
            Self::NeedsTls(_) => "needs_tls",
            Self::ClockShifted(_) => "clock_shifted",
            Self::TlsFailed(_) => "tls_failed",
            Self::Unreachable(_) => "unreachable",
            Self::RelayChanged => "relay_changed",
            Self::RelayVersion(_) => "relay_version",
            Self::RelayFault(_) => "relay_fault",
            Self::KeyLog(_) => "key_log",
            Self::Refused { code, .. } | Self::GivenUp { code, .. } => code,
            Self::UnknownTarget(_) => "unknown_target",
            Self::UnknownPerson(_) => "unknown_person",
            Self::RelayAway { .. } => "relay_away",
            Self::IdentityChanged(_) => "identity_changed",
            Self::NoSuchRequest(_) => "no_such_request",
            Self::BadBackup(_) => "bad_backup",
            Self::BadLink(_) => "bad_link",
            Self::NoDeviceAsks => "no_device_asks",
            Self::WrongCode => "wrong_code",
            Self::WrongRecoveryKey => "wrong_recovery_key",
            Self::NotListed => "not_listed",
            Self::Scan(ScanError::Malformed) => "no_safety_number",
            Self::Scan(ScanError::Version) => "other_version",
            Self::Scan(ScanError::OwnCode) => "own_code",
            Self::Scan(ScanError::NotMatching) => "not_matching",
            Self::TooManyCalls => "too_many_calls",
            Self::NotVerified(_) => "not_verified",
            Self::LinkExpired => "link_expired",
            Self::NotAccepted(_) => "not_accepted",
            Self::Yourself => "yourself",
            Self::OutboxFull(_) => "outbox_full",
            Self::NotInGroup(_) => "not_in_group",
            Self::Protocol(error) => protocol_code(error),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoAccount => {
                "Make one with `conclave account create NAME --relay URL`, or with `conclave up`."
            }
            Self::AccountExists => "Use another data directory for a second account.",
            Self::NotRegistered => "Run `conclave account create` with the same name again.",
            Self::WrongPassphrase => "Try again; without the passphrase nobody opens the store.",
            Self::StoreTooNew { .. } => "Update this program.",
            Self::StoreDamaged(_) => crate::advice::by_code("store_damaged"),
            Self::Store(_) => crate::advice::by_code("store_failed"),
            Self::StoreFull(_) => crate::advice::by_code("store_full"),
            Self::BadAddress(_) => "An address looks like https://example.org or http://127.0.0.1:7400.",
            Self::NeedsTls(_) => "Use its https:// address.",
            Self::ClockShifted(_) => "Unset CONCLAVE_CLOCK_OFFSET: it is for tests on one machine.",
            Self::TlsFailed(_) => {
                "If the relay made its certificate itself, use its whole address, with # and its id; its owner has it."
            }
            Self::Unreachable(_) => "See whether the relay runs and its address is right.",
            Self::RelayChanged => "Ask the relay's owner; nothing was sent to it.",
            Self::RelayVersion(_) => "Update this program or the relay.",
            Self::RelayFault(_) => "Nothing was lost; try again, and tell the relay's owner.",
            Self::KeyLog(_) => {
                "Nothing of it was taken. Look at `conclave alarms`, and ask the relay's owner."
            }
            Self::Refused { code, .. } | Self::GivenUp { code, .. } => crate::advice::by_code(code),
            Self::UnknownTarget(_) => {
                "See `conclave group list` and `conclave contact list`, or add the contact first."
            }
            Self::UnknownPerson(_) => "See whether the name is spelled right.",
            Self::RelayAway { .. } => "Try again later; what waits is sent by itself once it is back.",
            Self::IdentityChanged(_) => "Call them. Nothing is encrypted to the new keys.",
            Self::BadBackup(_) => "Use another copy; nothing was changed here.",
            Self::BadLink(_) => "Ask for it again, and paste it whole.",
            Self::NoDeviceAsks => "Run `conclave device link`, and take its link on the new device.",
            Self::WrongCode => {
                "If you typed it right, somebody else has seen the link. Make a new one with `conclave device link`."
            }
            Self::WrongRecoveryKey => {
                "Look at the name, at the relay, and at the paper: it may be the key of another account."
            }
            Self::NotListed => "Run the same again, or make a new link on your first device.",
            Self::Scan(ScanError::Malformed | ScanError::Version) => {
                "Scan what `conclave contact verify WHO --qr` shows on the other side."
            }
            Self::Scan(ScanError::OwnCode) => "Each scans the other's screen.",
            Self::Scan(ScanError::NotMatching) => {
                "Somebody may stand between you. Say nothing that matters there; meet, and compare once more."
            }
            Self::TooManyCalls => "Wait an hour, or compare the group code or safety numbers instead.",
            Self::NotVerified(_) => {
                "Compare with them, or with somebody who has met them: conclave group verify GROUP."
            }
            Self::LinkExpired => "Ask for a new one.",
            Self::NoSuchRequest(_) => "See `conclave request list`.",
            Self::NotAccepted(_) => "Use `conclave request accept` first.",
            Self::Yourself => "Name somebody else.",
            Self::OutboxFull(_) => "Wait until the relay can be reached again.",
            Self::NotInGroup(_) => "Somebody in the group can add you again.",
            Self::Protocol(_) => crate::advice::by_code(self.code()),
        }
    }

    /// How a command ends that failed so.
    pub fn exit(&self) -> ExitClass {
        match self {
            Self::WrongPassphrase => ExitClass::Locked,
            Self::ClockShifted(_) => ExitClass::Usage,
            Self::Unreachable(_) | Self::RelayAway { .. } => ExitClass::Unreachable,
            Self::Refused { code, .. } if code == "unavailable" => ExitClass::Unreachable,
            _ => ExitClass::Refused,
        }
    }
}

fn protocol_code(error: &ProtocolError) -> &'static str {
    match error {
        ProtocolError::Peer(_) => "bad_message",
        ProtocolError::Misuse(misuse) => misuse_code(misuse),
        ProtocolError::Vault(_) => "store_failed",
        ProtocolError::CorruptStore => "store_damaged",
        ProtocolError::TooLarge => "too_long",
    }
}

fn misuse_code(misuse: &Misuse) -> &'static str {
    match misuse {
        Misuse::AccountExists => "account_exists",
        Misuse::NoAccount => "no_account",
        Misuse::BadHandle => "bad_name",
        Misuse::TooLong(_) => "too_long",
        Misuse::NoSuchGroup => "unknown_target",
        Misuse::AlreadyMember => "already_member",
        Misuse::NotAMember => "not_a_member",
        Misuse::NotAllowed => "not_allowed",
        Misuse::LastAdministrator => "last_administrator",
        Misuse::BundleNeeded | Misuse::JoinKeyNeeded => "no_keys",
        Misuse::PostPending => "post_pending",
        Misuse::Stranded => "stranded",
        Misuse::NotInGroup => "not_in_group",
        Misuse::GroupFull(_) => "group_full",
        Misuse::NotPrimary => "not_primary",
        Misuse::KeysUnderWay => "keys_under_way",
        Misuse::BadRecoveryKey => "bad_recovery_key",
        Misuse::NoCall => "no_call",
        Misuse::NotProposed => "not_proposed",
        Misuse::SchemeUnavailable => "scheme_unavailable",
        _ => "refused",
    }
}

impl From<Misuse> for ClientError {
    fn from(misuse: Misuse) -> Self {
        Self::Protocol(misuse.into())
    }
}

impl From<conclave_protocol::PeerFault> for ClientError {
    fn from(fault: conclave_protocol::PeerFault) -> Self {
        Self::Protocol(fault.into())
    }
}

impl From<rusqlite::Error> for ClientError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Self::StoreDamaged(error.to_string())
            }
            Some(rusqlite::ErrorCode::DiskFull) => Self::StoreFull(error.to_string()),
            // Limits and quotas of the system: the database takes only a full disk for one.
            Some(rusqlite::ErrorCode::SystemIoFailure) if is_write(&error) => {
                Self::StoreFull(error.to_string())
            }
            _ => Self::Store(error.to_string()),
        }
    }
}

fn is_write(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{
        SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE,
    };
    let writes = [SQLITE_IOERR_WRITE, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE];
    error.sqlite_error().is_some_and(|error| writes.contains(&error.extended_code))
}

impl From<std::io::Error> for ClientError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::StoreFull(error.to_string()),
            _ => Self::Store(error.to_string()),
        }
    }
}
