//! `conclave relay`: run one until a signal asks it to stop.
//! What a relay is and does stands in its own crate.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use conclave_relay::{Config, Registration, RelayError, Running};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Exit, Failure};
use crate::grammar::{RegistrationMode, RelayArgs};
use crate::output;
use crate::settings::Settings;

/// Where a relay listens unless told.
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7400);

#[derive(Serialize)]
struct Started {
    listening: String,
    url: String,
    relay_id: String,
}

/// Serve until SIGINT or SIGTERM, then close every connection and write what is left to write.
pub(crate) async fn run(args: RelayArgs, settings: &Settings) -> Result<(), Failure> {
    let relay = start(&args, settings).await?;
    announce(&relay, settings)?;
    tokio::select! {
        asked = stopped() => asked?,
        failed = relay.finished() => failed?,
    }
    relay.shutdown().await.map_err(Failure::from)
}

/// Start one in the data directory.
pub(crate) async fn start(args: &RelayArgs, settings: &Settings) -> Result<Running, Failure> {
    let mut config = Config {
        data: Some(settings.data.clone()),
        listen: args.listen.or(settings.file.listen).unwrap_or(DEFAULT_LISTEN),
        host: args.host.clone().or_else(|| settings.file.host.clone()),
        registration: registration(args)?,
        ..Config::default()
    };
    if let Some(days) = args.retention.or(settings.file.retention) {
        config.retention = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    }
    conclave_relay::serve(config).await.map_err(Failure::from)
}

/// Resolves when the process is asked to end.
pub(crate) async fn stopped() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| Failure::io("signals", &e))?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        done = tokio::signal::ctrl_c() => done.map_err(|e| Failure::io("signals", &e)),
    }
}

fn registration(args: &RelayArgs) -> Result<Registration, Failure> {
    let codes = !args.invite.is_empty();
    match args.registration {
        Some(RegistrationMode::Invite) if !codes => {
            Err(Failure::usage("registration by invite, but no code", "Give one or more with --invite CODE."))
        }
        Some(RegistrationMode::Open | RegistrationMode::Closed) if codes => {
            Err(Failure::usage("codes are only asked for with --registration invite", "Drop one of the two."))
        }
        Some(RegistrationMode::Closed) => Ok(Registration::Closed),
        Some(RegistrationMode::Invite) => Ok(Registration::Invite(args.invite.clone())),
        None if codes => Ok(Registration::Invite(args.invite.clone())),
        Some(RegistrationMode::Open) | None => Ok(Registration::Open),
    }
}

fn announce(relay: &Running, settings: &Settings) -> Result<(), Failure> {
    let url = format!("http://{}", relay.addr);
    if settings.json {
        let started =
            Started { listening: relay.addr.to_string(), url, relay_id: relay.relay_id.to_string() };
        return output::json(&started);
    }
    output::line(&format!("listening on {url}"))
}

impl From<RelayError> for Failure {
    fn from(error: RelayError) -> Self {
        Self::new(Exit::Refused, "relay", error.to_string(), "")
    }
}
