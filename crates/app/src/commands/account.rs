//! `conclave account create|show|recovery-key|rotate|recover`.

use std::io::{IsTerminal, Read};

use conclave_client::{AccountInfo, Client, Outcome};
use zeroize::Zeroizing;

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
            let relay = relay.or_else(|| settings.file.relay.clone()).ok_or_else(which_relay)?;
            let account = create(settings, &name, &relay, invite.as_deref()).await?.account().await?;
            show(&account, settings)
        }
        AccountCommand::RecoveryKey => recovery_key(settings).await,
        AccountCommand::Rotate { veto } => rotate(veto, settings).await,
        AccountCommand::Recover { name, relay, keep } => {
            let relay = relay.or_else(|| settings.file.relay.clone()).ok_or_else(which_relay)?;
            show(&recover(settings, (&name, &relay), &keep).await?.account().await?, settings)
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

fn which_relay() -> Failure {
    Failure::usage("which relay?", "Say --relay URL, or start one with `conclave up`.")
}

async fn recovery_key(settings: &Settings) -> Result<(), Failure> {
    let words = session::open(settings).await?.recovery_key().await?;
    if settings.json {
        return output::json(&serde_json::json!({ "recovery_key": words.as_str() }));
    }
    for (at, word) in words.split(' ').enumerate() {
        output::line(&format!("{:>2}  {word}", at + 1))?;
    }
    output::line("Whoever has these words is you. Write them on paper; show them to nobody.")
}

async fn rotate(veto: bool, settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    if veto {
        return match client.veto_identity(settings.timeout).await? {
            Outcome::Done if settings.json => output::json(&serde_json::json!({ "vetoed": true })),
            Outcome::Done => output::line("The announced identity key will not be."),
            Outcome::Queued => Err(Failure::queued("the objection")),
        };
    }
    let (ready, outcome) = client.rotate_identity(settings.timeout).await?;
    if outcome == Outcome::Queued {
        return Err(Failure::queued("the announcement"));
    }
    if settings.json {
        return output::json(
            &serde_json::json!({ "counts_from": output::rfc3339(i64::try_from(ready).unwrap_or(i64::MAX)) }),
        );
    }
    output::line(
        "Announced. This device takes the new key over by itself once a day is over; then write down the",
    )?;
    output::line(
        "new recovery key. Any of your devices can object until then: conclave account rotate --veto",
    )
}

async fn recover(settings: &Settings, person: (&str, &str), keep: &[String]) -> Result<Client, Failure> {
    let words = recovery_words()?;
    let passphrase = Passphrase::new()?;
    let clock = settings.clock.of_client();
    let client = Client::recover_at(&settings.data, passphrase.reveal(), person, &words, keep, clock).await?;
    client.sync(settings.timeout).await?;
    Ok(client)
}

/// The 24 words: asked for without showing them, or from standard input.
fn recovery_words() -> Result<Zeroizing<String>, Failure> {
    if std::io::stdin().is_terminal() {
        let asked = rpassword::prompt_password("The 24 words: ");
        return Ok(Zeroizing::new(asked.map_err(|e| Failure::io("the terminal", &e))?));
    }
    let mut words = Zeroizing::new(String::new());
    std::io::stdin().take(4096).read_to_string(&mut words).map_err(|e| Failure::io("standard input", &e))?;
    Ok(words)
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
