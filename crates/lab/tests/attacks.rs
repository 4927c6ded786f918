//! What the attacks report: as much as is stated where devices heal, everything where the victim does not.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use conclave_lab::attacks::{Healing, SCHEMES, theft};

const HOUR: u64 = 3_600_000;

#[test]
fn a_thief_reads_for_an_hour_and_until_the_victim_speaks_where_devices_heal() {
    for scheme in SCHEMES {
        let damage = theft(scheme, Healing::Usual, 1).unwrap();
        assert_eq!(damage.before, 0, "{scheme}: {damage:?}");
        assert!(damage.after > 0, "{scheme}: {damage:?}");
        // The victim speaks every twenty minutes, and heals before it does.
        assert!(damage.span <= HOUR + HOUR / 3, "{scheme}: {damage:?}");
    }
}

#[test]
fn under_sender_keys_a_thief_reads_on_for_ever_where_the_victim_does_not_heal() {
    for healing in [Healing::NotTheVictim, Healing::Nobody] {
        let damage = theft(conclave_protocol::group::Scheme::SenderKeys, healing, 1).unwrap();
        assert_eq!((damage.before, damage.after), (0, damage.said), "{healing:?}");
    }
}
