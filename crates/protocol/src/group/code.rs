//! Codes that people compare aloud: the *group code*, which stays until people change, and the *moment code* of an epoch.
//!
//! What is done with the outcome is not this file's concern.

use super::Group;
use crate::codec;
use crate::labels;
use crate::primitives::fingerprint::stretched;
use crate::primitives::kdf;
use crate::primitives::sign::VerifyingKey;
use crate::roster::Policy;
use crate::{Digest, GroupId, PersonId, Result};
use std::fmt;
use tls_codec::{TlsSerialize, TlsSize};

/// Two sets of people that have the same code are found with 2^66 tries at 40 digits; each try costs this many hashes, so
/// that it takes 2^83 of them.
const ITERATIONS: u32 = 1 << 17;

/// Digits in blocks of five.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    digits: String,
}

#[derive(TlsSize, TlsSerialize)]
struct WhoIsIn {
    group: GroupId,
    creation: Digest,
    policy: Policy,
    people: Vec<(PersonId, VerifyingKey)>,
}

impl Group {
    /// The group code: 40 digits, the same for all who see the same people with the same identity keys under the same
    /// policy, in this very group. Heals, devices and names do not change it. It takes about a twentieth of a second.
    pub fn code(&self) -> Result<Code> {
        let mut people: Vec<_> = self.people().map(|one| (one.person, *one.identity)).collect();
        people.sort();
        let policy = self.roster.body().rules.policy;
        let who = WhoIsIn { group: self.id, creation: self.state.creation, policy, people };
        let hash = kdf::hash(labels::GROUP_CODE, &[&codec::encode(&who)?]);
        Ok(Code::of(&stretched(hash.as_bytes(), ITERATIONS), 8))
    }

    /// The moment code: 30 digits of this epoch alone, which only who is in it now can know.
    pub fn moment_code(&self) -> Result<Code> {
        let roster = self.roster.hash()?;
        let parts = [roster.as_bytes().as_slice(), self.state.commit.as_bytes()];
        Ok(Code::of(&kdf::mac(&self.state.keys.seal, labels::MOMENT_CODE, &parts), 6))
    }
}

impl Code {
    /// Blocks of five digits: each a five-byte big-endian number modulo 100 000.
    fn of(bytes: &[u8], blocks: usize) -> Self {
        let number = |block: &[u8]| block.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        let blocks = bytes.chunks_exact(5).take(blocks);
        Self { digits: blocks.map(|block| format!("{:05}", number(block) % 100_000)).collect() }
    }

    /// The digits alone.
    pub fn digits(&self) -> &str {
        &self.digits
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, digit) in self.digits.chars().enumerate() {
            if place > 0 && place % 5 == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};
    use std::collections::HashSet;

    /// How many random sets of people somebody must try until two have the same code.
    fn tries_until_a_collision(digits: usize, rng: &mut ChaCha20Rng) -> usize {
        let mut seen = HashSet::new();
        loop {
            let mut set = [0; 32];
            rng.fill_bytes(&mut set);
            let code = Code::of(&stretched(&set, 1), 2);
            if !seen.insert(code.digits()[..digits].to_owned()) {
                return seen.len() + 1;
            }
        }
    }

    /// The attack in toy size: as many tries as the root of the number of codes, √(π/2 · 10^n) on average, and no fewer.
    /// With 40 digits that is 2^66.8, and 2^83.8 hashes.
    #[test]
    fn two_sets_with_one_code_take_the_root_of_the_number_of_codes() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        for digits in 2..=5 {
            let rounds = 400;
            let all: usize = (0..rounds).map(|_| tries_until_a_collision(digits, &mut rng)).sum();
            let expected = (std::f64::consts::FRAC_PI_2 * 10f64.powi(digits as i32)).sqrt();
            let ratio = all as f64 / rounds as f64 / expected;
            assert!((0.85..1.15).contains(&ratio), "{digits} digits: {ratio}");
        }
        let tries = (std::f64::consts::FRAC_PI_2 * 10f64.powi(40)).sqrt().log2();
        assert!(tries + f64::from(ITERATIONS).log2() > 83.0);
    }

    #[test]
    fn a_code_is_forty_digits_in_eight_blocks() {
        let code = Code::of(&[0xff; 64], 8);
        assert_eq!(code.to_string(), "27775 ".repeat(8).trim());
        assert_eq!(code.digits().len(), 40);
    }
}
