//! What each command does, one family a file. They ask the client and show what it says.

mod account;
mod alarms;
mod audit;
mod backup;
mod chat;
mod completions;
mod contact;
mod demo;
mod device;
mod doctor;
mod event;
mod group;
mod heal;
mod invite;
mod key_log;
mod message;
mod policy;
mod read;
mod relay;
mod request;
mod send;
mod session;
mod sync;
mod up;
mod verification;
mod witness;

use crate::failure::Failure;
use crate::grammar::Command;
use crate::settings::Settings;

/// Run one command to its end.
pub(crate) async fn run(command: Command, settings: &Settings) -> Result<(), Failure> {
    match command {
        Command::Up(args) => up::run(args, settings).await,
        Command::Demo => demo::run(settings).await,
        Command::Relay(args) => relay::run(args, settings).await,
        Command::Account(command) => account::run(command, settings).await,
        Command::Contact(command) => contact::run(command, settings).await,
        Command::Backup { file } => backup::backup(&file, settings).await,
        Command::Restore { file } => backup::restore(&file, settings).await,
        Command::Invite(args) => invite::invite(args, settings).await,
        Command::Join(args) => invite::join(args, settings).await,
        Command::Device(command) => device::run(command, settings).await,
        Command::Group(command) => group::run(command, settings).await,
        Command::Heal => heal::run(settings).await,
        Command::Send(args) => send::run(args, settings).await,
        Command::Read(args) => read::run(args, settings).await,
        Command::Message(command) => audit::message(command, settings).await,
        Command::Audit { what, keep } => audit::check(&what, keep.as_deref(), settings).await,
        Command::Alarms(args) => alarms::run(args, settings).await,
        Command::Sync => sync::run(settings).await,
        Command::Request(command) => request::run(command, settings).await,
        Command::Doctor => doctor::run(settings).await,
        Command::Chat(args) => chat::run(args, settings).await,
        Command::Completions { shell } => completions::run(shell),
    }
}
