//! Watching.

use crate::args::Watch;
use crate::output::{DIM, NAME, Output};
use emerge_client::native::Client;
use emerge_node::json::{change_to_json, time};
use emerge_proto::Result;
use emerge_proto::watch::ChangeKind;
use futures_util::StreamExt;
use std::pin::pin;

pub(super) async fn watch(args: &Watch, client: &Client, output: &Output) -> Result<()> {
    let mut changes = pin!(client.watch(&args.pattern, args.from.as_deref()));
    let mut left = args.count.unwrap_or(usize::MAX);
    while left > 0
        && let Some(change) = changes.next().await
    {
        let change = change?;
        if change.kind == ChangeKind::Watching {
            output.note(format!("watching {}", args.pattern));
            continue;
        }
        left -= 1;
        if output.json {
            output.json(&change_to_json(&change));
            continue;
        }
        let version = change.version.map_or_else(String::new, |version| format!(" v{version}"));
        let from = change.from.as_deref().map_or_else(String::new, |from| format!(" from {from}"));
        let moment = time(change.time);
        output.line(format!(
            "{:<7} {NAME}{}{NAME:#}{version}{from}  {DIM}{} {}{DIM:#}",
            change.kind.as_str(),
            change.path,
            moment.as_str().unwrap_or_default(),
            change.author
        ));
    }
    Ok(())
}
