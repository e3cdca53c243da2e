//! The forms of bodies: those that are read, and, for the document alone, those that are written.

#![allow(dead_code, reason = "what is written comes from the node's JSON; these only describe it")]

use serde::Deserialize;
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

/// An object to be stored. What a GET gave can be sent back: its `meta` is not looked at.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectToStore {
    /// Its class: the name of one of the caller's own classes, which means its newest version, or the 32 hexadecimal digits of a version.
    /// That of the object that is there when left out.
    #[schema(min_length = 1)]
    pub(super) class: Option<String>,
    /// Its fields: all of them in a PUT; in a PATCH those to set, and null for those to remove.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub(super) fields: Map<String, Json>,
    /// Not looked at.
    #[serde(default)]
    #[schema(value_type = Object)]
    meta: Option<Json>,
}

/// A method to be called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CallToMake {
    /// Its name.
    #[schema(min_length = 1)]
    pub(super) method: String,
    /// The arguments in their order.
    #[serde(default)]
    pub(super) args: Vec<Json>,
    /// Arguments by name, for a method in Python.
    #[schema(value_type = Option<Object>)]
    pub(super) kwargs: Option<Map<String, Json>>,
    /// Milliseconds that it may take; never more than the node allows.
    #[schema(minimum = 1, maximum = 86400000)]
    pub(super) deadline_ms: Option<u32>,
    /// Class versions whose code has all of the caller's rights, whoever answers for it: 256 at most, each by its address.
    #[serde(default)]
    pub(super) trusted: Vec<String>,
    /// On a directory: all calls are one transaction.
    #[serde(default)]
    pub(super) atomic: bool,
    /// Whether what the method logs comes back.
    #[serde(default)]
    pub(super) log: bool,
}

/// A move.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveToMake {
    /// What: a path.
    #[schema(example = "/archive/note", pattern = "^/")]
    pub(super) from: String,
    /// Where to: a path; into it when it is a directory.
    #[schema(example = "/archive/letter", pattern = "^/")]
    pub(super) to: String,
}

/// A copy.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CopyToMake {
    /// What: a path.
    #[schema(pattern = "^/")]
    pub(super) from: String,
    /// Where to: a path; into it when it is a directory.
    #[schema(pattern = "^/")]
    pub(super) to: String,
    /// Whether a directory goes with all its members.
    #[serde(default)]
    pub(super) recursive: bool,
}

/// A version to have again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Restore {
    /// Its number, or a moment at which it was current.
    #[schema(value_type = Which)]
    pub(super) version: Json,
    /// The version that the object must be at.
    #[schema(minimum = 1)]
    pub(super) base: Option<u64>,
}

/// A version: its number, or a moment (RFC 3339) at which it was current.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Which {
    /// Its number.
    Number(u64),
    /// A moment.
    Moment(String),
}

/// A class to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassToKeep {
    /// The language of its source; JavaScript when left out.
    pub(super) language: Option<Language>,
    /// Its source: one class that has the name in the address. Of a class in wasm there is a module instead.
    #[schema(example = "class Note extends EmergeObject { shout() { return this.text.toUpperCase(); } }")]
    pub(super) source: Option<String>,
    /// The module of a class in wasm, which says itself what fields it has and what it is for; its name is that in the address.
    pub(super) module: Option<ModuleToKeep>,
    /// Its fields.
    #[serde(default)]
    pub(super) fields: Vec<FieldToDeclare>,
    /// What it is for.
    pub(super) doc: Option<String>,
}

/// A WebAssembly module.
#[derive(Deserialize, ToSchema, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModuleToKeep {
    /// Its bytes, in base64.
    #[serde(rename = "$bytes")]
    pub(super) bytes: String,
}

/// A language of classes.
#[derive(Clone, Copy, Deserialize, ToSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Language {
    Javascript,
    Python,
    Wasm,
}

