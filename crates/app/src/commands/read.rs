//! `conclave read`: fetch what is new, print the conversation, and with `--follow` go on.

use std::collections::HashSet;

use conclave_client::ReadOptions;

use crate::failure::Failure;
use crate::grammar::ReadArgs;
use crate::settings::Settings;

use super::{message, relay, session};

/// Print a conversation.
pub(crate) async fn run(args: ReadArgs, settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    // What is stored is shown also when the relay is away; the exit code then says so.
    let synced = client.sync(settings.timeout).await;
    let mut follow = if args.follow { Some(client.follow(&args.target).await?) } else { None };
    let options = ReadOptions { only_new: args.new, limit: args.limit };
    let mut shown = HashSet::new();
    for stored in client.read(&args.target, options).await? {
        message::show(&stored, settings.json)?;
        shown.insert(stored.id);
    }
    let Some(follow) = follow.as_mut() else { return synced.map(drop).map_err(Failure::from) };
    loop {
        tokio::select! {
            stopped = relay::stopped() => return stopped,
            next = follow.next() => match next {
                // Stored between the start of following and the reading above.
                Some(message) if shown.remove(&message.id) => (),
                Some(message) => message::show(&message, settings.json)?,
                None => return Ok(()),
            },
        }
    }
}
