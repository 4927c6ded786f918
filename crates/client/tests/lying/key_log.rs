//! Lies about the key log: roots and proofs that do not hold, a log that goes back or is forked, and a directory that lies in
//! its log as well.

use super::common::{self, PATIENCE, Stage, cheap_person, done, say, sync, texts};
use super::{BRIEFLY, Table, alarms};
use conclave_client::{AlarmCause, Client, Deed, Event, Scheme};
use conclave_wire::v1::server_frame::Body;
use std::path::Path;

fn is_log_fault(causes: &[&AlarmCause], part: &str) -> bool {
    matches!(causes, [AlarmCause::LogFault { what, .. }] if what.contains(part))
}

/// What sean is told if the relay alters its answers so while he looks somebody up.
async fn looks_up_meanwhile(lie: impl FnMut(&mut conclave_wire::v1::Directory) + Send + 'static, part: &str) {
    let mut lie = lie;
    let table = Table::strangers().await;
    table.proxy.alter(move |body| {
        if let Body::Directory(directory) = body {
            lie(directory);
        }
    });
    let refused = table.sean.add_contact("mike").await.err().unwrap();
    assert_eq!(refused.code(), "key_log", "{refused}");
    let events = table.sean.sync(BRIEFLY).await.unwrap().events;
    assert!(is_log_fault(&alarms(&events), part), "{events:?}");
    table.proxy.be_honest();
    table.sean.add_contact("mike").await.unwrap();
    table.mike.add_contact("sean").await.unwrap();
    say(&table.sean, "mike", "it is you").await;
    assert_eq!(texts(&table.mike, "sean").await, ["it is you"]);
}

#[tokio::test]
async fn at_first_contact_keys_that_are_not_logged_are_refused_by_name() {
    looks_up_meanwhile(
        |directory| {
            for person in &mut directory.persons {
                let mut list = person.device_list.to_vec();
                list[50] ^= 1;
                person.device_list = list.into();
            }
        },
        "proof",
    )
    .await;
}

#[tokio::test]
async fn a_root_that_is_not_signed_is_refused_by_name() {
    looks_up_meanwhile(
        |directory| {
            let mut root = directory.root.to_vec();
            root[100] ^= 1;
            directory.root = root.into();
        },
        "not signed",
    )
    .await;
}

#[tokio::test]
async fn a_proof_for_another_name_is_refused_by_name() {
    looks_up_meanwhile(
        |directory| directory.persons.iter_mut().for_each(|person| person.name = "eve".to_owned()),
        "proof",
    )
    .await;
}

#[tokio::test]
async fn an_answer_without_proof_is_refused_by_name() {
    looks_up_meanwhile(
        |directory| {
            directory.root = bytes::Bytes::new();
            directory.persons.iter_mut().for_each(|person| person.log_proof = bytes::Bytes::new());
        },
        "out of form",
    )
    .await;
}

/// Changes a relay's own database while it does not run; the log is to say the same.
fn rewrite(stage: &Stage, sql: &str) {
    let db = rusqlite::Connection::open(stage.dir.path().join("relay").join("relay.db")).unwrap();
    db.execute_batch(sql).unwrap();
    db.execute_batch("INSERT OR REPLACE INTO log_waiting SELECT key FROM people").unwrap();
}

async fn three(stage: &Stage) -> [Client; 3] {
    [cheap_person(stage, "mike").await, cheap_person(stage, "sean").await, cheap_person(stage, "eve").await]
}

