//! Operations and records as JSON, for HTTP and the command line.

mod query;

use emerge_proto::class::decode;
use emerge_proto::op::{CallWith, Child, StoreMode, Target};
use emerge_proto::record::{
    Called, Clash, ClassInfo, Fetched, FetchedChild, MemberCalled, Mixed, Page, Stat, Stored, VersionInfo,
};
use emerge_proto::query::IndexInfo;
use emerge_proto::version::{ClassAt, Diff, FieldChange};
use emerge_proto::{
    AsOf, ClassHash, ClassSource, ClassVersion, Error, ErrorCode, FieldDecl, FieldType, Language, Op, Path,
    Result, Value,
};
use query::query_from;
pub use query::{index_to_json, matches_to_json, plan_to_json};
use serde_json::{Map, Value as Json, json};

/// Reads an operation: `{"op": "get", "path": "/a", "version": 3}`; the names are those of [`Op`]'s fields.
///
/// # Errors
/// `bad_argument`, naming the field.
pub fn op_from_json(json: &Json) -> Result<Op> {
    let args = Args { map: json.as_object().ok_or_else(|| bad("op", "the request must be a JSON object"))? };
    let op = match args.text("op")? {
        "mkdir" => Op::Mkdir { path: args.target("path")?, exist_ok: args.flag("exist_ok")? },
        "store" => Op::Store {
            path: args.target("path")?,
            class: args
                .hash("class")?
                .ok_or_else(|| bad("class", "the address of a class version is needed"))?,
            fields: args
                .value("fields")?
                .map_or_else(|| Value::Map(Vec::new()).encode(), |fields| fields.encode()),
            mode: match args.optional_text("mode")?.unwrap_or("put") {
                "put" => StoreMode::Put,
                "create" => StoreMode::Create,
                "patch" => StoreMode::Patch,
                "overwrite" => StoreMode::Overwrite,
                _ => {
                    return Err(bad(
                        "mode",
                        "one of \"put\", \"create\", \"patch\", \"overwrite\" is needed",
                    ));
                }
            },
            base: args.integer("base")?,
            removed: args.names("removed")?,
        },
        "get" => Op::Get {
            path: args.target("path")?,
            version: args.which("version")?,
            children: args.integer("children")?,
        },
        "stat" => Op::Stat { path: args.target("path")? },
        "list" => Op::List {
            path: args.target("path")?,
            after: args.optional_text("after")?.map(str::to_owned),
            limit: args.integer("limit")?.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
        },
        "rm" => Op::Rm { path: args.target("path")?, recursive: args.flag("recursive")? },
        "mv" => Op::Mv { from: args.target("from")?, to: args.text("to")?.to_owned() },
        "cp" => Op::Cp {
            from: args.target("from")?,
            to: args.text("to")?.to_owned(),
            recursive: args.flag("recursive")?,
        },
        "call" => Op::Call {
            path: args.target("path")?,
            method: args.text("method")?.to_owned(),
            args: match args.value("args")? {
                None => Value::List(Vec::new()).encode(),
                Some(list @ Value::List(_)) => list.encode(),
                Some(_) => return Err(bad("args", "a list is needed")),
            },
            log: args.flag("log")?,
            after: None,
            with: args.called_with()?,
        },
        "put_class" => Op::PutClass { class: args.class()? },
        "class" => Op::Class {
            path: args.map.contains_key("path").then(|| args.target("path")).transpose()?,
            hash: args.hash("hash")?,
            name: args.optional_text("name")?.map(str::to_owned),
        },
        "diff" => Op::Diff {
            path: args.target("path")?,
            from: args.which("from")?.ok_or_else(|| bad("from", WHICH))?,
            to: args.which("to")?,
        },
        "restore" => Op::Restore {
            path: args.target("path")?,
            version: args.which("version")?.ok_or_else(|| bad("version", WHICH))?,
            base: args.integer("base")?,
        },
        "history" => Op::History { path: args.target("path")? },
        "mixin" => Op::Mixin {
            first: args.target("first")?,
            second: args.target("second")?,
            to: args.text("to")?.to_owned(),
            name: args.optional_text("name")?.map(str::to_owned),
        },
        "query" => Op::Query { path: args.target("path")? },
        "migrate" => Op::Migrate {
            path: args.target("path")?,
            class: args
                .hash("class")?
                .ok_or_else(|| bad("class", "the address of a class version is needed"))?,
            how: args.optional_text("how")?.map(str::to_owned),
            from: args.optional_text("from")?.map(str::to_owned),
            after: None,
        },
        "add" => Op::Add {
            path: args.target("path")?,
            field: args.text("field")?.to_owned(),
            children: args.children("children")?,
        },
        "set" => Op::Set {
            path: args.target("path")?,
            value: args.value("value")?.ok_or_else(|| bad("value", "a value is needed"))?.encode(),
            base: args.integer("base")?,
        },
        "search" => {
            Op::Search { query: query_from(&args)?, after: args.optional_text("after")?.map(str::to_owned) }
        }
        "explain" => Op::Explain { query: query_from(&args)? },
        "create_index" => Op::CreateIndex {
            class: args.text("class")?.to_owned(),
            field: args.text("field")?.to_owned(),
            unique: args.flag("unique")?,
        },
        "drop_index" => {
            Op::DropIndex { class: args.text("class")?.to_owned(), field: args.text("field")?.to_owned() }
        }
        "indexes" => Op::Indexes {},
        other => return Err(bad("op", format!("there is no operation {other:?}"))),
    };
    Ok(op)
}

