//! `conclave up` and `conclave demo`, as a newcomer meets them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Running, conclave};

#[test]
fn up_makes_relay_and_account_keeps_its_port_and_tells_how_a_second_person_joins() {
    let home = tempfile::tempdir().unwrap();
    let up = |data: &str, more: &[&str]| {
        let mut command = conclave(home.path());
        command.arg("--data").arg(home.path().join(data)).arg("up").args(more);
        let running = Running::start(command);
        let said = running.lines_until(|line| line.contains("Ctrl-C")).join("\n");
        (running, said)
    };
    let (mike, said) = up("mike", &["--name", "mike"]);
    let handle =
        said.lines().next().unwrap().strip_prefix("You are ").unwrap().trim_end_matches('.').to_owned();
    assert!(said.contains("this machine only") && said.contains("conclave:"), "{said}");
    mike.kill();
    let (mike, said) = up("mike", &[]);
    assert!(said.contains(&handle), "the port was kept: {said}");

    // What it prints for a second person works as it stands.
    let line = said.lines().find(|line| line.contains("join --name friend")).unwrap();
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    assert!(words[1].ends_with("mike-friend"), "{line}");
    let run = |args: &[&str]| {
        let ended = conclave(home.path()).args(args).output().unwrap();
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8(ended.stdout).unwrap()
    };
    assert!(run(&words).contains("is a contact now, as mike"), "{words:?}");
    run(&["--data", words[1], "send", "mike", "I am here"]);
    mike.lines_until(|line| line.contains("friend") && line.contains("1 new message"));
}

#[test]
fn the_demo_plays_to_its_end() {
    let home = tempfile::tempdir().unwrap();
    let ended = conclave(home.path()).arg("demo").output().unwrap();
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    let sean = said.split("== Sean sees:").nth(1).unwrap();
    assert!(sean.contains("Hello, all.") && !sean.contains("Now we are three."), "{sean}");
}
