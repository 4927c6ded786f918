//! Around the story: somebody unknown writes or invites, names collide, a group's properties change.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Person, World};

fn mike_and_sean(world: &World) -> (Person, Person) {
    let (mike, sean) = (world.person("mike"), world.person("sean"));
    mike.ok(&["contact", "add", "sean"]);
    (mike, sean)
}

/// The five lines of the README.
#[test]
fn a_first_conversation_with_a_stranger() {
    let world = World::new();
    let (mike, sean) = mike_and_sean(&world);
    mike.ok(&["send", "sean", "Meet at nine?"]);
    sean.ok(&["request", "accept", "mike"]);
    assert_eq!(sean.texts("mike"), ["Meet at nine?"]);
    sean.ok(&["send", "mike", "Nine it is."]);
    assert_eq!(mike.texts("sean"), ["Meet at nine?", "Nine it is."]);
}

#[test]
fn what_was_said_before_acceptance_is_kept_and_shown_after_it() {
    let world = World::new();
    let (mike, sean) = mike_and_sean(&world);
    let id = mike.ok(&["group", "new", "Trip"]);
    mike.ok(&["group", "add", "Trip", "sean"]);
    mike.ok(&["send", "Trip", "one"]);
    sean.ok(&["sync"]);
    sean.fails(1, &["read", "Trip"]);
    mike.ok(&["send", "Trip", "two"]);
    sean.ok(&["request", "accept", id.trim()]);
    assert_eq!(sean.texts("Trip"), ["one", "two"]);
    assert_eq!(sean.ok(&["request", "list"]), "");
}

#[test]
fn who_declines_is_out_and_may_be_asked_again() {
    let world = World::new();
    let (mike, sean) = mike_and_sean(&world);
    mike.ok(&["group", "new", "Trip"]);
    mike.ok(&["group", "add", "Trip", "sean"]);
    sean.ok(&["request", "decline", "Trip"]);
    sean.fails(1, &["request", "accept", "Trip"]);
    mike.ok(&["send", "Trip", "alone again"]);
    assert_eq!(mike.members("Trip"), [&*mike.handle]);
    mike.ok(&["group", "new", "Trap"]);
    mike.ok(&["group", "add", "Trap", "sean"]);
    assert_eq!(sean.ok(&["request", "list"]).lines().count(), 1);
}

#[test]
fn who_is_blocked_is_heard_of_no_more() {
    let world = World::new();
    let (mike, sean) = mike_and_sean(&world);
    mike.ok(&["send", "sean", "buy my rope"]);
    sean.ok(&["request", "block", "mike"]);
    mike.ok(&["group", "new", "Rope"]);
    mike.ok(&["group", "add", "Rope", "sean"]);
    sean.ok(&["sync"]);
    assert_eq!(sean.ok(&["request", "list"]), "");
    sean.fails(1, &["read", "Rope"]);
}

#[test]
fn a_name_that_is_taken_gets_a_number_and_ids_always_work() {
    let world = World::new();
    let (mike, sean) = mike_and_sean(&world);
    sean.ok(&["contact", "add", "mike"]);
    let first = sean.ok(&["group", "new", "Trip"]);
    let second = mike.ok(&["group", "new", "Trip"]);
    mike.ok(&["group", "add", "Trip", "sean"]);
    mike.ok(&["send", "Trip", "in the second"]);
    assert_eq!(sean.texts("Trip-2"), ["in the second"]);
    assert_eq!(sean.texts(second.trim()), ["in the second"]);
    assert!(sean.texts(first.trim()).is_empty());
    assert!(sean.texts("Trip").is_empty());
}

#[test]
fn a_group_is_renamed_healed_and_given_another_administrator() {
    let world = World::new();
    let (mike, sean) = mike_and_sean(&world);
    sean.ok(&["contact", "add", "mike"]);
    let id = mike.ok(&["group", "new", "Trip", "--scheme", "pairwise"]);
    let info = |who: &Person| -> serde_json::Value {
        who.ok(&["sync"]);
        serde_json::from_str(&who.ok(&["group", "info", id.trim(), "--json"])).unwrap()
    };
    mike.ok(&["group", "add", "Trip", "sean"]);
    sean.ok(&["sync"]);
    sean.ok(&["group", "rename", "Trip", "Mine"]);
    assert_eq!(info(&mike)["title"], "Mine");
    let before = info(&mike)["epoch"].as_u64().unwrap();
    mike.ok(&["group", "heal", id.trim()]);
    let after = info(&mike);
    assert_eq!(after["epoch"].as_u64().unwrap(), before + 1);
    let healed_at = |of: &Person| {
        let members = after["members"].as_array().unwrap();
        members.iter().find(|one| one["handle"] == *of.handle).unwrap()["heals"][0]["healed_at"].clone()
    };
    assert!(healed_at(&mike).as_str().unwrap().ends_with('Z') && healed_at(&sean).is_null());
    let until = after["exposed_until"].as_str().unwrap();
    assert!(
        until.ends_with('Z') && after["members"][0]["heals"][0]["exposed_until"].as_str().unwrap() <= until
    );
    let said = mike.ok(&["group", "info", "Mine"]);
    assert!(said.contains(&format!("a thief of one device reads until {until}")), "{said}");
    let all: serde_json::Value = serde_json::from_str(&mike.ok(&["heal", "--json"])).unwrap();
    assert!(all["keys_replaced"] == true && all["groups"][0]["healed"] == true, "{all}");
    assert_eq!(info(&mike)["epoch"].as_u64().unwrap(), before + 2);
    let listed: serde_json::Value = serde_json::from_str(&mike.ok(&["group", "list", "--json"])).unwrap();
    assert_eq!(listed["members"], info(&mike)["members"], "the same wherever a group is shown");
    sean.fails(1, &["group", "remove", id.trim(), "mike"]);
    mike.ok(&["group", "role", id.trim(), "sean", "administrator"]);
    sean.ok(&["sync"]);
    sean.ok(&["group", "remove", id.trim(), "mike"]);
    assert_eq!(sean.members(id.trim()), [&*sean.handle]);
    mike.ok(&["sync"]);
    mike.fails(1, &["send", id.trim(), "am I out?"]);
}