/// The reply of an operation as JSON.
///
/// # Errors
/// `bad_frame` when the bytes are not the operation's record.
pub fn reply_to_json(op: &Op, reply: &[u8]) -> Result<Json> {
    Ok(match op {
        Op::Mkdir { .. } | Op::Store { .. } | Op::Restore { .. } | Op::Add { .. } | Op::Set { .. } => {
            let stored: Stored = decode(reply)?;
            json!({ "id": stored.id.to_string(), "version": stored.version, "modified": time(stored.modified) })
        }
        Op::Get { path, .. } => fetched_to_json(&decode(reply)?, path_of(path))?,
        Op::Stat { path } => stat_to_json(&decode::<Stat>(reply)?, path_of(path)),
        Op::List { path, .. } => {
            let page: Page = decode(reply)?;
            let directory = path_of(path);
            let member = |stat: &Stat| {
                stat_to_json(stat, directory.as_ref().and_then(|path| path.join(&stat.name).ok()))
            };
            json!({ "members": page.members.iter().map(member).collect::<Vec<_>>(), "next": page.next })
        }
        Op::Rm { .. } | Op::Mv { .. } | Op::Cp { .. } => Json::Null,
        Op::Call { with: Some(with), .. } if with.atomic == Some(true) => {
            let all: Vec<MemberCalled> = decode(reply)?;
            all.iter().map(member_to_json).collect::<Result<_>>()?
        }
        Op::Call { .. } | Op::Query { .. } | Op::Migrate { .. } => called_to_json(&decode::<Called>(reply)?)?,
        Op::Mixin { .. } => mixed_to_json(&decode(reply)?),
        Op::PutClass { .. } => class_to_json(&decode::<ClassVersion>(reply)?)?,
        Op::Class { .. } => {
            let info: ClassInfo = decode(reply)?;
            Json::Array(info.lineage.iter().map(class_to_json).collect::<Result<_>>()?)
        }
        Op::History { .. } => {
            let versions: Vec<VersionInfo> = decode(reply)?;
            versions.iter().map(version_to_json).collect()
        }
        Op::Diff { .. } => diff_to_json(&decode(reply)?)?,
        Op::Search { query, .. } => matches_to_json(query, &decode(reply)?)?,
        Op::Explain { .. } => plan_to_json(&decode(reply)?),
        Op::CreateIndex { .. } => index_to_json(&decode(reply)?),
        Op::DropIndex { .. } => decode::<bool>(reply)?.into(),
        Op::Indexes {} => decode::<Vec<IndexInfo>>(reply)?.iter().map(index_to_json).collect(),
    })
}

