//! Inside objects, and objects together: set, add, mixin, query, migrate.

use super::{argument, change, path, place, store};
use crate::args::{Add, Migrate, Mixin, Set};
use crate::output::{NAME, Output};
use emerge_client::native::Client;
use emerge_node::json::{called_to_json, member_to_json, mixed_to_json};
use emerge_proto::op::Child;
use emerge_proto::record::{Clash, ObjectType};
use emerge_proto::{Error, ErrorCode, Result};
use futures_util::StreamExt;
use std::pin::pin;

pub(super) async fn set(args: &Set, client: &Client, output: &Output) -> Result<()> {
    let stored = client.set(place(&args.path)?, &argument(&args.value)?, args.base).await?;
    store::tell(&args.path, &stored, output);
    Ok(())
}

pub(super) async fn add(args: &Add, client: &Client, output: &Output) -> Result<()> {
    let child = |path: &String| Child { path: path.clone(), class: None, fields: None };
    let children = args.children.iter().map(child).collect();
    let stored = client.add(place(&args.path)?, &args.field, children).await?;
    store::tell(&args.path, &stored, output);
    Ok(())
}

pub(super) async fn mixin(args: &Mixin, client: &Client, output: &Output) -> Result<()> {
    let to = path(&args.to)?;
    let mixed = client.mixin(place(&args.first)?, place(&args.second)?, &to, args.name.as_deref()).await?;
    if output.json {
        output.json(&mixed_to_json(&mixed));
        return Ok(());
    }
    output
        .line(format!("{to} version {}, of class {NAME}{}{NAME:#}", mixed.stored.version, mixed.class.name));
    for clash in &mixed.clashes {
        let kind = if clash.is_method { "method" } else { "field" };
        let Clash { name, kept, hidden, .. } = clash;
        output
            .line(format!("  {kind} {NAME}{name}{NAME:#}: that of {kept} counts, that of {hidden} does not"));
    }
    Ok(())
}

pub(super) async fn query(text: &str, client: &Client, output: &Output) -> Result<()> {
    let called = client.query(place(text)?).await?;
    change::print(&called_to_json(&called)?, output);
    Ok(())
}

pub(super) async fn migrate(args: &Migrate, client: &Client, output: &Output) -> Result<()> {
    let info = if args.class.starts_with('/') {
        client.class(place(&args.class)?).await?
    } else {
        client.class_by_name(&args.class).await?
    };
    let class = info.lineage.first().ok_or_else(|| {
        Error::new(ErrorCode::ClassNotFound, format!("there is no class {:?}", args.class)).field("class")
    })?;
    let target = place(&args.path)?;
    if !args.path.contains('#') && client.stat(target.clone()).await?.kind == ObjectType::Directory {
        let path = path(&args.path)?;
        let members = client.migrate_members(&path, class.hash, args.how.as_deref(), args.from.as_deref());
        let mut members = pin!(members);
        let mut failed = 0usize;
        while let Some(member) = members.next().await {
            let member = member?;
            failed += usize::from(member.error.is_some());
            if output.json {
                output.json(&member_to_json(&member)?);
            } else if let Some(error) = &member.error {
                output.note(format!("{}: {error}", member.name));
            } else {
                tell(&member.name, member.called.as_ref().and_then(|called| called.version), output);
            }
        }
        if failed > 0 {
            let why = format!("{failed} members of {path} were not migrated");
            return Err(Error::new(ErrorCode::MethodFailed, why).at(path));
        }
        return Ok(());
    }
    let called = client.migrate(target, class.hash, args.how.as_deref()).await?;
    if output.json {
        output.json(&called_to_json(&called)?);
    } else {
        tell(&args.path, called.version, output);
    }
    Ok(())
}

fn tell(name: &str, version: Option<u64>, output: &Output) {
    match version {
        Some(version) => output.line(format!("{name} version {version}")),
        None => output.line(format!("{name} has that version of the class already")),
    }
}
