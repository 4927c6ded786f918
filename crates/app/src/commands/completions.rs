//! `conclave completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::failure::Failure;
use crate::grammar::Cli;
use crate::output;

/// Print the script for `shell`.
pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "conclave", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end())
}
