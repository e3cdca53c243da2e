//! Operations and records as JSON, for HTTP and the command line.

mod accounts;
mod args;
mod query;
mod read;

pub use accounts::{group_to_json, quota_to_json, token_to_json, user_to_json};
use args::{Args, bad};
use emerge_proto::account::{GroupInfo, QuotaInfo, TokenInfo, UserInfo};
use emerge_proto::class::decode;
use emerge_proto::op::{SortBy, StoreMode, Target};
use emerge_proto::query::IndexInfo;
use emerge_proto::record::{
    Called, Clash, ClassInfo, Fetched, FetchedChild, MemberCalled, Mixed, Page, Stat, Stored, VersionInfo,
};
use emerge_proto::rules::Rules;
use emerge_proto::transaction::{Ended, Transaction};
use emerge_proto::version::{ClassAt, Diff, FieldChange};
use emerge_proto::watch::Change;
use emerge_proto::{AsOf, ClassVersion, Error, FieldDecl, MethodDecl, ObjectId, Op, Path, Result, Value};
use query::query_from;
pub use query::{index_to_json, matches_to_json, plan_to_json};
pub use read::read_json;
use serde_json::{Map, Value as Json, json};

/// The names of the operations.
pub const OPERATIONS: &[&str] = &[
    "mkdir",
    "store",
    "get",
    "stat",
    "list",
    "rm",
    "mv",
    "cp",
    "call",
    "put_class",
    "class",
    "diff",
    "restore",
    "history",
    "mixin",
    "query",
    "migrate",
    "add",
    "set",
    "begin",
    "commit",
    "rollback",
    "transactions",
    "watch",
    "search",
    "explain",
    "create_index",
    "drop_index",
    "indexes",
    "chmod",
    "chown",
    "purge",
    "set_rules",
    "users",
    "groups",
    "tokens",
    "quotas",
];

