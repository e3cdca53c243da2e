//! Requests: a tuple of an operation's name and its members in the order of proto.

use crate::failing::bad;
use crate::machine::{self, Heap, Node};
use crate::value::Reader;
use emerge_proto::account::{GroupAction, NewToken, Quota, TokenAction, UserAction};
use emerge_proto::class::{BaseRef, Capture, Captured};
use emerge_proto::op::{CallWith, Child, SortBy, StoreMode, Target};
use emerge_proto::query::{Aggregate, AggregateKind, Group};
use emerge_proto::{
    AsOf, ClassHash, ClassSource, Error, ErrorCode, FieldDecl, FieldType, Language, ObjectId, Op, Query,
    Result, Value,
};

/// Reads a request. Members at the end that are `None` may be left out.
///
/// # Errors
/// `unmappable_value`, `too_deep`, `too_large` for a value, naming its field path; `bad_argument` for the rest.
pub fn op_from_pickle(pickle: &[u8]) -> Result<Op> {
    read_op(pickle, true)
}

/// A request in a transaction is a pickle of its own, and in there is no further one.
fn read_op(pickle: &[u8], outermost: bool) -> Result<Op> {
    let heap = machine::read(pickle)?;
    let mut args = Args::new(&heap, heap.root, "a request")?;
    let name = args.text("the operation")?;
    Ok(match name.as_str() {
        "mkdir" => Op::Mkdir { path: args.target()?, exist_ok: args.bool("exist_ok")? },
        "store" => Op::Store {
            path: args.target()?,
            class: args.hash("class")?,
            fields: args.map("fields")?,
            mode: args.mode()?,
            base: args.unsigned("base")?,
            removed: args.texts("removed")?,
            id: args.optional_hash("id")?.map(|id| ObjectId(id.0)),
        },
        "get" => Op::Get {
            path: args.target()?,
            version: args.which("version")?,
            children: args.unsigned("children")?,
        },
        "stat" => Op::Stat { path: args.target()? },
        "list" => Op::List {
            path: args.target()?,
            after: args.optional_text("after")?,
            limit: args
                .unsigned("limit")?
                .map(|limit| u32::try_from(limit).map_err(|_| wrong("limit", "a number of members")))
                .transpose()?,
            glob: args.optional_text("glob")?,
            sort: args
                .optional_text("sort")?
                .map(|sort| {
                    SortBy::parse(&sort)
                        .ok_or_else(|| wrong("sort", "name, size, modified, created or class"))
                })
                .transpose()?,
            descending: Some(args.bool("descending")?).filter(|descending| *descending),
        },
        "rm" => Op::Rm { path: args.target()?, recursive: args.bool("recursive")? },
        "mv" => Op::Mv { from: args.target()?, to: args.text("to")? },
        "cp" => Op::Cp {
            from: args.target()?,
            to: args.text("to")?,
            recursive: args.bool("recursive")?,
            after: args.optional_text("after")?,
        },
        "call" => Op::Call {
            path: args.target()?,
            method: args.text("method")?,
            args: args.list("args")?,
            log: args.bool("log")?,
            after: args.optional_text("after")?,
            with: args.called_with()?,
        },
        "put_class" => Op::PutClass { class: class_source(&heap, args.next())? },
        "class" => Op::Class {
            path: args.optional_target()?,
            hash: args.optional_hash("hash")?,
            name: args.optional_text("name")?,
        },
        "diff" => Op::Diff {
            path: args.target()?,
            from: args.which("from")?.ok_or_else(|| wrong("from", WHICH))?,
            to: args.which("to")?,
        },
        "restore" => Op::Restore {
            path: args.target()?,
            version: args.which("version")?.ok_or_else(|| wrong("version", WHICH))?,
            base: args.unsigned("base")?,
        },
        "begin" => Op::Begin { name: args.optional_text("name")?, lifetime_ms: args.unsigned("lifetime")? },
        "in" if outermost => {
            let tx = args.text("tx")?;
            let op = args.pickle("op")?;
            Op::In { tx, op: Box::new(read_op(op, false)?), after: None }
        }
        "commit" => Op::End { tx: args.text("tx")?, commit: true },
        "rollback" => Op::End { tx: args.text("tx")?, commit: false },
        "watch" => Op::Watch { pattern: args.text("pattern")?, from: args.optional_text("token")? },
        "transactions" => Op::Transactions { tx: args.optional_text("tx")? },
        "mixin" => Op::Mixin {
            first: args.target()?,
            second: args.target()?,
            to: args.text("to")?,
            name: args.optional_text("name")?,
        },
        "query" => Op::Query { path: args.target()?, trusted: args.hashes("trusted")? },
        "migrate" => Op::Migrate {
            path: args.target()?,
            class: args.hash("class")?,
            how: args.optional_text("how")?,
            from: args.optional_text("from")?,
            after: args.optional_text("after")?,
        },
        "add" => Op::Add {
            path: args.target()?,
            field: args.text("field")?,
            children: args.each("children", child)?,
        },
        "set" => {
            Op::Set { path: args.target()?, value: args.encoded("value")?, base: args.unsigned("base")? }
        }
        "chmod" => {
            Op::Chmod { path: args.target()?, perms: args.text("perms")?, recursive: args.bool("recursive")? }
        }
        "chown" => Op::Chown {
            path: args.target()?,
            owner: args.optional_text("owner")?,
            group: args.optional_text("group")?,
            recursive: args.bool("recursive")?,
        },
        "purge" => Op::Purge { path: args.target()?, recursive: args.bool("recursive")? },
        "set_rules" => Op::SetRules {
            path: args.target()?,
            keep: args.optional_text("keep")?,
            mask: args.optional_text("mask")?,
        },
        "users" => Op::Users {
            action: UserAction::parse(&args.text("action")?)
                .ok_or_else(|| wrong("action", "list, add, remove or token"))?,
            name: args.optional_text("name")?,
            token_hash: args.optional_bytes("token_hash")?,
            groups: args.texts("groups")?,
        },
        "groups" => Op::Groups {
            action: GroupAction::parse(&args.text("action")?)
                .ok_or_else(|| wrong("action", "list, add, remove, join or leave"))?,
            name: args.optional_text("name")?,
            user: args.optional_text("user")?,
        },
        "quotas" => {
            let (user, set) = (args.optional_text("user")?, args.bool("set")?);
            let quota = Quota { objects: args.unsigned("objects")?, bytes: args.unsigned("bytes")? };
            Op::Quotas { user, set: set.then_some(quota) }
        }
        "tokens" => {
            let action = TokenAction::parse(&args.text("action")?)
                .ok_or_else(|| wrong("action", "list, create or revoke"))?;
            let (user, id) = (args.optional_text("user")?, args.optional_text("id")?);
            let hash = args.optional_bytes("token_hash")?;
            let (scope, expires) = (args.texts("scope")?, args.moment("expires")?);
            let note = args.optional_text("note")?;
            Op::Tokens { action, user, id, token: hash.map(|hash| NewToken { hash, scope, expires, note }) }
        }
        "history" => Op::History {
            path: args.target()?,
            before: args.unsigned("before")?,
            limit: args
                .unsigned("limit")?
                .map(|limit| u32::try_from(limit).map_err(|_| wrong("limit", "a number of versions")))
                .transpose()?,
        },
        "search" => Op::Search { query: query(&heap, args.next())?, after: args.optional_text("after")? },
        "explain" => Op::Explain { query: query(&heap, args.next())? },
        "create_index" => Op::CreateIndex {
            class: args.text("class")?,
            field: args.text("field")?,
            unique: args.bool("unique")?,
        },
        "drop_index" => Op::DropIndex { class: args.text("class")?, field: args.text("field")? },
        "indexes" => Op::Indexes {},
        other => return Err(bad(&format!("{other:?} is no operation"))),
    })
}

