//! Stores of earlier versions: opened, brought up to date, a copy kept; stores of later ones are refused.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{PASSPHRASE, PATIENCE, done, say, sync};
use conclave_client::{Client, ClientError, ReadOptions, Scheme};
use conclave_relay::{Config, serve};
use std::path::{Path, PathBuf};

/// A store that an earlier version wrote: two contacts, somebody blocked, a chat, two groups, a message that waits.
fn kept(version: u32, dir: &Path) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for name in ["store.json", "store.db"] {
        std::fs::copy(fixtures.join(format!("store-{version}")).join(name), dir.join(name)).unwrap();
    }
}

/// What is in each of the kept stores.
async fn is_all_there(client: &Client, relay: &str) {
    assert_eq!(client.account().await.unwrap().relay, relay);
    assert_eq!(texts(client, "sean").await, ["Meet at nine?", "Nine it is."]);
    assert_eq!(texts(client, "Trip").await, ["Who brings the map?", "I do."]);
    let groups = client.groups().await.unwrap();
    assert_eq!(groups.iter().filter(|group| !group.direct).count(), 2);
    let contacts = client.contacts().await.unwrap();
    assert_eq!(contacts.iter().map(|contact| &*contact.name).collect::<Vec<_>>(), ["sean", "steve"]);
    assert!(contacts.iter().all(|contact| !contact.blocked));
}

async fn texts(client: &Client, target: &str) -> Vec<String> {
    let all = client.read(target, ReadOptions::default()).await.unwrap();
    all.into_iter().map(|message| message.text).collect()
}

#[tokio::test]
async fn a_store_of_an_earlier_version_opens_with_everything_in_it_and_a_copy_is_kept() {
    for version in [1, 2, 3, 4] {
        let dir = tempfile::tempdir().unwrap();
        kept(version, dir.path());
        let before = std::fs::read(dir.path().join("store.json")).unwrap();
        assert!(matches!(Client::open(dir.path(), "wrong").await, Err(ClientError::WrongPassphrase)));
        for _ in 0..2 {
            let client = Client::open(dir.path(), PASSPHRASE).await.unwrap();
            is_all_there(&client, "http://127.0.0.1:7411").await;
        }
        let copy = dir.path().join(format!("store.db.version-{version}"));
        assert!(copy.exists());
        let after = std::fs::read(dir.path().join("store.json")).unwrap();
        assert_ne!(before, after, "the sidecar names the new version");

        // The copy is what an older program would need: put back, it opens again.
        std::fs::write(dir.path().join("store.json"), before).unwrap();
        std::fs::rename(copy, dir.path().join("store.db")).unwrap();
        let client = Client::open(dir.path(), PASSPHRASE).await.unwrap();
        assert_eq!(texts(&client, "Trip").await.len(), 2);
    }
}

/// How a kept store is made, once for each version: `CONCLAVE_KEEP_FIXTURE` says where. The relay is then at the address
/// that all of them know.
#[tokio::test]
async fn a_store_of_today_has_what_the_kept_ones_have() {
    let dir = tempfile::tempdir().unwrap();
    let keep = std::env::var_os("CONCLAVE_KEEP_FIXTURE").map(PathBuf::from);
    let listen = if keep.is_some() { "127.0.0.1:7411" } else { "127.0.0.1:0" }.parse().unwrap();
    let relay = serve(Config { listen, ..Config::default() }).await.unwrap();
    let url = format!("http://{}", relay.addr);
    let home = keep.unwrap_or_else(|| dir.path().join("mike"));
    let mike = Client::create(&home, PASSPHRASE, "mike", &url, None).await.unwrap();
    let mut others = Vec::new();
    for name in ["sean", "steve", "eve"] {
        let home = dir.path().join(name);
        common::lives::cheap_sidecar(&home);
        let other = Client::create(&home, PASSPHRASE, name, &url, None).await.unwrap();
        other.add_contact("mike").await.unwrap();
        others.push(other);
    }
    let [sean, steve, eve] = &others[..] else { panic!() };
    mike.add_contact("sean").await.unwrap();
    mike.add_contact("steve").await.unwrap();
    say(eve, "mike", "Buy this!").await;
    sync(&mike).await;
    let request = mike.requests().await.unwrap().remove(0);
    mike.block(&request.id).await.unwrap();
    say(&mike, "sean", "Meet at nine?").await;
    sync(sean).await;
    say(sean, "mike", "Nine it is.").await;
    for name in ["Trip", "Other"] {
        mike.new_group(name, Scheme::SenderKeys).await.unwrap();
        done(mike.add(name, &["sean", "steve"], PATIENCE).await);
    }
    say(&mike, "Trip", "Who brings the map?").await;
    sync(steve).await;
    say(steve, "Trip", "I do.").await;
    sync(&mike).await;
    relay.shutdown().await.unwrap();
    mike.send("Trip", "This waits.").await.unwrap();
    is_all_there(&mike, &url).await;
}