/// What was fetched as JSON: `meta`, and `fields`, or with a path into an object `part` and `value`, or `children`.
///
/// # Errors
/// `bad_frame` when the state is no value.
pub fn fetched_to_json(fetched: &Fetched, path: Option<Path>) -> Result<Json> {
    let path = fetched.path.as_deref().map(Path::parse).transpose()?.or(path);
    let mut json = json!({ "meta": stat_to_json(&fetched.stat, path) });
    if let Some(children) = &fetched.children {
        let child = |child: &FetchedChild| -> Result<Json> {
            let mut json = json!({ "path": child.path });
            if let (Some(stat), Some(state)) = (&child.stat, &child.state) {
                json["meta"] = stat_to_json(stat, Path::parse(&child.path).ok());
                json["fields"] = Value::decode(state)?.to_json();
            }
            if let Some(error) = &child.error {
                json["error"] = error_to_json(error);
            }
            Ok(json)
        };
        json["part"] = fetched.part.clone().into();
        json["total"] = children.total.into();
        json["children"] = children.items.iter().map(child).collect::<Result<_>>()?;
    } else if let Some(part) = &fetched.part {
        json["part"] = part.clone().into();
        json["value"] = Value::decode(&fetched.state)?.to_json();
    } else {
        json["fields"] = Value::decode(&fetched.state)?.to_json();
    }
    Ok(json)
}

/// An error as JSON: `code` and `message`, and what else is known.
pub fn error_to_json(error: &Error) -> Json {
    let mut map = Map::new();
    map.insert("code".into(), error.code.as_str().into());
    map.insert("message".into(), error.message.clone().into());
    let texts = [
        ("path", error.path.as_deref()),
        ("field", error.field.as_deref()),
        ("trace", error.trace.as_deref()),
        ("log", error.log.as_deref()),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            map.insert(key.into(), text.into());
        }
    }
    if let Some(limit) = error.limit {
        map.insert("limit".into(), limit.into());
    }
    if let Some(effect) = error.effect {
        let text = match effect {
            emerge_proto::error::Effect::None => "none",
            emerge_proto::error::Effect::Unknown => "unknown",
        };
        map.insert("effect".into(), text.into());
    }
    Json::Object(map)
}

const WHICH: &str = "a version's number or a moment (2026-01-31T12:00:00Z) is needed";

/// Which version a text means: a number, or a moment as RFC 3339 text.
///
/// # Errors
/// `bad_argument`.
pub fn which_version(text: &str) -> Result<AsOf> {
    if let Ok(version) = text.parse() {
        return Ok(AsOf::Version(version));
    }
    match Value::from_json(&json!({ "$datetime": text })) {
        Ok(Value::DateTime(micros)) => Ok(AsOf::Moment(micros)),
        _ => Err(bad("version", format!("{text:?}: {WHICH}"))),
    }
}

/// A version of an object's history as JSON.
pub fn version_to_json(info: &VersionInfo) -> Json {
    json!({
        "version": info.version, "modified": time(info.modified), "author": info.author,
        "method": info.method, "size": info.size, "restored": info.restored,
    })
}

/// What differs between two versions as JSON. A field that was added has no `old`, and one that was removed no `new`.
///
/// # Errors
/// `bad_frame` when a field's value is none.
pub fn diff_to_json(diff: &Diff) -> Result<Json> {
    let field = |change: &FieldChange| -> Result<Json> {
        let mut json = json!({ "field": change.field });
        for (side, value) in [("old", &change.old), ("new", &change.new)] {
            if let Some(value) = value {
                json[side] = Value::decode(value)?.to_json();
            }
        }
        Ok(json)
    };
    let class = |class: &ClassAt| json!({ "name": class.name, "version": class.version, "hash": class.hash.to_string() });
    Ok(json!({
        "from": version_to_json(&diff.from),
        "to": version_to_json(&diff.to),
        "fields": diff.fields.iter().map(field).collect::<Result<Vec<_>>>()?,
        "old_class": diff.old_class.as_ref().map(class),
        "new_class": diff.new_class.as_ref().map(class),
    }))
}

/// The properties of an object as JSON.
pub fn stat_to_json(stat: &Stat, path: Option<Path>) -> Json {
    json!({
        "path": path.map(|path| path.to_string()),
        "name": stat.name,
        "id": stat.id.to_string(),
        "type": stat.kind.as_str(),
        "class": stat.class,
        "class_hash": stat.class_hash.map(|hash| hash.to_string()),
        "class_version": stat.class_version,
        "owner": stat.owner,
        "group": stat.group,
        "perms": stat.perms.to_string(),
        "version": stat.version,
        "created": time(stat.created),
        "modified": time(stat.modified),
        "size": stat.size,
        "node": stat.node,
    })
}

