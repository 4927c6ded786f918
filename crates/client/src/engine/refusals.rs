//! What an error says about the wish that met it: that it is fulfilled already, that it waits, or that it is about something
//! else. What is then done about it is the outbox's concern.

use crate::ClientError;
use crate::store::outbox::What;
use conclave_protocol::group::Intent;
use conclave_protocol::{Error as ProtocolError, Misuse, PeerFault};

/// Whether an error says that a wish has nothing left to do: somebody else has done it.
pub(super) fn is_fulfilled(what: &What, error: &ProtocolError) -> bool {
    let What::Change(intent) = what else { return false };
    matches!(
        (intent, error),
        (
            Intent::Add(_)
                | Intent::AddFor(..)
                | Intent::Endorse(_)
                | Intent::Devices
                | Intent::DevicesOf(_)
                | Intent::SetPolicy(_),
            ProtocolError::Misuse(Misuse::AlreadyMember)
        ) | (
            Intent::Remove(_)
                | Intent::RemoveSince(..)
                | Intent::Admit(_)
                | Intent::Settle
                | Intent::Readmit(_)
                | Intent::DevicesOf(_),
            ProtocolError::Misuse(Misuse::NotAMember)
        ) | (Intent::Object(_), ProtocolError::Misuse(Misuse::NotProposed))
            | (Intent::Readmit(_), ProtocolError::Peer(PeerFault::RolledBack))
    )
}

/// Whether the relay may take the same later.
pub(super) fn is_transient(code: &str) -> bool {
    // What this version does not know is a newer relay's word for "not now".
    let unknown = conclave_wire::Code::parse(code).is_none();
    unknown || matches!(code, "rate_limited" | "inbox_full" | "storage_full" | "unavailable")
}

/// Errors that are not about this wish.
pub(super) fn is_fatal(error: &ClientError) -> bool {
    super::is_ours(error)
        || matches!(
            error,
            ClientError::Unreachable(_)
                | ClientError::Refused { .. }
                | ClientError::Protocol(ProtocolError::Vault(_) | ProtocolError::CorruptStore)
        )
}
