//! `conclave request list|accept|decline|block`.

use conclave_client::RequestInfo;

use crate::failure::Failure;
use crate::grammar::RequestCommand;
use crate::output;
use crate::settings::Settings;

use super::session;

/// List and answer requests.
pub(crate) async fn run(command: RequestCommand, settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    match command {
        RequestCommand::List => {
            client.sync(settings.timeout).await?;
            client.requests().await?.iter().try_for_each(|request| show(request, settings))
        }
        RequestCommand::Accept { request } => Ok(client.accept(&request).await?),
        RequestCommand::Decline { request } => Ok(client.decline(&request).await?),
        RequestCommand::Block { request } => Ok(client.block(&request).await?),
    }
}

fn show(request: &RequestInfo, settings: &Settings) -> Result<(), Failure> {
    if settings.json {
        return output::json(request);
    }
    output::line(&format!("{}  from {}  {}", output::inert(&request.name), request.from, request.id))
}
