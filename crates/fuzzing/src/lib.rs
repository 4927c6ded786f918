//! Runs fuzz targets on stable, without a fuzzer: each over its corpus in `fuzz/corpus`, then over mutations of it.
//!
//! Everything follows from a seed, so that a failure replays. What a target does is the concern of the crate whose bytes
//! it reads; `fuzz/` runs the same targets under libFuzzer.

mod corpus;
mod mutate;

use corpus::Corpus;
use mutate::Rng;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

/// A fuzz target: its name; what it does with any bytes (it returns whether they were a value; a panic is a finding); and
/// on how many mutations of its corpus it runs without a fuzzer.
pub type Target = (&'static str, fn(&[u8]) -> bool, u64);

/// The seed of all mutations, unless `CONCLAVE_FUZZ_SEED` gives another.
const SEED: u64 = 1;

/// Runs targets of a crate over their corpora and over mutations of them.
///
/// `seeds` are valid encodings by target. With `CONCLAVE_BLESS=1` they replace the seeds of the corpus; without it every
/// seed that is there must still be a value.
///
/// # Panics
/// As soon as a target does, after saying how to replay it; if a target has no binary or no corpus under `fuzz/`; if one
/// of its seeds is no value.
pub fn hold<'a>(
    krate: &str,
    targets: impl IntoIterator<Item = &'a Target>,
    seeds: &[(&'static str, Vec<u8>)],
) {
    for (name, run, inputs) in targets {
        let inputs = number("CONCLAVE_FUZZ_INPUTS").unwrap_or(*inputs);
        let corpus = Corpus::of(&format!("{krate}_{name}"));
        let mine: Vec<&[u8]> =
            seeds.iter().filter(|(of, _)| of == name).map(|(_, bytes)| bytes.as_slice()).collect();
        if std::env::var_os("CONCLAVE_BLESS").is_some() {
            corpus.bless(krate, name, &mine);
        }
        for (file, bytes) in corpus.files() {
            let value = watched(&format!("the file {}", file.display()), &bytes, *run);
            assert!(value || !corpus::is_seed(&file), "{} is no value any more: {BLESS}", file.display());
        }
        let kept: Vec<Vec<u8>> = corpus.files().into_iter().map(|(_, bytes)| bytes).collect();
        let seed = number("CONCLAVE_FUZZ_SEED").unwrap_or(SEED);
        let chosen = number("CONCLAVE_FUZZ_ONLY").map_or(0..inputs, |only| only..only + 1);
        let (all, began) = (chosen.end - chosen.start, Instant::now());
        let values = chosen.filter(|at| mutated(corpus.name(), *run, &kept, seed, *at)).count();
        say(&format!("{}: {all} inputs, {values} of them values, {:?}", corpus.name(), began.elapsed()));
    }
}

/// What to do about a seed that is out of date.
pub const BLESS: &str = "if its format was meant to change, write the corpus anew with \
                         `CONCLAVE_BLESS=1 cargo test --workspace fuzz_targets`";

fn mutated(name: &str, run: fn(&[u8]) -> bool, kept: &[Vec<u8>], seed: u64, at: u64) -> bool {
    let bytes = mutate::input(&mut Rng::of(seed, name, at), kept);
    let what =
        format!("input {at} of {name}; replay it alone: CONCLAVE_FUZZ_SEED={seed} CONCLAVE_FUZZ_ONLY={at}");
    watched(&what, &bytes, run)
}

/// Runs a target; says what it ran on if it panics.
fn watched(what: &str, bytes: &[u8], run: fn(&[u8]) -> bool) -> bool {
    match catch_unwind(AssertUnwindSafe(|| run(bytes))) {
        Ok(value) => value,
        Err(panic) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            say(&format!("the target failed on {what}\n{hex}"));
            resume_unwind(panic)
        }
    }
}

#[allow(clippy::print_stderr, reason = "this crate is a test's voice")]
fn say(text: &str) {
    eprintln!("{text}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
