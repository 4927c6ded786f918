//! The grammar of the command line, and nothing else: what can be typed and how `--help` explains it.
//! Scripts rely on it, so words are only ever added. What a command does stands in `commands`.

mod group;
mod relay;

pub(crate) use group::{GroupCommand, PolicyChanges, RightName, RoleName, SchemeName};
pub(crate) use relay::{RegistrationMode, RelayArgs, RelayCommand, TlsMode};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "conclave", version, about, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Directory of this account's data [default: the user's data directory]
    #[arg(long, global = true, env = "CONCLAVE_DATA", value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Print JSON: results on standard output, one error object on standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// How long to wait for the relay [default: 15]
    #[arg(long, global = true, env = "CONCLAVE_TIMEOUT", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub(crate) timeout: Option<u64>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start talking: a relay on this machine, and an account if there is none
    #[command(
        after_help = "Examples:\n  conclave up\n  CONCLAVE_NAME=mike CONCLAVE_PASSPHRASE=… conclave up\n  conclave --data ~/sean up --name sean --relay http://127.0.0.1:7400"
    )]
    Up(UpArgs),
    /// Watch three people talk in a group, each a process of its own, in a temporary directory
    Demo,
    /// Run a relay
    #[command(
        after_help = "Examples:\n  conclave relay --data ./relay --listen 127.0.0.1:7400\n  conclave relay --data ./relay --listen 127.0.0.1:7400 --registration invite --invite tulip-42\n  conclave relay --data ./relay --listen 0.0.0.0:443 --host example.org --tls-cert fullchain.pem --tls-key privkey.pem\n  conclave relay --data ./relay --listen 0.0.0.0:7400 --host 192.0.2.7:7400 --tls self-signed\n\nWithout TLS it listens on this machine only. SIGHUP reads the certificate's files again."
    )]
    Relay(RelayArgs),
    /// Make or show this account
    #[command(
        subcommand,
        after_help = "Examples:\n  conclave account create mike --relay http://127.0.0.1:7400\n  conclave account show --json"
    )]
    Account(AccountCommand),
    /// People you know
    #[command(
        subcommand,
        after_help = "Examples:\n  conclave contact add sean@127.0.0.1:7400\n  conclave contact verify sean"
    )]
    Contact(ContactCommand),
    /// Copy this account's data into one encrypted file, while it is in use
    #[command(after_help = "Example:\n  conclave backup ~/conclave-2026-11.backup")]
    Backup {
        /// A file that is not there yet
        file: PathBuf,
    },
    /// Bring an account back from a backup, into a data directory that has none
    #[command(
        after_help = "Example:\n  conclave --data ./again restore ~/conclave-2026-11.backup\n\nThe passphrase is the one of the time of the backup. What was said since then and is still at the relay is\nfetched; where the keys are behind, the others let this device in again."
    )]
    Restore {
        /// A backup
        file: PathBuf,
    },
    /// Make a link that lets somebody in: into your contacts, and into a group if one is named
    #[command(
        after_help = "Examples:\n  conclave invite\n  conclave invite Trip --uses 5\n  conclave invite Trip --ask\n  conclave invite --revoke LINK\n\nHand it over yourself. Whoever brings it first may come in."
    )]
    Invite(InviteArgs),
    /// Take somebody's link; makes an account at their relay if there is none here
    #[command(
        after_help = "Example:\n  conclave join conclave:AZaB… --name dave\n\n`-` in the link's place reads it from standard input, so that it stays out of the shell's history."
    )]
    Join(JoinArgs),
    /// Your devices: link a new one, take one away
    #[command(
        subcommand,
        after_help = "Examples:\n  conclave device link                        on your first device: prints a link\n  conclave --data ~/new device link LINK      on the new one: prints a code\n  conclave device approve 12345678            on the first one again\n  conclave device list\n  conclave device revoke DEVICE"
    )]
    Device(DeviceCommand),
    /// Groups: make them, change who is in, leave
    #[command(
        subcommand,
        after_help = "Examples:\n  conclave group new Trip\n  conclave group add Trip sean steve\n  conclave group info Trip --json"
    )]
    Group(GroupCommand),
    /// A device is lost, or was in wrong hands: bring fresh secrets into every group, and replace the keys at the relay
    #[command(
        after_help = "Example:\n  conclave heal\n\nRun it on the device that you have. What was stolen before opens nothing that is said after."
    )]
    Heal,
    /// Send a message and return once the relay holds it
    #[command(
        after_help = "Examples:\n  conclave send sean \"Meet at nine\"\n  echo \"Meet at nine\" | conclave send Trip -\n\nWith no answer from the relay in time the message stays queued (exit 75): the next command sends it."
    )]
    Send(SendArgs),
    /// Fetch what is new and print a conversation
    #[command(
        after_help = "Examples:\n  conclave read sean\n  conclave read Trip --new --json\n  conclave read Trip --limit 20 --follow"
    )]
    Read(ReadArgs),
    /// One message: who can read it
    #[command(
        subcommand,
        after_help = "Examples:\n  conclave message info ID\n  conclave message info ID --export who.audit"
    )]
    Message(MessageCommand),
    /// Check an exported history of who is in a group, or a relay's key log, or a proof that it was forked; needs no account
    #[command(
        after_help = "Examples:\n  conclave audit who.audit --json\n  conclave audit https://relay.example --keep relay.root     go on from what was audited the last time"
    )]
    Audit {
        /// What `group audit --export`, `message info --export` or `alarms --export` wrote, or a relay's address
        #[arg(value_name = "FILE-or-URL")]
        what: String,
        /// Of a relay: the file with the root that was audited last, made if it is not there
        #[arg(long, value_name = "FILE")]
        keep: Option<PathBuf>,
    },
    /// What is loud: somebody posts in your name, or a relay shows different people different things
    #[command(
        after_help = "Examples:\n  conclave alarms\n  conclave alarms --acknowledge 3\n  conclave alarms --export 3 proof.bin\n\nEnds with 1 while one waits to be acknowledged. What is continuous (a device added, a planned change) is no alarm."
    )]
    Alarms(AlarmsArgs),
    /// Fetch and apply everything, send what waits, and say what happened
    Sync,
    /// People who wrote or invited you and whom you don't know yet
    #[command(subcommand, after_help = "Examples:\n  conclave request list\n  conclave request accept Trip")]
    Request(RequestCommand),
    /// A plain line-by-line chat; piped input is sent line by line
    #[command(after_help = "Examples:\n  conclave chat sean\n  printf 'one\\ntwo\\n' | conclave chat Trip")]
    Chat(ChatArgs),
    /// Look whether all is well; the report names nobody and can be posted
    #[command(
        after_help = "Examples:\n  conclave doctor\n  conclave doctor --json\n\nEnds with 1 if something needs attention."
    )]
    Doctor,
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  conclave completions bash > ~/.local/share/bash-completion/completions/conclave"
    )]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// `conclave up`
