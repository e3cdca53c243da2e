//! Classes: what a client sends, what a node keeps.

use crate::{Error, ErrorCode, Result, Value, limits};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;

/// The address of a class version: the first 16 bytes of the SHA-256 of what makes the version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct ClassHash(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    pub [u8; 16],
);

impl ClassHash {
    /// Reads the 32 hexadecimal digits that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (byte, at) in bytes.iter_mut().zip((0..32).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for ClassHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ClassHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The language of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Language {
    /// JavaScript (ECMAScript 2023, without host objects).
    #[n(0)]
    JavaScript,
    /// Python 3.14.
    #[n(1)]
    Python,
    /// A WebAssembly core module.
    #[n(2)]
    Wasm,
}

impl Language {
    /// The name shown to people: `javascript`, `python`, `wasm`.
    pub fn as_str(self) -> &'static str {
        match self {
            Language::JavaScript => "javascript",
            Language::Python => "python",
            Language::Wasm => "wasm",
        }
    }
}

/// The declared type of a field; it decides when a language cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
#[allow(missing_docs, reason = "the names are those of the values")]
pub enum FieldType {
    #[n(0)]
    Any,
    #[n(1)]
    Bool,
    #[n(2)]
    Int,
    #[n(3)]
    Float,
    #[n(4)]
    Text,
    #[n(5)]
    Bytes,
    #[n(6)]
    List,
    #[n(7)]
    Map,
    #[n(8)]
    Set,
    #[n(9)]
    DateTime,
    #[n(10)]
    Date,
    #[n(11)]
    Uuid,
    #[n(12)]
    Decimal,
    #[n(13)]
    Duration,
    #[n(14)]
    Array,
    #[n(15)]
    Ref,
    #[n(16)]
    Object,
}

impl FieldType {
    /// Every type, in the order of its number.
    pub const ALL: &'static [FieldType] = &[
        FieldType::Any,
        FieldType::Bool,
        FieldType::Int,
        FieldType::Float,
        FieldType::Text,
        FieldType::Bytes,
        FieldType::List,
        FieldType::Map,
        FieldType::Set,
        FieldType::DateTime,
        FieldType::Date,
        FieldType::Uuid,
        FieldType::Decimal,
        FieldType::Duration,
        FieldType::Array,
        FieldType::Ref,
        FieldType::Object,
    ];

    /// The type of fields that a value fits; null fits all.
    pub fn of(value: &Value) -> FieldType {
        match value {
            Value::Null | Value::Table { .. } => FieldType::Any,
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
        }
    }

    /// The name shown to people, lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            FieldType::Any => "any",
            FieldType::Bool => "bool",
            FieldType::Int => "int",
            FieldType::Float => "float",
            FieldType::Text => "text",
            FieldType::Bytes => "bytes",
            FieldType::List => "list",
            FieldType::Map => "map",
            FieldType::Set => "set",
            FieldType::DateTime => "datetime",
            FieldType::Date => "date",
            FieldType::Uuid => "uuid",
            FieldType::Decimal => "decimal",
            FieldType::Duration => "duration",
            FieldType::Array => "array",
            FieldType::Ref => "ref",
            FieldType::Object => "object",
        }
    }
}

/// A field of a class.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FieldDecl {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its declared type.
    #[n(1)]
    pub kind: FieldType,
    /// Its default, as an encoded [`crate::Value`]; absent when it has none.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub default: Option<Vec<u8>>,
    /// One sentence on what it means.
    #[n(3)]
    pub doc: Option<String>,
}

/// A parameter of a method.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ParamDecl {
    /// Its name; `...rest` keeps its dots.
    #[n(0)]
    pub name: String,
    /// The source of its default.
    #[n(1)]
    pub default: Option<String>,
    /// Its annotation, as it is written.
    #[n(2)]
    pub kind: Option<String>,
}

/// A method of a class, as the node's analysis found it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MethodDecl {
    /// Its name.
    #[n(0)]
    pub name: String,
    /// Its parameters, without `this` or `self`.
    #[n(1)]
    pub params: Vec<ParamDecl>,
    /// Its doc comment.
    #[n(2)]
    pub doc: Option<String>,
    /// True when it is declared `async`.
    #[n(3)]
    pub is_async: bool,
    /// True for `static` or `@staticmethod`/`@classmethod`.
    #[n(4)]
    pub is_static: bool,
    /// True for a getter or `@property`.
    #[n(5)]
    pub is_property: bool,
    /// The annotation of what it returns, as it is written.
    #[n(6)]
    pub returns: Option<String>,
}

impl MethodDecl {
    /// What stands between what is wrong with arguments and the signature, in every language's runtime. The node cuts
    /// here what it tells those who may not read the class, as a signature holds default values out of its source.
    pub const CALLED_AS: &str = "; it is called as ";

