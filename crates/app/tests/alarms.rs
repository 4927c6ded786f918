//! `conclave alarms` with real processes: somebody posts with a copy of sean's data, and everybody sees it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::Value;
use support::{Person, World};

fn alarms(who: &Person) -> Vec<Value> {
    let printed = who.run(&["alarms", "--json"]).stdout;
    let printed = String::from_utf8(printed).unwrap();
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn who_posts_in_anothers_name_is_an_alarm_until_it_is_acknowledged() {
    let world = World::new();
    let (mike, sean) = (world.person("mike"), world.person("sean"));
    sean.ok(&["contact", "add", "mike"]);
    mike.ok(&["contact", "add", "sean"]);
    mike.ok(&["group", "new", "Trip"]);
    mike.ok(&["group", "add", "Trip", "sean"]);
    sean.ok(&["sync"]);
    sean.ok(&["send", "Trip", "hello"]);
    mike.ok(&["sync"]);
    assert_eq!(mike.ok(&["alarms"]), "No alarm.\n");

    let thief = world.newcomer("thief");
    std::fs::create_dir(&thief.data).unwrap();
    for name in ["store.json", "store.db", "store.db-wal"] {
        // The last one is not there if everything was written back.
        let _ = std::fs::copy(sean.data.join(name), thief.data.join(name));
    }
    let here = sean.start(&["read", "Trip", "--follow", "--json"]);
    assert!(here.line().contains("hello"));
    sean.ok(&["sync"]);
    thief.ok(&["send", "Trip", "send me money"]);
    // Until sean, who was there, is in again with keys of his own, and mike knows.
    for _ in 0..20 {
        sean.run(&["sync"]);
        mike.run(&["sync"]);
        if !alarms(&mike).is_empty() {
            break;
        }
    }
    here.kill();
    let kinds = |who: &Person| -> Vec<String> {
        alarms(who).iter().map(|alarm| alarm["cause"]["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((kinds(&sean), kinds(&mike)), (vec!["own_name".to_owned()], vec!["disavowed".to_owned()]));
    assert!(mike.ok(&["read", "Trip"]).contains("doubtful: sean says that this was not them"));
    let doubtful = |message: &&Value| message["doubtful"] == "disavowed";
    let marked: Vec<_> = mike.read("Trip").iter().filter(doubtful).map(|one| one["text"].clone()).collect();
    assert_eq!(marked, ["send me money"]);

    assert_eq!(mike.fails(1, &["alarms"]), "alarms");
    let doctor = mike.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("conclave alarms"), "{doctor:?}");
    let proof = world.path("proof");
    let id = alarms(&mike)[0]["id"].to_string();
    mike.ok(&["alarms", "--export", &id, proof.to_str().unwrap()]);
    assert!(proof.metadata().unwrap().len() > 100, "what sean signed");
    assert_eq!(sean.fails(1, &["alarms", "--export", "1", world.path("none").to_str().unwrap()]), "no_proof");
    mike.ok(&["alarms", "--acknowledge", &id]);
    assert_eq!(mike.ok(&["alarms"]), "No alarm.\n");
    assert_eq!(mike.fails(1, &["alarms", "--acknowledge", "99"]), "unknown_target");
}
