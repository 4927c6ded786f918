//! How a message looks: one JSON object a line for scripts, one line or more for people.

use conclave_client::{Doubt, Message};
use serde::Serialize;

use crate::failure::Failure;
use crate::output;

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    conversation: Conversation<'a>,
    from: &'a str,
    text: &'a str,
    sent_at: String,
    received_at: String,
    epoch: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    doubtful: Option<Doubt>,
}

#[derive(Serialize)]
struct Conversation<'a> {
    id: &'a str,
    name: &'a str,
}

/// Show one.
pub(crate) fn show(message: &Message, json: bool) -> Result<(), Failure> {
    if !json {
        let name = message.from.split('@').next().unwrap_or(&message.from);
        // A second line is set in, so that it cannot pass for somebody else's message.
        let text = output::inert(&message.text).replace('\n', "\n        ");
        let line = format!("{}  {name}: {text}", output::clock(message.sent_at));
        let Some(doubt) = message.doubtful else { return output::line(&line) };
        return output::line(&format!("{line}\n        doubtful: {}", why(doubt, &output::inert(name))));
    }
    output::json(&Line {
        id: &message.id,
        conversation: Conversation { id: &message.conversation.id, name: &message.conversation.name },
        from: &message.from,
        text: &message.text,
        sent_at: output::rfc3339(message.sent_at),
        received_at: output::rfc3339(message.received_at),
        epoch: message.epoch,
        doubtful: message.doubtful,
    })
}

fn why(doubt: Doubt, name: &str) -> String {
    match doubt {
        Doubt::Disavowed => format!("{name} says that this was not them"),
        _ => format!("somebody else may have the keys of {name}'s device"),
    }
}