#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Your name, for a new account
    #[arg(long, env = "CONCLAVE_NAME")]
    pub(crate) name: Option<String>,
    /// Use this relay instead of starting one here
    #[arg(long, env = "CONCLAVE_RELAY", value_name = "URL")]
    pub(crate) relay: Option<String>,
}

/// `conclave device …`
#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// Make a link for a new device; or, with a link, become that device
    Link {
        /// The link, on the new device; `-` reads it from standard input
        link: Option<String>,
    },
    /// Link the device that asks, if it shows this code
    Approve {
        /// Eight digits
        code: String,
    },
    /// Show them
    List,
    /// One that was said to be in other hands is yours again: tell the groups that doubt it
    Trust {
        /// Its id, as `list` shows it
        device: String,
    },
    /// Take one away: it reads nothing any more
    Revoke {
        /// Its id, as `list` shows it
        device: String,
    },
}

/// `conclave account …`
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make this data directory's account
    Create {
        /// The name others find you by: a-z, 0-9, `.`, `_`, `-`
        name: String,
        /// The relay's address
        #[arg(long, env = "CONCLAVE_RELAY", value_name = "URL")]
        relay: Option<String>,
        /// The code the relay's owner gave you, where it asks for one
        #[arg(long, env = "CONCLAVE_INVITE", value_name = "CODE", hide_env_values = true)]
        invite: Option<String>,
    },
    /// Print handle, relay and keys' names
    Show,
    /// Print the 24 words that bring you back if all your devices are lost
    #[command(
        after_help = "Write them down on paper and keep it where nobody else looks: whoever has them is you.\nOnly your first device has them."
    )]
    RecoveryKey,
    /// Announce a new identity key, which counts after a day: the same person, another recovery key
    #[command(
        after_help = "Example:\n  conclave account rotate\n\nAny of your devices can object within the day: conclave account rotate --veto\nWho compared your safety number is told to compare it again."
    )]
    Rotate {
        /// Object to the one that is announced
        #[arg(long)]
        veto: bool,
    },
    /// Come back on a new device, by the 24 words, as the same person
    #[command(
        after_help = "Example:\n  conclave --data ./new account recover sean --relay https://relay.example\n\nThe words are asked for, or read from standard input. All devices that you had are out, but for those in --keep.\nGroups let this device in once somebody there hears of it: write to a friend. They come as requests, since this device\nknows nobody yet. What was said before is not brought back; a backup has it."
    )]
    Recover {
        /// Your name, or `name@host`
        name: String,
        /// Your relay's address
        #[arg(long, env = "CONCLAVE_RELAY", value_name = "URL")]
        relay: Option<String>,
        /// A linked device of yours that is not lost, by its id (the first one is always replaced); may be given again
        #[arg(long, value_name = "DEVICE")]
        keep: Vec<String>,
    },
}

