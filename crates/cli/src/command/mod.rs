//! One function for each command.

mod browse;
mod change;
mod describe;
mod local;
mod node;
mod store;

use crate::args::{Call, Cli, Command, NodeCommand, Store};
use crate::output::Output;
use crate::settings::Settings;
use clap::CommandFactory;
use emerge_client::native::Client;
use emerge_proto::{Error, ErrorCode, Path, Result};
use emerge_runtime::Sandbox;
use std::sync::Arc;
use std::time::Duration;

/// Runs the command.
///
/// # Errors
/// Whatever the command gives; `main` prints it and picks the exit code.
pub(crate) async fn run(cli: Cli, output: &Output) -> Result<()> {
    match &cli.command {
        Command::Node(NodeCommand::Start(args)) => return node::start(args, output).await,
        Command::Node(NodeCommand::Prepare) => return node::prepare(output).await,
        Command::Init(args) => return init(&cli, &args.address, output).await,
        Command::Completions { shell } => {
            // Whole, for the generator panics when its reader goes away.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "emerge", &mut script);
            output.line(String::from_utf8_lossy(&script).trim_end());
            return Ok(());
        }
        _ => {}
    }
    let settings = Settings::load(cli.url.as_deref(), cli.token.as_deref())?;
    // Before the clock of `timed` starts: the first time it takes long.
    let sandbox = sandbox_for(&cli.command, output).await?;
    let limit = Duration::from_secs(cli.timeout);
    let client = timed(limit, &settings.url, Client::connect(&settings.url, &settings.token)).await?;
    let done = tokio::select! {
        done = timed(limit, &settings.url, dispatch(&cli.command, &client, sandbox.as_deref(), output)) => done,
        _ = tokio::signal::ctrl_c() => Err(Error::new(ErrorCode::Cancelled, "stopped by Ctrl-C")),
    };
    // The session is told that it ends, so that the node can forget it; when that fails it expires by itself.
    let _ = tokio::time::timeout(Duration::from_secs(2), client.close()).await;
    done
}

/// The sandbox, for a command that runs code in this program.
async fn sandbox_for(command: &Command, output: &Output) -> Result<Option<Arc<Sandbox>>> {
    let progress = |step: &str| output.note(step);
    match command {
        Command::Store(Store { from: Some(file), .. })
            if file.extension().is_none_or(|kind| kind != "py") =>
        {
            emerge_server::sandbox(&progress).await.map(Some)
        }
        Command::Store(Store { from: Some(_), .. }) | Command::Call(Call { local: true, .. }) => {
            emerge_server::whole_sandbox(&progress).await.map(Some)
        }
        _ => Ok(None),
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
        Command::Stat(args) => browse::stat(&args.path, client, output).await,
        Command::History(args) => browse::history(&args.path, client, output).await,
        Command::Rm(args) => change::rm(args, client, output).await,
        Command::Mv(args) => change::mv(args, client, output).await,
        Command::Cp(args) => change::cp(args, client, output).await,
        Command::Mkdir(args) => change::mkdir(args, client, output).await,
        Command::Call(args) => change::call(args, sandbox, client, output).await,
        Command::Methods(args) => describe::methods(&args.path, client, output).await,
        Command::Code(args) => describe::code(&args.path, client, output).await,
        Command::Help(args) => describe::help(&args.path, client, output).await,
        Command::Node(_) | Command::Init(_) | Command::Completions { .. } => Ok(()),
    }
}

async fn timed<T>(limit: Duration, url: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::new(
            ErrorCode::DeadlineExceeded,
            format!(
                "{url} gave no answer in {} seconds; is the node running? (emerge node start)",
                limit.as_secs()
            ),
        )),
    }
}

async fn init(cli: &Cli, address: &str, output: &Output) -> Result<()> {
    let (url, token) = Settings::parse(address)?;
    let token = cli.token.clone().or(token).ok_or_else(|| {
        Error::new(ErrorCode::BadArgument, "a token is needed: give the node's whole link, or --token")
            .field("token")
    })?;
    let settings = Settings { url, token };
    let limit = Duration::from_secs(cli.timeout);
    let client = timed(limit, &settings.url, Client::connect(&settings.url, &settings.token)).await?;
    client.close().await;
    let file = settings.remember()?;
    if output.json {
        output.json(&serde_json::json!({ "url": settings.url, "file": file.display().to_string() }));
    } else {
        output.line(format!("remembered {} in {}", settings.url, file.display()));
    }
    Ok(())
}

/// Checks a path before anything is sent.
fn path(text: &str) -> Result<Path> {
    Path::parse(text)
}
