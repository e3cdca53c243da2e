//! Changing: rm, mv, cp, mkdir, call.

use super::{argument, path, place};
use crate::args::{Call, Cp, FromTo, Mkdir, Rm};
use crate::output::{NAME, Output};
use emerge_client::native::{Client, Items};
use emerge_node::json::{called_to_json, member_to_json};
use emerge_proto::op::CallWith;
use emerge_proto::record::{MemberCalled, ObjectType};
use emerge_proto::{Error, ErrorCode, Path, Result, Value};
use emerge_runtime::Sandbox;
use futures_util::StreamExt;
use serde_json::Value as Json;
use std::pin::pin;

pub(super) async fn rm(args: &Rm, client: &Client, _: &Output) -> Result<()> {
    for text in &args.paths {
        client.rm(&path(text)?, args.recursive).await?;
    }
    Ok(())
}

pub(super) async fn purge(args: &Rm, client: &Client) -> Result<()> {
    for text in &args.paths {
        client.purge(&path(text)?, args.recursive).await?;
    }
    Ok(())
}

pub(super) async fn mv(args: &FromTo, client: &Client, _: &Output) -> Result<()> {
    client.mv(&path(&args.from)?, &path(&args.to)?).await
}

pub(super) async fn cp(args: &Cp, client: &Client, output: &Output) -> Result<()> {
    let (from, to) = (path(&args.paths.from)?, path(&args.paths.to)?);
    if !args.recursive {
        return client.cp(&from, &to, false).await;
    }
    let mut parts = pin!(client.copy_tree(&from, &to));
    let mut shown = 0;
    while let Some(part) = parts.next().await {
        let part = part?;
        shown += 1;
        if output.json {
            output.json(&serde_json::json!({ "copied": part.count, "path": part.path }));
        } else if shown > 1 {
            // A small tree is one part, of which there is nothing to say.
            output.note(format!("{} copied, the last of them {}", part.count, part.path));
        }
    }
    Ok(())
}

pub(super) async fn mkdir(args: &Mkdir, client: &Client, _: &Output) -> Result<()> {
    for text in &args.paths {
        client.mkdir(&path(text)?, args.parents).await?;
    }
    Ok(())
}

pub(super) async fn call(
    args: &Call,
    sandbox: Option<&Sandbox>,
    client: &Client,
    output: &Output,
) -> Result<()> {
    let target = place(&args.path)?;
    let (values, with) = arguments(args)?;
    if args.local {
        let json =
            super::local::call(args, values, with.kwargs, super::here(sandbox)?, client, output).await?;
        print(&json, output);
        return Ok(());
    }
    // A path into an object leads to no directory.
    if !args.path.contains('#') && client.stat(target.clone()).await?.kind == ObjectType::Directory {
        let path = path(&args.path)?;
        let outcomes = client.call_members_with(&path, &args.method, &values, with);
        return members(outcomes, &args.method, &path, output).await;
    }
    let called = client.call_with(target, &args.method, &values, args.log, with).await?;
    print(&called_to_json(&called)?, output);
    Ok(())
}

/// Prints what became of each member, as it comes.
///
/// # Errors
/// `method_failed` at the end, when some failed.
pub(super) async fn members(
    members: Items<MemberCalled>,
    method: &str,
    path: &Path,
    output: &Output,
) -> Result<()> {
    let mut members = pin!(members);
    let mut failed = 0usize;
    while let Some(member) = members.next().await {
        let member = member?;
        failed += usize::from(member.error.is_some());
        let json = member_to_json(&member)?;
        if output.json {
            output.json(&json);
        } else if let Some(error) = &member.error {
            output.note(format!("{}: {error}", member.name));
        } else {
            output.line(format!("{NAME}{}{NAME:#}  {}", member.name, shown(&json["result"])));
        }
    }
    if failed > 0 {
        let text = format!("{method:?} failed on {failed} members of {path}");
        return Err(Error::new(ErrorCode::MethodFailed, text).at(path));
    }
    Ok(())
}

/// Arguments by place, and all else that is said of the call.
fn arguments(args: &Call) -> Result<(Vec<Value>, CallWith)> {
    let (mut values, mut kwargs) = (Vec::new(), Vec::new());
    for text in &args.args {
        match by_name(text) {
            Some((name, value)) => kwargs.push((name.to_owned(), argument(value)?)),
            None => values.push(argument(text)?),
        }
    }
    if let Some((at, (name, _))) =
        kwargs.iter().enumerate().find(|(at, (name, _))| kwargs[..*at].iter().any(|(other, _)| other == name))
    {
        let why = format!("the argument {name:?} is given twice, the second time as number {}", at + 1);
        return Err(Error::new(ErrorCode::BadArgument, why).field(name));
    }
    let kwargs = (!kwargs.is_empty()).then(|| Value::Map(kwargs).encode());
    let atomic = args.atomic.then_some(true);
    Ok((values, CallWith { kwargs, deadline_ms: args.deadline, atomic, paths: None, trusted: None }))
}

/// `NAME=VALUE`.
fn by_name(text: &str) -> Option<(&str, &str)> {
    let (name, value) = text.split_once('=')?;
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|first| first.is_alphabetic() || first == '_' || first == '$');
    (begins && chars.all(|char| char.is_alphanumeric() || char == '_' || char == '$'))
        .then_some((name, value))
}

/// What a call gave: its log, when it was asked for, and its result.
pub(super) fn print(called: &Json, output: &Output) {
    if output.json {
        output.json(called);
        return;
    }
    if let Some(log) = called["log"].as_str() {
        log.lines().for_each(|line| output.note(line));
    }
    output.line(shown(&called["result"]));
}

/// A result for a person: a text without quotes, a number that JSON lacks by its name, all else as JSON.
fn shown(json: &Json) -> String {
    json.as_str().or_else(|| json["$float"].as_str()).map_or_else(|| json.to_string(), str::to_owned)
}
