//! Class versions that the user trusts: trust.

use super::{local, place};
use crate::args::trust::Trust;
use crate::output::{Output, table};
use crate::settings::{Trusted, TrustedClass};
use emerge_client::native::Client;
use emerge_proto::{ClassVersion, Error, ErrorCode, Result};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Trusts the class of an object, and all whose code runs with it.
pub(super) async fn run(args: &Trust, client: &Client, output: &Output) -> Result<()> {
    let Some(path) = &args.path else { return kept(args, output) };
    let lineage: Vec<Arc<ClassVersion>> =
        client.class(place(path)?).await?.lineage.into_iter().map(Arc::new).collect();
    let captured = local::captured(client, &lineage).await?;
    let mut trusted = Trusted::load()?;
    for class in lineage.iter().chain(&captured) {
        let known = trusted.has(class.hash);
        if !known {
            trusted.add(class)?;
        }
        let (name, owner) = (&class.source.name, &class.owner);
        if output.json {
            output.json(&json!({ "hash": class.hash.to_string(), "name": name, "owner": owner }));
        } else {
            let since = if known { "is trusted already" } else { "is trusted from now on" };
            output.line(format!("version {} of class {name} by {owner} {since}", class.hash));
        }
    }
    Ok(())
}

/// Shows what is trusted, or takes some of it back. It is kept here, so that no node is asked.
///
/// # Errors
/// `not_found` when what is to be taken back is not trusted.
pub(super) fn kept(args: &Trust, output: &Output) -> Result<()> {
    let mut trusted = Trusted::load()?;
    let classes = match &args.revoke {
        None => trusted.classes().to_vec(),
        Some(which) => {
            let digits = which.to_ascii_lowercase();
            let is_meant = |class: &TrustedClass| {
                class.name == *which || (digits.len() >= 8 && class.hash.to_string().starts_with(&digits))
            };
            let revoked = trusted.revoke(is_meant)?;
            if revoked.is_empty() {
                let why = format!(
                    "no class version of the address or the name {which:?} is trusted (emerge trust --list)"
                );
                return Err(Error::new(ErrorCode::NotFound, why));
            }
            revoked
        }
    };
    if output.json {
        let to_json = |class: &TrustedClass| -> Json {
            json!({ "hash": class.hash.to_string(), "name": class.name, "owner": class.owner })
        };
        classes.iter().for_each(|class| output.json(&to_json(class)));
        return Ok(());
    }
    let row = |class: &TrustedClass| vec![class.hash.to_string(), class.name.clone(), class.owner.clone()];
    let rows: Vec<_> = classes.iter().map(row).collect();
    table(&rows).iter().for_each(|line| output.line(line.trim_end()));
    Ok(())
}
