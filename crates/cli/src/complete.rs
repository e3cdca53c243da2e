//! What a word of a command line can be: commands and options as they are declared, paths and methods by asking the node.

use crate::args::Cli;
use crate::place;
use crate::settings::Settings;
use clap::{Arg, Command, CommandFactory};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use emerge_client::native::Client;
use emerge_node::json::op_from_json;
use emerge_proto::class::decode;
use emerge_proto::record::{ObjectType, Page};
use emerge_proto::{Path, Result};
use serde_json::json;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle};

/// What the arguments are called that are paths, in every command.
const PATHS: [&str; 9] = ["path", "paths", "from", "to", "what", "into", "first", "second", "children"];
/// A person waits: after this there is nothing to offer.
const PATIENCE: Duration = Duration::from_millis(700);
/// Members that are offered at a time.
const OFFERED: usize = 200;

/// Who is asked.
#[derive(Clone)]
struct Asked {
    handle: Handle,
    client: Client,
}

/// The shell's connection, and the words of the line that is completed.
static SHELL: Mutex<Option<Asked>> = Mutex::new(None);
static WORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on this connection is asked.
pub(crate) fn ask(client: Client) {
    *SHELL.lock().unwrap_or_else(PoisonError::into_inner) = Some(Asked { handle: Handle::current(), client });
}

/// The declared command, with what completes its paths and methods.
pub(crate) fn command() -> Command {
    with_completers(Cli::command())
}

fn with_completers(command: Command) -> Command {
    // Its second and third words are versions.
    let is_diff = command.get_name() == "diff";
    command
        .mut_args(|arg| match arg.get_id().as_str() {
            "from" | "to" if is_diff => arg,
            "method" => arg.add(ArgValueCompleter::new(methods)),
            name if arg.is_positional() && PATHS.contains(&name) => arg.add(ArgValueCompleter::new(paths)),
            _ => arg,
        })
        .mut_subcommands(with_completers)
}

/// A command of the shell alone, whose one argument is a directory.
pub(crate) fn with_directory(command: Command) -> Command {
    command.arg(Arg::new("path").add(ArgValueCompleter::new(paths)))
}

/// What the last of some words can be, each with the whole word that it makes.
pub(crate) fn candidates(command: &mut Command, words: &[String]) -> Vec<String> {
    *WORDS.lock().unwrap_or_else(PoisonError::into_inner) = words.to_vec();
    let args: Vec<OsString> =
        std::iter::once("emerge").chain(words.iter().map(|word| &**word)).map(OsString::from).collect();
    let found = clap_complete::engine::complete(command, args, words.len(), None).unwrap_or_default();
    let asks_for_options = words.last().is_some_and(|word| word.starts_with('-'));
    let words = found.iter().map(|found| found.get_value().to_string_lossy().into_owned());
    words.filter(|word| asks_for_options || !word.starts_with('-')).collect()
}

/// The words of the line that is completed: the shell's, or those after `--` that another shell gave.
fn words() -> Vec<String> {
    let words = WORDS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !words.is_empty() {
        return words;
    }
    std::env::args().skip_while(|word| word != "--").skip(2).collect()
}

/// The value of an option that was given on the line, as `--name VALUE` or `--name=VALUE`.
fn given(words: &[String], name: &str) -> Option<String> {
    let at = words.iter().position(|word| word == name || word.starts_with(&format!("{name}=")))?;
    match words[at].split_once('=') {
        Some((_, value)) => Some(value.to_owned()),
        None => words.get(at + 1).cloned(),
    }
}

/// What the node answers in time. Whatever goes wrong, there is nothing to offer, and nothing is said of it.
fn answer<T>(question: impl AsyncFnOnce(&Client) -> Result<T>) -> Option<T> {
    let shell = SHELL.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(Asked { handle, client }) = shell {
        return handle.block_on(async { tokio::time::timeout(PATIENCE, question(&client)).await.ok()?.ok() });
    }
    let words = words();
    let url = given(&words, "--url").or_else(|| std::env::var("EMERGE_URL").ok());
    let token = given(&words, "--token").or_else(|| std::env::var("EMERGE_TOKEN").ok());
    let ca = given(&words, "--ca").map(PathBuf::from);
    let settings = Settings::load(url.as_deref(), token.as_deref()).ok()?.trusting(ca.as_deref());
    let runtime = Builder::new_current_thread().enable_all().build().ok()?;
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, async {
            let client = Client::connect_trusting(&settings.url, &settings.token, settings.trust.clone());
            let client = client.await.ok()?;
            let answer = question(&client).await.ok();
            client.close().await;
            answer
        })
        .await
        .ok()?
    })
}

