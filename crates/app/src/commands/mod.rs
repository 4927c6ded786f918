//! What each command does.
mod completions;
use crate::failure::Failure;
use crate::grammar::Command;
use crate::settings::Settings;
pub(crate) async fn run(command: Command, _settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Completions { shell } => completions::run(shell),
        _ => Err(Failure::usage("not built in", "")),
    }
}
