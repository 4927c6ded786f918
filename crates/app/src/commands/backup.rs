//! `conclave backup` and `conclave restore`: an account in one encrypted file, and back.

use std::path::Path;

use crate::failure::Failure;
use crate::output;
use crate::passphrase::Passphrase;
use crate::settings::Settings;

use super::session;

/// Write the backup.
pub(crate) async fn backup(file: &Path, settings: &Settings) -> Result<(), Failure> {
    if !session::exists(settings) {
        return Err(conclave_client::ClientError::NoAccount.into());
    }
    Ok(conclave_client::backup(&settings.data, Passphrase::existing()?.reveal(), file).await?)
}

/// Make the account from one, and meet the relay again.
pub(crate) async fn restore(file: &Path, settings: &Settings) -> Result<(), Failure> {
    conclave_client::restore(&settings.data, Passphrase::existing()?.reveal(), file).await?;
    let account = session::open(settings).await?.account().await?;
    if settings.json { output::json(&account) } else { output::line(&format!("{} is back", account.handle)) }
}
