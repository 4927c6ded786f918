//! What cargo knows of this workspace.

use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};

/// Of this platform only and without network: what other platforms need was never downloaded.
pub(crate) fn of_this_platform() -> Metadata {
    let version =
        Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into())).arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let options = ["--offline", "--filter-platform", host].map(str::to_owned);
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap()
}
