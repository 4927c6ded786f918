//! `conclave send`: returns once the relay holds the message, or says that it waits here.

use std::io::Read;

use conclave_client::Delivery;

use crate::failure::Failure;
use crate::grammar::SendArgs;
use crate::settings::Settings;

use super::session;

/// Send one message.
pub(crate) async fn run(args: SendArgs, settings: &Settings) -> Result<(), Failure> {
    let text = if args.text == "-" { standard_input()? } else { args.text };
    if text.is_empty() {
        return Err(Failure::usage(
            "there is nothing to send",
            "Give a text, or `-` to read standard input.",
        ));
    }
    let client = session::open(settings).await?;
    let ticket = client.send(&args.target, &text).await?;
    match client.wait(&ticket, settings.timeout).await? {
        Delivery::Sent => Ok(()),
        Delivery::Queued => Err(Failure::queued("the message")),
    }
}

/// All of it, without the newline that ends a text.
fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(LIMIT)
        .read_to_string(&mut text)
        .map_err(|e| Failure::io("standard input", &e))?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// Above what a message may hold, so that the client refuses it, and bounded.
const LIMIT: u64 = 1024 * 1024;
