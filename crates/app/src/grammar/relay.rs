//! What `conclave relay` takes.

use clap::{Args, Subcommand, ValueEnum};
use conclave_relay::RelayId;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// `conclave relay`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct RelayArgs {
    #[command(subcommand)]
    pub(crate) command: Option<RelayCommand>,
    /// Address to listen on; port 0 lets the system choose [default: 127.0.0.1:7400]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Who encrypts the way here [default: nobody, or the files if they are given]
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) tls: Option<TlsMode>,
    /// The certificate in PEM, and after it those that link it to a root
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Who may make an account here [default: open, or invite if a code is given]
    #[arg(long, value_enum)]
    pub(crate) registration: Option<RegistrationMode>,
    /// A code that admits to registration (repeatable)
    #[arg(long, value_name = "CODE")]
    pub(crate) invite: Vec<String>,
    /// The host in handles (`name@HOST`) [default: the address listened on]
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Days for which messages wait for a member who is away [default: 45]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) retention: Option<u32>,
    /// A relay whose cosignatures of the key log's roots are kept and handed out, by its id (repeatable)
    #[arg(long, value_name = "ID", value_parser = relay_id)]
    pub(crate) witness: Vec<RelayId>,
    /// Once, after the directory was put back from a copy that `relay backup` did not make
    #[arg(long)]
    pub(crate) restored: bool,
}

/// `conclave relay …`
#[derive(Debug, Subcommand)]
pub(crate) enum RelayCommand {
    /// Copy the relay's directory, key included, while the relay runs; start one from the copy to restore it
    Backup {
        /// A directory that is not there yet
        #[arg(value_name = "DIR")]
        to: PathBuf,
    },
    /// Follow and audit the key log of another relay, and cosign its roots with this relay's key, until told to stop
    #[command(
        after_help = "Its owner names this relay's id, which is printed first: conclave relay --witness ID\nEnds with 1, and keeps the proof, if that relay forks its log."
    )]
    Witness {
        /// The other relay's address
        url: String,
        /// Look once, and end
        #[arg(long)]
        once: bool,
    },
}

/// A relay's id: 64 hex digits.
fn relay_id(text: &str) -> Result<RelayId, String> {
    let digits = |at: usize| text.get(2 * at..2 * at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let mut id = [0; 32];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = digits(at).ok_or("an id has 64 hex digits")?;
    }
    if text.len() == 64 { Ok(RelayId::new(id)) } else { Err("an id has 64 hex digits".to_owned()) }
}

/// Who ends TLS, where no certificate's files are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TlsMode {
    /// The relay, with a certificate of its own making: its address carries its id
    SelfSigned,
    /// A proxy in front of it, which this relay trusts to be there
    Elsewhere,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RegistrationMode {
    /// Everybody who can connect
    Open,
    /// Who knows one of the `--invite` codes
    Invite,
    /// Nobody
    Closed,
}
