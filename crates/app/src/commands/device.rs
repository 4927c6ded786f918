//! `conclave device link|approve|list|revoke`: the devices of one person.

use std::io::IsTerminal;

use conclave_client::{Client, Outcome};
use serde::Serialize;

use crate::failure::Failure;
use crate::grammar::DeviceCommand;
use crate::output;
use crate::passphrase::Passphrase;
use crate::settings::Settings;

use super::{invite, relay, session};

#[derive(Serialize)]
struct DeviceLink<'a> {
    link: &'a str,
    minutes: u32,
}

/// Link a device, or take one away.
pub(crate) async fn run(command: DeviceCommand, settings: &Settings) -> Result<(), Failure> {
    match command {
        DeviceCommand::Link { link: None } => offer(settings).await,
        DeviceCommand::Link { link: Some(link) } => {
            let link = if link == "-" { invite::from_standard_input()? } else { link };
            tokio::select! {
                become_one = become_one(&link, settings) => become_one,
                stopped = relay::stopped() => stopped,
            }
        }
        DeviceCommand::Approve { code } => {
            let client = session::open(settings).await?;
            client.sync(settings.timeout).await?;
            done(client.approve_device(&code, settings.timeout).await?)
        }
        DeviceCommand::List => list(settings).await,
        DeviceCommand::Trust { device } => {
            let groups = session::open(settings).await?.believe_device(&device).await?;
            match settings.json {
                true => output::json(&serde_json::json!({ "groups": groups })),
                false => output::line(&format!(
                    "Told in {groups} groups, with the next command that reaches the relay."
                )),
            }
        }
        DeviceCommand::Revoke { device } => {
            done(session::open(settings).await?.revoke_device(&device, settings.timeout).await?)
        }
    }
}

async fn offer(settings: &Settings) -> Result<(), Failure> {
    let link = session::open(settings).await?.link_device().await?;
    if settings.json {
        return output::json(&DeviceLink { link: &link, minutes: 15 });
    }
    output::line(&link)?;
    if std::io::stdout().is_terminal() {
        output::line(&crate::qr::shown(&link)?)?;
    }
    output::line("Take it on the new device within 15 minutes: conclave device link LINK")?;
    output::line("Then approve here what that device shows: conclave device approve CODE")
}

async fn become_one(link: &str, settings: &Settings) -> Result<(), Failure> {
    let passphrase = Passphrase::new()?;
    let json = settings.json;
    let shown = |code: &str| {
        // Nobody is left to tell if this fails.
        let _ = match json {
            true => output::json(&serde_json::json!({ "code": code })),
            false => output::line(&format!(
                "Approve this device on your first one: conclave device approve {code}"
            )),
        };
    };
    let clock = settings.clock.of_client();
    let waited = settings.timeout;
    let client =
        Client::become_device_at(&settings.data, passphrase.reveal(), link, shown, waited, clock).await?;
    // Its keys are to lie at the relay before the others bring it into groups.
    client.sync(settings.timeout).await?;
    let account = client.account().await?;
    if json {
        return output::json(&account);
    }
    output::line(&format!(
        "This is a device of {} now. Groups follow within seconds; run `conclave sync`.",
        account.handle
    ))
}

async fn list(settings: &Settings) -> Result<(), Failure> {
    let devices = session::open(settings).await?.devices().await?;
    if settings.json {
        return output::json(&devices);
    }
    for device in devices {
        let this = if device.this { "  (this one)" } else { "" };
        let untold = device.untold.map_or_else(String::new, |untold| {
            format!("  (is told what was before; {untold} messages to go)")
        });
        output::line(&format!("{}{this}{untold}", device.device))?;
    }
    Ok(())
}

fn done(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Queued => Err(Failure::queued("the change")),
    }
}
