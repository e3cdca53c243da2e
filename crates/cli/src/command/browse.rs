//! Looking: ls, cat, stat.

use super::{path, place};
use crate::args::{Cat, Ls};
use crate::output::{DIM, Output, member_name, table};
use emerge_client::native::{Client, Listing};
use emerge_node::json::{stat_to_json, time};
use emerge_proto::record::{ObjectType, Stat};
use emerge_proto::{Error, ErrorCode, Path, Result, Value};
use futures_util::StreamExt;
use serde_json::{Value as Json, json};
use std::pin::pin;

pub(super) async fn ls(args: &Ls, client: &Client, output: &Output) -> Result<()> {
    let directory = path(&args.path)?;
    let glob = args.glob.as_deref();
    if args.page.is_some() || args.after.is_some() {
        let listing = Listing {
            after: args.after.as_deref(),
            limit: args.page,
            glob,
            sort: args.sort,
            descending: args.descending,
        };
        let page = client.list_page(&directory, listing).await?;
        show_members(&page.members, &directory, args.long, output);
        tell_next(page.next.as_deref(), output);
        return Ok(());
    }
    let mut pages = pin!(client.list_by(&directory, glob, args.sort, args.descending));
    while let Some(page) = pages.next().await {
        show_members(&page?.members, &directory, args.long, output);
    }
    Ok(())
}

fn show_members(members: &[Stat], directory: &Path, long: bool, output: &Output) {
    if output.json {
        for member in members {
            output.json(&stat_to_json(member, directory.join(&member.name).ok()));
        }
    } else if long {
        let rows: Vec<Vec<String>> = members.iter().map(long_row).collect();
        table(&rows).iter().for_each(|row| output.line(row));
    } else {
        members.iter().for_each(|member| output.line(member_name(member)));
    }
}

/// Tells where the next page begins: with --json in a last line, null when there is none.
pub(super) fn tell_next(next: Option<&str>, output: &Output) {
    if output.json {
        output.json(&json!({ "next": next }));
    } else if let Some(next) = next {
        output.note(format!("--after {next} gives the next page"));
    }
}

fn long_row(stat: &Stat) -> Vec<String> {
    vec![
        stat.perms.to_string(),
        stat.owner.clone(),
        stat.group.clone(),
        stat.class.clone().unwrap_or_else(|| stat.kind.as_str().to_owned()),
        format!("v{}", stat.version),
        format!("{:>7}", stat.size),
        time(stat.modified).as_str().unwrap_or_default().to_owned(),
        match &stat.path {
            Some(path) => format!("{} -> {path}", member_name(stat)),
            None => member_name(stat),
        },
    ]
}

pub(super) async fn cat(args: &Cat, client: &Client, output: &Output) -> Result<()> {
    let target = place(&args.path)?;
    if args.children {
        for child in client.children(target).await? {
            match child.state {
                Some(state) => show(&Value::decode(&state)?, args, output),
                None => {
                    if let Some(error) = &child.error {
                        output.note(error);
                    }
                    show(&Value::Null, args, output);
                }
            }
        }
        return Ok(());
    }
    let fetched = client.get(target, args.version).await?;
    if fetched.stat.kind == ObjectType::Directory {
        let why = format!("{0} is a directory; emerge ls shows its members", args.path);
        return Err(Error::new(ErrorCode::IsADirectory, why).at(&args.path));
    }
    show(&Value::decode(&fetched.state)?, args, output);
    Ok(())
}

fn show(value: &Value, args: &Cat, output: &Output) {
    let json = value.to_json();
    if args.pretty && !output.json {
        output.line(format!("{json:#}"));
    } else {
        output.json(&json);
    }
}

pub(super) async fn stat(text: &str, client: &Client, output: &Output) -> Result<()> {
    let stat = client.stat(place(text)?).await?;
    print_stat(&stat, path(text).ok(), output);
    Ok(())
}

fn print_stat(stat: &Stat, path: Option<Path>, output: &Output) {
    let json = stat_to_json(stat, path);
    if output.json {
        output.json(&json);
        return;
    }
    let Some(properties) = json.as_object() else { return };
    for (name, value) in properties.iter().filter(|(_, value)| !value.is_null() && !value.is_object()) {
        let text = match value {
            Json::String(text) => text.clone(),
            Json::Array(items) => items.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(", "),
            _ => value.to_string(),
        };
        output.line(format!("{DIM}{name:>14}{DIM:#}  {text}"));
    }
    if let Some(rules) = &stat.rules {
        super::rights::print_rules(rules, output);
    }
}
