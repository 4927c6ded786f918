//! Who is in this conversation: codes of a whole group, and grades that span it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{PATIENCE, Stage, cheap_person, done, say, sync, texts, trip};
use conclave_client::{Client, Delivery, Event, GroupGrades, Scheme, audit_file};

async fn four(stage: &Stage, scheme: Scheme) -> [Client; 4] {
    let [mike, sean, steve] = [
        cheap_person(stage, "mike").await,
        cheap_person(stage, "sean").await,
        cheap_person(stage, "steve").await,
    ];
    let three = [mike, sean, steve];
    trip(&three, scheme).await;
    let [mike, sean, steve] = three;
    let dave = cheap_person(stage, "dave").await;
    dave.add_contact("mike").await.unwrap();
    mike.add_contact("dave").await.unwrap();
    done(mike.add("Trip", &["dave"], PATIENCE).await);
    for one in [&dave, &sean, &steve] {
        sync(one).await;
    }
    [mike, sean, steve, dave]
}

/// One check: `one` scans what `other` shows, who sees it and confirms.
async fn check(one: &Client, other: &Client, names: (&str, &str)) {
    for (who, whom) in [(one, names.1), (other, names.0)] {
        if !who.contacts().await.unwrap().iter().any(|contact| contact.name == whom) {
            who.add_contact(whom).await.unwrap();
        }
    }
    let shown = other.scannable(names.0).await.unwrap();
    one.verify_scanned(names.1, shown).await.unwrap();
    other.mark_verified(names.0).await.unwrap();
    sync(one).await;
    sync(other).await;
}

async fn grades(who: &Client) -> (GroupGrades, Vec<(String, Vec<String>)>) {
    sync(who).await;
    let all = who.grades("Trip").await.unwrap();
    let mut members: Vec<_> = all
        .members
        .iter()
        .map(|one| (format!("{} {}", one.handle.split('@').next().unwrap(), one.grade), one.through.clone()))
        .collect();
    members.sort();
    (all, members)
}

#[tokio::test]
async fn a_chain_of_scans_spans_a_group_and_one_more_member_costs_one_more() {
    let stage = Stage::open().await;
    let [mike, sean, steve, dave] = four(&stage, Scheme::SenderKeys).await;
    let (all, _) = grades(&mike).await;
    assert_eq!(all.banner(), "0 of 3 checked, 3 new");
    check(&mike, &sean, ("mike", "sean")).await;
    check(&sean, &steve, ("sean", "steve")).await;
    let (all, members) = grades(&mike).await;
    assert_eq!(members[1], ("sean met".into(), vec![]));
    assert_eq!(members[2], ("steve vouched".into(), vec!["sean".to_owned()]));
    assert_eq!(all.banner(), "1 of 3 checked, 1 vouched, 1 new");
    let (all, _) = grades(&steve).await;
    assert_eq!((all.met, all.vouched, all.unchecked), (1, 1, 1), "the same from the other end");
    check(&dave, &steve, ("dave", "steve")).await;
    for who in [&mike, &sean, &steve, &dave] {
        let (all, members) = grades(who).await;
        assert_eq!(all.unchecked, 0, "three checks span four people: {members:?}");
    }
    let (_, members) = grades(&mike).await;
    let way: Vec<_> = members[0].1.iter().map(|name| name.split('@').next().unwrap()).collect();
    assert_eq!((members[0].0.as_str(), &way[..]), ("dave vouched", &["sean", "steve"][..]));
    let told: Vec<_> = sync(&mike).await;
    assert!(!told.iter().any(|event| matches!(event, Event::Ignored { .. })), "{told:?}");
    // None of it shows as something that was said.
    say(&dave, "Trip", "all of us").await;
    assert_eq!(texts(&mike, "Trip").await, ["a", "b", "c", "all of us"]);
}

