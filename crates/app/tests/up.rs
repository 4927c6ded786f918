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
    let url = format!("http://{}", handle.strip_prefix("mike@").unwrap());
    assert!(said.contains("this machine only") && said.contains(&format!("--relay {url}")), "{said}");
    mike.kill();
    let (mike, said) = up("mike", &[]);
    assert!(said.contains(&handle) && said.contains(&url), "the port was kept: {said}");
    let (friend, said) = up("mike-friend", &["--name", "friend", "--relay", &url]);
    assert!(said.starts_with("You are friend@"), "{said}");
    let run = |args: &[&str]| {
        let mut command = conclave(home.path());
        let ended = command.arg("--data").arg(home.path().join("mike-friend")).args(args).output().unwrap();
        assert!(ended.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ended.stderr));
    };
    run(&["contact", "add", "mike"]);
    run(&["send", "mike", "I am here"]);
    mike.lines_until(|line| line.contains("friend@") && line.contains("wants to talk"));
    friend.kill();
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
