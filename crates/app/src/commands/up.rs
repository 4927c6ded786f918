//! `conclave up`: from nothing to a first conversation. A relay on this machine unless another is named, an
//! account unless there is one, what to do next, and then what happens as it happens.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;

use conclave_client::{AccountInfo, Client, InviteOptions};
use conclave_relay::Running;
use serde::Serialize;

use crate::failure::Failure;
use crate::grammar::{RelayArgs, UpArgs};
use crate::output;
use crate::passphrase::{self, Passphrase};
use crate::settings::Settings;

use super::{account, event, relay, session};

#[derive(Serialize)]
struct Up<'a> {
    #[serde(flatten)]
    account: &'a AccountInfo,
    link: &'a str,
}

/// Start, tell, stay.
pub(crate) async fn run(args: UpArgs, settings: &Settings) -> Result<(), Failure> {
    let exists = session::exists(settings);
    require_what_cannot_be_asked(exists, &args)?;
    let running = match &args.relay {
        Some(_) => None,
        // An account of somebody else's relay: there is none to start here.
        None if exists && settings.file.listen.is_none() => None,
        None => Some(start_relay(settings).await?),
    };
    let client = if exists {
        session::open(settings).await?
    } else {
        let here = running.as_ref().map(Running::url);
        let url = here.or(args.relay).ok_or_else(|| Failure::usage("which relay?", "Say --relay URL."))?;
        account::create(settings, &ask_name(args.name)?, &url, None).await?
    };
    let link = client.invite(None, InviteOptions::default()).await?;
    tell(&client.account().await?, &link, running.as_ref(), settings)?;
    let ended = stay(&client, settings).await;
    if let Some(relay) = running {
        relay.shutdown().await.map_err(Failure::from)?;
    }
    ended
}

/// Without a terminal nothing can be asked: name everything that is missing at once.
fn require_what_cannot_be_asked(exists: bool, args: &UpArgs) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    let mut missing = Vec::new();
    if !exists && args.name.is_none() {
        missing.push("CONCLAVE_NAME (what others call you)");
    }
    let passphrase = format!("{} (what locks your store)", passphrase::VARIABLE);
    if !Passphrase::is_within_reach() {
        missing.push(&passphrase);
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::usage("there is no terminal to ask at", format!("Set {}.", missing.join(" and "))))
}

/// On the port of last time; the first time on the usual one, or on any that is free.
async fn start_relay(settings: &Settings) -> Result<Running, Failure> {
    let inside = Settings { data: settings.data.join("relay"), ..settings.clone() };
    let on = |listen| RelayArgs {
        command: None,
        listen: Some(listen),
        tls: None,
        tls_cert: None,
        tls_key: None,
        registration: None,
        invite: Vec::new(),
        host: None,
        retention: None,
        restored: false,
        witness: Vec::new(),
    };
    if let Some(listen) = settings.file.listen {
        return relay::start(&on(listen), &inside).await;
    }
    let usual = relay::start(&on(relay::DEFAULT_LISTEN), &inside).await;
    let any = SocketAddr::new(relay::DEFAULT_LISTEN.ip(), 0);
    let running = match usual {
        Ok(running) => running,
        Err(_) => relay::start(&on(any), &inside).await?,
    };
    // Handles and the friends' links name the port, so it has to stay.
    let mut file = settings.file.clone();
    file.listen = Some(running.addr);
    file.store(&settings.data)?;
    Ok(running)
}

pub(crate) fn ask_name(given: Option<String>) -> Result<String, Failure> {
    if let Some(name) = given {
        return Ok(name);
    }
    let fail = |e: std::io::Error| Failure::io("the terminal", &e);
    let mut prompt = std::io::stderr();
    prompt.write_all(b"Your name (a-z, 0-9): ").and_then(|()| prompt.flush()).map_err(fail)?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(fail)?;
    Ok(line.trim().to_owned())
}

fn tell(
    account: &AccountInfo,
    link: &str,
    running: Option<&Running>,
    settings: &Settings,
) -> Result<(), Failure> {
    if settings.json {
        return output::json(&Up { account, link });
    }
    let name = account.handle.split('@').next().unwrap_or(&account.handle);
    let program = std::env::args().next().unwrap_or_else(|| "conclave".to_owned());
    let data = settings.data.display();
    let at = if settings.is_default { program.clone() } else { format!("{program} --data {data}") };
    output::line(&format!("You are {}.\n", account.handle))?;
    output::line("For a friend, this link (good once, for 7 days; `conclave join LINK`):")?;
    output::line(&format!("  {link}"))?;
    if is_loopback(&account.relay) {
        output::line("  (the relay listens on this machine only: nobody elsewhere can use it)")?;
    }
    if running.is_some() {
        let theirs = format!("{program} --data {data}-friend");
        output::line("\nA second person on this machine, in a terminal of their own:")?;
        output::line(&format!("  {theirs} join --name friend {link}"))?;
        output::line(&format!("  {theirs} chat {name}"))?;
    }
    output::line("\nYou, in another terminal, once they have joined:")?;
    output::line(&format!("  {at} chat {}", if running.is_some() { "friend" } else { "NAME" }))?;
    output::line("\nWhat happens is shown here. Ctrl-C ends it.\n")
}

fn is_loopback(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| {
        rest.starts_with("127.") || rest.starts_with("localhost") || rest.starts_with("[::1]")
    })
}

/// Stay connected and show events until a signal.
async fn stay(client: &Client, settings: &Settings) -> Result<(), Failure> {
    let mut events = client.events();
    let mut engine = std::pin::pin!(client.run());
    let mut stop = std::pin::pin!(relay::stopped());
    loop {
        tokio::select! {
            stopped = &mut stop => return stopped,
            ended = &mut engine => return ended.map_err(Failure::from),
            happened = events.next() => match happened {
                Some(happened) => event::show(&happened, settings.json)?,
                None => return Ok(()),
            },
        }
    }
}
