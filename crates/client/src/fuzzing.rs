//! Fuzz targets: what the client reads that is not the protocol's: its own files and rows, addresses, a relay's pushes. Part
//! of the crate only for its tests and under a fuzzer.

use crate::Event;
use crate::engine::entries_fuzz;
use crate::store::{backup_fuzz, sidecar_fuzz};
use crate::transport::Address;
use conclave_wire::v1;
use prost::Message;

/// What a target does with any bytes.
pub type Run = fn(&[u8]) -> bool;

/// Every target: its name; what it does with any bytes (it returns whether they were a value, and panics if something does
/// not hold that must); and on how many mutations it runs in tests.
pub const TARGETS: &[(&str, Run, u64)] = &[
    ("store_json", sidecar_fuzz, 5_000),
    ("backup", backup_fuzz, 5_000),
    ("address", address, 5_000),
    ("entries", entries_fuzz, 5_000),
    ("stored_request", stored_request, 5_000),
    ("event", event, 5_000),
];

/// What a person types, or a link carries.
fn address(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let hosts = Address::of_host(text);
    assert!(hosts.iter().all(|url| url.ends_with(text)), "a host is looked for at itself");
    let Ok(address) = Address::parse(text) else { return false };
    assert!(address.secure || address.is_local(), "nothing is said in the clear to another machine");
    let scheme = if address.secure { "https" } else { "http" };
    let pin = address.pin.map_or(String::new(), |pin| format!("#{pin}"));
    let again = Address::parse(&format!("{scheme}://{}{pin}", address.authority()));
    assert_eq!(again.as_ref(), Ok(&address), "an address is read again as it is written");
    true
}

/// A sealed post or a registration, as it waits in the store.
fn stored_request(bytes: &[u8]) -> bool {
    let post = v1::Post::decode(bytes)
        .is_ok_and(|post| v1::Post::decode(post.encode_to_vec().as_slice()).is_ok_and(|again| again == post));
    let registration = v1::Register::decode(bytes).is_ok();
    post || registration
}

/// An event of the journal.
fn event(bytes: &[u8]) -> bool {
    let Ok(event) = serde_json::from_slice::<Event>(bytes) else { return false };
    let again = serde_json::to_vec(&event).ok().and_then(|text| serde_json::from_slice(&text).ok());
    assert_eq!(again.as_ref(), Some(&event), "an event is read again as it is written");
    assert!(!event.to_string().is_empty());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seeds() -> Vec<(&'static str, Vec<u8>)> {
        let sidecar = include_bytes!("../tests/fixtures/store-1/store.json");
        let id = "ab".repeat(32);
        let addresses =
            ["http://127.0.0.1:7400", "https://example.org/", "wss://[::1]:9", "http://localhost"];
        let pinned = format!("https://relay.example:7400#{id}");
        let entry = v1::Entry {
            number: 4,
            turn: 2,
            seat: vec![1; 16].into(),
            hash: vec![2; 32].into(),
            shared: vec![3; 50].into(),
            slice: vec![4; 20].into(),
            ..v1::Entry::default()
        };
        let entries = v1::Entries {
            channel: vec![1; 16].into(),
            seat: vec![2; 16].into(),
            entries: vec![entry.clone(), v1::Entry { number: 5, expired: true, ..entry }],
            head: 5,
        };
        let post = v1::Post {
            channel: vec![1; 16].into(),
            seat: vec![2; 16].into(),
            token: vec![3; 32].into(),
            number: 7,
            shared: vec![4; 50].into(),
            ..v1::Post::default()
        };
        let (conversation, by) = ("Trip".to_owned(), "mike@relay.test".to_owned());
        let events = [
            Event::Messages { id: id.clone(), conversation: conversation.clone(), count: 2, missing: 0 },
            Event::Joined { id, conversation, by },
            Event::RelayFault { cause: "entry 7".to_owned() },
        ];
        let mut seeds = vec![
            ("store_json", sidecar.to_vec()),
            ("backup", crate::store::backup_seed(sidecar, &[1; 300])),
            ("backup", crate::store::backup_seed(b"{}", b"")),
            ("address", pinned.into_bytes()),
            ("entries", entries.encode_to_vec()),
            ("stored_request", post.encode_to_vec()),
        ];
        seeds.extend(addresses.iter().map(|text| ("address", text.as_bytes().to_vec())));
        seeds.extend(events.iter().map(|event| ("event", serde_json::to_vec(event).unwrap())));
        seeds
    }

    #[test]
    fn fuzz_targets_of_the_client_hold() {
        conclave_fuzzing::hold("client", TARGETS, &seeds());
    }
}