#[tokio::test]
async fn somebody_elses_keys_logged_under_a_name_are_an_alarm_for_its_owner_and_nothing_is_sealed_to_them() {
    let mut stage = Stage::open().await;
    let [mike, sean, eve] = three(&stage).await;
    for one in [&mike, &eve] {
        one.add_contact("sean").await.unwrap();
        sean.add_contact(&one.account().await.unwrap().handle).await.unwrap();
    }
    say(&mike, "sean", "hello").await;
    assert_eq!(texts(&sean, "mike").await, ["hello"]);
    // The relay gives everybody who asks for sean an account of its own making, and logs it.
    stage.stop_relay().await;
    rewrite(
        &stage,
        "CREATE TEMP TABLE ghost AS SELECT person, device_list FROM people WHERE name = 'eve';
         DELETE FROM people WHERE name = 'eve';
         UPDATE people SET (person, device_list) = (SELECT person, device_list FROM ghost) WHERE name = 'sean'",
    );
    stage.start_relay().await;
    let events = sync(&sean).await;
    let own = |cause: &&AlarmCause| matches!(cause, AlarmCause::OwnName { deed: Deed::Logged, .. });
    assert!(alarms(&events).iter().any(own), "{events:?}");
    // Whoever knew him seals nothing to them.
    mike.new_group("Trip", Scheme::SenderKeys).await.unwrap();
    let refused = mike.add("Trip", &["sean"], PATIENCE).await.err().unwrap();
    assert!(refused.to_string().contains("not the ones known"), "{refused}");
    let events = sync(&mike).await;
    assert!(
        alarms(&events).iter().any(|cause| matches!(cause, AlarmCause::IdentityReplaced { .. })),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_log_put_back_without_saying_so_is_an_alarm() {
    let mut stage = Stage::open().await;
    let [mike, sean, _eve] = three(&stage).await;
    mike.add_contact("sean").await.unwrap();
    stage.stop_relay().await;
    let (relay, older) = (stage.dir.path().join("relay"), stage.dir.path().join("older"));
    common::copy(&relay, &older);
    stage.start_relay().await;
    assert!(sean.heal_everything(PATIENCE).await.unwrap().keys_replaced);
    let _dave = cheap_person(&stage, "dave").await;
    mike.add_contact("dave").await.unwrap();
    stage.stop_relay().await;
    put_back(&older, &relay);
    stage.start_relay().await;
    let refused = mike.add_contact("eve").await.err().unwrap();
    assert_eq!(refused.code(), "key_log", "{refused}");
    let events = mike.sync(PATIENCE).await.unwrap().events;
    let causes = alarms(&events);
    assert!(causes.iter().any(|cause| is_log_fault(&[*cause], "went back")), "{events:?}");
}

fn put_back(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).unwrap();
    common::copy(from, to);
}

/// Two relays with one identity and one past: what each says afterwards is signed by the same key.
#[tokio::test]
async fn a_log_that_goes_two_ways_is_proved_by_its_own_two_signatures() {
    let mut stage = Stage::open().await;
    let [mike, sean, _eve] = three(&stage).await;
    mike.add_contact("sean").await.unwrap();
    stage.stop_relay().await;
    let (relay, other) = (stage.dir.path().join("relay"), stage.dir.path().join("other"));
    common::copy(&relay, &other);
    stage.start_relay().await;
    let _dave = cheap_person(&stage, "dave").await;
    mike.add_contact("dave").await.unwrap();
    // Now mike is shown the other one, in which somebody else has come.
    stage.stop_relay().await;
    put_back(&other, &relay);
    stage.start_relay().await;
    let _john = cheap_person(&stage, "john").await;
    sean.add_contact("john").await.unwrap();
    let refused = mike.add_contact("john").await.err().unwrap();
    assert_eq!(refused.code(), "key_log", "{refused}");
    let events = mike.sync(PATIENCE).await.unwrap().events;
    let causes = alarms(&events);
    assert!(causes.iter().any(|cause| matches!(cause, AlarmCause::LogForked { .. })), "{events:?}");
    let alarm = mike.alarms().await.unwrap().into_iter().find(|alarm| alarm.exportable).unwrap();
    let proof = mike.export_alarm(alarm.id).await.unwrap().unwrap();
    let fork = conclave_client::key_log::Fork::decode(&proof).unwrap();
    assert_eq!(hex::encode(fork.relay_id()), mike.account().await.unwrap().relay_id);
}

#[tokio::test]
async fn two_directories_are_found_out_by_the_first_message_that_crosses() {
    let (mut stage, there) = (Stage::open().await, Stage::open().await);
    let [mike, sean, _eve] = three(&stage).await;
    let dave = cheap_person(&there, "dave").await;
    for one in [&mike, &sean] {
        one.add_contact(&dave.account().await.unwrap().handle).await.unwrap();
        dave.add_contact(&one.account().await.unwrap().handle).await.unwrap();
    }
    dave.new_group("Trip", Scheme::SenderKeys).await.unwrap();
    done(dave.add("Trip", &["mike", "sean"], PATIENCE).await);
    for one in [&mike, &sean, &mike, &sean] {
        sync(one).await;
        say(one, "Trip", "before").await;
    }
    assert!(mike.alarms().await.unwrap().is_empty() && sean.alarms().await.unwrap().is_empty());
    // Mike is shown one directory, and sean another.
    stage.stop_relay().await;
    let (relay, other) = (stage.dir.path().join("relay"), stage.dir.path().join("other"));
    common::copy(&relay, &other);
    stage.start_relay().await;
    let _ann = cheap_person(&stage, "ann").await;
    mike.add_contact("ann").await.unwrap();
    let ticket = mike.send("Trip", "hello").await.unwrap();
    assert_eq!(mike.wait(&ticket, PATIENCE).await.unwrap(), conclave_client::Delivery::Sent);
    stage.stop_relay().await;
    put_back(&other, &relay);
    stage.start_relay().await;
    let _john = cheap_person(&stage, "john").await;
    sean.add_contact("john").await.unwrap();
    assert!(sean.alarms().await.unwrap().is_empty(), "he has heard nothing yet");
    let events = sync(&sean).await;
    let causes = alarms(&events);
    assert!(matches!(causes[..], [AlarmCause::LogForked { .. }]), "{events:?}");
    let alarm = sean.alarms().await.unwrap().remove(0);
    let proof = sean.export_alarm(alarm.id).await.unwrap().unwrap();
    conclave_client::key_log::Fork::decode(&proof).unwrap();
}

#[tokio::test]
async fn a_restored_relay_says_what_its_log_lost_and_is_believed() {
    let mut stage = Stage::open().await;
    let [mike, _sean, _eve] = three(&stage).await;
    mike.add_contact("sean").await.unwrap();
    let (relay, backup) = (stage.dir.path().join("relay"), stage.dir.path().join("backup"));
    conclave_relay::backup(&relay, &backup, |_, _| {}).unwrap();
    let _dave = cheap_person(&stage, "dave").await;
    mike.add_contact("dave").await.unwrap();
    let restore = async |stage: &mut Stage| {
        stage.stop_relay().await;
        put_back(&backup, &relay);
        stage.start_relay().await;
        mike.sync(PATIENCE).await.unwrap().events
    };
    let events = restore(&mut stage).await;
    let lost = events.iter().any(|event| matches!(event, Event::LogRestored { lost: 1, .. }));
    assert!(lost && alarms(&events).is_empty(), "{events:?}");
    let _ann = cheap_person(&stage, "ann").await;
    mike.add_contact("ann").await.unwrap();
    // From the same backup once more: it is in the incarnation of the first time, and does not own up to what it lost.
    let events = restore(&mut stage).await;
    assert!(is_log_fault(&alarms(&events), "went back"), "{events:?}");
}

#[tokio::test]
async fn an_older_list_that_was_logged_for_a_while_is_an_alarm_for_its_owner() {
    let mut stage = Stage::open().await;
    let [mike, sean, _eve] = three(&stage).await;
    mike.add_contact("sean").await.unwrap();
    let keep = "CREATE TABLE kept AS SELECT device_list FROM people WHERE name = 'sean'";
    let swap = "CREATE TABLE next AS SELECT device_list FROM people WHERE name = 'sean';
                UPDATE people SET device_list = (SELECT device_list FROM kept) WHERE name = 'sean';
                DROP TABLE kept; ALTER TABLE next RENAME TO kept";
    stage.stop_relay().await;
    rewrite(&stage, keep);
    stage.start_relay().await;
    assert!(sean.heal_everything(PATIENCE).await.unwrap().keys_replaced);
    sync(&sean).await;
    // While sean is away others are given his list from before, and then the newest again.
    for _ in 0..2 {
        stage.stop_relay().await;
        rewrite(&stage, swap);
        stage.start_relay().await;
        cheap_person(&stage, ["ann", "john"][usize::from(stage.home("ann").exists())])
            .await
            .add_contact("sean")
            .await
            .unwrap();
    }
    let events = sync(&sean).await;
    assert!(matches!(alarms(&events)[..], [AlarmCause::ListRolledBack { .. }]), "{events:?}");
}
