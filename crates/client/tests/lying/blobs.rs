//! Lies about what lies beside the posts: withheld or altered it is named, and the group is joined once it comes.

use super::common::{self, PATIENCE, done};
use super::{Table, is_told};
use conclave_client::{Event, Scheme};
use conclave_wire::Code;
use conclave_wire::v1::{self, server_frame::Body};

/// Enough at once that their welcomes name pieces.
const OTHERS: usize = 9;

async fn invited_with_others(scheme: Scheme, mut lie: impl FnMut(v1::Blob) -> Body + Send + 'static) {
    let mut table = Table::strangers().await;
    let mut names = vec!["sean".to_owned()];
    for n in 0..OTHERS {
        names.push(format!("other{n}"));
        common::cheap_person(&table._stage, &names[n + 1]).await;
    }
    table.sean.add_contact("mike").await.unwrap();
    table.mike.new_group("Trip", scheme).await.unwrap();
    done(table.mike.add("Trip", &names, PATIENCE).await);
    table.mike_says("hello").await;
    table.proxy.alter(move |body| {
        if let Body::Blob(blob) = body {
            *body = lie(std::mem::take(blob));
        }
    });
    let events = table.sean_tries().await.unwrap().events;
    assert!(is_told(&events, "asked for what an invitation names"), "{events:?}");
    assert!(events.iter().any(|event| matches!(event, Event::InvitationFails { .. })), "{events:?}");
    // And once more, without a word.
    assert_eq!(table.sean_tries().await.unwrap().events, []);
    table.proxy.be_honest();
    let events = table.sean_syncs().await;
    assert!(events.iter().any(|event| matches!(event, Event::Joined { .. })), "{events:?}");
    table.all_is_well().await;
}

#[tokio::test]
async fn a_blob_withheld_is_told_and_the_group_is_joined_later() {
    invited_with_others(Scheme::Tree, |_| Body::Refused(v1::Refused::new(Code::UnknownBlob))).await;
}

#[tokio::test]
async fn a_blob_altered_is_told_and_the_group_is_joined_later() {
    invited_with_others(Scheme::SenderKeys, |blob| {
        let mut bytes = blob.bytes.to_vec();
        bytes[0] ^= 1;
        Body::Blob(v1::Blob { bytes: bytes.into() })
    })
    .await;
}