/// Reads a class as `put_class` takes it, alone.
///
/// # Errors
/// As [`op_from_pickle`].
pub fn class_from_pickle(pickle: &[u8]) -> Result<ClassSource> {
    let heap = machine::read(pickle)?;
    class_source(&heap, Some(heap.root))
}

const WHICH: &str = "a version's number or a datetime with a time zone";

#[cold]
fn wrong(name: &str, needed: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{name} must be {needed}")).field(name)
}

/// The members of a tuple, one after another.
struct Args<'h, 'p> {
    heap: &'h Heap<'p>,
    rest: std::slice::Iter<'h, u32>,
}

impl<'h, 'p> Args<'h, 'p> {
    fn new(heap: &'h Heap<'p>, at: u32, what: &str) -> Result<Self> {
        match heap.node(at) {
            Node::Tuple(items) | Node::List(items) => Ok(Self { heap, rest: items.iter() }),
            _ => Err(wrong(what, "a tuple")),
        }
    }

    /// The next member, unless it is `None` or there is none.
    fn next(&mut self) -> Option<u32> {
        self.rest.next().copied().filter(|at| !matches!(self.heap.node(*at), Node::None))
    }

    fn optional_text(&mut self, name: &str) -> Result<Option<String>> {
        let heap = self.heap;
        let text = |at| heap.text(at).map(str::to_owned).ok_or_else(|| wrong(name, "a str"));
        self.next().map(text).transpose()
    }

