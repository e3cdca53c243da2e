//! The words of the commands about rights, users and groups.

use super::Format;
use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Rules {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The directory.
    pub(crate) path: String,
    /// Which versions are kept below it: all, "10 versions", "30 days", default, or inherit for what holds above.
    #[arg(long)]
    pub(crate) keep: Option<String>,
    /// The permissions that new members do not get, in octal, such as 027; or inherit.
    #[arg(long)]
    pub(crate) mask: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Make a user and print the token, which is kept nowhere.
    Add(UserAdd),
    /// Forget a user, whose token is not valid any more. Their objects stay.
    Rm(OneName),
    /// List all users.
    List(NoArgs),
    /// Print another token of a user; the present one is not valid any more.
    Token(OneName),
    /// Show what users store and may store, or say what one may.
    Quota(UserQuota),
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Make a group.
    Add(OneName),
    /// Forget a group; nobody is in it any more.
    Rm(OneName),
    /// List all groups with their members.
    List(NoArgs),
    /// Take a user into a group.
    Join(Membership),
    /// Let a user out of a group.
    Leave(Membership),
}

impl UserCommand {
    pub(super) fn format(&self) -> Format {
        match self {
            UserCommand::Add(args) => args.format,
            UserCommand::Rm(args) | UserCommand::Token(args) => args.format,
            UserCommand::List(args) => args.format,
            UserCommand::Quota(args) => args.format,
        }
    }
}

impl GroupCommand {
    pub(super) fn format(&self) -> Format {
        match self {
            GroupCommand::Add(args) | GroupCommand::Rm(args) => args.format,
            GroupCommand::List(args) => args.format,
            GroupCommand::Join(args) | GroupCommand::Leave(args) => args.format,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct NoArgs {
    #[command(flatten)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct OneName {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The name.
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct UserAdd {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The name.
    pub(crate) name: String,
    /// The groups, with commas between them; what the user makes belongs to the first.
    #[arg(long, value_delimiter = ',')]
    pub(crate) groups: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UserQuota {
    #[command(flatten)]
    pub(crate) format: Format,
    /// Whose; yourself otherwise, or all users for the administrator.
    pub(crate) name: Option<String>,
    /// How many objects and directories the user may store from now on; any number when only bytes are given.
    #[arg(long, requires = "name")]
    pub(crate) objects: Option<u64>,
    /// How many bytes the user may store from now on: 500, 64k, 20m, 4g; any number when only objects are given.
    #[arg(long, requires = "name", value_parser = size)]
    pub(crate) bytes: Option<u64>,
    /// The user may store any number of objects and bytes from now on.
    #[arg(long, requires = "name", conflicts_with_all = ["objects", "bytes"])]
    pub(crate) unlimited: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Membership {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The group.
    pub(crate) group: String,
    /// The user.
    pub(crate) user: String,
}

#[derive(Debug, Args)]
pub(crate) struct Chmod {
    #[command(flatten)]
    pub(crate) format: Format,
    /// All permissions (rwxr-x---, 750, 1777), or changes: u+x,g-w
    #[arg(value_parser = perms, allow_hyphen_values = true)]
    pub(crate) perms: String,
    /// Of what.
    #[arg(required = true)]
    pub(crate) paths: Vec<String>,
    /// Change directories with all their members.
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        Some((at, 't' | 'T')) => (&text[..at], 40),
        _ => (text, 0),
    };
    let count: Option<u64> = digits.parse().ok();
    count
        .and_then(|count| count.checked_mul(1 << shift))
        .ok_or_else(|| "a number of bytes such as 500, 64k, 20m or 4g is needed".to_owned())
}

fn perms(text: &str) -> Result<String, String> {
    emerge_proto::PermsChange::parse(text).map(|_| text.to_owned()).map_err(|error| error.message)
}

#[derive(Debug, Args)]
pub(crate) struct Chown {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The new owner, the new group or both: ada, :staff, ada:staff
    pub(crate) to: String,
    /// What.
    #[arg(required = true)]
    pub(crate) paths: Vec<String>,
    /// Give directories with all their members.
    #[arg(short = 'R', long)]
    pub(crate) recursive: bool,
}
