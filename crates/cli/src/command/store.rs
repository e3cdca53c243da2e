//! Storing: one object from JSON, or the objects of a file.

use super::path;
use crate::args::Store;
use crate::output::Output;
use emerge_client::native::{Client, NewObject, STORES_AT_ONCE};
use emerge_proto::module::Description;
use emerge_proto::op::StoreMode;
use emerge_proto::record::Stored;
use emerge_proto::{
    ClassHash, ClassSource, ClassVersion, Error, ErrorCode, FieldDecl, FieldType, Language, Path, Result,
    Value,
};
use emerge_runtime::Sandbox;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::path::Path as File;
use std::pin::pin;
use tokio::io::AsyncBufReadExt;

pub(super) async fn store(
    args: &Store,
    sandbox: Option<&Sandbox>,
    client: &Client,
    output: &Output,
) -> Result<()> {
    match (&args.from, &args.path, &args.class) {
        (Some(file), path, _) if is_module(file) => {
            of_module(file, path.as_deref(), args.fields.as_deref(), client, output).await
        }
        (Some(file), Some(path), _) => {
            let why = format!(
                "{} says itself where its objects go; only a module (.wasm) is stored at a path",
                file.display()
            );
            Err(Error::new(ErrorCode::BadArgument, why).field("path").at(path))
        }
        (Some(file), _, _) if is_lines(file) => from_lines(file, client, output).await,
        (Some(file), _, _) => from_file(file, super::here(sandbox)?, client, output).await,
        (None, Some(text), Some(class)) => {
            let path = path(text)?;
            let fields = fields(args.fields.as_deref())?;
            let hash = class_of(class, &fields, client, output).await?;
            let stored = client.store(&path, hash, Value::Map(fields).encode(), StoreMode::Put).await?;
            tell(&path, &stored, output);
            Ok(())
        }
        _ => Err(Error::new(ErrorCode::BadArgument, "a path and --class are needed, or --from FILE")),
    }
}

/// Whether a file holds an object in each line, and no program.
pub(super) fn is_lines(file: &File) -> bool {
    file.extension().is_some_and(|kind| kind == "jsonl" || kind == "ndjson")
}

/// Whether a file is a WebAssembly module, which runs nowhere but on the node.
pub(super) fn is_module(file: &File) -> bool {
    file.extension().is_some_and(|kind| kind == "wasm")
}

/// Stores the class that a module is, and an object of it where a path says so; what was not given has its default.
async fn of_module(
    file: &File,
    at: Option<&str>,
    given: Option<&str>,
    client: &Client,
    output: &Output,
) -> Result<()> {
    let at = at.map(path).transpose()?;
    let given = fields(given)?;
    let bytes = tokio::fs::read(file).await.map_err(|error| unreadable(file, &error))?;
    let source = Description::of(&bytes)?.class(bytes);
    let class = client.put_class(&source).await?;
    let Some(at) = at else {
        if output.json {
            output.json(
                &json!({ "class": source.name, "version": class.version, "hash": class.hash.to_string() }),
            );
        } else {
            output.line(format!("class {} version {}", source.name, class.version));
        }
        return Ok(());
    };
    let mut all = Vec::with_capacity(source.fields.len());
    for field in &source.fields {
        if let Some(default) =
            field.default.as_ref().filter(|_| given.iter().all(|(name, _)| *name != field.name))
        {
            all.push((field.name.clone(), Value::decode(default)?));
        }
    }
    all.extend(given);
    let stored = client.store(&at, class.hash, Value::Map(all).encode(), StoreMode::Put).await?;
    tell(&at, &stored, output);
    Ok(())
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

/// Makes a class with these fields and no methods.
async fn make_class(
    name: &str,
    fields: &[(String, Value)],
    client: &Client,
    output: &Output,
) -> Result<ClassVersion> {
    let declare = |(name, value): &(String, Value)| FieldDecl {
        name: name.clone(),
        kind: FieldType::of(value),
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
        module: None,
        requires: None,
    };
    let class = client.put_class(&class).await?;
    output.note(format!("made class {name}, with these fields and no methods"));
    Ok(class)
}

/// Objects after which the progress is told.
const TELL_EVERY: usize = 1000;

async fn from_file(file: &File, sandbox: &Sandbox, client: &Client, output: &Output) -> Result<()> {
    let bytes = tokio::fs::read(file).await.map_err(|error| unreadable(file, &error))?;
    let source = String::from_utf8(bytes).map_err(|_| {
        let why = format!("{} is not UTF-8: save it so, whatever its first line says", file.display());
        Error::new(ErrorCode::BadArgument, why)
    })?;
    // Some editors begin a file with a mark, which is none of its text.
    let source = source.strip_prefix('\u{feff}').unwrap_or(&source);
    let ran = emerge_server::run_file(sandbox, &file.display().to_string(), source).await?;
    ran.log.lines().for_each(|line| output.note(line));
    let objects = ran.objects;
    let mut sent = HashSet::new();
    let mut stores = Vec::with_capacity(objects.len());
    let mut targets = Vec::with_capacity(objects.len());
    for object in objects {
        targets.push(path(&object.path)?);
        for class in &object.lineage {
            if sent.insert(class.hash()) {
                client.put_class(class).await?;
            }
        }
        let Some(class) = object.lineage.last() else {
            let why = format!("{} has no class", object.path);
            return Err(Error::new(ErrorCode::ClassInvalid, why).at(&object.path));
        };
        stores.push(NewObject {
            path: object.path.as_str().into(),
            class: class.hash(),
            fields: object.state,
        });
    }
    let mut stored = pin!(client.store_all(stores, StoreMode::Put, STORES_AT_ONCE));
    for target in &targets {
        let Some(stored) = stored.next().await else { break };
        tell(target, &stored?, output);
    }
    told(targets.len(), file, output);
    Ok(())
}

fn told(count: usize, file: &File, output: &Output) {
    let objects = if count == 1 { "object" } else { "objects" };
    output.note(format!("stored {count} {objects} of {}", file.display()));
}

fn unreadable(file: &File, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{} cannot be read: {error}", file.display()))
}

/// What a line of a file says: `{"path": "/a", "class": "Point", "fields": {"x": 1}}`.
struct Line {
    path: Path,
    class: String,
    fields: Vec<(String, Value)>,
}

impl Line {
    fn read(text: &str) -> Result<Self> {
        let bad = |field: &str, why: &str| Error::new(ErrorCode::BadArgument, why).field(field);
        let json: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| Error::new(ErrorCode::BadArgument, format!("it is not JSON: {error}")))?;
        let text = |name: &str| {
            json[name].as_str().ok_or_else(|| bad(name, &format!("it needs a {name}, which is a text")))
        };
        let fields = match json.get("fields").map(Value::from_json).transpose()? {
            None => Vec::new(),
            Some(Value::Map(fields)) => fields,
            Some(_) => return Err(bad("fields", "its fields must be an object")),
        };
        Ok(Self { path: path(text("path")?)?, class: text("class")?.to_owned(), fields })
    }
}

