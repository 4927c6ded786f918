//! Fuzz targets: for each decoder a function that takes any bytes. Part of the crate only for its tests and under a fuzzer.
//!
//! A decoder is total (it gives a value or an error), bounded, and canonical: what decodes encodes to the same bytes.
//! Mutating bytes is the concern of `conclave-fuzzing` and of libFuzzer.

use crate::codec::{self, Decode, Encode};
use crate::{content, group, identity, roster, session};

/// What a target does with any bytes.
pub type Run = fn(&[u8]) -> bool;

/// Mutations on which a mere decoder runs in tests.
const DECODER: u64 = 10_000;

/// Every target: its name; what it does with any bytes (it returns whether they were a value, and panics if something does
/// not hold that must); and on how many mutations it runs in tests.
pub const TARGETS: &[(&str, Run, u64)] = &[
    ("device_list", identity::fuzzing::device_list, DECODER),
    ("handle", identity::fuzzing::handle, DECODER),
    ("safety_number_scan", identity::fuzzing::safety_number_scan, DECODER),
    ("link", identity::fuzzing::link, DECODER),
    ("bundle", session::fuzzing::bundle, DECODER),
    ("one_time_prekey", session::fuzzing::one_time_prekey, DECODER),
    ("join_key", session::fuzzing::join_key, DECODER),
    ("session_message", session::fuzzing::message, DECODER),
    ("session_open", session::fuzzing::open, 700),
    ("letter", session::fuzzing::letter, 500),
    ("letter_inside", group::fuzzing::letter_inside, 200),
    ("roster", roster_of_a_welcome, DECODER),
    ("commit", canonical::<roster::Commit>, DECODER),
    ("leave_request", canonical::<roster::SignedLeave>, DECODER),
    ("rejoin_request", canonical::<roster::SignedRejoin>, DECODER),
    ("shared_part", group::fuzzing::shared_part, DECODER),
    ("chat_body", group::fuzzing::chat_body, DECODER),
    ("welcome_slice", group::fuzzing::welcome_slice, DECODER),
    ("welcome", group::fuzzing::welcome, DECODER),
    ("seed_wrap", canonical::<crate::primitives::kem::SealedTo>, DECODER),
    ("content", content_of_a_message, DECODER),
    ("intent", canonical::<group::Intent>, DECODER),
    ("vault_row", vault_row, DECODER),
    ("audit_file", group::audit_file, 1000),
    ("entry", group::fuzzing::entry, 500),
    ("commit_by_a_member", group::fuzzing::commit_by_a_member, 2000),
    ("welcome_by_a_member", group::fuzzing::welcome_by_a_member, 1000),
    ("conversation", group::fuzzing::conversation, 40),
];

/// Reads a `T`; what decodes must encode to the same bytes.
pub(crate) fn canonical<T: Decode + Encode>(bytes: &[u8]) -> bool {
    let Ok(value) = codec::decode::<T>(bytes) else { return false };
    let again = codec::encode(&value);
    assert!(again.is_ok_and(|again| again == bytes), "what decodes encodes to the same bytes");
    true
}

/// A member's word about who is in: it may be refused, and what is not refused has a shape.
fn roster_of_a_welcome(bytes: &[u8]) -> bool {
    if let Ok(Ok(roster)) = codec::decode::<roster::RosterBody>(bytes).map(roster::Roster::verify) {
        assert!(roster::Roster::stored(roster.body().clone()).is_ok(), "what was verified can be stored");
    }
    canonical::<roster::RosterBody>(bytes)
}

fn content_of_a_message(bytes: &[u8]) -> bool {
    if let Ok((gossip, content)) = content::decode_carrying(bytes) {
        let again = content::encode_carrying(&gossip, &content);
        assert!(again.is_ok_and(|again| again == bytes), "what decodes encodes to the same bytes");
        return true;
    }
    let Ok(content) = content::Content::decode(bytes) else { return false };
    assert!(content.encode().is_ok_and(|again| again == bytes), "what decodes encodes to the same bytes");
    true
}

/// A row of the own store, its kind in front: a damaged store is said to be one, and nothing worse.
fn vault_row(bytes: &[u8]) -> bool {
    let Some((kind, value)) = bytes.split_first() else { return false };
    let rows = [identity::fuzzing::row, session::fuzzing::row, group::fuzzing::row];
    rows.iter().find_map(|row| row(*kind, value)).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds() -> Vec<(&'static str, Vec<u8>)> {
        [identity::fuzzing::seeds(), session::fuzzing::seeds(), group::fuzzing::seeds()].concat()
    }

    #[test]
    fn fuzz_targets_of_decoders_and_hostile_members_hold() {
        let targets = TARGETS.iter().filter(|(name, ..)| *name != "conversation");
        conclave_fuzzing::hold("protocol", targets, &seeds());
    }

    #[test]
    fn fuzz_targets_of_whole_conversations_hold() {
        let targets = TARGETS.iter().filter(|(name, ..)| *name == "conversation");
        conclave_fuzzing::hold("protocol", targets, &seeds());
    }
}
