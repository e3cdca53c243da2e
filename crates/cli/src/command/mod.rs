//! One function for each command.

mod accounts;
pub(crate) mod archive;
mod backup;
mod browse;
mod change;
mod compose;
mod describe;
mod local;
mod node;
mod rights;
mod search;
mod store;
mod token;
mod trust;
mod tx;
mod versions;
mod watch;

use crate::args::{BackupCommand, Call, Cli, Command, NodeCommand, Store, TxCommand};
use crate::output::Output;
use crate::settings::{Settings, Trusted};
use clap::CommandFactory;
use emerge_client::native::{Client, Trust};
use emerge_proto::op::Target;
use emerge_proto::{Error, ErrorCode, Inside, Language, Path, Result, Value};
use emerge_runtime::Sandbox;
use std::sync::Arc;
use std::time::Duration;

/// Runs the command.
///
/// # Errors
/// Whatever the command gives; `main` prints it and picks the exit code.
pub(crate) async fn run(cli: Cli, output: &Output) -> Result<()> {
    check_outside(&cli)?;
    match &cli.command {
        Command::Node(NodeCommand::Start(args)) => return node::start(args, output).await,
        Command::Node(NodeCommand::Prepare) => return node::prepare(output).await,
        Command::Node(NodeCommand::Doctor(args)) => return node::doctor(args, output).await,
        Command::Backup(args) => return backup::run(args, &cli, output).await,
        Command::Export(args) => return archive::export(args, &cli, output).await,
        Command::Import(args) => return archive::import(args, &cli, output).await,
        Command::Trust(args) if args.path.is_none() => return trust::kept(args, output),
        Command::Init(args) => return init(&cli, &args.address, output).await,
        Command::Completions { shell } => return completions(*shell, output),
        Command::Help(args) if args.what.first().is_none_or(|what| !what.starts_with('/')) => {
            return help_of_command(&args.what);
        }
        _ => {}
    }
    let settings = Settings::load(cli.url.as_deref(), cli.token.as_deref())?.trusting(cli.ca.as_deref());
    let limit = cli.patience()?;
    let client = connect(limit, &settings).await?.trusting(&Trusted::hashes()?);
    let done = match &cli.command {
        Command::Shell => crate::shell::run(&cli, &settings, &client, output).await,
        _ => tokio::select! {
            done = perform(&cli, &settings, &client, output) => done,
            _ = tokio::signal::ctrl_c() => Err(Error::new(ErrorCode::Cancelled, "stopped by Ctrl-C")),
        },
    };
    // The session is told that it ends, so that the node can forget it; when that fails it expires by itself.
    let _ = tokio::time::timeout(Duration::from_secs(2), client.close()).await;
    done
}

/// Refuses a command that a transaction was named for, and that would not be part of it.
///
/// # Errors
/// `unsupported`, with the field `tx`.
pub(crate) fn check_outside(cli: &Cli) -> Result<()> {
    let (name, why) = match &cli.command {
        Command::Backup(BackupCommand::Create(_)) => ("backup create", "it copies what is committed"),
        Command::Export(_) => ("export", "it reads what is committed, object by object"),
        Command::Import(_) => ("import", "it commits by itself, part by part"),
        Command::Watch(_) => ("watch", "it tells of what is committed"),
        _ => return Ok(()),
    };
    match &cli.tx {
        None => Ok(()),
        Some(tx) => {
            let why = format!("\"{name}\" is not for transactions, such as {tx} of --tx or EMERGE_TX: {why}");
            Err(Error::new(ErrorCode::Unsupported, why).field("tx"))
        }
    }
}

