//! The command line.

use clap::{Args, Parser, Subcommand};
use emerge_proto::AsOf;
use std::net::IpAddr;
use std::path::PathBuf;

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
    /// Print JSON for programs. Each command but `store` takes it too; there --json gives the fields.
    #[arg(long)]
    pub(crate) json: bool,
    /// Give up after so many seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) timeout: u64,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 the node cannot be reached, \
6 a method failed, 7 a conflict, 8 out of time.";

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
    /// Show the versions of an object.
    History(OnePath),
    /// Show what differs between two versions of an object.
    Diff(Diff),
    /// Make a version of an object with the state of an earlier one.
    Restore(Restore),
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
    /// List the methods of an object.
    Methods(OnePath),
    /// Show the source of an object's class.
    Code(OnePath),
    /// Describe an object, its class, fields and methods; or a command.
    Help(Help),
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Start a node and keep it running until Ctrl-C. With --json one line {"url", "token", "notebook", "data"} is printed when it is ready.
    Start(NodeStart),
    /// Compile the sandboxes for JavaScript and Python now, once for each version, and not when a node starts; for the image of a machine, say.
    Prepare,
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
            Command::Store(_) | Command::Completions { .. } | Command::Node(NodeCommand::Prepare) => {
                return false;
            }
            Command::Node(NodeCommand::Start(args)) => args.format,
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
            Command::Search(args) => args.format,
            Command::Index(Index::Create(args)) => args.format,
            Command::Index(Index::Drop(args)) => args.format,
            Command::Index(Index::List { format }) => *format,
            Command::Rm(args) => args.format,
            Command::Mv(args) => args.format,
            Command::Cp(args) => args.paths.format,
            Command::Mkdir(args) => args.format,
            Command::Call(args) => args.format,
            Command::Stat(args) | Command::History(args) | Command::Methods(args) | Command::Code(args) => {
                args.format
            }
            Command::Help(args) => args.format,
        };
        format.json
    }
}

#[derive(Debug, Args)]
pub(crate) struct NodeStart {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The folder of the store; made when absent.
    #[arg(long, env = "EMERGE_DATA", value_name = "DIR", default_value = ".emerge")]
    pub(crate) data: PathBuf,
    /// The port for WebSocket and HTTP; 0 takes a free one.
    #[arg(long, default_value_t = emerge_server::Config::DEFAULT_PORT)]
    pub(crate) port: u16,
    /// The port of the notebook page; 0 takes a free one [default: the one after --port].
    #[arg(long, value_name = "PORT")]
    pub(crate) notebook_port: Option<u16>,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
    /// The node's name.
    #[arg(long, default_value = "node1")]
    pub(crate) name: String,
    /// An origin whose pages may connect, beside the node's own (may be given several times).
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<String>,
    /// A name by which the node may be reached (may be given several times).
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
    /// What is logged to stderr: error, warn, info, debug, or a filter such as emerge_server=debug.
    #[arg(long, env = "EMERGE_LOG", default_value = "info", value_name = "FILTER")]
    pub(crate) log: String,
    /// Log a JSON object for each line.
    #[arg(long)]
    pub(crate) log_json: bool,
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
    #[arg(required_unless_present = "from", conflicts_with = "from", requires = "class")]
    pub(crate) path: Option<String>,
    /// The name of the object's class. One that the node does not know is made, with these fields and no methods.
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    pub(crate) class: Option<String>,
    /// The fields, as a JSON object; none when left out.
    #[arg(long = "json", value_name = "JSON", conflicts_with = "from")]
    pub(crate) fields: Option<String>,
    /// A JavaScript or Python (.py) file: it runs in the sandbox, and each member of its `objects` ({path: instance}) is stored.
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
pub(crate) struct Search {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The directory below which to look [default: /].
    pub(crate) directory: Option<String>,
    /// A JavaScript function that says of an object whether it is wanted: 'o => o.unitPrice < 3.5'. With params: '(o, p) => o.unitPrice < p.max'.
    pub(crate) function: Option<String>,
    /// The function in Python: 'lambda o: o.unit_price < 3.5'.
    #[arg(long, value_name = "LAMBDA", conflicts_with = "function")]
    pub(crate) python: Option<String>,
    /// The function's second argument, a JSON object: '{"max": 3}'.
    #[arg(long, value_name = "JSON")]
    pub(crate) params: Option<String>,
    /// Only objects of the class of this name, and of those that inherit from it.
    #[arg(long, value_name = "NAME")]
    pub(crate) class: Option<String>,
    /// The field that sets the order [default: the order in which the objects were made].
    #[arg(long, value_name = "FIELD")]
    pub(crate) order: Option<String>,
    /// Turn the order round.
    #[arg(long)]
    pub(crate) descending: bool,
    /// How many objects are wanted at most.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
    /// The fields that are wanted: a,b,c [default: all].
    #[arg(long, value_name = "FIELDS", value_delimiter = ',')]
    pub(crate) fields: Option<Vec<String>>,
    /// Only how many objects there are.
    #[arg(long, conflicts_with = "group_by")]
    pub(crate) count: bool,
    /// Only a row for each value of this field.
    #[arg(long, value_name = "FIELD")]
    pub(crate) group_by: Option<String>,
    /// The sum of a field in each group; may be given several times, as the next ones.
    #[arg(long, value_name = "FIELD", requires = "group_by")]
    pub(crate) sum: Vec<String>,
    /// The smallest value of a field in each group.
    #[arg(long, value_name = "FIELD", requires = "group_by")]
    pub(crate) min: Vec<String>,
    /// The largest value of a field in each group.
    #[arg(long, value_name = "FIELD", requires = "group_by")]
    pub(crate) max: Vec<String>,
    /// The mean of a field in each group.
    #[arg(long, value_name = "FIELD", requires = "group_by")]
    pub(crate) mean: Vec<String>,
    /// Tell how the search runs, and not what it finds.
    #[arg(long)]
    pub(crate) explain: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Index {
    /// Make an index, which is built in the background.
    Create(CreateIndex),
    /// Drop an index.
    Drop(DropIndex),
    /// List all indexes.
    List {
        #[command(flatten)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateIndex {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The class: one of your own by its name, any by its id, '*' for all.
    pub(crate) class: String,
    /// The field.
    pub(crate) field: String,
    /// No two objects may have the same value from now on.
    #[arg(long)]
    pub(crate) unique: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DropIndex {
    #[command(flatten)]
    pub(crate) format: Format,
    /// The class: one of your own by its name, any by its id, '*' for all.
    pub(crate) class: String,
    /// The field.
    pub(crate) field: String,
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
