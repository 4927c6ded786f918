//! The story, with real processes and sockets, once for each scheme: a group conversation from the first
//! account to the last leave, with a relay that is killed, members who are away, and clients that die.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::certificates::{authority, certificate};
use support::{Person, World, texts};

#[test]
fn the_story_with_pairwise() {
    story("pairwise");
}

#[test]
fn the_story_with_sender_keys() {
    story("sender-keys");
}

#[test]
fn the_story_with_tree() {
    story("tree");
}

/// dave is at a second relay, reached over TLS, and steve comes back after a month.
#[test]
fn the_story_far_away_and_long_ago_with_pairwise() {
    far_story("pairwise");
}

/// The same.
#[test]
fn the_story_far_away_and_long_ago_with_sender_keys() {
    far_story("sender-keys");
}

/// The same.
#[test]
fn the_story_far_away_and_long_ago_with_tree() {
    far_story("tree");
}

fn story(scheme: &str) {
    let mut world = World::new();
    let [mike, sean, steve, dave] = ["mike", "sean", "steve", "dave"].map(|name| world.person(name));
    a_direct_chat(&mike, &sean);
    let before = a_group_and_two_hundred_messages(&mut world, scheme, &mike, &sean, &steve);
    steve_has_them_all(&steve, &before);
    from_dave_on([mike, sean, steve, dave], &before);
}

fn far_story(scheme: &str) {
    let certificates = tempfile::tempdir().unwrap();
    certificate(&authority(certificates.path()), certificates.path(), "127.0.0.1");
    let path = |name: &str| certificates.path().join(name).to_str().unwrap().to_owned();
    let mut world = World::new();
    world.set("SSL_CERT_FILE", &path("root.pem"));
    let mut far = world.beside(&["--tls-cert", &path("cert.pem"), "--tls-key", &path("key.pem")]);
    assert!(far.url.starts_with("https://"), "{}", far.url);
    let [mike, sean, steve] = ["mike", "sean", "steve"].map(|name| world.person(name));
    a_direct_chat(&mike, &sean);
    let before = a_group_and_two_hundred_messages(&mut world, scheme, &mike, &sean, &steve);
    // A month goes by, in which steve's device stays off.
    world.set("CONCLAVE_CLOCK_OFFSET", "+31d");
    for relay in [&mut world, &mut far] {
        relay.kill_relay();
        relay.start_relay();
    }
    steve_has_them_all(&steve, &before);
    let dave = far.person("dave");
    from_dave_on([mike, sean, steve, dave], &before);
}

fn from_dave_on([mike, sean, steve, dave]: [Person; 4], before: &[String]) {
    dave_is_added_while_others_are_away(&mike, &sean, &dave, before);
    everyone_compares_safety_numbers(&[&mike, &sean, &steve, &dave]);
    sean_is_removed(&mike, &sean, &steve, &dave);
    steve_leaves(&mike, &steve, &dave);
    clients_die_between_steps(&mike, &dave);
    many_processes_share_a_store(&mike, &dave);
}

/// mike and sean talk in a direct chat.
fn a_direct_chat(mike: &Person, sean: &Person) {
    mike.ok(&["contact", "add", "sean"]);
    sean.ok(&["contact", "add", &mike.handle]);
    mike.ok(&["send", "sean", "Meet at nine?"]);
    assert_eq!(sean.texts("mike"), ["Meet at nine?"]);
    sean.ok(&["send", "mike", "Nine it is."]);
    let said = mike.read("sean");
    assert_eq!(texts(&said), ["Meet at nine?", "Nine it is."]);
    assert_eq!(
        said,
        sean.read("mike")
            .into_iter()
            .zip(&said)
            .map(|(theirs, ours)| alike(theirs, ours))
            .collect::<Vec<_>>()
    );
    assert_eq!(said[0]["from"], mike.handle.as_str());
    assert_eq!(said[1]["from"], sean.handle.as_str());
}

/// The same message in two stores: same id, sender, text, time sent and epoch.
fn alike(mut theirs: serde_json::Value, ours: &serde_json::Value) -> serde_json::Value {
    for local in ["conversation", "received_at"] {
        theirs[local] = ours[local].clone();
    }
    theirs
}

