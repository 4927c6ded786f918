//! How an event looks.

use conclave_client::Event;

use crate::failure::Failure;
use crate::output;

/// Show one: what happened and what follows from it.
pub(crate) fn show(event: &Event, json: bool) -> Result<(), Failure> {
    if json { output::json(event) } else { output::line(&output::inert(&event.to_string())) }
}
