//! The members of a request in JSON, read by name and type.

use super::{WHICH, which_version};
use emerge_proto::module::Description;
use emerge_proto::op::{CallWith, Child, Target};
use emerge_proto::{
    AsOf, ClassHash, ClassSource, Error, ErrorCode, FieldDecl, FieldType, Language, Result, Value,
};
use serde_json::{Map, Value as Json};
use std::cell::RefCell;
use std::collections::BTreeSet;

pub(super) fn bad(field: &str, why: impl Into<String>) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{field}: {}", why.into())).field(field)
}

/// The members of a request, read by name and type. It notes which were asked for: what nobody asks for is a mistake of the caller's.
pub(super) struct Args<'a> {
    map: &'a Map<String, Json>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Args<'a> {
    /// The members of an object; `field` names it when it is none.
    pub(super) fn of(json: &'a Json, field: &str, needed: &str) -> Result<Self> {
        let map = json.as_object().ok_or_else(|| bad(field, needed))?;
        Ok(Self { map, asked: RefCell::default() })
    }

    pub(super) fn get(&self, name: &'static str) -> Option<&'a Json> {
        self.asked.borrow_mut().insert(name);
        self.map.get(name)
    }

    /// Refuses members that were not asked for. `what` has them.
    pub(super) fn end(&self, what: &str) -> Result<()> {
        let asked = self.asked.borrow();
        let Some(unknown) = self.map.keys().find(|name| !asked.contains(name.as_str())) else {
            return Ok(());
        };
        let known: Vec<&str> = asked.iter().copied().filter(|name| *name != "op").collect();
        Err(bad(unknown, format!("{what} has no such argument; it has {}", known.join(", "))))
    }

    pub(super) fn optional<T>(
        &self,
        name: &'static str,
        what: &str,
        read: impl Fn(&'a Json) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.get(name) {
            None | Some(Json::Null) => Ok(None),
            Some(json) => read(json).map(Some).ok_or_else(|| bad(name, format!("{what} is needed"))),
        }
    }

    pub(super) fn optional_text(&self, name: &'static str) -> Result<Option<&'a str>> {
        self.optional(name, "a text", Json::as_str)
    }

    pub(super) fn text(&self, name: &'static str) -> Result<&'a str> {
        self.optional_text(name)?.ok_or_else(|| bad(name, "a text is needed"))
    }

    pub(super) fn target(&self, name: &'static str) -> Result<Target> {
        Ok(Target::Path(self.text(name)?.to_owned()))
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<bool> {
        Ok(self.optional(name, "true or false", Json::as_bool)?.unwrap_or(false))
    }

    pub(super) fn integer(&self, name: &'static str) -> Result<Option<u64>> {
        self.optional(name, "a whole number", Json::as_u64)
    }

    pub(super) fn which(&self, name: &'static str) -> Result<Option<AsOf>> {
        self.optional(name, WHICH, |json| match json {
            Json::Number(number) => number.as_u64().map(AsOf::Version),
            Json::String(text) => which_version(text).ok(),
            _ => None,
        })
    }

    pub(super) fn names(&self, name: &'static str) -> Result<Option<Vec<String>>> {
        let read =
            |json: &Json| json.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        self.optional(name, "a list of texts", read)
    }

    pub(super) fn hash(&self, name: &'static str) -> Result<Option<ClassHash>> {
        self.optional(name, "the 32 hexadecimal digits of a class version", |json| {
            ClassHash::parse(json.as_str()?)
        })
    }

    pub(super) fn hashes(&self, name: &'static str) -> Result<Option<Vec<ClassHash>>> {
        let read =
            |json: &Json| json.as_array()?.iter().map(|item| ClassHash::parse(item.as_str()?)).collect();
        self.optional(name, "a list of class versions, each of 32 hexadecimal digits,", read)
    }

    pub(super) fn value(&self, name: &'static str) -> Result<Option<Value>> {
        self.get(name).map(Value::from_json).transpose()
    }

    pub(super) fn called_with(&self) -> Result<Option<Box<CallWith>>> {
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
            trusted: self.hashes("trusted")?,
        };
        Ok((with != CallWith::default()).then(|| Box::new(with)))
    }

    pub(super) fn children(&self, name: &'static str) -> Result<Vec<Child>> {
        let needed = "a list of paths, or of {\"path\", \"class\", \"fields\"} for new objects, is needed";
        let children = self.get(name).and_then(Json::as_array).ok_or_else(|| bad(name, needed))?;
        let read = |child: &Json| match child {
            Json::String(path) => Ok(Child { path: path.clone(), class: None, fields: None }),
            Json::Object(_) => {
                let args = Args::of(child, name, needed)?;
                let child = Child {
                    path: args.text("path")?.to_owned(),
                    class: args.hash("class")?,
                    fields: args.value("fields")?.map(|fields| fields.encode()),
                };
                args.end("a child")?;
                Ok(child)
            }
            _ => Err(bad(name, needed)),
        };
        children.iter().map(read).collect()
    }

    pub(super) fn class(&self) -> Result<ClassSource> {
        if let Some(module) = self.value("module")?.filter(|module| *module != Value::Null) {
            return self.wasm_class(module);
        }
        let fields = match self.get("fields") {
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
            module: None,
            requires: None,
        })
    }

    /// A class in wasm: its module says all that there is to say.
    fn wasm_class(&self, module: Value) -> Result<ClassSource> {
        if self.optional_text("language")?.is_some_and(|language| language != "wasm") {
            return Err(bad("language", "a class with a module is in wasm"));
        }
        let Value::Bytes(module) = module else {
            return Err(bad("module", "bytes are needed: {\"$bytes\": base64}"));
        };
        let class = Description::of(&module)?.class(module);
        if self.optional_text("name")?.is_some_and(|name| name != class.name) {
            return Err(bad("name", format!("its module says that it is class {:?}", class.name)));
        }
        Ok(class)
    }
}

fn field_from_json(json: &Json) -> Result<FieldDecl> {
    let args = Args::of(json, "fields", "each field must be a JSON object")?;
    let kind = args.optional_text("type")?.unwrap_or("any");
    let field = FieldDecl {
        name: args.text("name")?.to_owned(),
        kind: FieldType::ALL
            .iter()
            .copied()
            .find(|known| known.as_str() == kind)
            .ok_or_else(|| bad("type", format!("{kind:?} is not a type of fields")))?,
        default: args.value("default")?.map(|value| value.encode()),
        doc: args.optional_text("doc")?.map(str::to_owned),
    };
    args.end("a field")?;
    Ok(field)
}

/// 32 bytes in hexadecimal.
pub(super) fn digest(json: &Json) -> Option<Vec<u8>> {
    let text = json.as_str().filter(|text| text.len() == 64 && text.is_ascii())?;
    (0..64).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
