//! Settings: flags, else environment (both read by the grammar), else `conclave.toml` in the data directory,
//! else a default. Holds no secret: those never lie in a plain file.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::ClockOffset;
use crate::failure::Failure;
use crate::grammar::{Cli, TlsMode};

/// What every command may need to know.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Whether that is the one used when none is named.
    pub(crate) is_default: bool,
    /// Print JSON.
    pub(crate) json: bool,
    /// How long to wait for the relay.
    pub(crate) timeout: Duration,
    /// What time it is.
    pub(crate) clock: ClockOffset,
    /// What `conclave.toml` says.
    pub(crate) file: File,
}

/// `conclave.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// The relay for a new account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) relay: Option<String>,
    /// Seconds to wait for the relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<u64>,
    /// Where a relay in this directory listens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listen: Option<SocketAddr>,
    /// Who ends TLS for a relay in this directory, where it is not the relay with these files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<TlsMode>,
    /// The certificate of a relay in this directory, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The host in the handles that a relay in this directory gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<String>,
    /// Days a relay in this directory keeps messages for absent members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retention: Option<u32>,
}

const FILE_NAME: &str = "conclave.toml";
const DEFAULT_TIMEOUT: u64 = 15;

impl Settings {
    /// Put the sources together.
    pub(crate) fn gather(cli: &Cli) -> Result<Self, Failure> {
        let data = match &cli.data {
            Some(dir) => dir.clone(),
            None => default_directory()?,
        };
        let file = File::load(&data)?;
        let seconds = cli.timeout.or(file.timeout).unwrap_or(DEFAULT_TIMEOUT);
        Ok(Self {
            data,
            is_default: cli.data.is_none(),
            json: cli.json,
            timeout: Duration::from_secs(seconds),
            clock: ClockOffset::from_environment()?,
            file,
        })
    }
}

impl File {
    fn load(data: &Path) -> Result<Self, Failure> {
        let path = data.join(FILE_NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e)
                if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
            {
                return Ok(Self::default());
            }
            Err(e) => return Err(Failure::io(&path.display().to_string(), &e)),
        };
        toml::from_str(&text).map_err(|e| {
            Failure::usage(format!("{}: {}", path.display(), e.message()), "Correct or remove that line.")
        })
    }

    /// Write it whole: first beside, then in its place.
    pub(crate) fn store(&self, data: &Path) -> Result<(), Failure> {
        let path = data.join(FILE_NAME);
        let fail = |e: std::io::Error| Failure::io(&path.display().to_string(), &e);
        let text = toml::to_string(self).map_err(|e| fail(std::io::Error::other(e)))?;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(fail)?;
        let beside = data.join(".conclave.toml.new");
        std::fs::write(&beside, text).map_err(fail)?;
        std::fs::rename(&beside, &path).map_err(fail)
    }
}

/// `$XDG_DATA_HOME/conclave`, by default `~/.local/share/conclave`.
fn default_directory() -> Result<PathBuf, Failure> {
    let base = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home =
        || std::env::var_os("HOME").filter(|h| !h.is_empty()).map(|h| PathBuf::from(h).join(".local/share"));
    base.or_else(home)
        .map(|p| p.join("conclave"))
        .ok_or_else(|| Failure::usage("there is no home directory", "Say --data DIR or set CONCLAVE_DATA."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn flags_beat_the_file_and_the_file_beats_the_default() {
        let dir = tempfile::tempdir().unwrap();
        let gather = |extra: &[&str]| {
            let data = dir.path().to_str().unwrap();
            let line = ["conclave", "--data", data].into_iter().chain(extra.iter().copied()).chain(["sync"]);
            Settings::gather(&Cli::try_parse_from(line).unwrap()).map(|s| s.timeout.as_secs())
        };
        assert_eq!(gather(&[]).unwrap(), 15);
        File { timeout: Some(7), ..File::default() }.store(dir.path()).unwrap();
        assert_eq!(gather(&[]).unwrap(), 7);
        assert_eq!(gather(&["--timeout", "3"]).unwrap(), 3);
        std::fs::write(dir.path().join(FILE_NAME), "timeuot = 3\n").unwrap();
        assert_eq!(gather(&[]).unwrap_err().exit.number(), 2);
    }
}
