//! Every way a protocol step can fail, told apart by whose fault it is.

use crate::VaultError;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a step failed. After any of these the vault is rolled back: nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Somebody else sent what no honest client sends (or the bytes were damaged on the way).
    #[error("the message was refused: {0}")]
    Peer(#[from] PeerFault),
    /// The caller asked for what cannot be done.
    #[error("{0}")]
    Misuse(#[from] Misuse),
    /// The store failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A row of the own store does not decode.
    #[error("the store is damaged; restore it from a backup")]
    CorruptStore,
    /// A value is too large to be encoded.
    #[error("the content is too large")]
    TooLarge,
}

/// What a peer (or the relay) did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// Bytes that are no value of the expected type.
    #[error("malformed")]
    Malformed,
    /// A version that this client does not speak.
    #[error("unknown version")]
    UnknownVersion,
    /// A public key that is weak, non-canonical, or of small order.
    #[error("bad public key")]
    BadKey,
    /// A signature that does not verify.
    #[error("bad signature")]
    BadSignature,
    /// Authenticated decryption failed.
    #[error("does not open")]
    DoesNotOpen,
    /// A key that has been used up: a repeated message.
    #[error("already received")]
    Duplicate,
    /// A message number too far ahead.
    #[error("too far ahead")]
    TooFarAhead,
    /// Refers to a prekey that does not exist here any more.
    #[error("unknown prekey")]
    UnknownPrekey,
    /// Refers to a session that does not exist here.
    #[error("unknown session")]
    UnknownSession,
    /// Past its lifetime.
    #[error("expired")]
    Expired,
    /// Older than what is already known.
    #[error("rolled back")]
    RolledBack,
    /// From, for, or about somebody else than claimed.
    #[error("wrong sender or addressee")]
    WrongAddress,
    /// Not the group, epoch, parent or scheme that it must be.
    #[error("wrong group or epoch")]
    WrongEpoch,
    /// The author has no right to do this.
    #[error("not allowed by the group's policy")]
    NotAllowed,
    /// The named person or device is not (or already) in the roster.
    #[error("does not fit the roster")]
    RosterMismatch,
    /// A hash or tag inside does not match.
    #[error("does not match its hash")]
    HashMismatch,
    /// The relay's numbers can't be: a turn that falls or leaps.
    #[error("the relay contradicts itself")]
    RelayLied,
    /// No slice where one is needed.
    #[error("nothing for this device")]
    NoSlice,
}

impl PeerFault {
    /// Every fault there is.
    pub const ALL: &[Self] = &[
        Self::Malformed,
        Self::UnknownVersion,
        Self::BadKey,
        Self::BadSignature,
        Self::DoesNotOpen,
        Self::Duplicate,
        Self::TooFarAhead,
        Self::UnknownPrekey,
        Self::UnknownSession,
        Self::Expired,
        Self::RolledBack,
        Self::WrongAddress,
        Self::WrongEpoch,
        Self::NotAllowed,
        Self::RosterMismatch,
        Self::HashMismatch,
        Self::RelayLied,
        Self::NoSlice,
    ];
}

/// What the caller did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// There is an account already.
    #[error("there is an account already")]
    AccountExists,
    /// There is no account yet.
    #[error("there is no account yet; create one first")]
    NoAccount,
    /// A name outside its alphabet or length.
    #[error("bad name: 2 to 32 of a-z 0-9 . _ -, starting with a letter or digit")]
    BadHandle,
    /// A text above its bound.
    #[error("too long: {0} bytes at most")]
    TooLong(usize),
    /// No such group here.
    #[error("no such group")]
    NoSuchGroup,
    /// The person is in the group already.
    #[error("already a member")]
    AlreadyMember,
    /// The person is not in the group.
    #[error("not a member")]
    NotAMember,
    /// The own role does not allow it.
    #[error("the group's policy does not allow you to do this")]
    NotAllowed,
    /// The last administrator must name a successor before leaving.
    #[error("you are the last administrator; make somebody else one first")]
    LastAdministrator,
    /// Nobody has proposed this person.
    #[error("nobody has proposed this person")]
    NotProposed,
    /// A session needs a prekey bundle first.
    #[error("no session and no prekey bundle for a device")]
    BundleNeeded,
    /// A join key is needed to add a device.
    #[error("no join key for a device")]
    JoinKeyNeeded,
    /// A post is still waiting for its fate.
    #[error("the last post is not settled yet")]
    PostPending,
    /// This device can't follow the group and must rejoin.
    #[error("this device lost track of the group and is rejoining")]
    Stranded,
    /// This device is no member any more.
    #[error("you are no longer in this group")]
    NotInGroup,
    /// The group is full for its scheme.
    #[error("the group is full: {0} devices with this scheme")]
    GroupFull(usize),
    /// An entry out of its place in the log.
    #[error("entries must be received in the order of the log")]
    OutOfOrder,
    /// Only the device with the identity key signs the device list.
    #[error("only your first device can do this")]
    NotPrimary,
    /// New keys of this device are not known to its relay yet.
    #[error("this device's new keys are still on their way to its relay")]
    KeysUnderWay,
    /// Not a recovery key.
    #[error(
        "these are not the 24 words of a recovery key: look for a word that is misspelt, missing or in another place"
    )]
    BadRecoveryKey,
    /// Nobody has begun a call, or this device takes part already.
    #[error("there is no call to take part in")]
    NoCall,
    /// The scheme is not built.
    #[error("this scheme is not available in this version")]
    SchemeUnavailable,
}

impl Misuse {
    /// Every misuse there is, with a bound where there is one.
    pub const ALL: &[Self] = &[
        Self::AccountExists,
        Self::NoAccount,
        Self::BadHandle,
        Self::TooLong(crate::content::MAX_TEXT),
        Self::NoSuchGroup,
        Self::AlreadyMember,
        Self::NotAMember,
        Self::NotAllowed,
        Self::LastAdministrator,
        Self::NotProposed,
        Self::BundleNeeded,
        Self::JoinKeyNeeded,
        Self::PostPending,
        Self::Stranded,
        Self::NotInGroup,
        Self::GroupFull(crate::group::Scheme::Tree.promise().devices),
        Self::OutOfOrder,
        Self::NotPrimary,
        Self::KeysUnderWay,
        Self::BadRecoveryKey,
        Self::NoCall,
        Self::SchemeUnavailable,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::mem::discriminant;

    /// Each variant has its `#[error]` in the source.
    #[test]
    fn the_lists_of_faults_and_misuses_are_complete() {
        let count = |source: &str, of: &str| {
            let body =
                source.split(&format!("pub enum {of} {{")).nth(1).unwrap().split("\n}").next().unwrap();
            body.matches("#[error(").count()
        };
        let source = include_str!("error.rs");
        let faults: HashSet<_> = PeerFault::ALL.iter().map(discriminant).collect();
        let misuses: HashSet<_> = Misuse::ALL.iter().map(discriminant).collect();
        assert_eq!(
            (faults.len(), PeerFault::ALL.len()),
            (count(source, "PeerFault"), count(source, "PeerFault"))
        );
        assert_eq!((misuses.len(), Misuse::ALL.len()), (count(source, "Misuse"), count(source, "Misuse")));
    }
}
