//! What can be wrong with what a relay says of its key log.

/// A closed vocabulary: everything in this crate gives a value or one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyLogError {
    /// Bytes that are no encoding of what they should be.
    #[error("the bytes from the key log are out of form")]
    Malformed,
    /// The root names the key of another relay than the one asked.
    #[error("the root of the key log is another relay's")]
    OtherRelay,
    /// The root's signature is not by the key that it names.
    #[error("the root of the key log is not signed by its relay")]
    BadSignature,
    /// The proof does not show this under this root.
    #[error("the proof from the key log does not hold")]
    BadProof,
    /// Two roots of different logs: another relay, or another key of names.
    #[error("the roots are of two different key logs")]
    OtherLog,
    /// A root that is older than the one it should follow.
    #[error("the key log went back to an earlier root")]
    WentBack,
    /// The relay was restored from a backup that is older than the root to start from: it says that it has lost epochs.
    #[error("the relay says that it lost epochs {kept} to {had} of its key log when it was restored")]
    Rewound {
        /// The epoch of the root to start from.
        had: u64,
        /// The epoch that the log went on from.
        kept: u64,
    },
    /// The hashes between do not lead from one root to the other.
    #[error("one root of the key log does not lead to the other")]
    NotConnected,
    /// The two roots do not contradict each other.
    #[error("the two roots are no proof of a fork")]
    NoFork,
}