#[tokio::test]
async fn a_code_that_is_scanned_from_the_wrong_screen_verifies_nobody() {
    let stage = Stage::open().await;
    let [mike, sean, steve, _] = four(&stage, Scheme::Pairwise).await;
    mike.add_contact("sean").await.unwrap();
    let own = mike.scannable("sean").await.unwrap();
    assert_eq!(mike.verify_scanned("sean", own).await.err().unwrap().code(), "own_code");
    sean.add_contact("steve").await.unwrap();
    let of_others = sean.scannable("steve").await.unwrap();
    assert_eq!(mike.verify_scanned("sean", of_others).await.err().unwrap().code(), "not_matching");
    assert_eq!(mike.verify_scanned("sean", vec![7; 9]).await.err().unwrap().code(), "no_safety_number");
    assert!(mike.contacts().await.unwrap().iter().all(|contact| !contact.verified));
    let (all, _) = grades(&steve).await;
    assert_eq!(all.unchecked, 3);
}

async fn codes(scheme: Scheme) {
    let stage = Stage::open().await;
    let [mike, sean, steve, dave] = four(&stage, scheme).await;
    let code = async |who: &Client| {
        sync(who).await;
        who.group_code("Trip").await.unwrap()
    };
    let first = code(&mike).await;
    assert_eq!((first.code.len(), first.changed), (40, false));
    for one in [&sean, &steve, &dave] {
        assert_eq!(code(one).await.code, first.code, "{scheme}");
    }
    let moment = mike.moment_code("Trip").await.unwrap();
    assert_eq!((moment.len(), &sean.moment_code("Trip").await.unwrap()), (30, &moment));
    // Heals, names and devices change nothing of it.
    done(sean.heal("Trip", PATIENCE).await);
    done(mike.rename("Trip", "Hike", PATIENCE).await);
    sync(&mike).await;
    let hike = mike.group_code("Hike").await.unwrap();
    assert_eq!((&hike.code, hike.changed), (&first.code, false));
    assert_ne!(mike.moment_code("Hike").await.unwrap(), moment, "the moment code is another one");
    done(mike.rename("Hike", "Trip", PATIENCE).await);
    for one in [&sean, &steve, &dave] {
        sync(one).await;
    }
    // Who comes and goes does, and it is said who it was and by whom.
    done(mike.remove("Trip", &["dave"], PATIENCE).await);
    let eve = cheap_person(&stage, "eve").await;
    eve.add_contact("mike").await.unwrap();
    mike.add_contact("eve").await.unwrap();
    done(mike.add("Trip", &["eve"], PATIENCE).await);
    let changed = code(&steve).await;
    assert!(changed.changed && changed.code != first.code);
    let host = format!("@{}", stage.addr);
    let reasons: Vec<_> = changed.changes.iter().map(|line| line.replace(&host, "")).collect();
    assert_eq!(reasons, ["dave was removed by mike", "eve joined, added by mike"]);
    sync(&eve).await;
    assert_eq!(code(&eve).await.code, changed.code);
    let again = code(&steve).await;
    assert!(!again.changed && again.changes.is_empty(), "told once");
    let audit: Vec<_> = steve.membership("Trip").await.unwrap().into_iter().map(|what| what.kind).collect();
    assert_eq!(audit, ["joined", "added", "renamed", "renamed", "removed", "added"]);
    let founder: Vec<_> = mike.membership("Trip").await.unwrap().into_iter().map(|what| what.kind).collect();
    assert_eq!(founder[0], "founded");
    sync(&dave).await;
    assert_eq!(dave.group_code("Trip").await.err().unwrap().code(), "not_in_group");
}

#[tokio::test]
async fn a_group_has_one_code_until_people_change_and_says_who_did_pairwise() {
    codes(Scheme::Pairwise).await;
}

