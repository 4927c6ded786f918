//! `CONCLAVE_CLOCK_OFFSET`: a clock that is wrong on purpose, so that tests need not wait for months. Who refuses to serve
//! or to speak to other machines with it is the relay and the client.

use std::io::Write;
use std::sync::Arc;

use conclave_client::SystemClock;

use crate::failure::Failure;

const VARIABLE: &str = "CONCLAVE_CLOCK_OFFSET";

/// How far the clock is from the machine's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClockOffset {
    milliseconds: i64,
}

impl ClockOffset {
    /// What the environment says; nothing is no offset.
    pub(crate) fn from_environment() -> Result<Self, Failure> {
        let Some(text) = std::env::var_os(VARIABLE) else { return Ok(Self::default()) };
        let offset = text.to_str().and_then(Self::parse);
        offset.ok_or_else(|| {
            Failure::usage(
                format!("{VARIABLE} is no offset"),
                "Write it like +31d, -2h, 90m or 90s, or unset it.",
            )
        })
    }

    /// A sign or none, a number, and `d`, `h`, `m` or `s`; up to a hundred years.
    fn parse(text: &str) -> Option<Self> {
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => (1, text),
        };
        let unit = match rest.chars().last()? {
            'd' => 24 * 60 * 60,
            'h' => 60 * 60,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        let digits = rest.get(..rest.len() - 1)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let seconds = digits.parse::<i64>().ok()?.checked_mul(unit)?;
        (seconds <= 36_525 * 24 * 60 * 60).then(|| Self { milliseconds: sign * seconds * 1000 })
    }

    /// Tell whoever reads standard error that the time is wrong.
    pub(crate) fn announce(self, json: bool) {
        if self == Self::default() {
            return;
        }
        let seconds = self.milliseconds / 1000;
        let mut err = std::io::stderr().lock();
        // Nobody can be told that telling failed.
        let _ = match json {
            true => writeln!(err, r#"{{"warning":"clock_shifted","seconds":{seconds}}}"#),
            false => writeln!(
                err,
                "conclave: the clock is shifted by {seconds} s ({VARIABLE}): for tests on this machine only"
            ),
        };
    }

    /// As a client takes it.
    pub(crate) fn of_client(self) -> Arc<dyn conclave_client::Clock> {
        Arc::new(self)
    }

    /// As a relay takes it.
    pub(crate) fn of_relay(self) -> Arc<dyn conclave_relay::Clock> {
        Arc::new(self)
    }
}

impl conclave_relay::Clock for ClockOffset {
    fn now(&self) -> u64 {
        conclave_relay::SystemClock.now().saturating_add_signed(self.milliseconds)
    }
    fn is_shifted(&self) -> bool {
        *self != Self::default()
    }
}

impl conclave_client::Clock for ClockOffset {
    fn now(&self) -> conclave_client::Timestamp {
        let mut now = conclave_client::Clock::now(&SystemClock);
        now.0 = now.0.saturating_add_signed(self.milliseconds);
        now
    }
    fn is_shifted(&self) -> bool {
        *self != Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_has_a_unit_and_perhaps_a_sign() {
        for (text, seconds) in [
            ("+31d", 31 * 86_400),
            ("-2h", -7_200),
            ("90s", 90),
            ("90m", 5_400),
            ("0s", 0),
            ("+36525d", 36_525 * 86_400),
        ] {
            assert_eq!(
                ClockOffset::parse(text),
                Some(ClockOffset { milliseconds: seconds * 1000 }),
                "{text}"
            );
        }
        for text in [
            "",
            "d",
            "+d",
            "31",
            "+-3d",
            "1y",
            "1.5h",
            " 3d",
            "3 d",
            "36526d",
            "99999999999999999999d",
            "é",
            "3é",
        ] {
            assert_eq!(ClockOffset::parse(text), None, "{text}");
        }
    }
}
