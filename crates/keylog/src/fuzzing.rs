//! Fuzz targets: for each decoder of the key log a function that takes any bytes. Part of the crate only for its tests and
//! under a fuzzer. Every decoder is total and has one form of each value; the proofs of any bytes are verified too, because
//! verifying must end for all of them.

use crate::{Fork, Link, Root, Span, Statement, VerifiedRoot, codec};

/// What a target does with any bytes.
pub type Run = fn(&[u8]) -> bool;

/// Every target: its name; what it does with any bytes (it returns whether they were a value, and panics if something does
/// not hold that must); and on how many mutations it runs in tests.
pub const TARGETS: &[(&str, Run, u64)] = &[
    ("root", root, 4_000),
    ("links", links, 2_000),
    ("fork", fork, 1_000),
    ("lookup_proof", lookup_proof, 2_000),
    ("history_proof", history_proof, 1_000),
    ("growth_proof", growth_proof, 4_000),
];

fn root(bytes: &[u8]) -> bool {
    let Ok(root) = Root::decode(bytes) else { return false };
    if let Ok(root) = root.verify_by_its_key() {
        assert_eq!(root.encode(), bytes, "a root has one form");
    }
    true
}

fn links(bytes: &[u8]) -> bool {
    let Ok(links) = Link::decode_all(bytes) else { return false };
    let again: Vec<u8> = links.iter().flat_map(Link::encode).collect();
    assert_eq!(again, bytes, "links have one form");
    true
}

fn fork(bytes: &[u8]) -> bool {
    let Ok(fork) = Fork::decode(bytes) else { return false };
    assert_eq!(fork.encode(), bytes, "a fork has one form");
    true
}

/// A root of no log in particular, late enough for any version.
fn some_root() -> VerifiedRoot {
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let vrf_key = key.verifying_key().to_bytes();
    let epoch = crate::MOST_EPOCHS - 1;
    Statement { vrf_key, incarnation: 1, epoch, hash: [1; 32], chain: [2; 32], at: 3 }.sign(&key)
}

fn lookup_proof(bytes: &[u8]) -> bool {
    let shown = some_root().lookup("mike", bytes);
    let Ok(proof) = codec::decode_lookup(bytes) else { return false };
    assert!(shown.is_err(), "nothing is shown under a root of another log");
    assert_eq!(codec::encode_lookup(&proof).as_deref(), Ok(bytes), "a proof has one form");
    true
}

fn history_proof(bytes: &[u8]) -> bool {
    let shown = some_root().history("mike", bytes, Span::Complete);
    let Ok(proof) = codec::decode_history(bytes) else { return false };
    assert!(shown.is_err(), "nothing is shown under a root of another log");
    assert_eq!(codec::encode_history(&proof).as_deref(), Ok(bytes), "a proof has one form");
    true
}

fn growth_proof(bytes: &[u8]) -> bool {
    let Ok(proof) = codec::decode_growth(bytes) else { return false };
    assert_eq!(codec::encode_growth(&proof).as_deref(), Ok(bytes), "a proof has one form");
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Log;

    #[tokio::test]
    async fn fuzz_targets_of_the_key_log_hold() {
        let log = Log::of_three().await;
        let newest = log.newest();
        let said = newest.statement();
        let other = Statement { hash: [1; 32], ..said.clone() }.sign(&log.key);
        let fork = Fork::between(newest, &other).unwrap();
        let links = log.roots.iter().map(|root| {
            let Statement { incarnation, epoch, hash, .. } = root.statement().clone();
            Link { incarnation, epoch, hash }
        });
        let seeds = vec![
            ("root", newest.encode()),
            ("root", log.roots[0].encode()),
            ("links", links.flat_map(|link| link.encode()).collect()),
            ("fork", fork.encode()),
            ("lookup_proof", log.lookup("mike").await),
            ("lookup_proof", log.lookup("sean").await),
            ("history_proof", log.history("mike", None).await),
            ("history_proof", log.history("sean", None).await),
            ("growth_proof", log.growth(1).await),
            ("growth_proof", log.growth(5).await),
        ];
        conclave_fuzzing::hold("keylog", TARGETS, &seeds);
    }
}
