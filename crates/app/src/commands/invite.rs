//! `conclave invite` and `conclave join`: a link, made for somebody and handed over; and what its bearer does with it.

use conclave_client::{ContactInfo, Delivery, Door, InviteOptions, read_link};
use serde::Serialize;

use crate::failure::Failure;
use crate::grammar::{InviteArgs, JoinArgs};
use crate::output;
use crate::settings::Settings;

use super::{account, relay, session, up};

#[derive(Serialize)]
struct Invitation<'a> {
    link: &'a str,
    days: u32,
    uses: u32,
}

#[derive(Serialize)]
struct Joined<'a> {
    contact: &'a ContactInfo,
    delivered: bool,
}

/// Make a link, or take one back.
pub(crate) async fn invite(args: InviteArgs, settings: &Settings) -> Result<(), Failure> {
    let client = session::open(settings).await?;
    if let Some(link) = args.revoke {
        return Ok(client.revoke_link(&link).await?);
    }
    let options = InviteOptions { uses: args.uses, days: args.days, asks: args.ask };
    let link = client.invite(args.group.as_deref(), options).await?;
    if settings.json {
        return output::json(&Invitation { link: &link, days: args.days, uses: args.uses });
    }
    output::line(&link)
}

/// Take somebody's link; without an account, make one at their relay first.
pub(crate) async fn join(args: JoinArgs, settings: &Settings) -> Result<(), Failure> {
    let link = if args.link == "-" { from_standard_input()? } else { args.link };
    let Door { relay, handle } = read_link(&link)?;
    let client = if session::exists(settings) {
        session::open(settings).await?
    } else {
        let name = up::ask_name(args.name)?;
        account::create(settings, &name, &relay, args.invite.as_deref()).await?
    };
    let (contact, delivery) = tokio::select! {
        joined = client.join(&link, settings.timeout) => joined?,
        stopped = relay::stopped() => return stopped,
    };
    if settings.json {
        output::json(&Joined { contact: &contact, delivered: delivery == Delivery::Sent })?;
    } else {
        output::line(&format!("{} is a contact now, as {}.", handle, contact.name))?;
        output::line(
            "They hear of you when they are online; a group that the link leads into shows with `conclave sync`.",
        )?;
    }
    match delivery {
        Delivery::Sent => Ok(()),
        Delivery::Queued => Err(Failure::queued("the request")),
    }
}

pub(super) fn from_standard_input() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|e| Failure::io("standard input", &e))?;
    Ok(line)
}