/// `conclave contact …`
#[derive(Debug, Subcommand)]
pub(crate) enum ContactCommand {
    /// Look somebody up and pin their identity
    Add {
        /// `name`, or `name@host[:port]`
        who: String,
    },
    /// Print the safety number; both compare it over a call or in person
    Verify {
        /// A contact
        who: String,
        /// Note that both of you saw the same number
        #[arg(long)]
        confirm: bool,
        /// Show it as a QR code for their camera
        #[arg(long)]
        qr: bool,
        /// What you scanned from their screen: a PNG or JPEG of it, or its text; `-` reads the text from standard input
        #[arg(long, value_name = "PICTURE-or-TEXT", conflicts_with_all = ["confirm", "qr"])]
        scan: Option<String>,
    },
    /// Everybody you know
    List,
}

/// `conclave invite`
#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    /// The group to let them into; none: they become a contact only
    pub(crate) group: Option<String>,
    /// By how many people it may be used
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) uses: u32,
    /// For how many days
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365))]
    pub(crate) days: u32,
    /// Be asked each time (`conclave request list`), instead of letting them in at once
    #[arg(long)]
    pub(crate) ask: bool,
    /// Take a link back: nobody comes in by it any more
    #[arg(long, value_name = "LINK", conflicts_with_all = ["group", "uses", "days", "ask"])]
    pub(crate) revoke: Option<String>,
}

/// `conclave join`
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// What they gave you; `-` reads it from standard input
    pub(crate) link: String,
    /// Your name, for a new account
    #[arg(long, env = "CONCLAVE_NAME")]
    pub(crate) name: Option<String>,
    /// The code their relay asks for, where it does
    #[arg(long, env = "CONCLAVE_INVITE", value_name = "CODE", hide_env_values = true)]
    pub(crate) invite: Option<String>,
}

/// `conclave message …`
#[derive(Debug, Subcommand)]
pub(crate) enum MessageCommand {
    /// By whom it can be read: the devices that had the keys of its epoch
    Info {
        /// The message's id, as `read --json` gives it
        message: String,
        /// Write what shows it to a file that is not there yet, for `conclave audit`
        #[arg(long, value_name = "FILE")]
        export: Option<PathBuf>,
    },
}

/// `conclave alarms`
#[derive(Debug, Args)]
pub(crate) struct AlarmsArgs {
    /// Write what shows an alarm's cause to others to a file that is not there yet
    #[arg(long, num_args = 2, value_names = ["ID", "FILE"])]
    pub(crate) export: Option<Vec<String>>,
    /// You have seen it
    #[arg(long, value_name = "ID", conflicts_with = "export")]
    pub(crate) acknowledge: Option<i64>,
}

/// `conclave send`
#[derive(Debug, Args)]
pub(crate) struct SendArgs {
    /// A group or a person, by name, handle or id
    pub(crate) target: String,
    /// What to say; `-` reads standard input
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: String,
}

/// `conclave read`
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// A group or a person, by name, handle or id
    pub(crate) target: String,
    /// Only what no `read --new` printed before
    #[arg(long)]
    pub(crate) new: bool,
    /// Only the last N
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Go on printing as messages arrive
    #[arg(long)]
    pub(crate) follow: bool,
}

/// `conclave chat`
#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// A group or a person, by name, handle or id
    pub(crate) target: String,
}

