//! A disk without room, with real processes: the system refuses to let files grow beyond a limit.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::process::{Command, Output};
use support::{Person, World};

/// Runs a command of somebody whose files cannot grow beyond so many blocks of 512 bytes.
fn limited(who: &Person, blocks: u32, args: &[&str]) -> Output {
    let whole = who.command(args);
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("sh");
    command.arg(whole.get_program()).args(whole.get_args());
    for (name, value) in whole.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.output().unwrap()
}

fn code(ended: &Output) -> String {
    let stderr = String::from_utf8_lossy(&ended.stderr);
    let last = stderr.lines().last().unwrap_or_default();
    let error: serde_json::Value = serde_json::from_str(last).unwrap_or_default();
    assert!(!error["hint"].as_str().unwrap_or_default().is_empty(), "{stderr}");
    error["code"].as_str().unwrap_or_default().to_owned()
}

/// With ever more room: at first nothing can be stored, then it can be stored and not sent, then all of it works. Whatever
/// a command said, that is how it was.
#[test]
fn on_a_full_disk_errors_are_named_and_nothing_is_lost_or_half_done() {
    let world = World::new();
    let [mike, sean] = ["mike", "sean"].map(|name| world.person(name));
    mike.ok(&["contact", "add", "sean"]);
    sean.ok(&["contact", "add", "mike"]);
    mike.ok(&["send", "sean", "first"]);
    let mut said = vec!["first".to_owned()];
    let (mut refused, mut queued) = (0, 0);
    for step in 0.. {
        // Every second time the reading side is the one without room.
        sean.ok(&["send", "mike", &format!("to a full disk {step}")]);
        said.push(format!("to a full disk {step}"));
        let blocks = 48 * step;
        let read = limited(&mike, blocks, &["sync", "--json", "--timeout", "10"]);
        if !read.status.success() {
            assert_eq!(code(&read), "store_full", "{blocks}: {read:?}");
        }
        let text = format!("with {blocks} blocks");
        let sent = limited(&mike, blocks, &["send", "sean", &text, "--json", "--timeout", "1"]);
        match sent.status.code() {
            Some(0) => said.push(text),
            Some(75) => {
                queued += 1;
                said.push(text);
            }
            _ => {
                assert_eq!(code(&sent), "store_full", "{blocks}: {sent:?}");
                refused += 1;
            }
        }
        mike.ok(&["sync"]);
        sean.ok(&["sync"]);
        if read.status.success() && sent.status.success() {
            break;
        }
        assert!(step < 200, "it never works");
    }
    assert!(refused > 0, "there was never too little room; queued {queued} times");
    assert_eq!(mike.texts("sean"), said);
    assert_eq!(sean.texts("mike"), said);
}