    fn text(&mut self, name: &str) -> Result<String> {
        self.optional_text(name)?.ok_or_else(|| wrong(name, "a str"))
    }

    /// A request that is a member of this one.
    fn pickle(&mut self, name: &str) -> Result<&'h [u8]> {
        match self.next().map(|at| self.heap.node(at)) {
            Some(Node::Bytes(bytes)) => Ok(bytes),
            _ => Err(wrong(name, "the pickle of a request")),
        }
    }

    fn bool(&mut self, name: &str) -> Result<bool> {
        match self.next().map(|at| self.heap.node(at)) {
            Some(Node::Bool(bool)) => Ok(*bool),
            None => Ok(false),
            Some(_) => Err(wrong(name, "a bool")),
        }
    }

    fn unsigned(&mut self, name: &str) -> Result<Option<u64>> {
        let heap = self.heap;
        let number = |at| match heap.node(at) {
            Node::Int(int) => u64::try_from(*int).ok(),
            _ => None,
        };
        self.next().map(|at| number(at).ok_or_else(|| wrong(name, "a whole number from 0"))).transpose()
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    fn moment(&mut self, name: &str) -> Result<Option<i64>> {
        let heap = self.heap;
        let moment = |at| match Reader::new(heap).value(at) {
            Ok(Value::DateTime(micros)) => Ok(micros),
            _ => Err(wrong(name, "a datetime with a time zone")),
        };
        self.next().map(moment).transpose()
    }

    fn which(&mut self, name: &str) -> Result<Option<AsOf>> {
        let heap = self.heap;
        let which = |at| match heap.node(at) {
            Node::Int(int) => u64::try_from(*int).ok().map(AsOf::Version),
            _ => match Reader::new(heap).value(at) {
                Ok(Value::DateTime(micros)) => Some(AsOf::Moment(micros)),
                _ => None,
            },
        };
        self.next().map(|at| which(at).ok_or_else(|| wrong(name, WHICH))).transpose()
    }

    fn optional_bytes(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        let heap = self.heap;
        let bytes = |at| match heap.node(at) {
            Node::Bytes(bytes) => Ok(bytes.to_vec()),
            _ => Err(wrong(name, "bytes")),
        };
        self.next().map(bytes).transpose()
    }

    fn optional_hash(&mut self, name: &str) -> Result<Option<ClassHash>> {
        let heap = self.heap;
        self.next().map(|at| hash(heap, at).ok_or_else(|| wrong(name, "16 bytes"))).transpose()
    }

    fn hash(&mut self, name: &str) -> Result<ClassHash> {
        self.optional_hash(name)?.ok_or_else(|| wrong(name, "16 bytes"))
    }

    fn hashes(&mut self, name: &str) -> Result<Option<Vec<ClassHash>>> {
        let Some(at) = self.next() else { return Ok(None) };
        let mut args = Args::new(self.heap, at, name)?;
        (0..args.rest.len()).map(|_| args.hash(name)).collect::<Result<_>>().map(Some)
    }

    fn optional_target(&mut self) -> Result<Option<Target>> {
        let heap = self.heap;
        let target = |at| match heap.node(at) {
            Node::Text(path) => Some(Target::Path((*path).to_owned())),
            Node::Bytes(id) => Some(Target::Id(ObjectId((*id).try_into().ok()?))),
            _ => None,
        };
        self.next().map(|at| target(at).ok_or_else(|| wrong("path", "a str"))).transpose()
    }

    fn target(&mut self) -> Result<Target> {
        self.optional_target()?.ok_or_else(|| wrong("path", "a str"))
    }

    fn mode(&mut self) -> Result<StoreMode> {
        Ok(match self.optional_text("mode")?.as_deref() {
            None | Some("put") => StoreMode::Put,
            Some("create") => StoreMode::Create,
            Some("patch") => StoreMode::Patch,
            Some("overwrite") => StoreMode::Overwrite,
            Some(_) => return Err(wrong("mode", "put, create, patch or overwrite")),
        })
    }

    fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>> {
        let Some(at) = self.next() else { return Ok(None) };
        let mut args = Args::new(self.heap, at, name)?;
        (0..args.rest.len()).map(|_| args.text(name)).collect::<Result<_>>().map(Some)
    }

    fn optional_map(&mut self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.next().map(|at| self.heap.node(at)) {
            Some(Node::Map(entries)) => {
                let fields = Reader::new(self.heap).fields(entries).map_err(|error| inside(error, name))?;
                Ok(Some(Value::Map(fields).encode()))
            }
            Some(_) => Err(wrong(name, "a dict")),
            None => Ok(None),
        }
    }

    fn map(&mut self, name: &str) -> Result<Vec<u8>> {
        match self.next().map(|at| self.heap.node(at)) {
            Some(Node::Map(entries)) => Ok(Value::Map(Reader::new(self.heap).fields(entries)?).encode()),
            _ => Err(wrong(name, "a dict")),
        }
    }

    fn list(&mut self, name: &str) -> Result<Vec<u8>> {
        let value = self.next().map(|at| Reader::new(self.heap).value(at)).transpose()?;
        match value {
            Some(list @ Value::List(_)) => Ok(list.encode()),
            _ => Err(wrong(name, "a tuple")),
        }
    }

    /// What a call says besides, as a tuple: arguments by name, deadline in milliseconds, atomic, paths.
    fn called_with(&mut self) -> Result<Option<Box<CallWith>>> {
        let Some(at) = self.next() else { return Ok(None) };
        let mut with = Args::new(self.heap, at, "with")?;
        let kwargs = match with.rest.next().map(|at| self.heap.node(*at)) {
            None | Some(Node::None) => None,
            Some(Node::Map(entries)) => Some(Value::Map(Reader::new(self.heap).fields(entries)?).encode()),
            Some(_) => return Err(wrong("kwargs", "a dict")),
        };
        let deadline_ms = with.unsigned("deadline")?;
        let atomic = with.bool("atomic")?.then_some(true);
        let paths = with.texts("paths")?;
        let trusted = with.hashes("trusted")?;
        Ok(Some(Box::new(CallWith { kwargs, deadline_ms, atomic, paths, trusted })))
    }

    /// Reads each member of a nested list as a tuple of its own.
    fn each<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Args<'h, 'p>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let Some(at) = self.next() else { return Ok(Vec::new()) };
        let items = Args::new(self.heap, at, name)?;
        items.rest.map(|at| read(&mut Args::new(self.heap, *at, name)?)).collect()
    }

    /// The next member as an encoded value, where `None` is a value too.
    fn encoded(&mut self, name: &str) -> Result<Vec<u8>> {
        let at = *self.rest.next().ok_or_else(|| wrong(name, "given a value"))?;
        let value = Reader::new(self.heap).value(at).map_err(|error| inside(error, name))?;
        Ok(value.encode())
    }
}