/// `conclave request …`
#[derive(Debug, Subcommand)]
pub(crate) enum RequestCommand {
    /// Who is waiting
    List,
    /// Take part; what was said meanwhile is kept
    Accept {
        /// A request's name or id
        request: String,
    },
    /// Leave it
    Decline {
        /// A request's name or id
        request: String,
    },
    /// Leave it, and take no further request from that person
    Block {
        /// A request's name or id
        request: String,
    },
}

const EXAMPLES: &str = "\
A first conversation:
  conclave up                                        a relay and your account
  conclave contact add sean                          somebody on the same relay
  conclave send sean \"Hello\"                         one message
  conclave group new Trip && conclave group add Trip sean steve
  conclave chat Trip

The passphrase is read from CONCLAVE_PASSPHRASE, else asked for.
Exit codes: 0 done, 1 refused, 2 usage, 69 relay unreachable, 75 queued, 77 locked.";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_fixed_form_parses() {
        for line in [
            "conclave relay --data DIR --listen 127.0.0.1:7400",
            "conclave relay --data DIR --listen 0.0.0.0:443 --tls-cert FILE --tls-key FILE",
            "conclave relay --data DIR --listen 0.0.0.0:443 --tls self-signed",
            "conclave --data DIR relay backup COPY",
            "conclave --data DIR account create NAME --relay http://127.0.0.1:7400",
            "conclave --data DIR account show --json",
            "conclave --data DIR account recovery-key --json",
            "conclave --data DIR account rotate --json",
            "conclave --data DIR account rotate --veto",
            "conclave --data DIR account recover NAME --relay http://127.0.0.1:7400 --json",
            "conclave --data DIR contact add WHO",
            "conclave --data DIR contact verify WHO",
            "conclave --data DIR contact verify WHO --qr --json",
            "conclave --data DIR contact verify WHO --scan PICTURE",
            "conclave --data DIR group new GROUP",
            "conclave --data DIR group new GROUP --scheme pairwise",
            "conclave --data DIR group new GROUP --scheme sender-keys",
            "conclave --data DIR group new GROUP --scheme tree",
            "conclave --data DIR group add GROUP WHO WHO",
            "conclave --data DIR group remove GROUP WHO WHO",
            "conclave --data DIR group info GROUP --json",
            "conclave --data DIR group code GROUP --json",
            "conclave --data DIR group moment GROUP --json",
            "conclave --data DIR group verify GROUP --json",
            "conclave --data DIR group add GROUP WHO WHO --reason TEXT",
            "conclave --data DIR group endorse GROUP WHO",
            "conclave --data DIR group object GROUP WHO",
            "conclave --data DIR group policy GROUP --verified-only on",
            "conclave --data DIR group policy GROUP --endorsers 1 --above 10 --cooling-off 10 --add members",
            "conclave --data DIR group policy GROUP --json",
            "conclave --data DIR group sas GROUP --json",
            "conclave --data DIR group sas GROUP --with WHO WHO --timeout 60",
            "conclave --data DIR group sas GROUP --confirm",
            "conclave --data DIR group audit GROUP --json",
            "conclave --data DIR group audit GROUP --export FILE",
            "conclave --data DIR message info ID --json",
            "conclave audit FILE --json",
            "conclave audit https://relay.example --keep FILE --json",
            "conclave --data DIR relay witness https://relay.example --once",
            "conclave --data DIR send GROUP TEXT --timeout 3",
            "conclave --data DIR send GROUP -",
            "conclave --data DIR send GROUP -- --TEXT",
            "conclave --data DIR read WHO --new --limit 5 --follow --json",
            "conclave --data DIR alarms --json",
            "conclave --data DIR alarms --export 1 FILE",
            "conclave --data DIR alarms --acknowledge 1",
            "conclave --data DIR device trust DEVICE --json",
            "conclave --data DIR sync",
            "conclave --data DIR heal --json",
            "conclave --data DIR doctor --json",
            "conclave --data DIR request list --json",
            "conclave --data DIR request accept WHO --json",
            "conclave --data DIR request decline WHO",
            "conclave --data DIR request block WHO",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap();
        }
    }

    #[test]
    fn only_negative_timeouts_and_unknown_words_are_refused() {
        for line in [
            "conclave",
            "conclave frob",
            "conclave send x y --timeout -1",
            "conclave group add G",
            "conclave relay --listen nowhere",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
