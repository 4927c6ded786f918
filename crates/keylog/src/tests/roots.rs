//! Roots are signed, follow one another, and contradict each other or not.

use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};

use super::Log;
use crate::{
    COSIGNATURE_BYTES, FORK_BYTES, Fork, KeyLogError, Link, ROOT_BYTES, Root, Statement, VerifiedRoot, follow,
};

fn first() -> Statement {
    Statement::first([5; 32], 1, [0; 32], 1_790_000_000_000)
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// Epochs 0 to 5 of one log.
fn roots() -> Vec<VerifiedRoot> {
    let mut statements = vec![first()];
    for epoch in 1..=5 {
        statements.push(statements[epoch as usize - 1].next(1, epoch, [epoch as u8; 32], 9));
    }
    statements.into_iter().map(|statement| statement.sign(&key())).collect()
}

fn link(root: &VerifiedRoot) -> Link {
    let said = root.statement();
    Link { incarnation: said.incarnation, epoch: said.epoch, hash: said.hash }
}

fn links(roots: &[VerifiedRoot]) -> Vec<Link> {
    roots.iter().map(link).collect()
}

#[test]
fn a_root_comes_back_and_every_flipped_bit_is_refused() {
    let root = first().sign(&key());
    let bytes = root.encode();
    assert_eq!(bytes.len(), ROOT_BYTES);
    let relay = root.relay_id();
    assert_eq!(Root::decode(&bytes).unwrap().verify(&relay), Ok(root));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let read = Root::decode(&flipped).and_then(|root| root.verify(&relay));
        assert!(read.is_err(), "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert_eq!(Root::decode(&bytes[..length]), Err(KeyLogError::Malformed));
    }
    assert_eq!(Root::decode(&[&bytes[..], &[0]].concat()), Err(KeyLogError::Malformed));
}

/// The bytes are a format: others sign and check them too.
#[test]
fn the_bytes_of_a_root_are_these() {
    let digest = |bytes: &[u8]| {
        let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        hex
    };
    let next = first().next(1, 1, [1; 32], 1_790_000_030_000);
    assert_eq!(digest(&first().sign(&key()).encode()), FIRST);
    assert_eq!(digest(&next.sign(&key()).encode()), NEXT);
}

/// SHA-256 of them, computed apart from this code (Python's hashlib, Ed25519 from RFC 8032).
const FIRST: &str = "29eb8546f029e21757168af5f658bd023781318175a1716a74c2a6b799b3b612";
const NEXT: &str = "7c75c07fc1a7b19c8ac0b2cf599fed8dd8f815ae487a0fba4ba09da7f0bfa9e5";

#[test]
fn a_root_is_its_relays_and_nobody_elses() {
    let bytes = first().sign(&key()).encode();
    let other = first().sign(&SigningKey::from_bytes(&[8; 32])).relay_id();
    assert_eq!(Root::decode(&bytes).unwrap().verify(&other), Err(KeyLogError::OtherRelay));
}

#[test]
fn a_root_follows_another_through_the_hashes_between() {
    let roots = roots();
    for from in 0..=5 {
        for to in from..=5 {
            let chains = roots[from + 1..=to].iter().map(|root| root.statement().chain).collect();
            assert_eq!(follow(&roots[from], &links(&roots[from + 1..=to]), &roots[to]), Ok(chains));
        }
    }
    let unlike = first().next(1, 1, [9; 32], 9).sign(&key());
    assert_eq!(follow(&roots[1], &links(&roots[1..1]), &unlike), Err(KeyLogError::NotConnected));
    assert_eq!(follow(&roots[5], &[], &roots[4]), Err(KeyLogError::WentBack));
    assert_eq!(follow(&roots[1], &links(&roots[2..5]), &roots[5]), Err(KeyLogError::NotConnected));
    assert_eq!(follow(&roots[1], &links(&roots[3..]), &roots[5]), Err(KeyLogError::NotConnected));
    let mut garbled = links(&roots[2..]);
    garbled[1].hash[0] ^= 1;
    assert_eq!(follow(&roots[1], &garbled, &roots[5]), Err(KeyLogError::NotConnected));
    let stranger = first().sign(&SigningKey::from_bytes(&[8; 32]));
    assert_eq!(follow(&roots[0], &[], &stranger), Err(KeyLogError::OtherLog));
    let other_names = Statement::first([6; 32], 1, [0; 32], 9).sign(&key());
    assert_eq!(follow(&roots[0], &[], &other_names), Err(KeyLogError::OtherLog));
}

#[test]
fn a_restored_log_goes_on_and_says_what_it_lost() {
    let roots = roots();
    // The copy was made at epoch 3; 4 and 5 are lost.
    let restored = roots[3].statement().next(2, 3, [3; 32], 20);
    let after = restored.next(2, 4, [44; 32], 21);
    let (restored, after) = (restored.sign(&key()), after.sign(&key()));
    let on = [roots[3].clone(), restored.clone(), after.clone()];
    assert_eq!(follow(&roots[2], &links(&on), &after).map(drop), Ok(()));
    assert_eq!(follow(&roots[3], &links(&on[1..]), &after).map(drop), Ok(()));
    let rewound = KeyLogError::Rewound { had: 5, kept: 3 };
    assert_eq!(follow(&roots[5], &links(&on[1..]), &after), Err(rewound));
    assert_eq!(follow(&after, &[], &roots[5]), Err(KeyLogError::WentBack));
    // It is another incarnation: no contradiction, but no other root for the restored epoch either.
    assert_eq!(Fork::between(&roots[4], &after), None);
    let mut other = links(&on);
    other[1].hash[0] ^= 1;
    assert_eq!(follow(&roots[2], &other, &after), Err(KeyLogError::NotConnected));
}

#[test]
fn two_roots_of_one_epoch_are_a_proof_for_anybody() {
    let roots = roots();
    let other = roots[2].statement().next(1, 3, [33; 32], 9).sign(&key());
    let fork = Fork::between(&roots[3], &other).unwrap();
    assert_eq!(Fork::between(&other, &roots[3]).as_ref(), Some(&fork), "whichever comes first");
    let bytes = fork.encode();
    assert_eq!(bytes.len(), FORK_BYTES);
    assert_eq!(Fork::decode(&bytes), Ok(fork.clone()));
    assert_eq!(fork.relay_id(), roots[0].relay_id());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Fork::decode(&flipped).is_err(), "bit {bit}");
    }
    // Made of roots that agree, or are not of one epoch, it is none.
    let again = [&bytes[..15 + ROOT_BYTES], &bytes[15..15 + ROOT_BYTES]].concat();
    assert_eq!(Fork::decode(&again), Err(KeyLogError::NoFork));
    assert_eq!(Fork::between(&roots[3], &roots[4]), None);
    // Nor is another time.
    let later = Statement { at: 10, ..roots[3].statement().clone() }.sign(&key());
    assert_eq!(Fork::between(&roots[3], &later), None);
    let stranger = roots[3].statement().clone().sign(&SigningKey::from_bytes(&[8; 32]));
    assert_eq!(Fork::between(&other, &stranger), None);
}

