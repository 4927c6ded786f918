//! What comes into the build is what `deny.toml` allows: sources, licences, bans, second versions. The same file serves
//! cargo-deny; here nothing but cargo itself is needed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod metadata;

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Metadata, Package};
use serde::Deserialize;

#[derive(Deserialize)]
struct Deny {
    sources: Sources,
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
    allow_git: Vec<String>,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
    skip: Vec<Skip>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    /// Who alone may use it; absent: nobody.
    #[serde(default)]
    wrappers: Vec<String>,
    reason: String,
}

#[derive(Deserialize)]
struct Skip {
    #[serde(rename = "crate")]
    name_and_version: String,
    reason: String,
}

fn deny() -> Deny {
    let text = include_str!("../../../deny.toml");
    let deny: Deny = toml::from_str(text).unwrap();
    let reasons = deny.bans.deny.iter().map(|ban| &ban.reason);
    assert!(
        reasons.chain(deny.bans.skip.iter().map(|skip| &skip.reason)).all(|reason| !reason.is_empty()),
        "every entry has its reason"
    );
    deny
}

/// Cargo.lock names what every platform needs, this one's and others'.
#[test]
fn every_dependency_comes_from_the_registry() {
    let sources = deny().sources;
    assert!(sources.allow_git.is_empty());
    let lock: toml::Table = toml::from_str(include_str!("../../../Cargo.lock")).unwrap();
    let packages = lock["package"].as_array().unwrap();
    assert!(packages.len() > 100);
    for package in packages {
        let name = package["name"].as_str().unwrap();
        match package.get("source").map(|source| source.as_str().unwrap()) {
            None => assert!(name.starts_with("conclave"), "{name} has no source and is not ours"),
            Some(source) => {
                let registry = source.strip_prefix("registry+").unwrap_or_else(|| panic!("{name}: {source}"));
                assert!(sources.allow_registry.iter().any(|allowed| allowed == registry), "{name}: {source}");
                assert!(package.get("checksum").is_some(), "{name} has no checksum");
            }
        }
    }
}

#[test]
fn every_licence_is_on_the_list() {
    let licenses = deny().licenses;
    for package in metadata::of_this_platform().packages {
        let more = licenses.exceptions.iter().filter(|other| other.name == package.name.as_str());
        let allowed: BTreeSet<&str> =
            licenses.allow.iter().chain(more.flat_map(|other| &other.allow)).map(String::as_str).collect();
        let stated = package.license.as_deref().unwrap_or("none");
        assert!(is_allowed(stated, &allowed), "{} {}: {stated}", package.name, package.version);
    }
}

#[test]
fn no_crate_is_used_that_is_banned() {
    let (bans, metadata) = (deny().bans, metadata::of_this_platform());
    for (package, users) in used_by(&metadata) {
        for ban in bans.deny.iter().filter(|ban| ban.name == package.name.as_str()) {
            let users: Vec<_> = users.iter().filter(|user| !ban.wrappers.contains(user)).collect();
            assert!(users.is_empty(), "{users:?} must not use {}: {}", ban.name, ban.reason);
        }
    }
}

#[test]
fn no_crate_comes_in_two_versions_but_for_stated_reasons() {
    let (bans, metadata) = (deny().bans, metadata::of_this_platform());
    let mut versions: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for package in &metadata.packages {
        versions.entry(package.name.as_str()).or_default().push(package.version.to_string());
    }
    versions.retain(|_, versions| versions.len() > 1);
    for (name, versions) in &versions {
        let not_stated =
            versions.iter().filter(|version| !bans.skip.iter().any(|skip| skip.is(name, version)));
        assert!(not_stated.count() <= 1, "{name} comes in {versions:?}; say in deny.toml why, or avoid it");
    }
    let needed = |skip: &&Skip| {
        versions.iter().any(|(name, versions)| versions.iter().any(|version| skip.is(name, version)))
    };
    let idle: Vec<_> =
        bans.skip.iter().filter(|skip| !needed(skip)).map(|skip| &skip.name_and_version).collect();
    assert!(idle.is_empty(), "deny.toml skips what is no second version any more: {idle:?}");
}

#[test]
fn a_licence_expression_is_read_as_it_is_meant() {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0", "ISC", "Apache-2.0 WITH LLVM-exception"]);
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR GPL-3.0) AND Apache-2.0",
        "ISC AND (Apache-2.0 OR ISC)",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
    ] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in [
        "none",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(GPL-3.0 OR AGPL-3.0) AND MIT",
        "MIT WITH exception",
        "MIT)",
        "",
    ] {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}

impl Skip {
    fn is(&self, name: &str, version: &str) -> bool {
        let (skipped, from) = self.name_and_version.split_once('@').expect("crate@version");
        skipped == name && (version == from || version.starts_with(&format!("{from}.")))
    }
}

/// Every package with the names of those that use it.
fn used_by(metadata: &Metadata) -> Vec<(&Package, BTreeSet<String>)> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let users = |package: &Package| {
        let users = resolve.nodes.iter().filter(|node| node.deps.iter().any(|dep| dep.pkg == package.id));
        users.map(|node| metadata[&node.id].name.to_string()).collect()
    };
    metadata.packages.iter().map(|package| (package, users(package))).collect()
}

/// SPDX: terms joined by OR and AND, AND binding closer, with parentheses; `/` is an old OR.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let value = any_of(&mut words, allowed);
    value == Some(true) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut value = all_of(words, allowed)?;
    while words.next_if_eq(&"OR").is_some() {
        value |= all_of(words, allowed)?;
    }
    Some(value)
}

fn all_of(words: &mut Words, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut value = term(words, allowed)?;
    while words.next_if_eq(&"AND").is_some() {
        value &= term(words, allowed)?;
    }
    Some(value)
}

fn term(words: &mut Words, allowed: &BTreeSet<&str>) -> Option<bool> {
    let word = words.next()?;
    if word == "(" {
        let value = any_of(words, allowed)?;
        return (words.next()? == ")").then_some(value);
    }
    if words.next_if_eq(&"WITH").is_some() {
        return Some(allowed.contains(format!("{word} WITH {}", words.next()?).as_str()));
    }
    Some(allowed.contains(word))
}
