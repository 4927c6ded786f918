//! Real processes for the tests: a relay that can be killed and restarted on its port, and people, each
//! with a data directory of their own. Nothing here sleeps: it waits for lines of output and for ends.
#![allow(dead_code, reason = "each test file uses its part of this")]

pub(crate) mod certificates;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Far longer than anything takes: a test that gets here has hung, and says so instead of waiting for ever.
const HUNG: Duration = Duration::from_secs(120);

/// The binary under test, in a clean environment.
pub(crate) fn conclave(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("CONCLAVE_") && name != "CONCLAVE_LOG")
    {
        command.env_remove(name);
    }
    command
        .env("HOME", home)
        .env_remove("XDG_DATA_HOME")
        .env("CONCLAVE_PASSPHRASE", "correct horse battery staple");
    command.stdin(Stdio::null());
    command
}

/// A directory, a relay and whoever is made in it.
pub(crate) struct World {
    // Killed before its directory goes.
    relay: Option<Running>,
    dir: TempDir,
    pub(crate) url: String,
    address: String,
    more: Vec<String>,
    env: Env,
}

/// What every process of a world finds in its environment; shared by worlds that stand beside each other.
type Env = Arc<Mutex<BTreeMap<String, String>>>;

impl World {
    /// Start a relay on a port that the system chooses.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The same with more options for the relay.
    pub(crate) fn with(options: &[&str]) -> Self {
        Self::in_environment(options, Env::default())
    }

    /// A second relay, its people in the same environment.
    pub(crate) fn beside(&self, options: &[&str]) -> Self {
        Self::in_environment(options, self.env.clone())
    }

    fn in_environment(options: &[&str], env: Env) -> Self {
        let mut world = Self {
            dir: tempfile::tempdir().unwrap(),
            relay: None,
            url: String::new(),
            address: "127.0.0.1:0".to_owned(),
            more: options.iter().map(|&o| o.to_owned()).collect(),
            env,
        };
        world.start_relay();
        world
    }

    /// Start the relay, after the first time on the same port.
    pub(crate) fn start_relay(&mut self) {
        let mut command = conclave(self.dir.path());
        command.args([
            "--data",
            self.path("relay").to_str().unwrap(),
            "--json",
            "relay",
            "--listen",
            &self.address,
        ]);
        command.args(&self.more).envs(&*self.env.lock().unwrap());
        let relay = Running::start(command);
        let first: Value = serde_json::from_str(&relay.line()).unwrap();
        self.url = first["url"].as_str().unwrap().to_owned();
        self.address = first["listening"].as_str().unwrap().to_owned();
        self.relay = Some(relay);
    }

    /// More options for the relay, from its next start on.
    pub(crate) fn more(&mut self, options: &[&str]) {
        self.more.extend(options.iter().map(|&option| option.to_owned()));
    }

    /// Every process started from now on finds this in its environment.
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.env.lock().unwrap().insert(name.to_owned(), value.to_owned());
    }

    /// `kill -9` and wait until it is gone.
    pub(crate) fn kill_relay(&mut self) {
        self.relay.take().unwrap().kill();
    }

    /// The relay's process.
    pub(crate) fn relay(&self) -> &Running {
        self.relay.as_ref().unwrap()
    }

    /// The host part of handles at this relay.
    pub(crate) fn host(&self) -> &str {
        &self.address
    }

    /// Somebody with an account.
    pub(crate) fn person(&self, name: &str) -> Person {
        let person = self.newcomer(name);
        person.ok(&["account", "create", name, "--relay", &self.url]);
        person
    }

    /// Somebody without one.
    pub(crate) fn newcomer(&self, name: &str) -> Person {
        Person {
            name: name.to_owned(),
            handle: format!("{name}@{}", self.address),
            data: self.path(name),
            home: self.path(""),
            env: self.env.clone(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Somebody's data directory and the command run on it.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) handle: String,
    pub(crate) data: PathBuf,
    home: PathBuf,
    env: Env,
}

impl Person {
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = conclave(&self.home);
        command.arg("--data").arg(&self.data).args(args).envs(&*self.env.lock().unwrap());
        command
    }

    /// Run to the end, whatever it is.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Run, succeed, give what was printed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let said = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {args:?}: {:?}\n{said}{error}", self.name, output.status);
        said
    }

    /// Run and fail with this exit code; gives the error object's code.
    pub(crate) fn fails(&self, exit: i32, args: &[&str]) -> String {
        let output = self.command(args).arg("--json").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(exit), "{} {args:?}\n{said}{error}", self.name);
        let object: BTreeMap<String, String> = serde_json::from_str(error.lines().last().unwrap_or_default())
            .unwrap_or_else(|e| panic!("{e}: {error}"));
        assert_eq!(object.keys().collect::<Vec<_>>(), ["code", "hint", "message"], "{error}");
        object["code"].clone()
    }

    /// The conversation as `read --json` prints it.
    pub(crate) fn read(&self, target: &str) -> Vec<Value> {
        self.read_with(target, &[])
    }

    pub(crate) fn read_with(&self, target: &str, more: &[&str]) -> Vec<Value> {
        let said = self.ok(&[&["read", target, "--json"], more].concat());
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The texts of the conversation.
    pub(crate) fn texts(&self, target: &str) -> Vec<String> {
        texts(&self.read(target))
    }

    /// Handles of a group's members, sorted.
    pub(crate) fn members(&self, group: &str) -> Vec<String> {
        let info: Value = serde_json::from_str(&self.ok(&["group", "info", group, "--json"])).unwrap();
        let mut handles: Vec<String> = info["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["handle"].as_str().unwrap().to_owned())
            .collect();
        handles.sort();
        handles
    }

    /// Send lines through one `chat`, as a script would pipe them.
    pub(crate) fn pipe(&self, target: &str, lines: &[String]) {
        let mut chat = self.start_with_input(&["chat", target]);
        chat.say(&lines.join("\n"));
        chat.finish();
    }

    /// Start without waiting for the end.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    pub(crate) fn start_with_input(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        command.stdin(Stdio::piped());
        Running::start(command)
    }
}

pub(crate) fn texts(messages: &[Value]) -> Vec<String> {
    messages.iter().map(|m| m["text"].as_str().unwrap().to_owned()).collect()
}

/// A process whose output is read line by line. Killed when dropped.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // The test may have seen enough.
                let _ = sender.send(line);
            }
        });
        Self { input: child.stdin.take(), child, lines }
    }

    /// The next line it prints.
    pub(crate) fn line(&self) -> String {
        self.lines
            .recv_timeout(HUNG)
            .expect("the process ended or hangs without printing the line waited for")
    }

    /// Lines up to one that `wanted` likes; all of them are given.
    pub(crate) fn lines_until(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            seen.push(self.line());
            if wanted(seen.last().unwrap()) {
                return seen;
            }
        }
    }

    /// Type a line.
    pub(crate) fn say(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{text}").unwrap();
        input.flush().unwrap();
    }

    /// End its input, wait for its end, which must be a good one; gives what it printed.
    pub(crate) fn finish(mut self) -> Vec<String> {
        self.input = None;
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status:?}");
        self.lines.iter().collect()
    }

    /// Send it a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// `kill -9`, and gone when this returns.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