    /// The error of arguments that do not fit, with the signature: `bad_argument` for the argument of a name.
    #[cold]
    pub fn misuse(&self, why: &str, argument: &str) -> Error {
        let why = format!("{}() {why}{}{}", self.name, Self::CALLED_AS, self.signature());
        Error::new(ErrorCode::BadArgument, why).field(argument)
    }

    /// As it is called: `total_cost(discount: float = 0)`; a property by its name alone.
    pub fn signature(&self) -> String {
        let returns = self.returns.as_ref().map(|kind| format!(" -> {kind}")).unwrap_or_default();
        if self.is_property {
            return format!("{}{returns}", self.name);
        }
        let params: Vec<String> = self.params.iter().map(ToString::to_string).collect();
        format!("{}({}){returns}", self.name, params.join(", "))
    }
}

impl fmt::Display for ParamDecl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(kind) = &self.kind {
            write!(f, ": {kind}")?;
        }
        match &self.default {
            Some(default) => write!(f, " = {default}"),
            None => Ok(()),
        }
    }
}

/// A class as a client sends it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClassSource {
    /// The registered name, which counts also when a minifier renamed the class.
    #[n(0)]
    pub name: String,
    /// The language of the source.
    #[n(1)]
    pub language: Language,
    /// The source text of the class alone: for JavaScript what `Class.toString()` gives; empty for wasm.
    #[n(2)]
    pub source: String,
    /// The name that the source uses for each base class, and that class's version; nearest first.
    #[n(3)]
    pub bases: Vec<BaseRef>,
    /// The fields, in their order.
    #[n(4)]
    pub fields: Vec<FieldDecl>,
    /// The class's own doc text.
    #[n(5)]
    pub doc: Option<String>,
    /// The names that the source uses and that travel with it, in the order in which they are to be defined; absent when there are none.
    #[n(6)]
    pub captures: Option<Vec<Capture>>,
    /// The module of a class in wasm, whose `source` is empty; absent in the other languages. What it says of itself ([`crate::module`]) is the rest of this
    /// record.
    #[n(7)]
    #[cbor(with = "minicbor::bytes")]
    pub module: Option<Vec<u8>>,
    /// The packages of the node's native Python that the class needs, by the names under which they are imported, without doubles; absent when there are none.
    /// Such a class runs in a process of that Python, and nowhere else on the node.
    #[n(8)]
    pub requires: Option<Vec<String>>,
}

/// A name from around a class that travels with it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Capture {
    /// The name, as the source uses it.
    #[n(0)]
    pub name: String,
    /// What it stands for.
    #[n(1)]
    pub what: Captured,
}

/// What a captured name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Captured {
    /// A module, by its full dotted name: `import collections.abc as name`.
    #[n(0)]
    Module(#[n(0)] String),
    /// A member of a module: `from module import member as name`.
    #[n(1)]
    Member {
        /// The module's full dotted name.
        #[n(0)]
        module: String,
        /// The member's name in it.
        #[n(1)]
        member: String,
    },
    /// A function or class, by the source that defines it under this name.
    #[n(2)]
    Source(#[n(0)] String),
    /// A plain value: an encoded [`crate::Value`].
    #[n(3)]
    Value(
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        Vec<u8>,
    ),
    /// Another stored class, by its version.
    #[n(4)]
    Class(#[n(0)] ClassHash),
}

/// A base class, by the name that the source uses for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BaseRef {
    /// The name in the source.
    #[n(0)]
    pub name: String,
    /// The version of the base.
    #[n(1)]
    pub hash: ClassHash,
}

impl ClassSource {
    /// A class of a text alone: no bases, no declared fields, nothing of a module.
    pub fn new(name: impl Into<String>, language: Language, source: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            language,
            source: source.into(),
            bases: Vec::new(),
            fields: Vec::new(),
            doc: None,
            captures: None,
            module: None,
            requires: None,
        }
    }

    /// The packages that it needs, if any.
    pub fn packages(&self) -> &[String] {
        self.requires.as_deref().unwrap_or_default()
    }

    /// The address of this version: over the encoding of all of the above.
    pub fn hash(&self) -> ClassHash {
        let digest = Sha256::digest(encode(self));
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        ClassHash(short)
    }

    /// Its source for people: the text, or of a module what it is.
    pub fn shown(&self) -> Cow<'_, str> {
        match &self.module {
            None => Cow::Borrowed(&self.source),
            Some(module) => {
                format!("class {}: a WebAssembly module of {} bytes", self.name, module.len()).into()
            }
        }
    }

    /// Bytes of the source text, or of the module.
    pub fn size(&self) -> usize {
        self.source.len() + self.module.as_ref().map_or(0, Vec::len)
    }

    /// Checks sizes and names, and that a module says of itself what the record says; what the language says of the source is the runtime's to check.
    ///
    /// # Errors
    /// `class_invalid` or `too_large`, naming the field or the limit.
    pub fn check(&self) -> Result<()> {
        let invalid = |why: String| Err(Error::new(ErrorCode::ClassInvalid, why));
        match (&self.module, self.language) {
            (Some(module), Language::Wasm) => {
                if *self != crate::module::Description::of(module)?.class(module.clone()) {
                    return invalid(format!(
                        "the record of class {:?} says something else than its module says of itself",
                        self.name
                    ));
                }
            }
            (None, Language::Wasm) => {
                let why = format!("class {:?} is in wasm and has no module", self.name);
                return Err(Error::new(ErrorCode::ClassInvalid, why).field("module"));
            }
            (Some(_), _) => {
                let why = format!("class {:?} is in {} and has a module", self.name, self.language.as_str());
                return Err(Error::new(ErrorCode::ClassInvalid, why).field("module"));
            }
            (None, _) => {}
        }
        if self.source.len() > limits::MAX_SOURCE {
            return Err(Error::new(
                ErrorCode::TooLarge,
                format!(
                    "the source of class {:?} is {} bytes; the limit is {}",
                    self.name,
                    self.source.len(),
                    limits::MAX_SOURCE
                ),
            )
            .limit(limits::MAX_SOURCE as u64));
        }
        if !is_name(&self.name) {
            return invalid(format!("{:?} is not a name for a class", self.name));
        }
        self.check_packages()?;
        if self.fields.len() > limits::MAX_MEMBERS {
            return invalid(format!(
                "class {:?} has {} fields; the limit is {}",
                self.name,
                self.fields.len(),
                limits::MAX_MEMBERS
            ));
        }
        for (at, field) in self.fields.iter().enumerate() {
            if self.fields[..at].iter().any(|other| other.name == field.name) {
                return invalid(format!("class {:?} has two fields named {:?}", self.name, field.name));
            }
        }
        Ok(())
    }
}

