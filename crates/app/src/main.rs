//! The `conclave` command: reads the command line, runs one command, ends with its exit code.
//! Everything it does for a person is done by the client and the relay; this crate asks and shows.

mod clock;
mod commands;
#[cfg(test)]
mod documents;
mod failure;
mod grammar;
mod output;
mod passphrase;
mod qr;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use failure::{Exit, Failure};
use grammar::Cli;
use settings::Settings;

/// How long what still runs may take to end.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse_usage(&error),
    };
    let json = cli.json;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(json);
            ExitCode::from(failure.exit.number())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    log_to_standard_error();
    let settings = Settings::gather(&cli)?;
    settings.clock.announce(settings.json);
    let runtime = tokio::runtime::Runtime::new().map_err(|e| Failure::io("the runtime", &e))?;
    let outcome = runtime.block_on(commands::run(cli.command, &settings));
    // Everything that still runs lets go of its store, and stores are closed before the process ends. Bounded: a thread
    // blocked on a read of the terminal would hold the process.
    runtime.shutdown_timeout(LAST_WORDS);
    outcome
}

/// clap's own text for people; our one object for scripts. `--help` and `--version` arrive here too.
fn refuse_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if std::env::args_os().any(|a| a == "--json") {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or("usage").trim_start_matches("error: ").to_owned();
        Failure::usage(message, "See `conclave --help`.").report(true);
    } else {
        // Nobody can be told that telling failed.
        let _ = error.print();
    }
    ExitCode::from(Exit::Usage.number())
}

/// Quiet unless `CONCLAVE_LOG` asks for more, for instance `CONCLAVE_LOG=debug`.
fn log_to_standard_error() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("CONCLAVE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    // Fails only where a logger is set already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
