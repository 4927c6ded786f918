//! The key log over real sockets: what a relay answers is verified as a client and an auditor do it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use common::{Client, Device, refusal, relay, relay_in};
use conclave_keylog::{KeyLogError, Link, Logged, Root, Span, Value, VerifiedRoot, follow};
use conclave_relay::audit::grew;
use conclave_relay::{Config, Limits, Rate, RelayError, Running, backup, serve};
use conclave_wire::v1::{self, client_frame::Request, server_frame::Body};
use conclave_wire::{Code, RelayId};
use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256};

fn verified(client: &Client, root: &[u8]) -> VerifiedRoot {
    let relay = client.hello.relay_id.as_ref().try_into().unwrap();
    Root::decode(root).unwrap().verify(relay).unwrap()
}

async fn directory(client: &mut Client, names: &[&str]) -> v1::Directory {
    let names = names.iter().map(|name| name.to_string()).collect();
    let Body::Directory(found) = client.ask(Request::Lookup(v1::Lookup { names, persons: vec![] })).await
    else {
        panic!()
    };
    found
}

/// Looks somebody up and verifies what comes.
async fn look(client: &mut Client, name: &str) -> (VerifiedRoot, Logged, v1::Person) {
    let found = directory(client, &[name]).await;
    let (root, person) = (verified(client, &found.root), found.persons[0].clone());
    let logged = root.lookup(name, &person.log_proof).unwrap();
    let id = person.person.as_ref().try_into().unwrap();
    assert_eq!(logged.value, Value::of(id, &person.device_list));
    (root, logged, person)
}

fn list(list: &'static str) -> Request {
    Request::Publish(v1::Publish {
        device_list: Bytes::from_static(list.as_bytes()),
        ..v1::Publish::default()
    })
}

async fn trail(
    client: &mut Client,
    (incarnation, epoch): (u64, u64),
    most: u32,
) -> (Vec<Link>, VerifiedRoot) {
    let ask = Request::LogRoots(v1::LogRoots { incarnation, epoch, most });
    let Body::Trail(trail) = client.ask(ask).await else { panic!() };
    (Link::decode_all(&trail.links).unwrap(), verified(client, &trail.root))
}

async fn root(client: &mut Client, (incarnation, epoch): (u64, u64)) -> Body {
    client.ask(Request::LogRoot(v1::LogRoot { incarnation, epoch })).await
}

async fn growth(client: &mut Client, epoch: u64, most: u32) -> Vec<Bytes> {
    let Body::Growth(growth) = client.ask(Request::LogAudit(v1::LogAudit { epoch, most })).await else {
        panic!()
    };
    growth.steps
}

#[tokio::test]
async fn who_is_found_is_found_with_a_proof_of_just_that_list() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    mike.register(&Device::new("mike")).await;
    let mut stranger = Client::connect(&relay).await;
    let (root, logged, person) = look(&mut stranger, "mike").await;
    assert_eq!(
        (root.position(), logged.version, person.device_list.as_ref()),
        ((1, 1), 1, &b"list of mike"[..])
    );
    assert!(matches!(mike.ask(list("second")).await, Body::Stock(_)));
    let (newer, logged, person) = look(&mut stranger, "mike").await;
    assert_eq!((newer.position(), logged.version, person.device_list.as_ref()), ((1, 2), 2, &b"second"[..]));
    // The proof is for this name and this root, and for nothing else.
    assert_eq!(newer.lookup("sean", &person.log_proof), Err(KeyLogError::BadProof));
    assert_eq!(root.lookup("mike", &person.log_proof), Err(KeyLogError::BadProof));
    let (links, reached) = trail(&mut stranger, root.position(), 0).await;
    assert_eq!(follow(&root, &links, &reached).map(drop), Ok(()));
    assert_eq!(reached, newer);
    let nobody = directory(&mut stranger, &["nobody"]).await;
    assert!(nobody.persons.is_empty());
    assert_eq!(verified(&stranger, &nobody.root), newer);
}

