//! Rights and rules: chmod, chown, rules.

use super::path;
use crate::args::{Chmod, Chown, Rules};
use crate::output::{DIM, Output};
use emerge_client::native::Client;
use emerge_proto::{Error, ErrorCode, Result, rules};

pub(super) async fn chmod(args: &Chmod, client: &Client) -> Result<()> {
    for text in &args.paths {
        client.chmod(&path(text)?, &args.perms, args.recursive).await?;
    }
    Ok(())
}

pub(super) async fn chown(args: &Chown, client: &Client) -> Result<()> {
    let (owner, group) = args.to.split_once(':').unwrap_or((&args.to, ""));
    for text in &args.paths {
        let owner = Some(owner).filter(|name| !name.is_empty());
        let group = Some(group).filter(|name| !name.is_empty());
        client.chown(&path(text)?, owner, group, args.recursive).await?;
    }
    Ok(())
}

pub(super) async fn rules(args: &Rules, client: &Client, output: &Output) -> Result<()> {
    let path = path(&args.path)?;
    if args.keep.is_some() || args.mask.is_some() {
        client.set_rules(&path, args.keep.as_deref(), args.mask.as_deref()).await?;
        return Ok(());
    }
    let stat = client.stat(&path).await?;
    let Some(rules) = &stat.rules else {
        return Err(Error::new(ErrorCode::NotADirectory, format!("{path} is not a directory")).at(&path));
    };
    if output.json {
        output.json(&emerge_node::json::rules_to_json(rules));
    } else {
        print_rules(rules, output);
    }
    Ok(())
}

/// The rules that hold in a directory, and whence.
pub(super) fn print_rules(rules: &rules::Rules, output: &Output) {
    for (name, rule, from) in
        [("keep", &rules.keep, &rules.keep_from), ("mask", &rules.mask, &rules.mask_from)]
    {
        let from = from.as_ref().map(|from| format!("  {DIM}from {from}{DIM:#}")).unwrap_or_default();
        output.line(format!("{DIM}{name:>14}{DIM:#}  {rule}{from}"));
    }
}
