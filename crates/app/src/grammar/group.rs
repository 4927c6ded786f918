//! What `conclave group` takes.

use clap::{Args, Subcommand, ValueEnum};

/// `conclave group …`
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Make a group; prints its id
    New {
        /// What to call it
        group: String,
        /// How its messages are encrypted
        #[arg(long, value_enum, default_value_t = SchemeName::SenderKeys)]
        scheme: SchemeName,
    },
    /// Add people; they need not be online
    Add {
        /// Name or id
        group: String,
        /// Whom to add
        #[arg(required = true)]
        who: Vec<String>,
        /// Why: shown to everybody, and signed
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Agree that somebody who is proposed be added
    Endorse {
        /// Name or id
        group: String,
        /// Who is proposed
        who: String,
    },
    /// Object to somebody who is proposed, or take an own proposal back
    Object {
        /// Name or id
        group: String,
        /// Who is proposed
        who: String,
    },
    /// Remove people; they can read nothing from then on
    Remove {
        /// Name or id
        group: String,
        /// Whom to remove
        #[arg(required = true)]
        who: Vec<String>,
    },
    /// Leave a group; what was said stays readable here
    Leave {
        /// Name or id
        group: String,
    },
    /// All groups
    List,
    /// Name, scheme, epoch and members
    Info {
        /// Name or id
        group: String,
    },
    /// The group code: 40 digits that everybody reads to the others once; the same until people change
    Code {
        /// Name or id
        group: String,
    },
    /// The moment code: 30 digits of this very moment, for a call
    Moment {
        /// Name or id
        group: String,
    },
    /// Compare four words in a call: everybody runs it, then all read the same words aloud
    #[command(
        after_help = "Example:\n  conclave group sas Trip                 each in the call; shows four words once all have run it\n  conclave group sas Trip --confirm       all heard the same words: everybody in the call is met"
    )]
    Sas {
        /// Name or id
        group: String,
        /// Who is in the call besides you, if not everybody; the first to run it says so
        #[arg(long, value_name = "WHO", num_args = 1..)]
        with: Vec<String>,
        /// Note that everybody had the same words
        #[arg(long, conflicts_with = "with")]
        confirm: bool,
    },
    /// How well you know each member: met, vouched (through whom), or unchecked
    #[command(
        after_help = "Meet one of them and scan each other's screen: conclave contact verify WHO --qr, and --scan on the other.\nBoth are met then, and everybody who has met one of you has the other vouched for."
    )]
    Verify {
        /// Name or id
        group: String,
    },
    /// Who came, went and changed what since you are in, and who signed it
    Audit {
        /// Name or id
        group: String,
        /// Write the signed history to a file that is not there yet, for `conclave audit`
        #[arg(long, value_name = "FILE")]
        export: Option<std::path::PathBuf>,
    },
    /// Who may do what; say so anew
    #[command(
        after_help = "Example:\n  conclave group policy Trip --endorsers 1 --above 10     from the 11th person on, a second member agrees to each\n  conclave group policy Trip --cooling-off 10             everybody has ten minutes to object to somebody new"
    )]
    Policy(PolicyChanges),
    /// Give a group another name, for everybody in it
    Rename {
        /// Name or id
        group: String,
        /// The new name
        name: String,
    },
    /// Bring fresh secrets into a group: what was stolen before opens nothing after
    Heal {
        /// Name or id
        group: String,
    },
    /// Say what somebody may do
    Role {
        /// Name or id
        group: String,
        /// A member
        who: String,
        /// The new role
        role: RoleName,
    },
}

/// What of a group's policy is to be another.
#[derive(Debug, Args)]
pub(crate) struct PolicyChanges {
    /// Name or id
    pub(crate) group: String,
    /// Who may add people, and endorse those who are proposed
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) add: Option<RightName>,
    /// Who may remove people, and object to those who are proposed
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) remove: Option<RightName>,
    /// Who may rename the group
    #[arg(long, value_enum, value_name = "WHO")]
    pub(crate) rename: Option<RightName>,
    /// How many members beside the one who adds must agree; 0: none
    #[arg(long, value_name = "NUMBER")]
    pub(crate) endorsers: Option<u8>,
    /// They must in a group of more people than this
    #[arg(long, value_name = "PEOPLE", requires = "endorsers")]
    pub(crate) above: Option<u16>,
    /// How long everybody can object before somebody new gets keys, in minutes; 0: not at all
    #[arg(long, value_name = "MINUTES")]
    pub(crate) cooling_off: Option<u16>,
    /// `on`: nobody speaks while a member is unchecked by them
    #[arg(long, value_name = "on|off", value_parser = ["on", "off"])]
    pub(crate) verified_only: Option<String>,
}

/// To whom a right is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RightName {
    /// Everybody
    Members,
    /// Administrators
    Administrators,
}

/// The schemes a group can be made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemeName {
    /// Through each pair's double ratchet (up to 100 devices)
    Pairwise,
    /// One ratcheting key per sender (up to 300 devices)
    SenderKeys,
    /// MLS, a tree of keys (up to 1000 devices)
    Tree,
}

impl SchemeName {
    /// The scheme's name in data and in the grammar.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pairwise => "pairwise",
            Self::SenderKeys => "sender-keys",
            Self::Tree => "tree",
        }
    }
}

/// The roles a member can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleName {
    /// Talks, adds people, renames the group
    Member,
    /// Also removes people and gives roles
    Administrator,
}
