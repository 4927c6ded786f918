#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| conclave_fuzz::run(conclave_keylog::fuzzing::TARGETS, "lookup_proof", bytes));