/// Stores the object of each line, as the lines are read: the file may be larger than memory.
async fn from_lines(file: &File, client: &Client, output: &Output) -> Result<()> {
    let opened = tokio::fs::File::open(file).await.map_err(|error| unreadable(file, &error))?;
    let mut lines = tokio::io::BufReader::new(opened).lines();
    let mut classes: HashMap<String, ClassHash> = HashMap::new();
    let mut under_way = FuturesUnordered::new();
    let (mut number, mut done) = (0usize, 0usize);
    while let Some(text) = lines.next_line().await.map_err(|error| unreadable(file, &error))? {
        number += 1;
        if text.trim().is_empty() {
            continue;
        }
        let here = number;
        let at = move |error: Error| {
            let message = format!("line {here} of {}: {}", file.display(), error.message);
            Error { message, ..error }
        };
        let Line { path: target, class, fields } = Line::read(&text).map_err(at)?;
        if !classes.contains_key(&class) {
            let known = class_of(&class, &fields, client, output).await.map_err(at)?;
            classes.insert(class.clone(), known);
        }
        let Some(&class) = classes.get(&class) else { continue };
        under_way.push(async move {
            client.store(&target, class, Value::Map(fields).encode(), StoreMode::Put).await.map_err(at)
        });
        while under_way.len() >= STORES_AT_ONCE
            && let Some(stored) = under_way.next().await
        {
            count(stored, &mut done, output)?;
        }
    }
    while let Some(stored) = under_way.next().await {
        count(stored, &mut done, output)?;
    }
    told(done, file, output);
    Ok(())
}

fn count(stored: Result<Stored>, done: &mut usize, output: &Output) -> Result<()> {
    stored?;
    *done += 1;
    if done.is_multiple_of(TELL_EVERY) {
        output.note(format!("stored {done}"));
    }
    Ok(())
}

/// The newest version of one of the user's classes; one that the node does not know is made, with these fields.
async fn class_of(
    name: &str,
    fields: &[(String, Value)],
    client: &Client,
    output: &Output,
) -> Result<ClassHash> {
    match client.class_by_name(name).await {
        Ok(info) => {
            let missing = || Error::new(ErrorCode::ClassNotFound, format!("there is no class {name:?}"));
            info.lineage.first().map(|class| class.hash).ok_or_else(missing)
        }
        Err(error) if error.code == ErrorCode::ClassNotFound => {
            Ok(make_class(name, fields, client, output).await?.hash)
        }
        Err(error) => Err(error),
    }
}