#[tokio::test]
async fn a_group_has_one_code_until_people_change_and_says_who_did_sender_keys() {
    codes(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn a_group_has_one_code_until_people_change_and_says_who_did_tree() {
    codes(Scheme::Tree).await;
}

#[tokio::test]
async fn who_had_met_before_the_group_began_says_so_in_it() {
    let stage = Stage::open().await;
    let [mike, sean, steve] = [
        cheap_person(&stage, "mike").await,
        cheap_person(&stage, "sean").await,
        cheap_person(&stage, "steve").await,
    ];
    check(&mike, &sean, ("mike", "sean")).await;
    check(&sean, &steve, ("sean", "steve")).await;
    trip(&[mike.clone(), sean.clone(), steve.clone()], Scheme::Tree).await;
    for _ in 0..2 {
        for one in [&mike, &sean, &steve] {
            sync(one).await;
        }
    }
    for one in [&mike, &steve] {
        let (all, members) = grades(one).await;
        assert_eq!((all.met, all.vouched), (1, 1), "{members:?}");
    }
}

/// Everybody hears of what the others said.
async fn round(people: &[&Client]) {
    for _ in 0..2 {
        for one in people {
            sync(one).await;
        }
    }
}

async fn words(who: &Client) -> Option<Vec<String>> {
    who.call("Trip").await.unwrap().and_then(|call| call.words)
}

async fn four_words(scheme: Scheme) {
    let stage = Stage::open().await;
    let people = four(&stage, scheme).await;
    let all: Vec<&Client> = people.iter().collect();
    for one in &all {
        sync(one).await;
        done(one.take_part("Trip", &[], PATIENCE).await);
    }
    round(&all).await;
    let first = words(all[0]).await.unwrap();
    assert_eq!(first.len(), 4);
    for one in &all {
        assert_eq!(words(one).await.as_ref(), Some(&first), "{scheme}");
        one.confirm_call("Trip").await.unwrap();
    }
    round(&all).await;
    for one in &all {
        let (grades, _) = grades(one).await;
        assert_eq!(grades.banner(), "all 3 checked", "one call, one check, {scheme}");
    }
    // A call of two of them, while the others look on.
    let [mike, sean, steve, _] = &people;
    done(mike.take_part("Trip", &["sean"], PATIENCE).await);
    let told = sync(sean).await;
    assert!(told.iter().any(|event| matches!(event, Event::CallBegun { .. })), "{told:?}");
    let told = sync(steve).await;
    assert!(!told.iter().any(|event| matches!(event, Event::CallBegun { .. })), "{told:?}");
    let missing = mike.call("Trip").await.unwrap().unwrap().missing;
    assert!(missing.len() == 1 && missing[0].starts_with("sean"), "who is waited for is named: {missing:?}");
    assert_eq!(mike.confirm_call("Trip").await.err().unwrap().code(), "no_call");
    done(sean.take_part("Trip", &[], PATIENCE).await);
    round(&[mike, sean, steve]).await;
    let second = words(mike).await.unwrap();
    assert_eq!(words(sean).await.as_ref(), Some(&second));
    assert_ne!(second, first);
    assert_eq!(words(steve).await, None, "he looked on");
    assert_eq!(steve.confirm_call("Trip").await.err().unwrap().code(), "no_call");
    // Three that come to nothing in an hour are enough.
    for _ in 0..3 {
        done(mike.take_part("Trip", &[], PATIENCE).await);
        sync(mike).await;
    }
    done(mike.take_part("Trip", &[], PATIENCE).await);
    assert_eq!(mike.take_part("Trip", &[], PATIENCE).await.err().unwrap().code(), "too_many_calls");
}

#[tokio::test]
async fn everybody_in_a_call_has_the_same_four_words_and_is_met_by_them_pairwise() {
    four_words(Scheme::Pairwise).await;
}

#[tokio::test]
async fn everybody_in_a_call_has_the_same_four_words_and_is_met_by_them_sender_keys() {
    four_words(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn everybody_in_a_call_has_the_same_four_words_and_is_met_by_them_tree() {
    four_words(Scheme::Tree).await;
}

#[tokio::test]
async fn in_a_group_for_verified_members_nobody_speaks_to_the_unchecked_and_what_waits_goes_once_they_are() {
    let stage = Stage::open().await;
    let [mike, sean, steve, dave] = four(&stage, Scheme::SenderKeys).await;
    check(&mike, &sean, ("mike", "sean")).await;
    check(&sean, &steve, ("sean", "steve")).await;
    check(&steve, &dave, ("steve", "dave")).await;
    round(&[&mike, &sean, &steve, &dave]).await;
    done(mike.set_verified_only("Trip", true, PATIENCE).await);
    assert!(mike.group_info("Trip").await.unwrap().verified_only);
    sync(&sean).await;
    let refused = sean.set_verified_only("Trip", false, PATIENCE).await.err().unwrap();
    assert!(refused.to_string().contains("does not allow"), "{refused}");
    say(&mike, "Trip", "all are met or vouched for").await;
    let eve = cheap_person(&stage, "eve").await;
    eve.add_contact("mike").await.unwrap();
    mike.add_contact("eve").await.unwrap();
    // Said before eve came, and sealed after.
    let ticket = sean.send("Trip", "not for eve").await.unwrap();
    done(mike.add("Trip", &["eve"], PATIENCE).await);
    let refused = mike.send("Trip", "not for eve").await.err().unwrap();
    assert_eq!(refused.code(), "not_verified", "{refused}");
    let heard = sync(&sean).await;
    assert!(heard.iter().any(|event| matches!(event, Event::Paused { .. })), "{heard:?}");
    assert_eq!(sean.wait(&ticket, std::time::Duration::ZERO).await.unwrap(), Delivery::Queued);
    sync(&eve).await;
    let own = eve.send("Trip", "hello?").await.err().unwrap();
    assert_eq!(own.code(), "not_verified", "it goes for her as well");
    check(&eve, &mike, ("eve", "mike")).await;
    round(&[&mike, &sean, &steve, &dave, &eve]).await;
    say(&mike, "Trip", "welcome eve").await;
    say(&steve, "Trip", "welcome").await;
    assert_eq!(sean.wait(&ticket, PATIENCE).await.unwrap(), Delivery::Sent);
    let info = steve.membership("Trip").await.unwrap();
    assert!(
        info.iter().any(|what| what.kind == "policy" && what.detail.contains("verified members only")),
        "{info:?}"
    );
}

async fn who_can_read(scheme: Scheme) {
    let stage = Stage::open().await;
    let [mike, sean, steve, dave] = four(&stage, scheme).await;
    say(&sean, "Trip", "to the four of us").await;
    round(&[&mike, &sean, &steve, &dave]).await;
    done(mike.remove("Trip", &["dave"], PATIENCE).await);
    round(&[&sean, &steve, &dave]).await;
    say(&sean, "Trip", "to three").await;
    round(&[&mike, &sean, &steve]).await;
    let said = common::messages(&steve, "Trip").await;
    let [.., four, three] = &said[..] else { panic!("{said:?}") };
    let readers = steve.readers(&four.id).await.unwrap();
    assert_eq!((readers.devices, readers.people.len(), readers.epoch), (4, 4, four.epoch), "{scheme}");
    let readers = steve.readers(&three.id).await.unwrap();
    assert_eq!((readers.devices, readers.people.len()), (3, 3));
    // Anybody checks it, without an account.
    let file = steve.export_readers(&four.id).await.unwrap();
    let report = audit_file(&file).unwrap();
    assert_eq!((report.devices, report.people.len(), report.message.as_ref()), (4, 4, Some(&four.id)));
    let whole = audit_file(&steve.export_membership("Trip").await.unwrap()).unwrap();
    assert_eq!((whole.people.len(), whole.message), (3, None));
    let last = whole.steps.last().unwrap();
    let daves = dave.account().await.unwrap().person;
    assert!(last.by.starts_with("mike") && last.what == [format!("removed {daves}")], "{last:?}");
    let mut altered = file.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    assert!(audit_file(&altered).is_err());
    // Who was taken out still knows who could read until then, and who sees nothing of it says so.
    assert_eq!(dave.readers(&four.id).await.unwrap().devices, 4);
    assert_eq!(dave.readers(&three.id).await.err().unwrap().code(), "unknown_target");
}

#[tokio::test]
async fn who_can_read_a_message_is_stated_and_provable_to_anybody_pairwise() {
    who_can_read(Scheme::Pairwise).await;
}

#[tokio::test]
async fn who_can_read_a_message_is_stated_and_provable_to_anybody_sender_keys() {
    who_can_read(Scheme::SenderKeys).await;
}

#[tokio::test]
async fn who_can_read_a_message_is_stated_and_provable_to_anybody_tree() {
    who_can_read(Scheme::Tree).await;
}
