//! The `conclave-lab` command: prints what things cost, what is carried under load, what a thief reads, or the whole table of figures.

use clap::{Parser, Subcommand, ValueEnum};
use conclave_lab::figures::{self, Figure};
use conclave_lab::measure::Extent;
use conclave_lab::report::Part;
use conclave_lab::{Result, attacks, gossip, heals, report};
use std::io::Write;
use std::process::ExitCode;

/// Measures Conclave beside its peers. Build it with --release, on a machine that does nothing else.
#[derive(Parser)]
#[command(name = "conclave-lab", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Only as much as shows that the measurements work; the figures mean nothing.
    #[arg(long, global = true)]
    quick: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Sessions and groups: time, bytes, rows.
    Costs,
    /// A relay and clients at work.
    Load {
        /// These parts only
        #[arg(long, value_enum)]
        part: Vec<Part>,
    },
    /// Heals, removals and large groups, scheme by scheme: time, bytes, rows. Takes minutes.
    Heals {
        /// No group larger than this
        #[arg(long, default_value_t = 1000)]
        most: usize,
    },
    /// What a thief of keys reads, in a simulation: the same for the same seed, on any machine.
    Attacks {
        /// The first seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Talks in several groups over a network that loses one in five: what gossip between them finds, and that it finds nothing
    /// where the relay is honest. The same for the same seed.
    Gossip {
        /// How many talks
        #[arg(long, default_value_t = 10_000)]
        runs: u64,
        /// The first seed
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Everything, as the table that docs/schemes.md keeps.
    Figures,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let extent = if cli.quick { Extent::Quick } else { Extent::Full };
    match run(cli.command, extent).and_then(|text| Ok(print(&text)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell if this fails.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, extent: Extent) -> Result<String> {
    if let Command::Attacks { seed } = command {
        return attacks::table(seed, if extent == Extent::Quick { 1 } else { 5 });
    }
    if let Command::Gossip { runs, seed } = command {
        let runs = if extent == Extent::Quick { runs.min(20) } else { runs };
        return Ok(gossip::report(&gossip::tally(seed, runs, 10)?));
    }
    Ok(figures::markdown(&measure(command, extent)?))
}

fn measure(command: Command, extent: Extent) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        Ok(match command {
            Command::Attacks { .. } | Command::Gossip { .. } => Vec::new(),
            Command::Costs => report::costs(extent)?,
            Command::Load { part } if part.is_empty() => report::load(extent, Part::value_variants()).await?,
            Command::Load { part } => report::load(extent, &part).await?,
            Command::Heals { most } => heals::heals(most, extent)?,
            Command::Figures => report::all(extent).await?,
        })
    })
}

fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