#[test]
fn a_cosignature_is_a_witnesses_and_for_one_root() {
    let (roots, witness) = (roots(), SigningKey::from_bytes(&[8; 32]));
    let cosignature = roots[1].cosign(&witness);
    assert_eq!(cosignature.len(), COSIGNATURE_BYTES);
    let id: [u8; 32] = Sha256::digest(witness.verifying_key().as_bytes()).into();
    assert_eq!(roots[1].cosigned_by(&cosignature), Ok(id));
    assert_eq!(roots[2].cosigned_by(&cosignature), Err(KeyLogError::BadSignature));
    for bit in 0..cosignature.len() * 8 {
        let mut flipped = cosignature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(roots[1].cosigned_by(&flipped), Err(KeyLogError::BadSignature), "bit {bit}");
    }
    assert_eq!(roots[1].cosigned_by(&cosignature[..95]), Err(KeyLogError::Malformed));
    // What the relay signs itself is no cosignature.
    let own = [&key().verifying_key().to_bytes()[..], &roots[1].encode()[ROOT_BYTES - 64..]].concat();
    assert_eq!(roots[1].cosigned_by(&own), Err(KeyLogError::BadSignature));
}

#[tokio::test]
async fn a_log_begins_with_the_empty_tree() {
    let log = Log::new().await;
    assert_eq!(log.newest().statement().hash, [0; 32]);
    assert_eq!(log.newest().position(), (1, 0));
}