#[tokio::test]
async fn whoever_recovers_is_in_the_log_with_the_new_list() {
    let relay = relay().await;
    let mut client = Client::connect(&relay).await;
    let (old, new) = (Device::new("mike"), Device::new("mike's new phone"));
    client.register(&old).await;
    look(&mut client, "mike").await;
    let mut other = Client::connect(&relay).await;
    let recover = old.recover(&new, &other.hello);
    assert!(matches!(other.ask(Request::Recover(recover)).await, Body::Stock(_)));
    let (_, logged, person) = look(&mut other, "mike").await;
    assert_eq!((logged.version, person.device_list.as_ref()), (2, &b"recovered"[..]));
}

#[tokio::test]
async fn the_log_is_followed_and_audited_from_its_first_epoch() {
    let relay = relay().await;
    let mut client = Client::connect(&relay).await;
    assert_eq!(relay.publish_log().await.unwrap(), 0, "nobody is in it yet");
    for name in ["mike", "sean", "steve", "dave"] {
        client.register(&Device::new(name)).await;
        relay.publish_log().await.unwrap();
    }
    let mut auditor = Client::connect(&relay).await;
    let Body::SignedRoot(first) = root(&mut auditor, (1, 0)).await else { panic!() };
    let first = verified(&auditor, &first.root);
    let (links, newest) = trail(&mut auditor, first.position(), 0).await;
    assert_eq!(newest.position(), (1, 4));
    let steps = growth(&mut auditor, 0, 0).await;
    assert_eq!(grew(&first, &links, &newest, &steps).await, Ok(()));
    // In parts it is the same.
    let (some, half) = trail(&mut auditor, first.position(), 2).await;
    assert_eq!(some, links[..2]);
    let half_steps = growth(&mut auditor, 0, 2).await;
    assert_eq!(half_steps, steps[..2]);
    assert_eq!(grew(&first, &some, &half, &half_steps).await, Ok(()));
    assert_eq!(grew(&half, &links[2..], &newest, &growth(&mut auditor, 2, 0).await).await, Ok(()));
    assert!(growth(&mut auditor, 4, 0).await.is_empty());
    // A step that is missing, extra, altered or of another epoch shows nothing.
    let bad = Err(KeyLogError::BadProof);
    assert_eq!(grew(&first, &links, &newest, &steps[..3]).await, bad);
    assert_eq!(grew(&half, &links[2..], &newest, &steps).await, bad);
    let mut swapped = steps.clone();
    swapped.swap(1, 2);
    assert_eq!(grew(&first, &links, &newest, &swapped).await, bad);
    for at in 0..steps[3].len() {
        let mut altered = steps[3].to_vec();
        altered[at] ^= 1;
        assert!(grew(&first, &links, &newest, &[&steps[..3], &[altered.into()]].concat()).await.is_err());
    }
    for absent in [(1, 5), (2, 0), (u64::MAX, u64::MAX)] {
        assert_eq!(refusal(&root(&mut auditor, absent).await), Code::UnknownEpoch);
    }
    let beyond = auditor.ask(Request::LogAudit(v1::LogAudit { epoch: 5, most: 0 })).await;
    assert_eq!(refusal(&beyond), Code::UnknownEpoch);
    let (none, same) = trail(&mut auditor, newest.position(), 0).await;
    assert!(none.is_empty() && same == newest);
}

