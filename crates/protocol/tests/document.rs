//! `docs/protocol.md` says of labels what the code says.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use conclave_protocol::labels::ALL;

#[test]
fn the_table_of_labels_is_the_codes() {
    let page = include_str!("../../../docs/protocol.md");
    let documented: Vec<&str> = page.lines().filter(|line| line.starts_with("| `conclave v1 ")).collect();
    let expected: Vec<String> =
        ALL.iter().map(|(label, purpose)| format!("| `{label}` | {purpose} |")).collect();
    assert_eq!(documented, expected);
}
