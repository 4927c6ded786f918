//! Argon2id alone, with the store's parameters: what opening a store costs whatever else is done well.

use crate::{LabError, Result};
use argon2::{Algorithm, Argon2, Params, Version};
use std::time::Instant;

/// 64 MiB, three passes, one lane.
const PARAMETERS: (u32, u32, u32) = (64 << 10, 3, 1);

/// Seconds for one key.
pub fn measure() -> Result<f64> {
    let failed = |error: argon2::Error| LabError::unexpected(format!("the peer failed: {error}"));
    let (memory, passes, lanes) = PARAMETERS;
    let params = Params::new(memory, passes, lanes, Some(32)).map_err(failed)?;
    let kdf = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut key = [0; 32];
    let start = Instant::now();
    kdf.hash_password_into(b"correct horse", &[7; 16], &mut key).map_err(failed)?;
    Ok(start.elapsed().as_secs_f64())
}
