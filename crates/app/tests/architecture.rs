//! Who may import whom (ARCHITECTURE.md): read from cargo itself, so that no arrow appears unnoticed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod metadata;

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, PackageId};
use metadata::of_this_platform;

/// Every crate of the workspace and what it may import of the others, tests aside.
const ARROWS: [(&str, &[&str]); 8] = [
    ("conclave", &["conclave-client", "conclave-relay"]),
    ("conclave-client", &["conclave-keylog", "conclave-protocol", "conclave-wire"]),
    ("conclave-relay", &["conclave-keylog", "conclave-wire"]),
    ("conclave-keylog", &[]),
    ("conclave-protocol", &[]),
    ("conclave-wire", &[]),
    ("conclave-fuzzing", &[]),
    // Nothing imports the laboratory.
    (
        "conclave-lab",
        &["conclave-client", "conclave-keylog", "conclave-protocol", "conclave-relay", "conclave-wire"],
    ),
];

/// What must not be reachable from `protocol`, at any distance: it is synchronous and does no input or output.
const NOT_IN_PROTOCOL: [&str; 8] =
    ["tokio", "futures-util", "rusqlite", "libsqlite3-sys", "axum", "prost", "tracing", "tokio-tungstenite"];

#[test]
fn the_arrows_between_crates_are_the_designed_ones() {
    let metadata = of_this_platform();
    let members: BTreeSet<&str> = metadata.workspace_packages().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(
        members,
        ARROWS.iter().map(|(name, _)| *name).collect(),
        "a new crate needs its arrows written here"
    );
    for (name, allowed) in ARROWS {
        let package = metadata.workspace_packages().into_iter().find(|p| p.name.as_str() == name).unwrap();
        let found: BTreeSet<&str> = package
            .dependencies
            .iter()
            .filter(|d| d.kind == DependencyKind::Normal && members.contains(d.name.as_str()))
            .map(|d| d.name.as_str())
            .collect();
        let more: Vec<_> = found.iter().filter(|f| !allowed.contains(f)).collect();
        assert!(more.is_empty(), "{name} must not import {more:?}");
    }
}

#[test]
fn the_relay_cannot_reach_the_protocol() {
    let reached = reach(&of_this_platform(), "conclave-relay");
    assert!(!reached.contains("conclave-protocol"), "the relay is blind by construction");
}

#[test]
fn the_protocol_reaches_no_runtime_and_no_database() {
    let reached = reach(&of_this_platform(), "conclave-protocol");
    for name in NOT_IN_PROTOCOL {
        assert!(!reached.contains(name), "protocol reaches {name}");
    }
}

#[test]
fn the_protocol_has_no_cargo_feature() {
    let metadata = of_this_platform();
    let protocol =
        metadata.workspace_packages().into_iter().find(|p| p.name.as_str() == "conclave-protocol").unwrap();
    assert!(protocol.features.is_empty(), "one cipher suite per protocol version");
}

/// The names of all packages that `root` pulls in when built (not for its tests).
fn reach(metadata: &Metadata, root: &str) -> BTreeSet<String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let names: BTreeMap<&PackageId, &str> =
        metadata.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let mut open: Vec<&PackageId> =
        names.iter().filter(|(_, name)| **name == root).map(|(id, _)| *id).collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = resolve.nodes.iter().find(|n| &n.id == id).unwrap();
        let normal =
            node.deps.iter().filter(|d| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal));
        open.extend(normal.map(|d| &d.pkg));
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}
