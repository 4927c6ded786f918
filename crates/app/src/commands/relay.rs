//! `conclave relay`: run one until a signal asks it to stop.
//! What a relay is and does stands in its own crate.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use conclave_relay::{Config, Registration, RelayError, Running, Tls};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::{Exit, Failure};
use crate::grammar::{RegistrationMode, RelayArgs, RelayCommand, TlsMode};
use crate::output;
use crate::settings::Settings;

use super::witness;

/// Where a relay listens unless told.
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7400);

#[derive(Serialize)]
struct Started {
    listening: String,
    url: String,
    relay_id: String,
}

/// Serve, or make a copy.
pub(crate) async fn run(args: RelayArgs, settings: &Settings) -> Result<(), Failure> {
    match &args.command {
        Some(RelayCommand::Backup { to }) => backup(to, settings),
        Some(RelayCommand::Witness { url, once }) => witness::run(url, *once, settings).await,
        None => serve(args, settings).await,
    }
}

/// Copy the data directory, whether or not its relay runs.
fn backup(to: &Path, settings: &Settings) -> Result<(), Failure> {
    let tells = std::io::stderr().is_terminal() && !settings.json;
    let made = conclave_relay::backup(&settings.data, to, |done, all| {
        if tells {
            // Nobody can be told that telling failed.
            let _ = write!(std::io::stderr(), "\r{:3} %", done * 100 / all.max(1));
        }
    })?;
    if settings.json {
        return output::json(&Made { path: made.path.display().to_string(), bytes: made.bytes });
    }
    output::line(&format!("backup of {} bytes, checked, in {}", made.bytes, made.path.display()))?;
    output::line("It holds the relay's key: keep it as you keep the relay.")
}

#[derive(Serialize)]
struct Made {
    path: String,
    bytes: u64,
}

/// Serve until SIGINT or SIGTERM, then close every connection and write what is left to write.
async fn serve(args: RelayArgs, settings: &Settings) -> Result<(), Failure> {
    let relay = start(&args, settings).await?;
    announce(&relay, settings)?;
    tokio::select! {
        asked = stopped() => asked?,
        failed = relay.finished() => failed?,
        failed = renew_certificate(&relay) => failed?,
    }
    relay.shutdown().await.map_err(Failure::from)
}

/// Start one in the data directory.
pub(crate) async fn start(args: &RelayArgs, settings: &Settings) -> Result<Running, Failure> {
    let mut config = Config {
        data: Some(settings.data.clone()),
        listen: args.listen.or(settings.file.listen).unwrap_or(DEFAULT_LISTEN),
        host: args.host.clone().or_else(|| settings.file.host.clone()),
        tls: tls(args, settings)?,
        registration: registration(args)?,
        restored: args.restored,
        witnesses: args.witness.clone(),
        clock: settings.clock.of_relay(),
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

/// Reads the certificate's files again whenever SIGHUP comes. What is wrong with them is said, and the old one stays.
async fn renew_certificate(relay: &Running) -> Result<(), Failure> {
    let mut hangup = signal(SignalKind::hangup()).map_err(|e| Failure::io("signals", &e))?;
    while hangup.recv().await.is_some() {
        match relay.reload_certificate() {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(error) => tracing::error!(%error, "the old certificate stays"),
        }
    }
    std::future::pending().await
}

/// Options first, all of them together; else the file.
fn tls(args: &RelayArgs, settings: &Settings) -> Result<Tls, Failure> {
    let file = &settings.file;
    let given = args.tls.is_some() || args.tls_cert.is_some() || args.tls_key.is_some();
    let (mode, certificate, key) = match given {
        true => (args.tls, &args.tls_cert, &args.tls_key),
        false => (file.tls, &file.tls_cert, &file.tls_key),
    };
    match (mode, certificate, key) {
        (None, None, None) => Ok(Tls::Off),
        (None, Some(certificate), Some(key)) => {
            Ok(Tls::Files { certificate: certificate.clone(), key: key.clone() })
        }
        (Some(TlsMode::SelfSigned), None, None) => Ok(Tls::SelfSigned),
        (Some(TlsMode::Elsewhere), None, None) => Ok(Tls::Elsewhere),
        (None, _, _) => {
            Err(Failure::usage("a certificate and its key belong together", "Give --tls-cert and --tls-key."))
        }
        (Some(_), _, _) => {
            Err(Failure::usage("--tls is for a relay without a certificate's files", "Drop one of the two."))
        }
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
    let url = relay.url();
    if settings.json {
        let started =
            Started { listening: relay.addr.to_string(), url, relay_id: relay.relay_id.to_string() };
        return output::json(&started);
    }
    output::line(&format!("listening on {url}"))
}

impl From<RelayError> for Failure {
    fn from(error: RelayError) -> Self {
        let code = match &error {
            RelayError::ClockShifted(_) => {
                return Self::new(Exit::Usage, "clock_shifted", error.to_string(), "");
            }
            RelayError::BadBackup { .. } => "bad_backup",
            RelayError::TlsNeeded(_) => "needs_tls",
            RelayError::Certificate { .. } => "bad_certificate",
            _ => "relay",
        };
        Self::new(Exit::Refused, code, error.to_string(), "")
    }
}
