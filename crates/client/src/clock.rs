//! The one source of time of a client. Nothing else in this crate asks the machine what time it is.

use crate::transport::Address;
use crate::{ClientError, Result};
use conclave_protocol::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// This instant.
    fn now(&self) -> Timestamp;

    /// Whether it is set apart from the machine's on purpose. With such a clock no other machine is spoken to.
    fn is_shifted(&self) -> bool {
        false
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Refuses to speak to other machines at a time that is wrong on purpose.
///
/// # Errors
/// `ClockShifted`.
pub(crate) fn check_reach(clock: &dyn Clock, address: &Address) -> Result<()> {
    if clock.is_shifted() && !address.is_local() {
        return Err(ClientError::ClockShifted(address.authority()));
    }
    Ok(())
}
