//! Storing: one object from JSON, or the objects of a file.

use super::path;
use crate::args::Store;
use crate::output::Output;
use emerge_client::native::Client;
use emerge_proto::op::StoreMode;
use emerge_proto::record::Stored;
use emerge_proto::{
    ClassHash, ClassSource, ClassVersion, Error, ErrorCode, FieldDecl, FieldType, Language, Result, Value,
};
use emerge_runtime::Sandbox;
use serde_json::json;
use std::fmt::Display;
use std::path::Path as File;

pub(super) async fn store(
    args: &Store,
    sandbox: Option<&Sandbox>,
    client: &Client,
    output: &Output,
) -> Result<()> {
    match (&args.from, &args.path, &args.class) {
        (Some(file), _, _) => from_file(file, super::here(sandbox)?, client, output).await,
        (None, Some(text), Some(class)) => {
            let path = path(text)?;
            let mut fields = fields(args.fields.as_deref())?;
            let hash = match client.class_by_name(class).await {
                Ok(info) => {
                    agree(class, &info.lineage, &mut fields)?;
                    let newest = info.lineage.first().map(|class| class.hash);
                    newest.ok_or_else(|| {
                        Error::new(ErrorCode::ClassNotFound, format!("there is no class {class:?}"))
                    })?
                }
                Err(error) if error.code == ErrorCode::ClassNotFound => {
                    make_class(class, &fields, client, output).await?
                }
                Err(error) => return Err(error),
            };
            let stored = client.store(&path, hash, Value::Map(fields).encode(), StoreMode::Put).await?;
            tell(&path, &stored, output);
            Ok(())
        }
        _ => Err(Error::new(ErrorCode::BadArgument, "a path and --class are needed, or --from FILE")),
    }
}

/// Says which version was made.
pub(super) fn tell(path: impl Display, stored: &Stored, output: &Output) {
    if output.json {
        output.json(
            &json!({ "path": path.to_string(), "id": stored.id.to_string(), "version": stored.version }),
        );
    } else {
        output.line(format!("{path} version {}", stored.version));
    }
}

fn fields(text: Option<&str>) -> Result<Vec<(String, Value)>> {
    let bad = |why: String| Error::new(ErrorCode::BadArgument, why).field("json");
    let Some(text) = text else { return Ok(Vec::new()) };
    let json = serde_json::from_str(text).map_err(|error| bad(format!("--json is not JSON: {error}")))?;
    match Value::from_json(&json)? {
        Value::Map(fields) => Ok(fields),
        _ => Err(bad("--json must be an object such as '{\"price\": 3.0}'".into())),
    }
}

/// Sees that the fields are those that a class declares, as the client libraries do; a whole number in a float field becomes a float.
/// A class that declares none takes any.
///
/// # Errors
/// `bad_argument` names the field.
fn agree(name: &str, lineage: &[ClassVersion], fields: &mut [(String, Value)]) -> Result<()> {
    let declared: Vec<&FieldDecl> = lineage.iter().flat_map(|class| &class.source.fields).collect();
    if declared.is_empty() {
        return Ok(());
    }
    for (field, value) in fields {
        let bad = |why: String| Error::new(ErrorCode::BadArgument, why).field(field.as_str());
        let Some(known) = declared.iter().find(|known| known.name == *field) else {
            let names: Vec<&str> = declared.iter().map(|known| known.name.as_str()).collect();
            return Err(bad(format!("class {name} has no field {field:?}; it has {}", names.join(", "))));
        };
        match (known.kind, type_of(value)) {
            (FieldType::Float, FieldType::Int) => {
                if let Value::Int(whole) = value {
                    *value = Value::Float(*whole as f64);
                }
            }
            (FieldType::Any, _) | (_, FieldType::Any) => {}
            (declared, given) if declared == given => {}
            (declared, given) => {
                let (declared, given) = (declared.as_str(), given.as_str());
                return Err(bad(format!("the field {field:?} is declared {declared} and was given {given}")));
            }
        }
    }
    Ok(())
}

/// Makes a class with these fields and no methods.
async fn make_class(
    name: &str,
    fields: &[(String, Value)],
    client: &Client,
    output: &Output,
) -> Result<ClassHash> {
    let declare = |(name, value): &(String, Value)| FieldDecl {
        name: name.clone(),
        kind: type_of(value),
        default: None,
        doc: None,
    };
    let class = ClassSource {
        name: name.to_owned(),
        language: Language::JavaScript,
        source: format!("class {name} extends EmergeObject {{}}"),
        bases: Vec::new(),
        fields: fields.iter().map(declare).collect(),
        doc: None,
        captures: None,
    };
    let class = client.put_class(&class).await?;
    output.note(format!("made class {name}, with these fields and no methods"));
    Ok(class.hash)
}

fn type_of(value: &Value) -> FieldType {
    match value {
        Value::Null => FieldType::Any,
        Value::Bool(_) => FieldType::Bool,
        Value::Int(_) | Value::BigInt(_) => FieldType::Int,
        Value::Float(_) => FieldType::Float,
        Value::Text(_) => FieldType::Text,
        Value::Bytes(_) => FieldType::Bytes,
        Value::List(_) => FieldType::List,
        Value::Map(_) => FieldType::Map,
        Value::Set(_) => FieldType::Set,
        Value::DateTime(_) => FieldType::DateTime,
        Value::Date(_) => FieldType::Date,
        Value::Uuid(_) => FieldType::Uuid,
        Value::Decimal { .. } => FieldType::Decimal,
        Value::Duration(_) => FieldType::Duration,
        Value::Array(_) => FieldType::Array,
        Value::Ref(_) => FieldType::Ref,
        Value::Object { .. } => FieldType::Object,
        Value::Table { .. } => FieldType::Any,
    }
}

async fn from_file(file: &File, sandbox: &Sandbox, client: &Client, output: &Output) -> Result<()> {
    let source = tokio::fs::read_to_string(file).await.map_err(|error| {
        Error::new(ErrorCode::BadArgument, format!("{} cannot be read: {error}", file.display()))
    })?;
    let objects = emerge_server::run_file(sandbox, &file.display().to_string(), &source).await?;
    let count = objects.len();
    for object in objects {
        let target = path(&object.path)?;
        for class in &object.lineage {
            client.put_class(class).await?;
        }
        let Some(class) = object.lineage.last() else {
            return Err(
                Error::new(ErrorCode::ClassInvalid, format!("{} has no class", object.path)).at(&object.path)
            );
        };
        let stored = client.store(&target, class.hash(), object.state, StoreMode::Put).await?;
        tell(&target, &stored, output);
    }
    let objects = if count == 1 { "object" } else { "objects" };
    output.note(format!("stored {count} {objects} of {}", file.display()));
    Ok(())
}
