//! Opening the account of the data directory, and what the client's errors mean at a command line.

use conclave_client::{Client, ClientError, ExitClass};

use crate::failure::{Exit, Failure};
use crate::passphrase::Passphrase;
use crate::settings::Settings;

/// Whether the data directory holds an account.
pub(crate) fn exists(settings: &Settings) -> bool {
    conclave_client::exists(&settings.data)
}

/// The account in the data directory; asks for the passphrase only if there is one.
pub(crate) async fn open(settings: &Settings) -> Result<Client, Failure> {
    if !exists(settings) {
        return Err(ClientError::NoAccount.into());
    }
    Ok(Client::open_at(&settings.data, Passphrase::existing()?.reveal(), settings.clock.of_client()).await?)
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = match error.exit() {
            ExitClass::Refused => Exit::Refused,
            ExitClass::Unreachable => Exit::Unreachable,
            ExitClass::Queued => Exit::Queued,
            ExitClass::Locked => Exit::Locked,
            ExitClass::Usage => Exit::Usage,
        };
        Self::new(exit, error.code(), error.to_string(), error.hint())
    }
}
