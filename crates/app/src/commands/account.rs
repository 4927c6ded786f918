//! `conclave account create|show`.

use conclave_client::{AccountInfo, Client};

use crate::failure::Failure;
use crate::grammar::AccountCommand;
use crate::output;
use crate::passphrase::Passphrase;
use crate::settings::Settings;

use super::session;

/// Make or show the account.
pub(crate) async fn run(command: AccountCommand, settings: &Settings) -> Result<(), Failure> {
    match command {
        AccountCommand::Create { name, relay, invite } => {
            let relay = relay.or_else(|| settings.file.relay.clone()).ok_or_else(|| {
                Failure::usage("which relay?", "Say --relay URL, or start one with `conclave up`.")
            })?;
            let account = create(settings, &name, &relay, invite.as_deref()).await?.account().await?;
            show(&account, settings)
        }
        AccountCommand::Show => show(&session::open(settings).await?.account().await?, settings),
    }
}

/// A new account in the data directory.
pub(crate) async fn create(
    settings: &Settings,
    name: &str,
    relay: &str,
    invite: Option<&str>,
) -> Result<Client, Failure> {
    let passphrase = Passphrase::new()?;
    let clock = settings.clock.of_client();
    Ok(Client::create_at(&settings.data, passphrase.reveal(), name, relay, invite, clock).await?)
}

fn show(account: &AccountInfo, settings: &Settings) -> Result<(), Failure> {
    if settings.json {
        return output::json(account);
    }
    output::line(&account.handle)?;
    output::line(&format!("  person  {}", account.person))?;
    output::line(&format!("  device  {}", account.device))?;
    output::line(&format!("  relay   {}", account.relay))
}
