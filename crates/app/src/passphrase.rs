//! Where the passphrase comes from: the environment, else the person at the terminal, else nowhere.
//! It is never taken from the command line, where every program of the machine could read it.

use std::io::IsTerminal;

use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};

/// The variable that holds it for scripts.
pub(crate) const VARIABLE: &str = "CONCLAVE_PASSPHRASE";

/// A passphrase; wiped when dropped, never shown.
pub(crate) struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// For a store that exists.
    pub(crate) fn existing() -> Result<Self, Failure> {
        Self::from_environment()?.map_or_else(|| ask("Passphrase: "), Ok)
    }

    /// For a new store: asked for twice, as a typing mistake would lock it for ever.
    pub(crate) fn new() -> Result<Self, Failure> {
        if let Some(given) = Self::from_environment()? {
            return Ok(given);
        }
        let first = ask("New passphrase: ")?;
        if *first.0 != *ask("The same again: ")?.0 {
            return Err(Failure::new(
                Exit::Refused,
                "passphrase_mismatch",
                "the two differ",
                "Nothing was made; try again.",
            ));
        }
        Ok(first)
    }

    /// Whether the environment or a terminal can give one at all.
    pub(crate) fn is_within_reach() -> bool {
        std::env::var_os(VARIABLE).is_some() || std::io::stdin().is_terminal()
    }

    /// The text itself, to derive a key from.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    fn from_environment() -> Result<Option<Self>, Failure> {
        let Some(value) = std::env::var_os(VARIABLE) else { return Ok(None) };
        match value.into_string() {
            Ok(text) if !text.is_empty() => Ok(Some(Self(Zeroizing::new(text)))),
            Ok(_) => Err(Failure::usage(
                format!("{VARIABLE} is empty"),
                "Set it to your passphrase, or unset it to be asked.",
            )),
            Err(_) => Err(Failure::usage(format!("{VARIABLE} is not UTF-8"), "Set it to your passphrase.")),
        }
    }
}

fn ask(prompt: &str) -> Result<Passphrase, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "no passphrase, and no terminal to ask for it",
            format!("Set {VARIABLE} to your passphrase."),
        ));
    }
    let text = rpassword::prompt_password(prompt).map_err(|e| Failure::io("the terminal", &e))?;
    if text.is_empty() {
        return Err(Failure::usage("the passphrase is empty", "Choose one of several words."));
    }
    Ok(Passphrase(Zeroizing::new(text)))
}