/// Runs a command that asks the node, in a transaction if one was named.
///
/// # Errors
/// Whatever it gives.
pub(crate) async fn perform(cli: &Cli, settings: &Settings, client: &Client, output: &Output) -> Result<()> {
    if let Command::Help(args) = &cli.command
        && args.what.first().is_none_or(|what| !what.starts_with('/'))
    {
        return help_of_command(&args.what);
    }
    let limit = cli.patience()?;
    match (&cli.command, &cli.tx) {
        // The program that it runs takes as long as it takes.
        (Command::Tx(TxCommand::Run(args)), _) => tx::run(args, settings, client, output).await,
        (Command::Watch(args), _) => {
            let watching = watch::watch(args, client, output);
            // A watch has no end of its own: only a limit that was asked for ends it.
            if cli.timeout.is_some() { timed(limit, watching).await } else { watching.await }
        }
        (Command::Tx(command), given) => {
            timed(limit, tx::tx(command, given.as_deref(), client, output)).await
        }
        (command, Some(name)) => {
            let tx = timed(limit, client.open_transaction(name)).await?;
            asked(command, limit, &tx, output).await
        }
        (command, None) => asked(command, limit, client, output).await,
    }
}

async fn asked(command: &Command, limit: Duration, client: &Client, output: &Output) -> Result<()> {
    // Before the clock of `timed` starts: the first time it takes long.
    let sandbox = sandbox_for(command, client, limit, output).await?;
    timed(limit, dispatch(command, client, sandbox.as_deref(), output)).await
}

/// The script that makes a shell ask this program what a word can be.
fn completions(shell: clap_complete::Shell, output: &Output) -> Result<()> {
    let mut script = Vec::new();
    let failed = |why: &str| Error::new(ErrorCode::Internal, format!("no script for {shell}: {why}"));
    let known = clap_complete::env::Shells::builtins();
    let completer = known.completer(&shell.to_string()).ok_or_else(|| failed("the shell is not known"))?;
    completer
        .write_registration("COMPLETE", "emerge", "emerge", "emerge", &mut script)
        .map_err(|error| failed(&error.to_string()))?;
    output.line(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}

/// The sandbox, for a command that runs code in this program. Only what it asks of the node has a limit of time.
async fn sandbox_for(
    command: &Command,
    client: &Client,
    limit: Duration,
    output: &Output,
) -> Result<Option<Arc<Sandbox>>> {
    let needs_python = match command {
        Command::Store(Store { from: Some(file), .. }) if store::is_lines(file) || store::is_module(file) => {
            return Ok(None);
        }
        Command::Store(Store { from: Some(file), .. }) => file.extension().is_some_and(|kind| kind == "py"),
        Command::Call(Call { local: true, path: text, .. }) => {
            let info = timed(limit, client.class(place(text)?)).await?;
            info.lineage.iter().any(|class| class.source.language == Language::Python)
        }
        _ => return Ok(None),
    };
    let progress = |step: &str| output.note(step);
    if needs_python {
        emerge_server::whole_sandbox(&progress).await.map(Some)
    } else {
        emerge_server::sandbox(&progress).await.map(Some)
    }
}

/// What [`sandbox_for`] gave.
fn here(sandbox: Option<&Sandbox>) -> Result<&Sandbox> {
    sandbox.ok_or_else(|| Error::new(ErrorCode::Internal, "the command has no sandbox"))
}

async fn dispatch(
    command: &Command,
    client: &Client,
    sandbox: Option<&Sandbox>,
    output: &Output,
) -> Result<()> {
    match command {
        Command::Store(args) => store::store(args, sandbox, client, output).await,
        Command::Ls(args) => browse::ls(args, client, output).await,
        Command::Cat(args) => browse::cat(args, client, output).await,
        Command::Set(args) => compose::set(args, client, output).await,
        Command::Add(args) => compose::add(args, client, output).await,
        Command::Mixin(args) => compose::mixin(args, client, output).await,
        Command::Query(args) => compose::query(&args.path, client, output).await,
        Command::Migrate(args) => compose::migrate(args, client, output).await,
        Command::Stat(args) => browse::stat(&args.path, client, output).await,
        Command::History(args) => versions::history(args, client, output).await,
        Command::Rules(args) => rights::rules(args, client, output).await,
        Command::User(command) => accounts::user(command, client, output).await,
        Command::Group(command) => accounts::group(command, client, output).await,
        Command::Token(command) => token::run(command, client, output).await,
        Command::Trust(args) => trust::run(args, client, output).await,
        Command::Purge(args) => change::purge(args, client).await,
        Command::Diff(args) => versions::diff(args, client, output).await,
        Command::Restore(args) => versions::restore(args, client, output).await,
        Command::Chmod(args) => rights::chmod(args, client).await,
        Command::Chown(args) => rights::chown(args, client).await,
        Command::Search(args) => search::search(args, client, output).await,
        Command::Index(args) => search::index(args, client, output).await,
        Command::Rm(args) => change::rm(args, client, output).await,
        Command::Mv(args) => change::mv(args, client, output).await,
        Command::Cp(args) => change::cp(args, client, output).await,
        Command::Mkdir(args) => change::mkdir(args, client, output).await,
        Command::Call(args) => change::call(args, sandbox, client, output).await,
        Command::Methods(args) => describe::methods(&args.path, client, output).await,
        Command::Code(args) => describe::code(&args.path, client, output).await,
        Command::Help(args) => describe::help(&args.what.join(" "), client, output).await,
        Command::Backup(_)
        | Command::Export(_)
        | Command::Import(_)
        | Command::Node(_)
        | Command::Init(_)
        | Command::Shell
        | Command::Tx(_)
        | Command::Watch(_)
        | Command::Completions { .. } => Ok(()),
    }
}

/// Connects, or says that nobody is there.
async fn connect(limit: Duration, settings: &Settings) -> Result<Client> {
    let connecting = Client::connect_trusting(&settings.url, &settings.token, settings.trust.clone());
    tokio::time::timeout(limit, connecting).await.unwrap_or_else(|_| {
        let why = format!(
            "{} gave no answer in {} seconds; is the node running? (emerge node start)",
            settings.url,
            limit.as_secs()
        );
        Err(Error::new(ErrorCode::Unavailable, why))
    })
}

async fn timed<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let why = format!("not done in {} seconds; --timeout gives it more", limit.as_secs());
        Err(Error::new(ErrorCode::DeadlineExceeded, why))
    })
}