impl ClassSource {
    fn check_packages(&self) -> Result<()> {
        let Some(packages) = &self.requires else { return Ok(()) };
        let invalid = |why: String| Err(Error::new(ErrorCode::ClassInvalid, why).field("requires"));
        if self.language != Language::Python {
            let why = format!(
                "class {:?} is in {} and requires packages; only classes in Python have any",
                self.name,
                self.language.as_str()
            );
            return Err(Error::new(ErrorCode::Unsupported, why).field("requires"));
        }
        if packages.is_empty() || packages.len() > limits::MAX_PACKAGES {
            return invalid(format!(
                "class {:?} requires {} packages; such a list has 1 to {}",
                self.name,
                packages.len(),
                limits::MAX_PACKAGES
            ));
        }
        for (at, package) in packages.iter().enumerate() {
            if package.len() > limits::MAX_SEGMENT || !package.split('.').all(is_package) {
                return invalid(format!(
                    "class {:?} requires {package:?}, which is no package's name",
                    self.name
                ));
            }
            if packages[..at].contains(package) {
                return invalid(format!("class {:?} requires {package:?} twice", self.name));
            }
        }
        Ok(())
    }
}

/// Whether a text is a segment of the name of a package, as Python's import system has them on every machine.
fn is_package(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

/// Whether a text is a name as classes and methods have them.
pub(crate) fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    name.len() <= limits::MAX_SEGMENT
        && chars.next().is_some_and(|first| first.is_alphabetic() || first == '_' || first == '$')
        && chars.all(|char| char.is_alphanumeric() || char == '_' || char == '$')
}

/// A class version as a node keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClassVersion {
    /// The address.
    #[n(0)]
    pub hash: ClassHash,
    /// The class's id, owner-scoped and the same for all its versions.
    #[n(1)]
    pub class_id: crate::ObjectId,
    /// 1, 2, 3 … within the class.
    #[n(2)]
    pub version: u64,
    /// Who sent it.
    #[n(3)]
    pub owner: String,
    /// Microseconds since 1970-01-01T00:00:00Z at which the node first had it.
    #[n(4)]
    pub created: i64,
    /// What was sent.
    #[n(5)]
    pub source: ClassSource,
    /// What the node's analysis found, own methods only.
    #[n(6)]
    pub methods: Vec<MethodDecl>,
}

/// Encodes any record of this crate.
pub fn encode<T: Encode<()>>(record: &T) -> Vec<u8> {
    // Most records are short: one allocation and not five.
    let mut bytes = Vec::with_capacity(128);
    // Writing to a vector cannot fail, and no record refuses to encode.
    if minicbor::encode(record, &mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}

/// Decodes any record of this crate, and refuses bytes after it.
///
/// # Errors
/// `bad_frame`.
pub fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8]) -> Result<T> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let record = decoder.decode()?;
    if decoder.position() != bytes.len() {
        return Err(Error::new(
            ErrorCode::BadFrame,
            format!("{} bytes follow the record", bytes.len() - decoder.position()),
        ));
    }
    Ok(record)
}
