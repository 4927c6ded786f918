//! Every measurement in its quick form: it runs, and what it says makes sense. How fast anything is, is not tested.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use conclave_lab::costs::group::GroupBench;
use conclave_lab::costs::store::rows;
use conclave_lab::figures::{NAMES, markdown};
use conclave_lab::load::{Crowd, Rates};
use conclave_lab::measure::Extent;
use conclave_lab::report;
use conclave_protocol::group::Scheme;

#[tokio::test(flavor = "multi_thread")]
async fn one_command_makes_the_whole_table_that_the_page_keeps() {
    let figures = report::all(Extent::Quick).await.unwrap();
    let names: Vec<&str> = figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(names, NAMES);
    let table = markdown(&figures);
    assert_eq!(table.lines().count(), NAMES.len() + 2);
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schemes.md")).unwrap();
    for figure in &figures {
        let kept = page.lines().find(|line| line.starts_with(&format!("| {} |", figure.name)));
        let kept = kept.unwrap_or_else(|| panic!("docs/schemes.md lacks {:?}", figure.name));
        assert!(kept.contains(&format!("| {} |", figure.reach)), "another goal is kept: {kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_member_of_a_crowd_gets_every_post() {
    let crowd = Crowd::usual(Extent::Quick);
    for rates in [crowd.at_fanout().await.unwrap(), crowd.at_relay().await.unwrap()] {
        // It ended because as many deliveries came as there are members, for each post.
        let Rates { posts, deliveries } = rates;
        assert!(posts > 0.0 && (deliveries / posts - crowd.members as f64).abs() < 0.5, "{rates:?}");
    }
}

#[test]
fn what_a_message_weighs_and_writes_depends_on_the_scheme() {
    let mut sender_keys = GroupBench::new(Scheme::SenderKeys, 4, false, Extent::Quick).unwrap();
    let mut pairwise = GroupBench::new(Scheme::Pairwise, 4, false, Extent::Quick).unwrap();
    assert!(pairwise.added().unwrap() > sender_keys.added().unwrap() + 2 * 100, "a key for each of three");
    let (one, other) = (sender_keys.written().unwrap(), pairwise.written().unwrap());
    assert!(one.sent < other.sent, "sessions move under pairwise: {one:?} {other:?}");
    assert!(one.committed > 1100 && one.followed > 1100, "a commit brings a new leaf: {one:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_leaves_the_same_rows_however_many_read_it() {
    let (few, many) = (rows(3).await.unwrap(), rows(50).await.unwrap());
    assert_eq!(few.plain, many.plain);
    assert_eq!(many.sliced, (50, many.plain + 1), "slices of fifty fit into one block");
}
