//! `emerge shell`: the same commands at a prompt, over one connection.

mod line;

use crate::args::{Cli, Command};
use crate::command::{archive, check_outside, perform};
use crate::complete;
use crate::output::{Output, exit_code};
use crate::place;
use crate::settings::Settings;
use clap::Parser;
use emerge_client::native::Client;
use emerge_proto::record::ObjectType;
use emerge_proto::{Error, ErrorCode, Path, Result};
use line::Lines;
use std::ffi::OsString;
use std::io::IsTerminal;

/// What a line asks the shell itself for.
enum Own {
    Change(Option<String>),
    Tell,
    End,
}

/// Runs lines until the end of the input or `exit`.
///
/// # Errors
/// `bad_argument` when there is no terminal to be had; when the input is no terminal, the code of the last line that failed.
pub(crate) async fn run(cli: &Cli, settings: &Settings, client: &Client, output: &Output) -> Result<()> {
    place::set(Path::root());
    complete::ask(client.clone());
    let is_terminal = std::io::stdin().is_terminal();
    let mut lines = Lines::open(Settings::history_file())?;
    if is_terminal {
        output.note("Tab completes, Ctrl-C stops what runs, Ctrl-D or exit ends; help lists the commands, cd goes into a directory.");
    }
    let mut failed = None;
    while let Some(line) = lines.next().await? {
        let words = match shlex::split(&line) {
            Some(words) if words.is_empty() => continue,
            Some(words) => words,
            None => {
                let error = Error::new(ErrorCode::BadArgument, "a quotation mark is missing");
                output.error(&error);
                failed = Some(error);
                continue;
            }
        };
        match own(&words) {
            Some(Own::End) => break,
            Some(Own::Tell) => output.line(place::get().unwrap_or_else(Path::root)),
            Some(Own::Change(to)) => {
                if let Err(error) = change(to, client).await {
                    output.error(&error);
                    failed = Some(error);
                }
            }
            None => {
                if let Err(error) = one(cli, words, settings, client).await {
                    failed = Some(error);
                }
            }
        }
    }
    lines.close();
    match failed {
        Some(error) if !is_terminal => Err(Error::new(
            error.code,
            format!("a line failed, the last of them with exit code {}", exit_code(error.code)),
        )),
        _ => Ok(()),
    }
}

fn own(words: &[String]) -> Option<Own> {
    match (words[0].as_str(), &words[1..]) {
        ("cd", []) => Some(Own::Change(None)),
        ("cd", [to]) => Some(Own::Change(Some(to.clone()))),
        ("pwd", []) => Some(Own::Tell),
        ("exit" | "quit", []) => Some(Own::End),
        _ => None,
    }
}

async fn change(to: Option<String>, client: &Client) -> Result<()> {
    let path = to.map_or_else(|| Ok(Path::root()), |to| place::resolve(&to))?;
    if client.stat(&path).await?.kind != ObjectType::Directory {
        return Err(Error::new(ErrorCode::NotADirectory, format!("{path} is not a directory")).at(&path));
    }
    place::set(path);
    Ok(())
}

/// Runs one line, and prints what is wrong with it.
async fn one(shell: &Cli, words: Vec<String>, settings: &Settings, client: &Client) -> Result<()> {
    let lists = words[0] == "ls" && !words[1..].iter().any(|word| word == "/");
    let words = std::iter::once(OsString::from("emerge")).chain(words.into_iter().map(OsString::from));
    let mut cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors.
            let wrong = error.use_stderr();
            let _ = error.print();
            return match wrong {
                true => Err(Error::new(ErrorCode::BadArgument, "wrong usage")),
                false => Ok(()),
            };
        }
    };
    if let Command::Ls(args) = &mut cli.command
        && lists
        && args.path == "/"
    {
        args.path = ".".to_owned();
    }
    cli.timeout = cli.timeout.or(shell.timeout);
    cli.tx = cli.tx.or_else(|| shell.tx.clone());
    let output = Output::new(shell.json || cli.json || cli.command.json());
    let outside = check_outside(&cli);
    let done = match &cli.command {
        _ if outside.is_err() => outside,
        Command::Export(args) => archive::export(args, shell, &output).await,
        Command::Import(args) => archive::import(args, shell, &output).await,
        Command::Backup(_)
        | Command::Node(_)
        | Command::Init(_)
        | Command::Completions { .. }
        | Command::Shell => Err(Error::new(ErrorCode::BadArgument, "this command is for outside the shell")),
        _ => tokio::select! {
            done = perform(&cli, settings, client, &output) => done,
            // What was asked for is dropped, which cancels it at the node.
            _ = tokio::signal::ctrl_c() => Err(Error::new(ErrorCode::Cancelled, "stopped by Ctrl-C")),
        },
    };
    if let Err(error) = &done {
        output.error(error);
    }
    done
}