/// Reads an operation: `{"op": "get", "path": "/a", "version": 3}`; the names are those of [`Op`]'s fields. With `"tx"` it is done in
/// that transaction.
///
/// # Errors
/// `bad_argument`, naming the field.
pub fn op_from_json(json: &Json) -> Result<Op> {
    let args = Args::of(json, "op", "the request must be a JSON object")?;
    let name = args.text("op")?;
    let op = match name {
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
            id: args.optional("id", "the id of an object", |json| ObjectId::parse(json.as_str()?))?,
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
            glob: args.optional_text("glob")?.map(str::to_owned),
            sort: args.optional("sort", "one of name, size, modified, created, class", |json| {
                SortBy::parse(json.as_str()?)
            })?,
            descending: args.optional("descending", "true or false", Json::as_bool)?,
        },
        "rm" => Op::Rm { path: args.target("path")?, recursive: args.flag("recursive")? },
        "mv" => Op::Mv { from: args.target("from")?, to: args.text("to")?.to_owned() },
        "cp" => Op::Cp {
            from: args.target("from")?,
            to: args.text("to")?.to_owned(),
            recursive: args.flag("recursive")?,
            after: None,
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
            path: args.get("path").map(|_| args.target("path")).transpose()?,
            hash: args.hash("hash")?,
            name: args.optional_text("name")?.map(str::to_owned),
        },
        "diff" => Op::Diff {
            path: args.target("path")?,
            from: args.which("from")?.ok_or_else(|| which_needed("from"))?,
            to: args.which("to")?,
        },
        "restore" => Op::Restore {
            path: args.target("path")?,
            version: args.which("version")?.ok_or_else(|| which_needed("version"))?,
            base: args.integer("base")?,
        },
        "begin" => Op::Begin {
            name: args.optional_text("name")?.map(str::to_owned),
            lifetime_ms: args.integer("lifetime_ms")?,
        },
        "commit" => Op::End { tx: args.text("tx")?.to_owned(), commit: true },
        "rollback" => Op::End { tx: args.text("tx")?.to_owned(), commit: false },
        "watch" => Op::Watch {
            pattern: args.text("pattern")?.to_owned(),
            from: args.optional_text("from")?.map(str::to_owned),
        },
        "transactions" => Op::Transactions { tx: args.optional_text("tx")?.map(str::to_owned) },
        "mixin" => Op::Mixin {
            first: args.target("first")?,
            second: args.target("second")?,
            to: args.text("to")?.to_owned(),
            name: args.optional_text("name")?.map(str::to_owned),
        },
        "query" => Op::Query { path: args.target("path")?, trusted: args.hashes("trusted")? },
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
        "chmod" => Op::Chmod {
            path: args.target("path")?,
            perms: args.text("perms")?.to_owned(),
            recursive: args.flag("recursive")?,
        },
        "chown" => Op::Chown {
            path: args.target("path")?,
            owner: args.optional_text("owner")?.map(str::to_owned),
            group: args.optional_text("group")?.map(str::to_owned),
            recursive: args.flag("recursive")?,
        },
        "purge" => Op::Purge { path: args.target("path")?, recursive: args.flag("recursive")? },
        "set_rules" => Op::SetRules {
            path: args.target("path")?,
            keep: args.optional_text("keep")?.map(str::to_owned),
            mask: args.optional_text("mask")?.map(str::to_owned),
        },
        "users" => accounts::users(&args)?,
        "groups" => accounts::groups(&args)?,
        "tokens" => accounts::tokens(&args)?,
        "quotas" => accounts::quotas(&args)?,
        "history" => Op::History {
            path: args.target("path")?,
            before: args.integer("before")?,
            limit: args.integer("limit")?.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
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
    let tx = args.optional_text("tx")?;
    args.end(name)?;
    Ok(match (op, tx) {
        (op @ (Op::Begin { .. } | Op::End { .. } | Op::Transactions { .. }), _) | (op, None) => op,
        (op, Some(tx)) => Op::In { tx: tx.to_owned(), op: Box::new(op), after: None },
    })
}

/// The reply of an operation as JSON.
///
/// # Errors
/// `bad_frame` when the bytes are not the operation's record.
pub fn reply_to_json(op: &Op, reply: &[u8]) -> Result<Json> {
    Ok(match op {
        Op::Mkdir { .. }
        | Op::Store { .. }
        | Op::Restore { .. }
        | Op::Chmod { .. }
        | Op::Chown { .. }
        | Op::SetRules { .. }
        | Op::Add { .. }
        | Op::Set { .. } => stored_to_json(&decode(reply)?),
        Op::Get { path, .. } => fetched_to_json(&decode(reply)?, path_of(path))?,
        Op::Stat { path } => stat_to_json(&decode::<Stat>(reply)?, path_of(path)),
        Op::List { path, .. } => page_to_json(&decode(reply)?, path_of(path)),
        Op::Rm { .. } | Op::Mv { .. } | Op::Cp { .. } | Op::Purge { .. } => Json::Null,
        Op::Users { .. } => decode::<Vec<UserInfo>>(reply)?.iter().map(user_to_json).collect(),
        Op::Groups { .. } => decode::<Vec<GroupInfo>>(reply)?.iter().map(group_to_json).collect(),
        Op::Tokens { .. } => decode::<Vec<TokenInfo>>(reply)?.iter().map(token_to_json).collect(),
        Op::Quotas { .. } => decode::<Vec<QuotaInfo>>(reply)?.iter().map(quota_to_json).collect(),
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
        Op::Watch { .. } => change_to_json(&decode(reply)?),
        Op::Begin { .. } => transaction_to_json(&decode(reply)?),
        Op::In { op, .. } => reply_to_json(op, reply)?,
        Op::End { .. } => json!({ "committed": decode::<Ended>(reply)?.committed.map(time) }),
        Op::Transactions { .. } => {
            let open: Vec<Transaction> = decode(reply)?;
            open.iter().map(transaction_to_json).collect()
        }
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
    let asked = path.clone();
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
    if let Some(page) = &fetched.members {
        let directory = fetched.stat.path.as_deref().map(Path::parse).transpose()?.or(asked);
        json["members"] = page_to_json(page, directory);
    }
    Ok(json)
}

/// A version that was made as JSON.
pub fn stored_to_json(stored: &Stored) -> Json {
    json!({ "id": stored.id.to_string(), "version": stored.version, "modified": time(stored.modified) })
}

/// A page of a directory's members as JSON.
fn page_to_json(page: &Page, directory: Option<Path>) -> Json {
    let member =
        |stat: &Stat| stat_to_json(stat, directory.as_ref().and_then(|path| path.join(&stat.name).ok()));
    json!({ "members": page.members.iter().map(member).collect::<Vec<_>>(), "next": page.next })
}

/// Rules of a directory as JSON.
pub fn rules_to_json(rules: &Rules) -> Json {
    json!({ "keep": rules.keep, "mask": rules.mask, "keep_from": rules.keep_from, "mask_from": rules.mask_from })
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
    if let Some(retry_after_ms) = error.retry_after_ms {
        map.insert("retry_after_ms".into(), retry_after_ms.get().into());
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

const WHICH: &str = "a version's number or a moment (2026-01-31T12:00:00Z)";

fn which_needed(name: &str) -> Error {
    bad(name, format!("{WHICH} is needed"))
}

/// Which version a text means: a number, or a moment as RFC 3339 text.
///
/// # Errors
/// `bad_argument`.
pub fn which_version(text: &str) -> Result<AsOf> {
    if let Ok(version) = text.parse() {
        return Ok(AsOf::Version(version));
    }
    moment(text).map(AsOf::Moment).ok_or_else(|| bad("version", format!("{text:?}: {WHICH} is needed")))
}

/// What a moment looks like.
const MOMENT: &str = "a moment such as 2026-01-31T12:00:00Z";

/// A moment (RFC 3339) in microseconds since 1970-01-01T00:00:00Z.
pub fn moment(text: &str) -> Option<i64> {
    match Value::from_json(&json!({ "$datetime": text })) {
        Ok(Value::DateTime(micros)) => Some(micros),
        _ => None,
    }
}

/// A change that a watcher is told of as JSON.
pub fn change_to_json(change: &Change) -> Json {
    json!({
        "kind": change.kind.as_str(), "path": change.path, "from": change.from, "id": change.id.map(|id| id.to_string()),
        "version": change.version, "time": time(change.time), "author": change.author, "directory": change.directory,
        "token": change.token,
    })
}

/// An open transaction as JSON.
pub fn transaction_to_json(open: &Transaction) -> Json {
    json!({
        "id": open.id.to_string(), "name": open.name, "began": time(open.began), "expires": time(open.expires),
        "operations": open.operations, "bytes": open.bytes,
    })
}

/// A version of an object's history as JSON.
pub fn version_to_json(info: &VersionInfo) -> Json {
    json!({
        "version": info.version, "modified": time(info.modified), "author": info.author,
        "method": info.method, "size": info.size, "restored": info.restored,
        "operation": info.operation,
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
    let mut json = json!({
        "path": stat.path.clone().or_else(|| path.map(|path| path.to_string())),
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
    });
    if let Some(packages) = &stat.requires {
        json["requires"] = json!(packages);
    }
    if let Some(rules) = &stat.rules {
        json["rules"] = rules_to_json(rules);
    }
    json
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
    let methods: Vec<Json> = class.methods.iter().map(method_to_json).collect();
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
        "requires": class.source.packages(),
        "source": class.source.shown(),
    }))
}

/// A method as JSON.
pub fn method_to_json(method: &MethodDecl) -> Json {
    let params: Vec<Json> = method
        .params
        .iter()
        .map(|param| json!({ "name": param.name, "default": param.default, "type": param.kind }))
        .collect();
    json!({
        "name": method.name, "params": params, "doc": method.doc, "async": method.is_async, "static": method.is_static,
        "property": method.is_property, "returns": method.returns, "signature": method.signature(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use emerge_proto::ErrorCode;

    #[test]
    fn the_list_of_operations_is_of_those_that_are_read() {
        for name in OPERATIONS {
            let error = op_from_json(&json!({ "op": name })).map(|_| ()).err();
            let field = error.and_then(|error| error.field);
            assert_ne!(field.as_deref(), Some("op"), "{name}");
        }
        // Each arm of the match in `op_from_json` that makes an operation.
        let source = include_str!("json.rs");
        let (_, arms) = source.split_once("    let op = match name {").unwrap();
        let (arms, _) = arms.split_once("    Ok(match (op, ").unwrap();
        let read = arms
            .lines()
            .filter_map(|line| line.strip_prefix("        \"")?.split_once("\" => ").map(|(name, _)| name));
        let mut read: Vec<&str> = read.collect();
        let mut listed = OPERATIONS.to_vec();
        read.sort_unstable();
        listed.sort_unstable();
        assert_eq!(read, listed);
    }

    #[test]
    fn what_an_operation_does_not_know_is_refused() {
        let refused = |request: Json, field: &str| {
            let error = op_from_json(&request).unwrap_err();
            assert_eq!(
                (error.code, error.field.as_deref()),
                (ErrorCode::BadArgument, Some(field)),
                "{error}"
            );
            error.message
        };
        let said = refused(json!({ "op": "list", "path": "/a", "limmit": 3 }), "limmit");
        assert!(
            said.contains("list has no such argument; it has after, descending, glob, limit, path, sort, tx"),
            "{said}"
        );
        refused(json!({ "op": "search", "source": "o => o.a", "directory": "/", "limits": 1 }), "limits");
        refused(
            json!({ "op": "add", "path": "/a", "field": "f", "children": [{ "path": "/b", "clas": "x" }] }),
            "clas",
        );
        op_from_json(&json!({ "op": "get", "path": "/a", "version": null, "tx": "t" })).unwrap();
    }
}