/// mike makes a group with sean and steve, steve's device off; 200 messages are exchanged, and the relay is
/// killed in the middle and restarted. Gives the texts in the group's order.
fn a_group_and_two_hundred_messages(
    world: &mut World,
    scheme: &str,
    mike: &Person,
    sean: &Person,
    steve: &Person,
) -> Vec<String> {
    steve.ok(&["contact", "add", "mike"]);
    mike.ok(&["contact", "add", "steve"]);
    let id = mike.ok(&["group", "new", "Trip", "--scheme", scheme]);
    assert_eq!(id.trim().len(), 64, "the id in hex: {id}");
    mike.ok(&["group", "add", "Trip", "sean", "steve"]);
    assert_eq!(mike.members("Trip"), [&*mike.handle, &*sean.handle, &*steve.handle]);
    sean.ok(&["sync"]);
    assert_eq!(sean.members(id.trim()), mike.members("Trip"));
    mike.pipe("Trip", &numbered("mike a", 48));
    sean.pipe("Trip", &numbered("sean a", 48));
    for (who, text) in [(mike, "single 1"), (sean, "single 2"), (mike, "single 3"), (sean, "single 4")] {
        who.ok(&["send", "Trip", text]);
    }
    world.kill_relay();
    assert_eq!(
        mike.fails(75, &["send", "Trip", "said while the relay was down", "--timeout", "1"]),
        "queued"
    );
    assert_eq!(sean.run(&["sync", "--timeout", "1"]).status.code(), Some(69));
    world.start_relay();
    mike.ok(&["sync"]);
    mike.pipe("Trip", &numbered("mike b", 49));
    sean.pipe("Trip", &numbered("sean b", 50));
    let all = mike.texts("Trip");
    assert_eq!(all.len(), 200);
    let mut expected = numbered("mike a", 48);
    expected.extend(numbered("sean a", 48));
    expected.extend((1..=4).map(|n| format!("single {n}")));
    expected.push("said while the relay was down".to_owned());
    expected.extend(numbered("mike b", 49));
    expected.extend(numbered("sean b", 50));
    assert_eq!(all, expected);
    assert_eq!(sean.texts("Trip"), all);
    all
}

/// steve comes online and has all 200, in order, none twice.
fn steve_has_them_all(steve: &Person, all: &[String]) {
    assert_eq!(steve.texts("Trip"), all);
    assert_eq!(texts(&steve.read_with("Trip", &["--new"])), all);
    assert!(steve.read_with("Trip", &["--new"]).is_empty());
    steve.ok(&["send", "Trip", "steve is back"]);
}

/// dave, whom mike never met, is added while the others are offline and can talk at once, reading nothing
/// from before.
fn dave_is_added_while_others_are_away(mike: &Person, sean: &Person, dave: &Person, before: &[String]) {
    mike.ok(&["group", "add", "Trip", &dave.handle]);
    dave.ok(&["sync"]);
    let requests = dave.ok(&["request", "list", "--json"]);
    assert_eq!(requests.lines().count(), 1, "{requests}");
    mike.ok(&["send", "Trip", "said before dave accepted"]);
    dave.ok(&["sync"]);
    let request: serde_json::Value = serde_json::from_str(&requests).unwrap();
    dave.ok(&["request", "accept", request["id"].as_str().unwrap()]);
    dave.ok(&["send", "Trip", "hello from dave"]);
    assert_eq!(dave.texts("Trip"), ["said before dave accepted", "hello from dave"]);
    let after = ["steve is back", "said before dave accepted", "hello from dave"].map(str::to_owned);
    assert_eq!(sean.texts("Trip"), [before, &after].concat());
}

/// Everyone compares safety numbers: each pair sees one number of 60 digits, and no two pairs the same.
fn everyone_compares_safety_numbers(people: &[&Person]) {
    let number = |who: &Person, whom: &Person| {
        let said = who.ok(&["contact", "verify", &whom.handle]);
        let digits: String = said.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(digits.len(), 60, "{said}");
        digits
    };
    for who in people {
        // Those who were away hear of each other first.
        who.ok(&["sync"]);
    }
    // Who was away hears of dave first.
    people.iter().for_each(|person| drop(person.ok(&["sync"])));
    let mut all = std::collections::BTreeSet::new();
    for (i, one) in people.iter().enumerate() {
        for other in &people[i + 1..] {
            let seen = number(one, other);
            assert_eq!(seen, number(other, one));
            assert!(all.insert(seen));
        }
    }
}

