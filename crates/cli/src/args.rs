//! The command line.

mod limits;
mod node;
mod rights;
mod search;
pub(crate) mod token;
pub(crate) mod trust;

pub(crate) use node::{NodeCommand, NodeDoctor, NodeStart};
pub(crate) use rights::{Chmod, Chown, GroupCommand, Rules, UserCommand, UserQuota};
pub(crate) use search::{Index, Search};
pub(crate) use token::TokenCommand;
pub(crate) use trust::Trust;

use clap::{Args, Parser, Subcommand};
use emerge_proto::frame::check_timeout;
use emerge_proto::op::SortBy;
use emerge_proto::{AsOf, Result};
use std::path::PathBuf;
use std::time::Duration;

/// Objects with fields and methods, kept under file-like paths on a node.
#[derive(Debug, Parser)]
#[command(name = "emerge", version, disable_help_subcommand = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// The node's address, such as ws://localhost:5558.
    #[arg(long, global = true, env = "EMERGE_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The token that the node printed when it started.
    #[arg(long, global = true, env = "EMERGE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// A file of certificates (PEM) that are trusted to name the node, in the place of that which EMERGE_CA names or the system's.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Print JSON for programs. Each command but `store` takes it too; there --json gives the fields.
    #[arg(long)]
    pub(crate) json: bool,
    /// Give up after so many seconds [default: 30; `watch` goes on].
    #[arg(long, global = true, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Do what the command asks of the node in this open transaction, by its name or id (see `emerge tx`).
    #[arg(long = "tx", id = "in_transaction", global = true, env = "EMERGE_TX", value_name = "TRANSACTION")]
    pub(crate) tx: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Seconds, when --timeout does not say.
    const TIMEOUT: u64 = 30;

    /// How long a command may take.
    ///
    /// # Errors
    /// `bad_argument` when it has no time.
    pub(crate) fn patience(&self) -> Result<Duration> {
        check_timeout(self.timeout)?;
        Ok(Duration::from_secs(self.timeout.unwrap_or(Self::TIMEOUT)))
    }
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 the node cannot be reached, \
6 a method failed, 7 a conflict, 8 out of time, 9 past a quota.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Remember a node's address and token.
    Init(Init),
    /// Store an object, or all objects of a file.
    Store(Store),
    /// List a directory.
    Ls(Ls),
    /// Show an object's fields, or what is at a place inside it (PATH#farms[0].name).
    Cat(Cat),
    /// Set one place inside an object (PATH#address.city).
    Set(Set),
    /// Make objects the children of another, by references in a list of it.
    Add(Add),
    /// Mix two objects into a new one, of a class that inherits from both theirs.
    Mixin(Mixin),
    /// Run a query object's query and keep its results in it.
    Query(OnePath),
    /// Give an object, or the members of a directory, another version of their class.
    Migrate(Migrate),
    /// Show the properties of an object or a directory.
    Stat(OnePath),
    /// Show the versions of an object or a directory, newest first.
    History(History),
    /// Show what differs between two versions of an object.
    Diff(Diff),
    /// Make a version of an object with the state of an earlier one.
    Restore(Restore),
    /// Change permissions.
    Chmod(Chmod),
    /// Give to another owner or group.
    Chown(Chown),
    /// Show or set the rules of a directory: which versions are kept, and which permissions new members get.
    Rules(Rules),
    /// Users that the node knows; the administrator's.
    #[command(subcommand)]
    User(UserCommand),
    /// Groups that the node knows; the administrator's.
    #[command(subcommand)]
    Group(GroupCommand),
    /// Tokens: for less than everything, for a time, and to be taken back one by one.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Trust the class of an object: its methods have all your rights when you call them, whoever wrote them.
    Trust(Trust),
    /// Remove an object, or with -r a directory, and forget all its versions at once.
    Purge(Rm),
    /// Find objects by a function that says which are wanted.
    Search(Box<Search>),
    /// Make, drop and list indexes, by which searches find objects.
    #[command(subcommand)]
    Index(Index),
    /// Remove an object, or with -r a directory.
    Rm(Rm),
    /// Move or rename.
    Mv(FromTo),
    /// Copy an object, or with -r a directory.
    Cp(Cp),
    /// Make a directory, and those above it.
    Mkdir(Mkdir),
    /// Call a method on the node; on a directory, on each member.
    Call(Call),
    /// Print changes as they are committed, until Ctrl-C.
    Watch(Watch),
    /// Open transactions: several commands that are done as one, or not at all.
    #[command(subcommand)]
    Tx(TxCommand),
    /// List the methods of an object.
    Methods(OnePath),
    /// Show the source of an object's class.
    Code(OnePath),
    /// Describe an object, its class, fields and methods; or a command.
    Help(Help),
    /// Copy the whole store into a file, while the node runs, and make a store of such a file.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Put an object or a directory with all below it into one file.
    Export(Export),
    /// Make an object or a directory with all below it of a file that `export` has written.
    Import(Import),
    /// The same commands at a prompt, with history and completion of paths and methods.
    Shell,
    /// Print a completion script for a shell: commands, options, and by asking the node also paths and methods.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Copy the store into a file: the running node's, or with --data that of a node that is stopped.
    Create(BackupCreate),
    /// Make the folder of a store from a backup.
    Restore(BackupRestore),
    /// See that a backup is whole.
    Check(BackupCheck),
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The object or the directory.
    pub(crate) path: String,
    /// The file.
    pub(crate) file: PathBuf,
    /// All versions that are kept come along.
    #[arg(long)]
    pub(crate) history: bool,
    /// Replace the file if it exists.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The file.
    pub(crate) file: PathBuf,
    /// Where to; where it was when left out. Nothing may be there but an empty directory.
    pub(crate) path: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupCreate {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The file.
    pub(crate) file: PathBuf,
    /// The folder of a node that is stopped.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Replace the file if it exists.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BackupRestore {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The backup.
    pub(crate) file: PathBuf,
    /// The folder for the store; it must not hold one yet.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct BackupCheck {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The backup.
    pub(crate) file: PathBuf,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Format {
    /// Print JSON for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Command {
    /// Whether the command's own --json was given.
    pub(crate) fn json(&self) -> bool {
        let format = match self {
            Command::Store(_)
            | Command::Shell
            | Command::Completions { .. }
            | Command::Node(NodeCommand::Prepare) => {
                return false;
            }
            Command::Node(NodeCommand::Start(args)) => args.format,
            Command::Node(NodeCommand::Doctor(args)) => args.format,
            Command::Backup(BackupCommand::Create(args)) => args.format,
            Command::Backup(BackupCommand::Restore(args)) => args.format,
            Command::Backup(BackupCommand::Check(args)) => args.format,
            Command::Export(args) => args.format,
            Command::Import(args) => args.format,
            Command::Init(args) => args.format,
            Command::Ls(args) => args.format,
            Command::Cat(args) => args.format,
            Command::Set(args) => args.format,
            Command::Add(args) => args.format,
            Command::Mixin(args) => args.format,
            Command::Query(args) => args.format,
            Command::Migrate(args) => args.format,
            Command::Diff(args) => args.format,
            Command::Restore(args) => args.format,
            Command::Rules(args) => args.format,
            Command::User(command) => command.format(),
            Command::Group(command) => command.format(),
            Command::Token(command) => command.format(),
            Command::Trust(args) => args.format,
            Command::Purge(args) => args.format,
            Command::History(args) => args.format,
            Command::Chmod(args) => args.format,
            Command::Chown(args) => args.format,
            Command::Search(args) => args.format,
            Command::Index(Index::Create(args)) => args.format,
            Command::Index(Index::Drop(args)) => args.format,
            Command::Index(Index::List { format }) => *format,
            Command::Rm(args) => args.format,
            Command::Mv(args) => args.format,
            Command::Cp(args) => args.paths.format,
            Command::Mkdir(args) => args.format,
            Command::Call(args) => args.format,
            Command::Stat(args) | Command::Methods(args) | Command::Code(args) => args.format,
            Command::Tx(
                TxCommand::Begin(TxBegin { format, .. })
                | TxCommand::Commit(TxEnd { format, .. })
                | TxCommand::Rollback(TxEnd { format, .. })
                | TxCommand::List { format },
            ) => *format,
            Command::Watch(args) => args.format,
            Command::Tx(TxCommand::Run(_)) => return false,
            Command::Help(args) => args.format,
        };
        format.json
    }
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) format: Format,
    /// Which paths, such as '/inventory/**': * and ? stand for characters within a segment, ** for any number of segments.
    pub(crate) pattern: String,
    /// Go on after the change with this token, which --json prints.
    #[arg(long, value_name = "TOKEN")]
    pub(crate) from: Option<String>,
    /// End after so many changes.
    #[arg(long, value_name = "COUNT")]
    pub(crate) count: Option<usize>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TxCommand {
    /// Open a transaction and print its name or id, for --tx and EMERGE_TX.
    Begin(TxBegin),
    /// Run a program, such as a shell script, whose emerge commands are one transaction: it is committed when the program ends well, else rolled back.
    Run(TxRun),
    /// Commit all that was done in a transaction.
    Commit(TxEnd),
    /// Take back all that was done in a transaction.
    Rollback(TxEnd),
    /// List your open transactions.
    List {
        #[command(flatten)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TxBegin {
    #[command(flatten)]
    pub(crate) format: Format,
    /// Its name; one without a name is called by its id.
    pub(crate) name: Option<String>,
    /// Roll it back after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) lifetime: u64,
}

#[derive(Debug, Args)]
pub(crate) struct TxRun {
    /// Roll it back after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) lifetime: u64,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) program: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TxEnd {
    #[command(flatten)]
    pub(crate) format: Format,
    /// Its name or id; that of --tx or EMERGE_TX when left out.
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The address, or the whole link that the node printed.
    pub(crate) address: String,
}

#[derive(Debug, Args)]
pub(crate) struct Store {
    /// Where to store the object.
    #[arg(required_unless_present = "from")]
    pub(crate) path: Option<String>,
    /// The name of the object's class. One that the node does not know is made, with these fields and no methods.
    #[arg(long, value_name = "NAME", required_unless_present = "from", conflicts_with = "from")]
    pub(crate) class: Option<String>,
    /// The fields, as a JSON object; none when left out.
    #[arg(long = "json", value_name = "JSON", requires = "path")]
    pub(crate) fields: Option<String>,
    /// A JavaScript or Python (.py) file: it runs in the sandbox, and each member of its `objects` ({path: instance}) is stored. Or a file of lines (.jsonl), each {"path": …, "class": …, "fields": {…}}. Or a WebAssembly module (.wasm): the class that it is, and with a path an object of it.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct OnePath {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The path.
    pub(crate) path: String,
}

#[derive(Debug, Args)]
pub(crate) struct Help {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The path of an object (/books/emma), or the name of a command (store, node start); all commands when left out.
    pub(crate) what: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The directory.
    #[arg(default_value = "/")]
    pub(crate) path: String,
    /// Show the properties.
    #[arg(short, long)]
    pub(crate) long: bool,
    /// Only members whose names match: '*.txt', '?', '[a-z]', '{a,b}'
    #[arg(long, value_name = "PATTERN")]
    pub(crate) glob: Option<String>,
    /// Sort by name, size, modified, created or class.
    #[arg(long, value_parser = sort_by)]
    pub(crate) sort: Option<SortBy>,
    /// The last one first.
    #[arg(short = 'r', long)]
    pub(crate) descending: bool,
    /// Only one page of so many at most; it tells the cursor of the next.
    #[arg(long, value_name = "N")]
    pub(crate) page: Option<u32>,
    /// The page after this cursor, which the page before has told.
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
}

fn sort_by(text: &str) -> Result<SortBy, String> {
    SortBy::parse(text).ok_or_else(|| "one of name, size, modified, created, class is needed".into())
}

#[derive(Debug, Args)]
pub(crate) struct Cat {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The object, or a place inside it: /customers/c0#farms[0].name
    pub(crate) path: String,
    /// Show the objects that a list of references leads to, a line each; null for one that is gone.
    #[arg(long, conflicts_with = "version")]
    pub(crate) children: bool,
    /// Indent the JSON.
    #[arg(short, long)]
    pub(crate) pretty: bool,
    /// An earlier version: its number, or a moment at which it was current (2026-01-31T12:00:00Z).
    #[arg(long, value_parser = which_version)]
    pub(crate) version: Option<AsOf>,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    #[command(flatten)]
    pub(crate) format: Format,
    /// A place inside an object: /customers/c0#address.city
    pub(crate) path: String,
    /// What is to be there, as JSON; what is no JSON is a text.
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: String,
    /// Fail when the object is not at this version.
    #[arg(long)]
    pub(crate) base: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    #[command(flatten)]
    pub(crate) format: Format,
    /// Whose children they become.
    pub(crate) path: String,
    /// The field path of the list, which is made when it is not there.
    pub(crate) field: String,
    /// The children, by their paths.
    #[arg(required = true)]
    pub(crate) children: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Mixin {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The object whose members count.
    pub(crate) first: String,
    /// The other.
    pub(crate) second: String,
    /// Where the new object is to be.
    pub(crate) to: String,
    /// The name of the new class; both names together when left out.
    #[arg(long)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The object, or a directory for its members that have another version of the class.
    pub(crate) path: String,
    /// The name of one of your own classes, for its newest version, or the path of an object of the class.
    pub(crate) class: String,
    /// What gives the new fields for the old ones: the name of a method of the class, or a function (lambda old: {…}).
    #[arg(long, value_name = "METHOD")]
    pub(crate) how: Option<String>,
    /// On a directory: take the objects of the class of this name.
    #[arg(long, value_name = "NAME")]
    pub(crate) from: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The object.
    pub(crate) path: String,
    /// The version to compare: its number, or a moment at which it was current (2026-01-31T12:00:00Z).
    #[arg(value_parser = which_version)]
    pub(crate) from: AsOf,
    /// The version to compare it with; the current one when left out.
    #[arg(value_parser = which_version)]
    pub(crate) to: Option<AsOf>,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The object.
    pub(crate) path: String,
    /// The version to have again: its number, or a moment at which it was current (2026-01-31T12:00:00Z).
    #[arg(value_parser = which_version)]
    pub(crate) version: AsOf,
    /// Fail when the object is not at this version.
    #[arg(long)]
    pub(crate) base: Option<u64>,
}

fn which_version(text: &str) -> Result<AsOf, String> {
    emerge_node::json::which_version(text).map_err(|error| error.message)
}

#[derive(Debug, Args)]
pub(crate) struct History {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The object or directory.
    pub(crate) path: String,
    /// Go on with the versions below this number.
    #[arg(long)]
    pub(crate) before: Option<u64>,
    /// Show so many; 1000 at most.
    #[arg(long)]
    pub(crate) limit: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    #[command(flatten)]
    pub(crate) format: Format,
    /// What to remove.
    #[arg(required = true)]
    pub(crate) paths: Vec<String>,
    /// Remove directories with all their members.
    #[arg(short, long)]
    pub(crate) recursive: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FromTo {
    #[command(flatten)]
    pub(crate) format: Format,
    /// What.
    pub(crate) from: String,
    /// Where to; into it when it is a directory.
    pub(crate) to: String,
}

#[derive(Debug, Args)]
pub(crate) struct Cp {
    #[command(flatten)]
    pub(crate) paths: FromTo,
    /// Copy directories with all their members.
    #[arg(short, long)]
    pub(crate) recursive: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Mkdir {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The directories.
    #[arg(required = true)]
    pub(crate) paths: Vec<String>,
    /// Do not mind directories that exist.
    #[arg(short, long)]
    pub(crate) parents: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Call {
    #[command(flatten)]
    pub(crate) format: Format,
    /// Print what the method logs, to stderr.
    #[arg(long)]
    pub(crate) log: bool,
    /// Run the method here, in a sandbox, on the object as it was fetched; only for classes that you trust.
    #[arg(long)]
    pub(crate) local: bool,
    /// With --local: trust this version of the object's class, now and later.
    #[arg(long, requires = "local")]
    pub(crate) trust: bool,
    /// The object, or a directory for all its members.
    pub(crate) path: String,
    /// The method.
    pub(crate) method: String,
    /// Give up the method after so many milliseconds.
    #[arg(long, value_name = "MS")]
    pub(crate) deadline: Option<u64>,
    /// On a directory: make one transaction of all calls, so that when one fails none has happened.
    #[arg(long)]
    pub(crate) atomic: bool,
    /// The arguments, each as JSON; what is no JSON is a text. NAME=VALUE gives one by its name; a text with = in it is given as JSON: '"a=b"'.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<String>,
}