/// Prints the help of a command, `store` or `node start`, or of the program.
fn help_of_command(names: &[String]) -> Result<()> {
    let mut command = Cli::command();
    // Gives each command its full name.
    command.build();
    let mut found = &mut command;
    for name in names {
        let why = format!(
            "{name:?} is neither a path, which begins with /, nor a command; emerge --help lists them"
        );
        found = found
            .find_subcommand_mut(name)
            .ok_or_else(|| Error::new(ErrorCode::BadArgument, why).field(name))?;
    }
    anstream::print!("{}", found.render_long_help().ansi());
    Ok(())
}

async fn init(cli: &Cli, address: &str, output: &Output) -> Result<()> {
    let (url, token) = Settings::parse(address)?;
    let token = cli.token.clone().or(token).ok_or_else(|| {
        Error::new(ErrorCode::BadArgument, "a token is needed: give the node's whole link, or --token")
            .field("token")
    })?;
    let settings = Settings { url, token, trust: Trust::of(cli.ca.clone()) };
    let limit = cli.patience()?;
    let client = connect(limit, &settings).await?;
    client.close().await;
    let file = settings.remember()?;
    if output.json {
        output.json(&serde_json::json!({ "url": settings.url, "file": file.display().to_string() }));
    } else {
        output.line(format!("remembered {} in {}", settings.url, file.display()));
    }
    Ok(())
}

/// Checks a path, or a path into an object, before anything is sent; in the shell it may be relative.
fn place(text: &str) -> Result<Target> {
    let (text, inside) = emerge_proto::inside::split(text);
    let path = path(text)?;
    let Some(inside) = inside else { return Ok(Target::from(&path)) };
    Inside::parse(inside).map_err(|error| error.at(&path))?;
    Ok(Target::Path(format!("{path}#{inside}")))
}

/// An argument: JSON, and what is no JSON is a text.
fn argument(text: &str) -> Result<Value> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(json) => Value::from_json(&json),
        Err(_) => Ok(Value::Text(text.to_owned())),
    }
}

/// Checks a path before anything is sent; in the shell it may be relative.
fn path(text: &str) -> Result<Path> {
    crate::place::resolve(text)
}