/// A field that a class declares.
#[derive(Deserialize, ToSchema, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldToDeclare {
    /// Its name.
    name: String,
    /// Its type; any when left out.
    r#type: Option<FieldType>,
    /// Its value in a new object.
    default: Option<Json>,
    /// What it is for.
    doc: Option<String>,
}

/// The type of a field.
#[derive(Clone, Copy, Deserialize, ToSchema, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FieldType {
    Any,
    Bool,
    Int,
    Float,
    Text,
    Bytes,
    List,
    Map,
    Set,
    DateTime,
    Date,
    Uuid,
    Decimal,
    Duration,
    Array,
    Ref,
    Object,
}

/// An error (RFC 9457).
#[derive(ToSchema)]
pub(super) struct ProblemDetails {
    /// `urn:emerge:error:` and the code.
    r#type: String,
    /// What the code means.
    title: String,
    /// The status.
    status: u16,
    /// One sentence that names the path, field or limit.
    detail: String,
    /// The stable code.
    code: String,
    /// The path that it is about.
    path: Option<String>,
    /// The field, argument or name that it is about.
    field: Option<String>,
    /// The limit that was reached.
    limit: Option<u64>,
    /// The user's own lines of a traceback.
    trace: Option<String>,
    /// What a method that failed had logged.
    log: Option<String>,
    /// Whether the change has happened: `none` or `unknown`; when it is not there it has not.
    effect: Option<String>,
    /// Milliseconds after which it may be tried again.
    retry_after_ms: Option<u64>,
}

/// Properties of what is stored at a path.
#[derive(ToSchema)]
pub(super) struct Meta {
    /// The path.
    path: Option<String>,
    /// Its last segment.
    name: String,
    /// The identity, for life.
    #[schema(format = "uuid")]
    id: String,
    /// `object`, `directory`, `file`, `reference`, `node`.
    r#type: String,
    /// The class's name; null for a directory.
    class: Option<String>,
    /// The class version's address; null for a directory.
    class_hash: Option<String>,
    /// The class version's number; null for a directory.
    class_version: Option<u64>,
    /// The owner's user name.
    owner: String,
    /// The group's name.
    group: String,
    /// The permissions, as in `rwxr-x---`.
    perms: String,
    /// 1, 2, 3 … one for each committed change.
    version: u64,
    /// When it was made.
    #[schema(format = "date-time")]
    created: String,
    /// When its last change was made.
    #[schema(format = "date-time")]
    modified: String,
    /// Bytes of its state.
    size: u64,
    /// The node that holds it.
    node: String,
    /// The packages of native Python that its class requires, where it is asked for by itself.
    requires: Option<Vec<String>>,
}

/// An object.
#[derive(ToSchema)]
pub(super) struct ObjectFetched {
    /// Its properties.
    meta: Meta,
    /// Its fields.
    #[schema(value_type = Object)]
    fields: Json,
}

/// A page of a directory.
#[derive(ToSchema)]
pub(super) struct Listing {
    /// Its members, in the order of their names.
    members: Vec<Meta>,
    /// Where the next page begins: `after` of the request for it; null on the last page.
    next: Option<String>,
}

/// A part of an object.
#[derive(ToSchema)]
pub(super) struct PartFetched {
    /// The properties of the object that it is in, which references may have led to.
    meta: Meta,
    /// Where in the object.
    part: String,
    /// What is there.
    value: Option<Json>,
    /// How many references there are, when their objects were asked for.
    total: Option<u64>,
    /// The objects.
    #[schema(value_type = Option<Vec<Object>>)]
    children: Option<Vec<Json>>,
}

/// An object or a part of it, or a page of a directory.
#[derive(ToSchema)]
#[serde(untagged)]
pub(super) enum Resource {
    Object(ObjectFetched),
    Part(PartFetched),
    Directory(Listing),
}

/// A version that was made.
#[derive(ToSchema)]
pub(super) struct StoredAs {
    /// The object.
    #[schema(format = "uuid")]
    id: String,
    /// The version.
    version: u64,
    /// When.
    #[schema(format = "date-time")]
    modified: String,
}

