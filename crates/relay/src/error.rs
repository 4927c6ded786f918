//! Why a relay does not start or stops. What clients are refused with is
//! `conclave_wire::Code`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::storage::StorageError;

/// A closed vocabulary.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {cause}; choose another port or stop what uses it")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system says.
        cause: io::Error,
    },
    /// Others could listen in.
    #[error(
        "{0} can be reached from elsewhere, and nothing encrypts the way: use --tls self-signed, or \
         --tls-cert and --tls-key, or listen on 127.0.0.1 (--tls elsewhere: if a proxy in front ends TLS)"
    )]
    TlsNeeded(SocketAddr),
    /// Others would meet a clock that is wrong on purpose.
    #[error("{0} can be reached from elsewhere, and the clock is shifted: listen on 127.0.0.1")]
    ClockShifted(SocketAddr),
    /// The directory is a copy that is not whole.
    #[error("{path} is no whole backup: {what}; copy the backup again, or take an older one")]
    BadBackup {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A certificate cannot be used.
    #[error("cannot use the certificate or key {path}: {cause}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Another relay runs on this data directory.
    #[error("another relay uses {0}: stop it, or choose another data directory")]
    InUse(PathBuf),
    /// The data directory cannot be read or written.
    #[error("cannot use the data directory {path}: {cause}")]
    Data {
        /// What was touched.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A key file of the relay is not one, or not the one its database was made with.
    #[error(
        "{0} is missing or not this relay's key: restore it from a backup (the relay's identity hangs on it)"
    )]
    BadKey(PathBuf),
    /// The database was written by a newer version.
    #[error(
        "the relay's database has format {found}, this version knows up to {known}: use a newer conclave"
    )]
    TooNew {
        /// Its format.
        found: u32,
        /// The newest this version knows.
        known: u32,
    },
    /// The database cannot be opened.
    #[error("the relay's database cannot be opened: {0}")]
    Storage(String),
    /// The system gave no randomness.
    #[error("the system gives no random bytes")]
    Randomness,
    /// The server ended by itself.
    #[error("the relay stopped serving: {0}")]
    Serving(String),
}

impl From<StorageError> for RelayError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error.to_string())
    }
}
