//! Describing: methods, code, help.

use super::place;
use crate::output::{DIM, NAME, Output};
use emerge_client::native::Client;
use emerge_node::json::class_to_json;
use emerge_proto::record::ClassInfo;
use emerge_proto::{Error, ErrorCode, MethodDecl, Result, Value};
use serde_json::json;

async fn class_of(text: &str, client: &Client) -> Result<ClassInfo> {
    let info = client.class(place(text)?).await?;
    if info.lineage.is_empty() {
        return Err(Error::new(ErrorCode::ClassNotFound, format!("{text} has no class")).at(text));
    }
    Ok(info)
}

pub(super) async fn methods(text: &str, client: &Client, output: &Output) -> Result<()> {
    let info = class_of(text, client).await?;
    let requires = info.requires();
    for method in info.methods() {
        if output.json {
            let params: Vec<&str> = method.params.iter().map(|param| param.name.as_str()).collect();
            output.json(&json!({
                "name": method.name, "params": params, "doc": method.doc, "async": method.is_async,
                "static": method.is_static, "property": method.is_property, "requires": requires,
            }));
        } else {
            output.line(signature(method));
        }
    }
    print_requires(&requires, output);
    Ok(())
}

/// The packages of native Python that a class requires, for people.
fn print_requires(requires: &[&str], output: &Output) {
    if !requires.is_empty() && !output.json {
        output.line(format!("{DIM}requires {}{DIM:#}", requires.join(", ")));
    }
}

fn signature(method: &MethodDecl) -> String {
    let params: Vec<String> = method.params.iter().map(ToString::to_string).collect();
    let kind = match (method.is_static, method.is_property) {
        (true, _) => "static ",
        (_, true) => "get ",
        _ => "",
    };
    let wait = if method.is_async { "async " } else { "" };
    let returns = method.returns.as_ref().map(|kind| format!("{DIM} -> {kind}{DIM:#}")).unwrap_or_default();
    format!("{DIM}{kind}{wait}{DIM:#}{NAME}{}{NAME:#}({}){returns}", method.name, params.join(", "))
}

pub(super) async fn code(text: &str, client: &Client, output: &Output) -> Result<()> {
    let info = class_of(text, client).await?;
    for class in &info.lineage {
        if output.json {
            output.json(&json!({ "name": class.source.name, "language": class.source.language.as_str(), "source": class.source.shown() }));
        } else {
            output.line(class.source.shown());
        }
    }
    Ok(())
}

pub(super) async fn help(text: &str, client: &Client, output: &Output) -> Result<()> {
    let info = class_of(text, client).await?;
    if output.json {
        for class in &info.lineage {
            output.json(&class_to_json(class)?);
        }
        return Ok(());
    }
    let Some(class) = info.lineage.first() else { return Ok(()) };
    let source = &class.source;
    output.line(format!(
        "{NAME}{}{NAME:#} {DIM}version {} in {}, by {}{DIM:#}",
        source.name,
        class.version,
        source.language.as_str(),
        class.owner
    ));
    if let Some(doc) = &source.doc {
        output.line(doc);
    }
    print_requires(&info.requires(), output);
    let fields = info.fields();
    if !fields.is_empty() {
        output.line(format!("\n{NAME}Fields{NAME:#}"));
    }
    for field in fields {
        let default = match &field.default {
            Some(bytes) => format!(" = {}", Value::decode(bytes)?.to_json()),
            None => String::new(),
        };
        let doc = field.doc.as_deref().map(|doc| format!("  {DIM}{doc}{DIM:#}")).unwrap_or_default();
        output.line(format!("  {}: {}{default}{doc}", field.name, field.kind.as_str()));
    }
    let methods = info.methods();
    if !methods.is_empty() {
        output.line(format!("\n{NAME}Methods{NAME:#}"));
    }
    for method in methods {
        output.line(format!("  {}", signature(method)));
        for line in method.doc.iter().flat_map(|doc| doc.lines()) {
            output.line(format!("      {DIM}{line}{DIM:#}"));
        }
    }
    Ok(())
}
