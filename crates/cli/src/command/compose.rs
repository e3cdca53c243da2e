//! Inside objects, and objects together: set, add.

use super::{argument, place, store};
use crate::args::{Add, Set};
use crate::output::Output;
use emerge_client::native::Client;
use emerge_proto::Result;
use emerge_proto::op::Child;

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
