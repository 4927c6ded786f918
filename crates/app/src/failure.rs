//! How a command ends when it does not end well: a closed set of exit codes, one message, one hint.
//! Which error of the client or the relay is which class is decided there; here they are only shown.

use std::io::Write;

use serde::Serialize;

/// Why a command failed, ready to be shown.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    /// Stable, for scripts.
    pub(crate) code: String,
    /// For a person.
    pub(crate) message: String,
    /// What to do about it; may be empty.
    pub(crate) hint: String,
    #[serde(skip)]
    pub(crate) exit: Exit,
    #[serde(skip)]
    told: bool,
}

/// The exit codes other than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing was done, and trying again as it is will not help.
    Refused,
    /// The command line or the environment is incomplete.
    Usage,
    /// The relay could not be reached.
    Unreachable,
    /// Stored here, not yet at the relay.
    Queued,
    /// The store does not open with this passphrase, or another program holds it.
    Locked,
    /// The reader of our output went away: nobody is left to be told.
    Silent,
}

impl Exit {
    /// The number the process ends with.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Silent => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 69,
            Self::Queued => 75,
            Self::Locked => 77,
        }
    }
}

impl Failure {
    /// A failure of the application itself.
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: hint.into(), exit, told: false }
    }

    /// The command line or the environment is incomplete.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", message, hint)
    }

    /// It is stored and will be sent, but the relay does not hold it yet.
    pub(crate) fn queued(what: &str) -> Self {
        Self::new(
            Exit::Queued,
            "queued",
            format!("{what} is queued: the relay did not take it in time"),
            "It is stored here; the next command that reaches the relay sends it.",
        )
    }

    /// The same failure, once the person has been told: only the exit code is left.
    pub(crate) fn told(mut self) -> Self {
        self.told = true;
        self
    }

    /// A file or stream of this machine failed.
    pub(crate) fn io(what: &str, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Silent, "broken_pipe", "", "");
        }
        Self::new(Exit::Refused, "io", format!("{what}: {error}"), "")
    }

    /// Tell the person (or the script) on standard error.
    pub(crate) fn report(&self, json: bool) {
        if self.told || self.exit == Exit::Silent {
            return;
        }
        let mut err = std::io::stderr().lock();
        // Nobody can be told that telling failed.
        let _ = match serde_json::to_string(self) {
            Ok(text) if json => writeln!(err, "{text}"),
            _ if self.hint.is_empty() => writeln!(err, "conclave: {}", self.message),
            _ => writeln!(err, "conclave: {}\n  {}", self.message, self.hint),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_form_has_exactly_the_three_fields() {
        let failure = Failure::usage("no name", "say --name");
        assert_eq!(
            serde_json::to_string(&failure).unwrap(),
            r#"{"code":"usage","message":"no name","hint":"say --name"}"#
        );
        assert_eq!(failure.exit.number(), 2);
    }
}
