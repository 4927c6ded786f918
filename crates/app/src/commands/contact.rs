//! `conclave contact add|verify|list`.

use conclave_client::{Client, ContactInfo};
use serde::Serialize;

use crate::failure::Failure;
use crate::grammar::ContactCommand;
use crate::output;
use crate::qr;
use crate::settings::Settings;

use super::session;
use super::verification::in_blocks;

/// Before what a QR code of a safety number says.
const PREFIX: &str = "conclave-verify:";

#[derive(Serialize)]
struct SafetyNumber<'a> {
    contact: &'a str,
    safety_number: &'a str,
    verified: bool,
    /// What the QR code says.
    qr: &'a str,
}

/// Add, verify, list.
pub(crate) async fn run(command: ContactCommand, settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    match command {
        ContactCommand::Add { who } => show(&client.add_contact(&who).await?, settings),
        ContactCommand::Verify { who, scan: Some(scanned), .. } => {
            let scanned = qr::scanned(&scanned, PREFIX)?;
            client.verify_scanned(&who, scanned).await?;
            if settings.json {
                return output::json(&serde_json::json!({ "contact": who, "verified": true }));
            }
            output::line(&format!("The same on both sides: {who} is verified."))
        }
        ContactCommand::Verify { who, confirm, qr, scan: None } => {
            if confirm {
                client.mark_verified(&who).await?;
            }
            verify(&client, &who, confirm, qr, settings).await
        }
        ContactCommand::List => {
            client.contacts().await?.iter().try_for_each(|contact| show(contact, settings))
        }
    }
}

async fn verify(
    client: &Client,
    who: &str,
    confirm: bool,
    qr: bool,
    settings: &Settings,
) -> Result<(), Failure> {
    let number = client.safety_number(who).await?;
    let code = qr::text(PREFIX, &client.scannable(who).await?);
    if settings.json {
        return output::json(&SafetyNumber {
            contact: who,
            safety_number: &number,
            verified: confirm,
            qr: &code,
        });
    }
    output::line(&in_blocks(&number))?;
    if qr {
        output::line(&qr::shown(&code)?)?;
        output::line(&code)?;
        output::line("They scan it, or paste its text: conclave contact verify YOU --scan PICTURE-or-TEXT")?;
    }
    Ok(())
}

fn show(contact: &ContactInfo, settings: &Settings) -> Result<(), Failure> {
    if settings.json {
        return output::json(contact);
    }
    let verified = if contact.verified { "  verified" } else { "" };
    output::line(&format!("{}  {}{verified}", contact.name, contact.handle))
}
