//! Transactions: begin, run, commit, rollback, list.

use crate::args::{TxBegin, TxCommand, TxEnd, TxRun};
use crate::output::{DIM, NAME, Output};
use crate::settings::Settings;
use emerge_client::native::{Client, Transaction};
use emerge_node::json::{time, transaction_to_json};
use emerge_proto::{Error, ErrorCode, Result};
use serde_json::json;
use std::time::Duration;

/// Runs all but `run`. `given` is the transaction of `--tx`.
pub(super) async fn tx(
    command: &TxCommand,
    given: Option<&str>,
    client: &Client,
    output: &Output,
) -> Result<()> {
    match command {
        TxCommand::Begin(args) => begin(args, client, output).await,
        TxCommand::Commit(args) => {
            let committed = find(args, given, client).await?.commit().await?;
            if output.json {
                output.json(&json!({ "committed": time(committed) }));
            } else {
                output.note("committed");
            }
            Ok(())
        }
        TxCommand::Rollback(args) => {
            find(args, given, client).await?.rollback().await?;
            output.note("rolled back");
            Ok(())
        }
        TxCommand::List { .. } => list(client, output).await,
        TxCommand::Run(_) => Ok(()),
    }
}

async fn begin(args: &TxBegin, client: &Client, output: &Output) -> Result<()> {
    // The session of this command ends with it, and would take a transaction without a name along.
    let named = args.name.is_some();
    let name = args.name.clone().unwrap_or_else(fresh_name);
    let tx = client.begin(Some(&name), Some(Duration::from_secs(args.lifetime))).await?;
    if output.json {
        output.json(&transaction_to_json(tx.info()));
        return Ok(());
    }
    output.line(&name);
    if !named {
        output.note("give it to other commands by --tx or EMERGE_TX, then: emerge tx commit, or rollback");
    }
    Ok(())
}

/// A name that no other transaction of the user is likely to have.
fn fresh_name() -> String {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's hash keys are the randomness that needs no other crate.
    format!("tx-{:012x}", std::collections::hash_map::RandomState::new().build_hasher().finish() >> 16)
}

async fn find(args: &TxEnd, given: Option<&str>, client: &Client) -> Result<Transaction> {
    let name = args.name.as_deref().or(given).ok_or_else(|| {
        Error::new(ErrorCode::BadArgument, "the name or id of a transaction is needed, here or as --tx")
            .field("name")
    })?;
    client.open_transaction(name).await
}

async fn list(client: &Client, output: &Output) -> Result<()> {
    for open in client.transactions().await? {
        if output.json {
            output.json(&transaction_to_json(&open));
            continue;
        }
        let name = open.name.clone().unwrap_or_else(|| open.id.to_string());
        let expires = time(open.expires);
        let what = if open.operations == 1 { "operation" } else { "operations" };
        output.line(format!(
            "{NAME}{name}{NAME:#}  {} {what}  {DIM}until {}{DIM:#}",
            open.operations,
            expires.as_str().unwrap_or_default()
        ));
    }
    Ok(())
}

/// Runs a program whose emerge commands find the transaction, and ends it as the program ends.
pub(super) async fn run(args: &TxRun, settings: &Settings, client: &Client, output: &Output) -> Result<()> {
    let [program, arguments @ ..] = &args.program[..] else {
        return Err(Error::new(ErrorCode::BadArgument, "a program is needed").field("program"));
    };
    let tx = client.begin(None, Some(Duration::from_secs(args.lifetime))).await?;
    let ended = tokio::process::Command::new(program)
        .args(arguments)
        .env("EMERGE_TX", tx.info().id.to_string())
        .env("EMERGE_URL", &settings.url)
        .env("EMERGE_TOKEN", &settings.token)
        .kill_on_drop(true)
        .status()
        .await;
    let failed = match ended {
        Ok(status) if status.success() => {
            tx.commit().await?;
            output.note("committed");
            return Ok(());
        }
        Ok(status) => format!("{program} ended with {status}"),
        Err(error) => format!("{program} cannot be run: {error}"),
    };
    tx.rollback().await?;
    Err(Error::new(
        ErrorCode::Cancelled,
        format!("{failed}; all that it did in the transaction was rolled back"),
    ))
}