fn hash(heap: &Heap<'_>, at: u32) -> Option<ClassHash> {
    match heap.node(at) {
        Node::Bytes(bytes) => Some(ClassHash((*bytes).try_into().ok()?)),
        _ => None,
    }
}

fn class_source(heap: &Heap<'_>, at: Option<u32>) -> Result<ClassSource> {
    let mut args = Args::new(heap, at.ok_or_else(|| wrong("class", "a tuple"))?, "class")?;
    let name = args.text("name")?;
    let language = match args.text("language")?.as_str() {
        "javascript" => Language::JavaScript,
        "python" => Language::Python,
        "wasm" => Language::Wasm,
        _ => return Err(wrong("language", "javascript, python or wasm")),
    };
    let source = args.text("source")?;
    let bases =
        args.each("bases", |base| Ok(BaseRef { name: base.text("base")?, hash: base.hash("base")? }))?;
    let fields = args.each("fields", field)?;
    let doc = args.optional_text("doc")?;
    let captures = args.each("captures", capture)?;
    let captures = (!captures.is_empty()).then_some(captures);
    let module = args.optional_bytes("module")?;
    let requires = args.texts("requires")?;
    Ok(ClassSource { name, language, source, bases, fields, doc, captures, module, requires })
}

fn child(args: &mut Args<'_, '_>) -> Result<Child> {
    let path = args.text("path")?;
    let class = args.optional_hash("class")?;
    let fields = if class.is_some() { Some(args.map("fields")?) } else { None };
    Ok(Child { path, class, fields })
}

