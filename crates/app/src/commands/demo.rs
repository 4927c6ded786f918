//! `conclave demo`: the story, told while it happens. Every person is a process of this very program with a
//! directory of its own; what is shown is what those processes print.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::failure::{Exit, Failure};
use crate::output;
use crate::passphrase;
use crate::settings::Settings;

/// Play it in a temporary directory that is gone afterwards.
pub(crate) async fn run(_settings: &Settings) -> Result<(), Failure> {
    // Child processes are waited for; nothing else runs meanwhile.
    tokio::task::spawn_blocking(play).await.map_err(|e| Failure::io("the demo", &std::io::Error::other(e)))?
}

fn play() -> Result<(), Failure> {
    let dir = tempfile::tempdir().map_err(|e| Failure::io("a temporary directory", &e))?;
    let mut stage = Stage::open(dir.path())?;
    stage.direct_chat()?;
    stage.group_with_one_away()?;
    stage.relay_killed()?;
    stage.steve_returns()?;
    stage.dave_is_added()?;
    stage.sean_is_removed()?;
    tell("That was it: four people, one relay that read nothing. `conclave up` starts yours.")
}

struct Stage {
    dir: PathBuf,
    program: PathBuf,
    relay: Relay,
}

impl Stage {
    fn open(dir: &Path) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(|e| Failure::io("this program", &e))?;
        tell("A relay starts. It will hold sealed bytes, and no key to them.")?;
        let relay = Relay::start(&program, dir, "127.0.0.1:0")?;
        tell(&format!("It listens on {}. Mike, Sean, Steve and Dave make accounts.", relay.url))?;
        let stage = Self { dir: dir.to_owned(), program, relay };
        for name in ["mike", "sean", "steve", "dave"] {
            stage.run(name, &["account", "create", name, "--relay", &stage.relay.url])?;
        }
        Ok(stage)
    }

    fn direct_chat(&self) -> Result<(), Failure> {
        tell("Mike and Sean know each other. They chat, end to end.")?;
        for (who, whom) in [("mike", "sean"), ("sean", "mike"), ("steve", "mike")] {
            self.run(who, &["contact", "add", whom])?;
        }
        self.run("mike", &["send", "sean", "Meet at nine?"])?;
        self.show("sean", "mike")?;
        self.run("sean", &["send", "mike", "Nine it is."])?;
        self.show("mike", "sean")?;
        tell("They compare their safety numbers:")?;
        self.tell_output("mike", &["contact", "verify", "sean"])?;
        self.tell_output("sean", &["contact", "verify", "mike"])
    }

    fn group_with_one_away(&self) -> Result<(), Failure> {
        tell("Mike makes a group with Sean and Steve. Steve's device is off.")?;
        self.run("mike", &["contact", "add", "steve"])?;
        self.run("mike", &["group", "new", "Trip"])?;
        self.run("mike", &["group", "add", "Trip", "sean", "steve"])?;
        self.run("mike", &["send", "Trip", "Who brings the map?"])?;
        self.run("sean", &["sync"])?;
        self.run("sean", &["send", "Trip", "I do."])?;
        self.show("mike", "Trip")
    }

    fn relay_killed(&mut self) -> Result<(), Failure> {
        tell("The relay is killed with -9, and started again.")?;
        self.relay.kill();
        let dir = self.dir.clone();
        self.relay = Relay::start(&self.program, &dir, &self.relay.address)?;
        self.run("mike", &["send", "Trip", "Still here?"])
    }

    fn steve_returns(&self) -> Result<(), Failure> {
        tell("Steve turns his device on, and has everything, in order:")?;
        self.show("steve", "Trip")?;
        self.run("steve", &["send", "Trip", "I was away. I bring the rope."])
    }

    fn dave_is_added(&self) -> Result<(), Failure> {
        tell(
            "Mike adds Dave, whom he never met. Dave accepts and can talk at once; he reads nothing from before.",
        )?;
        self.run("mike", &["group", "add", "Trip", "dave"])?;
        self.run("dave", &["sync"])?;
        self.run("dave", &["request", "accept", "Trip"])?;
        self.run("dave", &["send", "Trip", "Hello, all."])?;
        self.show("dave", "Trip")
    }

    fn sean_is_removed(&self) -> Result<(), Failure> {
        tell("Sean is removed. What is said from now on, he cannot read.")?;
        self.run("mike", &["group", "remove", "Trip", "sean"])?;
        self.run("mike", &["send", "Trip", "Now we are three."])?;
        tell("Mike sees:")?;
        self.show("mike", "Trip")?;
        tell("Sean sees:")?;
        self.show("sean", "Trip")
    }

    fn show(&self, who: &str, conversation: &str) -> Result<(), Failure> {
        self.tell_output(who, &["read", conversation])
    }

    fn tell_output(&self, who: &str, args: &[&str]) -> Result<(), Failure> {
        let said = self.command(who, args)?;
        said.lines().try_for_each(|line| output::line(&format!("      {who:>5} | {line}")))
    }

    fn run(&self, who: &str, args: &[&str]) -> Result<(), Failure> {
        let shown: Vec<_> = args.iter().map(|arg| quoted(arg)).collect();
        output::line(&format!("      {who:>5} $ conclave {}", shown.join(" ")))?;
        self.command(who, args).map(drop)
    }

    fn command(&self, who: &str, args: &[&str]) -> Result<String, Failure> {
        let ended = process(&self.program)
            .arg("--data")
            .arg(self.dir.join(who))
            .args(args)
            .output()
            .map_err(|e| Failure::io("this program", &e))?;
        if ended.status.success() {
            return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
        }
        let why = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        Err(Failure::new(Exit::Refused, "demo", format!("{who}: conclave {}: {why}", args.join(" ")), ""))
    }
}

struct Relay {
    child: Child,
    url: String,
    address: String,
}

impl Relay {
    fn start(program: &Path, dir: &Path, listen: &str) -> Result<Self, Failure> {
        let mut child = process(program)
            .arg("--data")
            .arg(dir.join("relay"))
            .args(["--json", "relay", "--listen", listen])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| Failure::io("this program", &e))?;
        let mut first = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut first).map_err(|e| Failure::io("the relay", &e))?;
        }
        let told: Value = serde_json::from_str(&first)
            .map_err(|_| Failure::new(Exit::Refused, "demo", "the relay did not start", ""))?;
        let text = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Self { child, url: text("url"), address: text("listening") })
    }

    fn kill(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
    }
}

/// This program, untouched by the settings of whoever started the demo.
fn process(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CONCLAVE_")) {
        command.env_remove(name);
    }
    command.env(passphrase::VARIABLE, "a demo has no secrets").stdin(Stdio::null());
    command
}

/// As one would type it.
fn quoted(arg: &str) -> String {
    if arg.contains(' ') { format!("\"{arg}\"") } else { arg.to_owned() }
}

fn tell(text: &str) -> Result<(), Failure> {
    output::line(&format!("\n== {text}"))
}
