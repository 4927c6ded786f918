//! The documents claim only what a test shows: every test that the threat model names exists.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

#[test]
fn every_test_named_in_the_threat_model_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut code = String::new();
    gather(&root.join("crates"), &mut code);
    let page = std::fs::read_to_string(root.join("docs/threat-model.md")).unwrap();
    let named = page.split('`').skip(1).step_by(2).filter(|name| name.contains('_') && !name.contains('/'));
    let missing: Vec<&str> = named.clone().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(named.count() > 10 && missing.is_empty(), "no such test: {missing:?}");
}

fn gather(dir: &Path, code: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}
