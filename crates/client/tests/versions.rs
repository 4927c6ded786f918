//! Stores of earlier versions: opened, brought up to date, a copy kept; stores of later ones are refused.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::PASSPHRASE;
use conclave_client::{Client, ClientError, ReadOptions};
use std::path::Path;

/// A store that the first version wrote: two contacts, somebody blocked, a chat, two groups, a message that waits.
fn version_1(dir: &Path) {
    for name in ["store.json", "store.db"] {
        std::fs::copy(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store-1").join(name),
            dir.join(name),
        )
        .unwrap();
    }
}

async fn texts(client: &Client, target: &str) -> Vec<String> {
    let all = client.read(target, ReadOptions::default()).await.unwrap();
    all.into_iter().map(|message| message.text).collect()
}

#[tokio::test]
async fn a_store_of_version_1_opens_with_everything_in_it_and_a_copy_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    version_1(dir.path());
    let before = std::fs::read(dir.path().join("store.json")).unwrap();
    assert!(matches!(Client::open(dir.path(), "wrong").await, Err(ClientError::WrongPassphrase)));
    for _ in 0..2 {
        let client = Client::open(dir.path(), PASSPHRASE).await.unwrap();
        assert_eq!(client.account().await.unwrap().relay, "http://127.0.0.1:7411");
        assert_eq!(texts(&client, "sean").await, ["Meet at nine?", "Nine it is."]);
        assert_eq!(texts(&client, "Trip").await, ["Who brings the map?", "I do."]);
        let groups = client.groups().await.unwrap();
        assert_eq!(groups.iter().filter(|group| !group.direct).count(), 2);
        let contacts = client.contacts().await.unwrap();
        assert_eq!(contacts.iter().map(|contact| &*contact.name).collect::<Vec<_>>(), ["sean", "steve"]);
        assert!(contacts.iter().all(|contact| !contact.blocked));
    }
    assert!(dir.path().join("store.db.version-1").exists());
    let after = std::fs::read(dir.path().join("store.json")).unwrap();
    assert_ne!(before, after, "the sidecar names the new version");

    // The copy is what an older program would need: put back, it opens again.
    std::fs::write(dir.path().join("store.json"), before).unwrap();
    std::fs::rename(dir.path().join("store.db.version-1"), dir.path().join("store.db")).unwrap();
    let client = Client::open(dir.path(), PASSPHRASE).await.unwrap();
    assert_eq!(texts(&client, "Trip").await.len(), 2);
}
