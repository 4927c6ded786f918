//! What can go wrong in a measurement: always a fault of the set-up or of what is measured, never a slow result.

/// A measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The protocol core refused a step.
    #[error("a protocol step failed: {0}")]
    Protocol(#[from] conclave_protocol::Error),
    /// The client failed.
    #[error("the client failed: {0}")]
    Client(#[from] conclave_client::ClientError),
    /// The relay could not be started or stopped.
    #[error("the relay failed: {0}")]
    Relay(#[from] conclave_relay::RelayError),
    /// A frame or an id was out of form.
    #[error("a frame is out of form: {0}")]
    Wire(#[from] conclave_wire::WireError),
    /// What the key log gave proves nothing.
    #[error("a proof of the key log does not hold: {0}")]
    KeyLog(#[from] conclave_keylog::KeyLogError),
    /// A socket failed.
    #[error("a connection failed: {0}")]
    Socket(#[from] Box<tokio_tungstenite::tungstenite::Error>),
    /// A file or a listener failed.
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
    /// A peer's database failed.
    #[error("a database failed: {0}")]
    Sql(#[from] rusqlite::Error),
    /// A simulated device crashed: what it had in memory is gone.
    #[error("a simulated device crashed")]
    Crashed,
    /// Something answered what it should not have.
    #[error("{0}")]
    Unexpected(String),
}

/// Shorthand for results of this crate.
pub type Result<T, E = LabError> = std::result::Result<T, E>;

impl LabError {
    /// Something answered what it should not have.
    pub fn unexpected(what: impl Into<String>) -> Self {
        Self::Unexpected(what.into())
    }
}

impl From<tokio_tungstenite::tungstenite::Error> for LabError {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}