fn query(heap: &Heap<'_>, at: Option<u32>) -> Result<Query> {
    let mut args = Args::new(heap, at.ok_or_else(|| wrong("query", "a tuple"))?, "query")?;
    let mut query = match args.optional_text("language")?.as_deref() {
        None | Some("python") => Query::new(Language::Python, None),
        Some("javascript") => Query::new(Language::JavaScript, None),
        Some(_) => return Err(wrong("language", "javascript or python")),
    };
    query.source = args.optional_text("source")?;
    query.params = args.optional_map("params")?;
    query.values = args.optional_map("values")?;
    let captures = args.each("captures", capture)?;
    query.captures = (!captures.is_empty()).then_some(captures);
    query.directory = args.optional_text("directory")?;
    query.class = args.optional_text("class")?;
    query.class_id = args.optional_hash("class_id")?.map(|id| ObjectId(id.0));
    query.order = args.optional_text("order")?;
    query.descending = args.bool("descending")?.then_some(true);
    query.limit = args.unsigned("limit")?;
    query.fields = args.texts("fields")?;
    query.count = args.bool("count")?.then_some(true);
    if let Some(at) = args.next() {
        let mut group = Args::new(heap, at, "group")?;
        let by = group.text("group")?;
        let aggregates = group.each("aggregates", |aggregate| {
            let kind = aggregate.text("the kind of an aggregate")?;
            let kind = AggregateKind::ALL.iter().copied().find(|known| known.as_str() == kind);
            let kind = kind.ok_or_else(|| wrong("aggregates", "sum, min, max or mean"))?;
            Ok(Aggregate { kind, field: aggregate.text("the field of an aggregate")? })
        })?;
        query.group = Some(Group { by, aggregates });
    }
    query.page = args
        .unsigned("page")?
        .map(|page| u32::try_from(page).map_err(|_| wrong("page", "a number of objects")))
        .transpose()?;
    query.text = args.optional_text("text")?;
    query.text_fields = args.texts("text_fields")?;
    Ok(query)
}

fn field(args: &mut Args<'_, '_>) -> Result<FieldDecl> {
    let name = args.text("field")?;
    let kind = args.text("the type of a field")?;
    let kind = FieldType::ALL.iter().copied().find(|known| known.as_str() == kind);
    let kind = kind.ok_or_else(|| wrong(&name, "of a type that fields have"))?;
    let default = if args.bool("has_default")? {
        Some(args.encoded(&name)?)
    } else {
        args.next();
        None
    };
    Ok(FieldDecl { name, kind, default, doc: args.optional_text("doc")? })
}

fn capture(args: &mut Args<'_, '_>) -> Result<Capture> {
    let name = args.text("capture")?;
    let what = match args.text("the kind of a capture")?.as_str() {
        "module" => Captured::Module(args.text("module")?),
        "member" => Captured::Member { module: args.text("module")?, member: args.text("member")? },
        "source" => Captured::Source(args.text("source")?),
        "value" => Captured::Value(args.encoded(&name)?),
        "class" => Captured::Class(args.hash("class")?),
        _ => return Err(wrong(&name, "a module, member, source, value or class")),
    };
    Ok(Capture { name, what })
}

/// Names what holds the value that cannot travel.
fn inside(mut error: Error, name: &str) -> Error {
    error.message = format!("{name}: {}", error.message);
    let field = match &error.field {
        Some(field) if field.starts_with('[') => format!("{name}{field}"),
        Some(field) => format!("{name}.{field}"),
        None => name.to_owned(),
    };
    error.field(field)
}