/// sean is removed and reads nothing more.
fn sean_is_removed(mike: &Person, sean: &Person, steve: &Person, dave: &Person) {
    let read_so_far = sean.texts("Trip");
    mike.ok(&["group", "remove", "Trip", "sean"]);
    mike.ok(&["send", "Trip", "without sean"]);
    dave.ok(&["send", "Trip", "dave without sean"]);
    assert_eq!(sean.texts("Trip"), read_so_far);
    sean.fails(1, &["send", "Trip", "let me in"]);
    assert_eq!(steve.texts("Trip")[read_so_far.len()..], ["without sean", "dave without sean"]);
    assert_eq!(steve.members("Trip"), [&*dave.handle, &*mike.handle, &*steve.handle]);
}

/// steve leaves, and before the next message somebody has taken him out.
fn steve_leaves(mike: &Person, steve: &Person, dave: &Person) {
    steve.ok(&["group", "leave", "Trip"]);
    mike.ok(&["sync"]);
    mike.ok(&["send", "Trip", "without steve"]);
    assert!(!steve.texts("Trip").contains(&"without steve".to_owned()));
    dave.ok(&["sync"]);
    assert_eq!(dave.members("Trip"), [&*dave.handle, &*mike.handle]);
    assert_eq!(mike.members("Trip"), dave.members("Trip"));
}

/// Clients are killed with -9 while they send and while they read; nothing is lost or repeated.
fn clients_die_between_steps(mike: &Person, dave: &Person) {
    let lines = numbered("mortal", 30);
    let mut next = 0;
    while next < lines.len() {
        let follow = dave.start(&["read", "Trip", "--follow", "--json"]);
        let mut chat = mike.start_with_input(&["chat", "Trip", "--json"]);
        for line in &lines[next..(next + 10).min(lines.len())] {
            chat.say(line);
        }
        // One of the ten has come all the way; the others are anywhere.
        let goal = lines[next].clone();
        follow.lines_until(|line| line.contains(&format!("\"{goal}\"")));
        follow.kill();
        chat.kill();
        mike.ok(&["sync"]);
        let kept =
            mike.texts("Trip").into_iter().filter(|text| text.starts_with("mortal")).collect::<Vec<_>>();
        assert_eq!(kept, lines[..kept.len()], "a prefix of what was typed, nothing twice");
        assert!(kept.len() > next);
        next = kept.len();
    }
    let received =
        dave.texts("Trip").into_iter().filter(|text| text.starts_with("mortal")).collect::<Vec<_>>();
    assert_eq!(received, lines);
}

/// `read --follow`, `chat` and four `send`s run at once on one store.
fn many_processes_share_a_store(mike: &Person, dave: &Person) {
    let follow = mike.start(&["read", "Trip", "--follow", "--json"]);
    let mut chat = mike.start_with_input(&["chat", "Trip"]);
    let sends: Vec<_> = (1..=4).map(|n| mike.start(&["send", "Trip", &format!("at once {n}")])).collect();
    chat.say("at once 5");
    for send in sends {
        send.finish();
    }
    dave.ok(&["send", "Trip", "at once 6"]);
    chat.finish();
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 6 {
        let message: serde_json::Value = serde_json::from_str(&follow.line()).unwrap();
        let text = message["text"].as_str().unwrap().to_owned();
        if text.starts_with("at once") {
            assert!(seen.insert(text), "shown twice: {message}");
        }
    }
    follow.kill();
    let all: Vec<String> =
        dave.texts("Trip").into_iter().filter(|text| text.starts_with("at once")).collect();
    assert_eq!(all.iter().cloned().collect::<std::collections::BTreeSet<_>>(), seen);
    assert_eq!(all.len(), 6);
    assert_eq!(
        mike.texts("Trip").into_iter().filter(|text| text.starts_with("at once")).collect::<Vec<_>>(),
        all
    );
}

fn numbered(what: &str, count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{what} {n}")).collect()
}
