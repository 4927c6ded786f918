//! What cargo knows of this workspace.

use std::collections::BTreeSet;
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");

/// Of this platform only and without network: what other platforms need was never downloaded.
pub(crate) fn of_this_platform() -> Metadata {
    let version =
        Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into())).arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let options = ["--offline", "--filter-platform", host].map(str::to_owned);
    let mut metadata = MetadataCommand::new().manifest_path(MANIFEST).other_options(options).exec().unwrap();
    let built = built(host);
    metadata.packages.retain(|package| built.contains(&format!("{} v{}", package.name, package.version)));
    let kept: BTreeSet<_> = metadata.packages.iter().map(|package| package.id.clone()).collect();
    let nodes = &mut metadata.resolve.as_mut().unwrap().nodes;
    nodes.retain(|node| kept.contains(&node.id));
    nodes.iter_mut().for_each(|node| node.deps.retain(|dep| kept.contains(&dep.pkg)));
    metadata
}

/// What is really built, as `name vVERSION`: the metadata hold also what a feature only mentions (`ring?/alloc`).
fn built(host: &str) -> BTreeSet<String> {
    let tree = ["tree", "--offline", "--workspace", "--prefix", "none", "--format", "{p}", "--target", host];
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let tree = Command::new(cargo).args(tree).args(["--manifest-path", MANIFEST]).output().unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let lines = String::from_utf8(tree.stdout).unwrap();
    lines.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect()
}
