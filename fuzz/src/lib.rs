//! What every binary under `fuzz_targets/` calls. The targets themselves live in the crates whose bytes they read.

/// Runs the target of this name.
///
/// # Panics
/// If the target finds something, or there is none of this name.
pub fn run(targets: &[(&str, fn(&[u8]) -> bool, u64)], name: &str, bytes: &[u8]) {
    let target = targets.iter().find(|(known, ..)| *known == name);
    let (_, run, _) = target.unwrap_or_else(|| panic!("no target is called {name}"));
    run(bytes);
}
