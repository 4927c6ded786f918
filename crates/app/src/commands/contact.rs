//! `conclave contact add|verify|list`.

use conclave_client::ContactInfo;
use serde::Serialize;

use crate::failure::Failure;
use crate::grammar::ContactCommand;
use crate::output;
use crate::settings::Settings;

use super::session;

#[derive(Serialize)]
struct SafetyNumber<'a> {
    contact: &'a str,
    safety_number: &'a str,
    verified: bool,
}

/// Add, verify, list.
pub(crate) async fn run(command: ContactCommand, settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    match command {
        ContactCommand::Add { who } => show(&client.add_contact(&who).await?, settings),
        ContactCommand::Verify { who, confirm } => {
            let number = client.safety_number(&who).await?;
            if confirm {
                client.mark_verified(&who).await?;
            }
            if settings.json {
                return output::json(&SafetyNumber {
                    contact: &who,
                    safety_number: &number,
                    verified: confirm,
                });
            }
            output::line(&in_groups_of_five(&number))
        }
        ContactCommand::List => {
            client.contacts().await?.iter().try_for_each(|contact| show(contact, settings))
        }
    }
}

fn show(contact: &ContactInfo, settings: &Settings) -> Result<(), Failure> {
    if settings.json {
        return output::json(contact);
    }
    let verified = if contact.verified { "  verified" } else { "" };
    output::line(&format!("{}  {}{verified}", contact.name, contact.handle))
}

/// Twelve groups of five, as people read them to each other.
fn in_groups_of_five(digits: &str) -> String {
    let digits: Vec<char> = digits.chars().filter(char::is_ascii_digit).collect();
    digits.chunks(5).map(|five| five.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}
