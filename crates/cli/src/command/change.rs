//! Changing: rm, mv, cp, mkdir, call.

use super::{argument, path, place};
use crate::args::{Call, Cp, FromTo, Mkdir, Rm};
use crate::output::{NAME, Output};
use emerge_client::native::Client;
use emerge_node::json::{called_to_json, member_to_json};
use emerge_proto::record::ObjectType;
use emerge_proto::{Error, ErrorCode, Result, Value};
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

pub(super) async fn mv(args: &FromTo, client: &Client, _: &Output) -> Result<()> {
    client.mv(&path(&args.from)?, &path(&args.to)?).await
}

pub(super) async fn cp(args: &Cp, client: &Client, _: &Output) -> Result<()> {
    client.cp(&path(&args.paths.from)?, &path(&args.paths.to)?, args.recursive).await
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
    let values: Vec<Value> = args.args.iter().map(|text| argument(text)).collect::<Result<_>>()?;
    if args.local {
        let json = super::local::call(args, values, super::here(sandbox)?, client, output).await?;
        print(&json, output);
        return Ok(());
    }
    // A path into an object leads to no directory.
    if !args.path.contains('#') && client.stat(target.clone()).await?.kind == ObjectType::Directory {
        let path = path(&args.path)?;
        let mut members = pin!(client.call_members(&path, &args.method, &values));
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
            let text = format!("{:?} failed on {failed} members of {path}", args.method);
            return Err(Error::new(ErrorCode::MethodFailed, text).at(&path));
        }
        return Ok(());
    }
    let called = client.call(target, &args.method, &values, args.log).await?;
    print(&called_to_json(&called)?, output);
    Ok(())
}

/// What a call gave: its log, when it was asked for, and its result.
fn print(called: &Json, output: &Output) {
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
