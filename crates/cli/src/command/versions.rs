//! Versions: history, diff, restore.

use super::{path, store};
use crate::args::{Diff, History, Restore};
use crate::output::{DIM, NAME, Output};
use emerge_client::native::Client;
use emerge_node::json::{diff_to_json, time, version_to_json};
use emerge_proto::record::VersionInfo;
use emerge_proto::version::ClassAt;
use emerge_proto::{Result, Value};

pub(super) async fn history(args: &History, client: &Client, output: &Output) -> Result<()> {
    for info in client.history(&path(&args.path)?, args.before, args.limit).await? {
        if output.json {
            output.json(&version_to_json(&info));
        } else {
            output.line(line(&info));
        }
    }
    Ok(())
}

fn line(info: &VersionInfo) -> String {
    let how = match (&info.method, info.restored, &info.operation) {
        (Some(method), ..) => format!("{method}()"),
        (None, Some(version), _) => format!("restored v{version}"),
        (None, None, Some(operation)) => operation.clone(),
        (None, None, None) => "stored".to_owned(),
    };
    let modified = time(info.modified);
    let modified = modified.as_str().unwrap_or_default();
    format!("{NAME}v{}{NAME:#}  {modified}  {}  {how}", info.version, info.author)
}

pub(super) async fn diff(args: &Diff, client: &Client, output: &Output) -> Result<()> {
    let diff = client.diff(&path(&args.path)?, args.from, args.to).await?;
    if output.json {
        output.json(&diff_to_json(&diff)?);
        return Ok(());
    }
    output.line(format!("- {}", line(&diff.from)));
    output.line(format!("+ {}", line(&diff.to)));
    let class = |class: &ClassAt| format!("{} v{} {DIM}{}{DIM:#}", class.name, class.version, class.hash);
    for (sign, side) in [("-", &diff.old_class), ("+", &diff.new_class)] {
        if let Some(side) = side {
            output.line(format!("{sign} class {}", class(side)));
        }
    }
    for change in &diff.fields {
        for (sign, value) in [("-", &change.old), ("+", &change.new)] {
            if let Some(value) = value {
                output.line(format!(
                    "{sign} {NAME}{}{NAME:#}: {}",
                    change.field,
                    Value::decode(value)?.to_json()
                ));
            }
        }
    }
    Ok(())
}

pub(super) async fn restore(args: &Restore, client: &Client, output: &Output) -> Result<()> {
    let target = path(&args.path)?;
    let stored = client.restore(&target, args.version, args.base).await?;
    store::tell(&target, &stored, output);
    Ok(())
}
