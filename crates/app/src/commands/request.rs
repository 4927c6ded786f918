//! `conclave request list|accept|decline|block`.

use conclave_client::{Client, ClientError, RequestInfo};

use crate::failure::Failure;
use crate::grammar::RequestCommand;
use crate::output;
use crate::settings::Settings;

use super::session;

/// List and answer requests.
pub(crate) async fn run(command: RequestCommand, settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    let (request, answer) = match command {
        RequestCommand::List => {
            client.sync(settings.timeout).await?;
            return client.requests().await?.iter().try_for_each(|request| show(request, settings));
        }
        RequestCommand::Accept { request } => (request, Answer::Accept),
        RequestCommand::Decline { request } => (request, Answer::Decline),
        RequestCommand::Block { request } => (request, Answer::Block),
    };
    let mut answered = answer.give(&client, &request).await;
    if matches!(answered, Err(ClientError::NoSuchRequest(_) | ClientError::UnknownTarget(_))) {
        // It may be waiting at the relay.
        client.sync(settings.timeout).await?;
        answered = answer.give(&client, &request).await;
    }
    answered?;
    // The others hear of it, and what was accepted comes, now if the relay is there, else with the next command.
    let _ = client.sync(settings.timeout).await;
    Ok(())
}

enum Answer {
    Accept,
    Decline,
    Block,
}

impl Answer {
    async fn give(&self, client: &Client, request: &str) -> Result<(), ClientError> {
        match self {
            Self::Accept => client.accept(request).await,
            Self::Decline => client.decline(request).await,
            Self::Block => client.block(request).await,
        }
    }
}

fn show(request: &RequestInfo, settings: &Settings) -> Result<(), Failure> {
    if settings.json {
        return output::json(request);
    }
    output::line(&format!("{}  from {}  {}", output::inert(&request.name), request.from, request.id))
}