#[tokio::test]
async fn ones_own_history_is_complete_and_nobody_elses_is_given() {
    let relay = relay().await;
    let mut mike = Client::connect(&relay).await;
    let ask = || Request::LogHistory(v1::LogHistory {});
    assert_eq!(refusal(&mike.ask(ask()).await), Code::LoginNeeded);
    mike.register(&Device::new("mike")).await;
    relay.publish_log().await.unwrap();
    let mut sean = Client::connect(&relay).await;
    sean.register(&Device::new("sean")).await;
    mike.ask(list("second")).await;
    let Body::History(history) = mike.ask(ask()).await else { panic!() };
    assert_eq!(history.device_lists, ["second", "list of mike"]);
    let root = verified(&mike, &history.root);
    let shown = root.history("mike", &history.proof, Span::Complete).unwrap();
    let person = Device::new("mike").person().as_ref().try_into().unwrap();
    let values: Vec<_> = history.device_lists.iter().map(|list| Value::of(person, list)).collect();
    assert_eq!(shown.iter().map(|logged| logged.value).collect::<Vec<_>>(), values);
    assert_eq!(shown.iter().map(|logged| logged.version).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(root.history("sean", &history.proof, Span::Complete), Err(KeyLogError::BadProof));
    let Body::History(of_sean) = sean.ask(ask()).await else { panic!() };
    assert_eq!(of_sean.device_lists, ["list of sean"]);
}

#[tokio::test]
async fn what_the_log_costs_is_limited() {
    let limits = Limits {
        device_lists: Rate::new(1.0, 0.0),
        histories: Rate::new(1.0, 0.0),
        log_requests: Rate::new(0.02, 0.0),
        ..Limits::default()
    };
    let relay = serve(Config { limits, ..Config::default() }).await.unwrap();
    let mut mike = Client::connect(&relay).await;
    mike.register(&Device::new("mike")).await;
    assert!(matches!(mike.ask(list("second")).await, Body::Stock(_)));
    assert_eq!(refusal(&mike.ask(list("third")).await), Code::RateLimited);
    assert!(matches!(mike.ask(Request::LogHistory(v1::LogHistory {})).await, Body::History(_)));
    assert_eq!(refusal(&mike.ask(Request::LogHistory(v1::LogHistory {})).await), Code::RateLimited);
    // Loopback addresses have a hundred times as many.
    trail(&mut mike, (1, 0), 0).await;
    assert!(matches!(root(&mut mike, (1, 0)).await, Body::SignedRoot(_)));
    let audit = Request::LogAudit(v1::LogAudit { epoch: 0, most: 0 });
    assert_eq!(refusal(&mike.ask(audit).await), Code::RateLimited);
}

#[tokio::test]
async fn a_root_is_given_with_what_its_witnesses_signed() {
    let (witness, stranger) = (SigningKey::from_bytes(&[3; 32]), SigningKey::from_bytes(&[4; 32]));
    let id: [u8; 32] = Sha256::digest(witness.verifying_key().as_bytes()).into();
    let config = Config { witnesses: vec![RelayId::new(id)], ..Config::default() };
    let relay = serve(config).await.unwrap();
    let (seen, _) = registered(&relay, "mike").await;
    let mut client = Client::connect(&relay).await;
    let cosign = |(incarnation, epoch): (u64, u64), cosignature: Vec<u8>| {
        Request::Cosign(v1::Cosign { incarnation, epoch, cosignature: cosignature.into() })
    };
    let at = seen.position();
    let refused = client.ask(cosign(at, seen.cosign(&stranger))).await;
    assert_eq!(refusal(&refused), Code::NotWitness);
    assert_eq!(refusal(&client.ask(cosign((1, 0), seen.cosign(&witness))).await), Code::BadSignature);
    assert_eq!(refusal(&client.ask(cosign((1, 9), seen.cosign(&witness))).await), Code::UnknownEpoch);
    for _ in 0..2 {
        assert!(matches!(client.ask(cosign(at, seen.cosign(&witness))).await, Body::Done(_)));
    }
    let Body::SignedRoot(given) = root(&mut client, at).await else { panic!() };
    assert_eq!(given.cosignatures.len(), 1);
    assert_eq!(verified(&client, &given.root).cosigned_by(&given.cosignatures[0]), Ok(id));
    let ask = Request::LogRoots(v1::LogRoots { incarnation: 1, epoch: 0, most: 0 });
    let Body::Trail(trail) = client.ask(ask).await else { panic!() };
    assert_eq!(trail.cosignatures, given.cosignatures);
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

async fn registered(relay: &Running, name: &str) -> (VerifiedRoot, Logged) {
    let mut client = Client::connect(relay).await;
    client.register(&Device::new(name)).await;
    let (root, logged, _) = look(&mut client, name).await;
    (root, logged)
}

#[tokio::test]
async fn the_log_goes_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("relay");
    let mut before = None;
    for (name, epoch) in [("mike", 1), ("sean", 2), ("steve", 3)] {
        let running = relay_in(&data).await;
        let (root, logged) = registered(&running, name).await;
        assert_eq!((root.position(), logged.epoch), ((1, epoch), epoch));
        let mut client = Client::connect(&running).await;
        if let Some(before) = before.replace(root.clone()) {
            let (links, newest) = trail(&mut client, before.position(), 0).await;
            assert_eq!(
                grew(&before, &links, &newest, &growth(&mut client, epoch - 1, 0).await).await,
                Ok(())
            );
        }
        running.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_restored_relay_goes_on_in_a_new_incarnation_and_says_what_it_lost() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let running = relay_in(&at("relay")).await;
    let (kept, _) = registered(&running, "mike").await;
    backup(&at("relay"), &at("copy"), |_, _| {}).unwrap();
    let (lost, _) = registered(&running, "sean").await;
    running.shutdown().await.unwrap();

    let restored = relay_in(&at("copy")).await;
    let mut client = Client::connect(&restored).await;
    let (again, _, _) = look(&mut client, "mike").await;
    assert_eq!((again.position(), again.statement().hash), ((2, 1), kept.statement().hash));
    let (other, _) = registered(&restored, "steve").await;
    assert_eq!((other.position(), lost.position()), ((2, 2), (1, 2)));
    let (links, newest) = trail(&mut client, kept.position(), 0).await;
    assert_eq!(follow(&kept, &links, &newest).map(drop), Ok(()));
    assert_eq!(grew(&kept, &links, &newest, &growth(&mut client, 1, 0).await).await, Ok(()));
    let (links, newest) = trail(&mut client, lost.position(), 0).await;
    assert_eq!(follow(&lost, &links, &newest), Err(KeyLogError::Rewound { had: 2, kept: 1 }));
    assert_eq!(refusal(&root(&mut client, lost.position()).await), Code::UnknownEpoch);
    // From the beginning it is one log.
    let Body::SignedRoot(first) = root(&mut client, (1, 0)).await else { panic!() };
    let first = verified(&client, &first.root);
    let (links, newest) = trail(&mut client, (1, 0), 0).await;
    assert_eq!(grew(&first, &links, &newest, &growth(&mut client, 0, 0).await).await, Ok(()));
    restored.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_log_without_its_key_or_with_another_is_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let running = relay_in(&at("relay")).await;
    registered(&running, "mike").await;
    running.shutdown().await.unwrap();
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 3] = [
        ("missing", |dir| fs::remove_file(dir.join("log.key")).unwrap()),
        ("short", |dir| fs::write(dir.join("log.key"), [1; 31]).unwrap()),
        ("other", |dir| fs::write(dir.join("log.key"), [1; 32]).unwrap()),
    ];
    for (name, damage) in cases {
        copy_directory(&at("relay"), &at(name));
        damage(&at(name));
        let refused = serve(Config { data: Some(at(name)), ..Config::default() }).await.unwrap_err();
        assert!(
            matches!(&refused, RelayError::BadKey(path) if path.ends_with("log.key")),
            "{name}: {refused}"
        );
    }
    assert!(serve(Config { data: Some(at("relay")), ..Config::default() }).await.is_ok());
}

#[tokio::test]
async fn two_relays_keep_two_logs() {
    let (one, other) = (relay().await, relay().await);
    let (of_one, _) = registered(&one, "mike").await;
    let (of_other, _) = registered(&other, "mike").await;
    assert_eq!(follow(&of_one, &[], &of_other), Err(KeyLogError::OtherLog));
    assert_ne!(of_one.statement().hash, of_other.statement().hash);
    let relay = other.relay_id.as_bytes();
    assert_eq!(Root::decode(&of_one.encode()).unwrap().verify(relay), Err(KeyLogError::OtherRelay));
}
