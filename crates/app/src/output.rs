//! Writing to standard output: lines that are flushed at once, times, and other people's text made inert.
//! What is said stands in `commands`.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;

/// One line, flushed: a script that waits for it must not wait for a buffer to fill.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|e| Failure::io("standard output", &e))
}

/// One JSON object on a line of its own.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string(value).map_err(internal)?)
}

/// The same, to be changed before it is printed.
pub(crate) fn value(object: &impl Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(object).map_err(internal)
}

fn internal(error: serde_json::Error) -> Failure {
    Failure::new(crate::failure::Exit::Refused, "internal", error.to_string(), "")
}

/// RFC 3339 in UTC with milliseconds, from milliseconds since 1970.
pub(crate) fn rfc3339(unix_ms: i64) -> String {
    let at = Timestamp::from_millisecond(unix_ms).unwrap_or(if unix_ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    format!("{at:.3}")
}

/// Hours and minutes in UTC, for people.
pub(crate) fn clock(unix_ms: i64) -> String {
    rfc3339(unix_ms).get(11..16).unwrap_or("--:--").to_owned()
}

/// Somebody else's text, so that it cannot move the cursor, recolour the screen or turn the line around.
pub(crate) fn inert(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() || is_directional(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

fn is_directional(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(clock(1_700_000_000_123), "22:13");
        assert!(rfc3339(i64::MAX).starts_with("9999"));
    }

    #[test]
    fn a_message_cannot_drive_the_terminal() {
        assert_eq!(inert("a\u{1b}[2Jb\u{202e}c\r\n"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}\n");
    }
}