/// The reply to a call as JSON.
///
/// # Errors
/// `bad_frame` when the result is not a value.
pub fn called_to_json(called: &Called) -> Result<Json> {
    let mut json = json!({ "result": Value::decode(&called.result)?.to_json(), "version": called.version });
    if let Some(log) = &called.log {
        json["log"] = log.clone().into();
    }
    Ok(json)
}

/// The reply to a mixin as JSON.
pub fn mixed_to_json(mixed: &Mixed) -> Json {
    let clash = |clash: &Clash| {
        let kind = if clash.is_method { "method" } else { "field" };
        json!({ "name": clash.name, "kind": kind, "kept": clash.kept, "hidden": clash.hidden })
    };
    json!({
        "id": mixed.stored.id.to_string(),
        "version": mixed.stored.version,
        "modified": time(mixed.stored.modified),
        "class": { "name": mixed.class.name, "version": mixed.class.version, "hash": mixed.class.hash.to_string() },
        "clashes": mixed.clashes.iter().map(clash).collect::<Vec<_>>(),
    })
}

/// One member's outcome in a call on a directory as JSON.
///
/// # Errors
/// `bad_frame` when the result is not a value.
pub fn member_to_json(member: &MemberCalled) -> Result<Json> {
    Ok(match (&member.called, &member.error) {
        (Some(called), _) => {
            json!({ "name": member.name, "result": Value::decode(&called.result)?.to_json() })
        }
        (None, Some(error)) => json!({ "name": member.name, "error": error_to_json(error) }),
        (None, None) => json!({ "name": member.name }),
    })
}

/// A class version as JSON.
///
/// # Errors
/// `bad_frame` when a default is not a value.
pub fn class_to_json(class: &ClassVersion) -> Result<Json> {
    let field = |field: &FieldDecl| -> Result<Json> {
        let default = field.default.as_deref().map(Value::decode).transpose()?;
        Ok(json!({
            "name": field.name, "type": field.kind.as_str(), "default": default.map(|value| value.to_json()), "doc": field.doc,
        }))
    };
    let methods: Vec<Json> = class
        .methods
        .iter()
        .map(|method| {
            let params: Vec<Json> = method
                .params
                .iter()
                .map(|param| json!({ "name": param.name, "default": param.default, "type": param.kind }))
                .collect();
            json!({
                "name": method.name, "params": params, "doc": method.doc, "async": method.is_async,
                "static": method.is_static, "property": method.is_property,
                "returns": method.returns, "signature": method.signature(),
            })
        })
        .collect();
    Ok(json!({
        "name": class.source.name,
        "hash": class.hash.to_string(),
        "version": class.version,
        "owner": class.owner,
        "created": time(class.created),
        "language": class.source.language.as_str(),
        "doc": class.source.doc,
        "bases": class.source.bases.iter().map(|base| json!({ "name": base.name, "hash": base.hash.to_string() })).collect::<Vec<_>>(),
        "fields": class.source.fields.iter().map(field).collect::<Result<Vec<_>>>()?,
        "methods": methods,
        "source": class.source.source,
    }))
}

/// A moment as RFC 3339 text.
pub fn time(micros: i64) -> Json {
    match Value::DateTime(micros).to_json() {
        Json::Object(mut map) => map.remove("$datetime").unwrap_or_default(),
        other => other,
    }
}

fn path_of(target: &Target) -> Option<Path> {
    match target {
        Target::Path(path) => Path::parse(path).ok(),
        Target::Id(_) | Target::ResultOf(_) => None,
    }
}

fn bad(field: &str, why: impl Into<String>) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{field}: {}", why.into())).field(field)
}

/// The members of a request, read by name and type.
struct Args<'a> {
    map: &'a Map<String, Json>,
}

impl<'a> Args<'a> {
    fn optional<T>(&self, name: &str, what: &str, read: impl Fn(&'a Json) -> Option<T>) -> Result<Option<T>> {
        match self.map.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(json) => read(json).map(Some).ok_or_else(|| bad(name, format!("{what} is needed"))),
        }
    }

