//! Running a method here, in this program's own sandbox, for a class that the user trusts.

use super::path;
use crate::args::Call;
use crate::output::Output;
use crate::settings::Trusted;
use emerge_client::native::Client;
use emerge_node::json::called_to_json;
use emerge_proto::class::Captured;
use emerge_proto::record::Called;
use emerge_proto::{ClassHash, ClassVersion, Error, ErrorCode, Op, Result, Value, limits};
use emerge_runtime::{BoxFuture, Fs, Runtime, Sandbox};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Classes that one may need besides its bases.
const MAX_CLASSES: usize = 256;

/// Fetches an object and its classes and runs a method of it. What the method asks of `fs` happens on the node; the object itself is not stored.
pub(super) async fn call(
    args: &Call,
    values: Vec<Value>,
    kwargs: Option<Vec<u8>>,
    sandbox: &Sandbox,
    client: &Client,
    output: &Output,
) -> Result<Json> {
    let path = path(&args.path)?;
    let fetched = client.get(&path, None).await?;
    let lineage: Vec<Arc<ClassVersion>> =
        client.class(&path).await?.lineage.into_iter().map(Arc::new).collect();
    let captured = captured(client, &lineage).await?;
    trust(args, &lineage, &captured, output)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    let call = emerge_runtime::Call {
        lineage,
        captured,
        path: path.to_string(),
        state: fetched.state,
        method: args.method.clone(),
        args: Value::List(values).encode(),
        kwargs,
        is_query: false,
        user: fetched.stat.owner,
        now_micros: i64::try_from(now).unwrap_or(i64::MAX),
        seed: now as u64,
        deadline: Duration::from_millis(limits::CALL_DEADLINE_MS),
        memory: limits::CALL_MEMORY,
        log: args.log,
    };
    let returned = sandbox.call(call, Arc::new(NodeFs(client.clone()))).await?;
    if returned.state.is_some() {
        output.note(format!("{} changed the object here; {path} on the node is as it was", args.method));
    }
    let log = args.log.then_some(returned.log);
    called_to_json(&Called { result: returned.result, version: None, log })
}

/// The classes that these use besides their bases, and what those need in turn.
pub(super) async fn captured(
    client: &Client,
    lineage: &[Arc<ClassVersion>],
) -> Result<Vec<Arc<ClassVersion>>> {
    let mut found: Vec<Arc<ClassVersion>> = Vec::new();
    let mut wanted: Vec<ClassHash> = lineage.iter().flat_map(|class| captures(class)).collect();
    while let Some(hash) = wanted.pop() {
        if found.iter().any(|known| known.hash == hash) {
            continue;
        }
        for class in client.class_by_hash(hash).await?.lineage {
            if found.len() == MAX_CLASSES {
                let why = format!("the class uses more than {MAX_CLASSES} others");
                return Err(Error::new(ErrorCode::LimitExceeded, why).limit(MAX_CLASSES as u64));
            }
            wanted.extend(captures(&class));
            if found.iter().all(|known| known.hash != class.hash) {
                found.push(Arc::new(class));
            }
        }
    }
    Ok(found)
}

fn captures(class: &ClassVersion) -> Vec<ClassHash> {
    let captures = class.source.captures.iter().flatten();
    captures
        .filter_map(|capture| match capture.what {
            Captured::Class(hash) => Some(hash),
            _ => None,
        })
        .collect()
}

/// Lets nothing run that the user has not said to trust, by the version of each class.
fn trust(
    args: &Call,
    lineage: &[Arc<ClassVersion>],
    captured: &[Arc<ClassVersion>],
    output: &Output,
) -> Result<()> {
    let mut trusted = Trusted::load()?;
    for class in lineage.iter().chain(captured) {
        if trusted.has(class.hash) {
            continue;
        }
        let name = &class.source.name;
        if !args.trust {
            let why = format!(
                "version {} of class {name} by {} is not trusted here: read it (emerge code {}), then add --trust",
                class.hash, class.owner, args.path
            );
            return Err(Error::new(ErrorCode::PermissionDenied, why).at(&args.path).field(name));
        }
        trusted.add(class)?;
        output.note(format!(
            "version {} of class {name} by {} is trusted from now on",
            class.hash, class.owner
        ));
    }
    Ok(())
}

/// The node, as a method that runs here sees it.
struct NodeFs(Client);

impl Fs for NodeFs {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move { Ok(self.0.request(op)?.await?.to_vec()) })
    }
}