fn paths(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    // Of a path into an object the node is asked nothing.
    if current.contains('#') || (place::get().is_none() && !current.is_empty() && !current.starts_with('/')) {
        return Vec::new();
    }
    let (head, prefix) = match current.rfind('/') {
        Some(at) => current.split_at(at + 1),
        None if place::get().is_none() => ("/", current),
        None => ("", current),
    };
    let Ok(directory) = place::resolve(if head.is_empty() { "." } else { head }) else { return Vec::new() };
    let found = answer(async |client| members(client, &directory, prefix).await);
    let candidate = |(name, is_directory): (String, bool)| {
        let end = if is_directory { "/" } else { "" };
        CompletionCandidate::new(format!("{head}{name}{end}"))
    };
    found.unwrap_or_default().into_iter().map(candidate).collect()
}

/// The first members whose names begin so, and whether each is a directory.
async fn members(client: &Client, directory: &Path, prefix: &str) -> Result<Vec<(String, bool)>> {
    let mut found = Vec::new();
    if !prefix.is_empty()
        && let Ok(stat) = client.stat(&directory.join(prefix)?).await
    {
        found.push((stat.name, stat.kind == ObjectType::Directory));
    }
    // Names that begin with a text come right after it.
    let after = Some(prefix).filter(|prefix| !prefix.is_empty());
    let op = json!({ "op": "list", "path": directory.as_str(), "after": after, "limit": OFFERED });
    let page: Page = decode(&client.request(&op_from_json(&op)?)?.await?)?;
    let rest = page.members.into_iter().take_while(|member| member.name.starts_with(prefix));
    found.extend(rest.map(|member| (member.name, member.kind == ObjectType::Directory)));
    Ok(found)
}

fn methods(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let words = words();
    // The path is the first word after the command's name that is no option.
    let mut rest =
        words.iter().skip_while(|word| *word != "call").skip(1).filter(|word| !word.starts_with('-'));
    let Some(Ok(path)) = rest.next().map(|text| place::resolve(text)) else { return Vec::new() };
    let found = answer(async |client| {
        let class = match client.class(&path).await {
            Ok(class) => class,
            // Of a directory the first member tells.
            Err(error) => {
                match members(client, &path, "").await?.into_iter().find(|(_, is_directory)| !is_directory) {
                    Some((name, _)) => client.class(&path.join(&name)?).await?,
                    None => return Err(error),
                }
            }
        };
        let named = class.methods().into_iter().filter(|method| method.name.starts_with(current));
        Ok(named.map(|method| (method.name.clone(), method.doc.clone())).collect::<Vec<_>>())
    });
    let candidate = |(name, doc): (String, Option<String>)| {
        let first = doc.as_deref().and_then(|doc| doc.lines().next()).map(str::to_owned);
        CompletionCandidate::new(name).help(first.map(Into::into))
    };
    found.unwrap_or_default().into_iter().map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_on_the_line() {
        let words: Vec<String> = ["--url=ws://a", "ls", "--token", "t"].map(String::from).to_vec();
        assert_eq!(
            (given(&words, "--url").as_deref(), given(&words, "--token").as_deref()),
            (Some("ws://a"), Some("t"))
        );
        assert_eq!(given(&words, "--timeout"), None);
    }

    #[test]
    fn commands_and_options_are_offered() {
        let offered = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            candidates(&mut command(), &words)
        };
        assert!(offered(&["hist"]).contains(&"history".to_owned()));
        assert!(offered(&["ls", "--lo"]).contains(&"--long".to_owned()));
    }
}