/// What a call gave.
#[derive(ToSchema)]
pub(super) struct CallMade {
    /// What the method returned.
    result: Json,
    /// The object's version after it; null when it changed nothing.
    version: Option<u64>,
    /// What the method logged, when that was asked for.
    log: Option<String>,
}

/// What a call on a member of a directory gave: its result or its error.
#[derive(ToSchema)]
pub(super) struct MemberCallMade {
    /// The member's name.
    name: Option<String>,
    /// What the method returned.
    result: Option<Json>,
    /// What went wrong.
    #[schema(value_type = Option<Object>)]
    error: Option<Json>,
}

/// How far a copy is: a part of it was committed. The last line of one that fails has the error, whose message says what was copied before.
#[derive(ToSchema)]
pub(super) struct PartCopied {
    /// Objects and directories that are copied by now.
    copied: Option<u64>,
    /// What was copied last.
    path: Option<String>,
    /// What went wrong.
    #[schema(value_type = Option<Object>)]
    error: Option<Json>,
}

/// What an import made.
#[derive(ToSchema)]
pub(super) struct ImportMade {
    /// Where it is.
    path: String,
    /// Classes that the export had.
    classes: u64,
    /// Directories.
    directories: u64,
    /// Objects.
    objects: u64,
    /// Their versions.
    versions: u64,
}

/// A version of an object.
#[derive(ToSchema)]
pub(super) struct VersionMade {
    /// Its number.
    version: u64,
    /// When.
    #[schema(format = "date-time")]
    modified: String,
    /// By whom.
    author: String,
    /// The method that made it; null when it was stored.
    method: Option<String>,
    /// Bytes of its state.
    size: u64,
    /// The version whose state it has again; null when it was not restored.
    restored: Option<u64>,
}

/// What differs between two versions.
#[derive(ToSchema)]
pub(super) struct Difference {
    from: VersionMade,
    to: VersionMade,
    /// Each field that differs; one that was added has no `old`, one that was removed no `new`.
    fields: Vec<FieldDifference>,
    /// The class before; null when it is the same.
    old_class: Option<ClassThen>,
    /// The class after; null when it is the same.
    new_class: Option<ClassThen>,
}

/// A field that differs.
#[derive(ToSchema)]
pub(super) struct FieldDifference {
    field: String,
    old: Option<Json>,
    new: Option<Json>,
}

/// A class version.
#[derive(ToSchema)]
pub(super) struct ClassThen {
    name: String,
    version: u64,
    hash: String,
}

/// A parameter of a method.
#[derive(ToSchema)]
pub(super) struct Parameter {
    name: String,
    /// The source of its default.
    default: Option<String>,
    /// Its declared type.
    r#type: Option<String>,
}

/// A method.
#[derive(ToSchema)]
pub(super) struct Method {
    /// The packages of native Python that its class requires.
    requires: Option<Vec<String>>,
    name: String,
    params: Vec<Parameter>,
    doc: Option<String>,
    r#async: bool,
    r#static: bool,
    property: bool,
    /// The declared type of what it returns.
    returns: Option<String>,
    /// How it is called.
    signature: String,
}

/// A class version.
#[derive(ToSchema)]
pub(super) struct ClassKept {
    name: String,
    /// Its address.
    hash: String,
    version: u64,
    owner: String,
    #[schema(format = "date-time")]
    created: String,
    language: String,
    doc: Option<String>,
    bases: Vec<Base>,
    fields: Vec<FieldKept>,
    methods: Vec<Method>,
    /// The packages of native Python that it requires.
    requires: Vec<String>,
    source: String,
}

/// A class that another inherits from.
#[derive(ToSchema)]
pub(super) struct Base {
    name: String,
    hash: String,
}

/// A field of a class.
#[derive(ToSchema)]
pub(super) struct FieldKept {
    name: String,
    r#type: String,
    default: Json,
    doc: Option<String>,
}