    fn optional_text(&self, name: &str) -> Result<Option<&'a str>> {
        self.optional(name, "a text", Json::as_str)
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        self.optional_text(name)?.ok_or_else(|| bad(name, "a text is needed"))
    }

    fn target(&self, name: &str) -> Result<Target> {
        Ok(Target::Path(self.text(name)?.to_owned()))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.optional(name, "true or false", Json::as_bool)?.unwrap_or(false))
    }

    fn integer(&self, name: &str) -> Result<Option<u64>> {
        self.optional(name, "a whole number", Json::as_u64)
    }

    fn which(&self, name: &str) -> Result<Option<AsOf>> {
        self.optional(name, WHICH, |json| match json {
            Json::Number(number) => number.as_u64().map(AsOf::Version),
            Json::String(text) => which_version(text).ok(),
            _ => None,
        })
    }

    fn names(&self, name: &str) -> Result<Option<Vec<String>>> {
        let read =
            |json: &Json| json.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        self.optional(name, "a list of texts", read)
    }

    fn hash(&self, name: &str) -> Result<Option<ClassHash>> {
        self.optional(name, "the 32 hexadecimal digits of a class version", |json| {
            ClassHash::parse(json.as_str()?)
        })
    }

    fn value(&self, name: &str) -> Result<Option<Value>> {
        self.map.get(name).map(Value::from_json).transpose()
    }

    fn called_with(&self) -> Result<Option<Box<CallWith>>> {
        let kwargs = match self.value("kwargs")? {
            None => None,
            Some(map @ Value::Map(_)) => Some(map.encode()),
            Some(_) => return Err(bad("kwargs", "an object is needed")),
        };
        let atomic = self.flag("atomic")?.then_some(true);
        let with = CallWith {
            kwargs,
            deadline_ms: self.integer("deadline_ms")?,
            atomic,
            paths: self.names("paths")?,
        };
        Ok((with != CallWith::default()).then(|| Box::new(with)))
    }

    fn children(&self, name: &str) -> Result<Vec<Child>> {
        let needed = "a list of paths, or of {\"path\", \"class\", \"fields\"} for new objects, is needed";
        let children = self.map.get(name).and_then(Json::as_array).ok_or_else(|| bad(name, needed))?;
        let read = |child: &Json| match child {
            Json::String(path) => Ok(Child { path: path.clone(), class: None, fields: None }),
            Json::Object(map) => {
                let args = Args { map };
                Ok(Child {
                    path: args.text("path")?.to_owned(),
                    class: args.hash("class")?,
                    fields: args.value("fields")?.map(|fields| fields.encode()),
                })
            }
            _ => Err(bad(name, needed)),
        };
        children.iter().map(read).collect()
    }

    fn class(&self) -> Result<ClassSource> {
        let fields = match self.map.get("fields") {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::Array(fields)) => fields.iter().map(field_from_json).collect::<Result<_>>()?,
            Some(_) => return Err(bad("fields", "a list is needed")),
        };
        Ok(ClassSource {
            name: self.text("name")?.to_owned(),
            language: match self.optional_text("language")?.unwrap_or("javascript") {
                "javascript" => Language::JavaScript,
                "python" => Language::Python,
                "wasm" => Language::Wasm,
                other => return Err(bad("language", format!("{other:?} is not a language of classes"))),
            },
            source: self.text("source")?.to_owned(),
            bases: Vec::new(),
            fields,
            doc: self.optional_text("doc")?.map(str::to_owned),
            captures: None,
        })
    }
}

fn field_from_json(json: &Json) -> Result<FieldDecl> {
    let args =
        Args { map: json.as_object().ok_or_else(|| bad("fields", "each field must be a JSON object"))? };
    let kind = args.optional_text("type")?.unwrap_or("any");
    Ok(FieldDecl {
        name: args.text("name")?.to_owned(),
        kind: FieldType::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == kind)
            .ok_or_else(|| bad("type", format!("{kind:?} is not a type of fields")))?,
        default: args.value("default")?.map(|value| value.encode()),
        doc: args.optional_text("doc")?.map(str::to_owned),
    })
}
