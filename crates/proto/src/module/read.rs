//! The description of a class: one map or several, which together say all.

use super::{Description, INTERFACE, Method, invalid};
use crate::class::is_name;
use crate::{Error, FieldDecl, FieldType, MethodDecl, ParamDecl, Result, Value, limits};

/// What a description says.
const KEYS: [&str; 5] = ["interface", "name", "doc", "fields", "methods"];
/// Names that mean something wherever a class is used, as do all that begin with two underscores.
const RESERVED: &[&str] = &["then", "meta", "constructor", "prototype"];

pub(super) fn description(mut bytes: &[u8]) -> Result<Description> {
    let mut all: Vec<(String, Value)> = Vec::new();
    while !bytes.is_empty() {
        let (value, length) = Value::decode_first(bytes).map_err(|error| {
            invalid(format!("the module's description is no value: {}", error.message)).field("module")
        })?;
        // Every host takes defaults from it as they lie, and they make the class's address.
        if value.encode() != bytes[..length] {
            let why = "the module's description is not in the shortest form of CBOR, with definite lengths";
            return Err(invalid(why).field("module"));
        }
        bytes = &bytes[length..];
        let Value::Map(part) = value else {
            return Err(invalid("the module's description is no map").field("module"));
        };
        for (key, value) in part {
            if !KEYS.contains(&key.as_str()) {
                return Err(unknown("", &key));
            }
            match (all.iter_mut().find(|(known, _)| *known == key), value) {
                (None, value) => all.push((key, value)),
                (Some((_, Value::List(all))), Value::List(more)) => all.extend(more),
                // Each part may say for which interface it was made.
                (Some((_, known)), value) if *known == value => {}
                (Some(_), _) => return Err(invalid("it is said twice, of two classes perhaps").field(key)),
            }
        }
    }
    let mut part = Part { entries: all, at: String::new() };
    match part.take("interface") {
        Some(Value::Int(INTERFACE)) => {}
        Some(Value::Int(other)) => {
            let why = format!("the module was made for interface {other}; this is interface {INTERFACE}");
            return Err(invalid(why).field("interface"));
        }
        _ => return Err(part.wrong("interface", "a number is needed")),
    }
    let name = part.text("name")?;
    let doc = part.optional_text("doc")?;
    let mut fields: Vec<FieldDecl> = Vec::new();
    for field in part.parts("fields")? {
        let field = read_field(field)?;
        fields.push(field);
    }
    let mut methods: Vec<Method> = Vec::new();
    for mut method in part.parts("methods")? {
        let at = method.at.clone();
        let read = read_method(&mut method)?;
        method.end()?;
        let name = &read.decl.name;
        let twice = methods.iter().any(|known| known.decl.name == *name)
            || fields.iter().any(|field| field.name == *name);
        let reserved = name.starts_with("__") || RESERVED.contains(&name.as_str());
        if twice || !is_name(name) || reserved {
            let why = if twice { "is there twice" } else { "is not a name for a method" };
            return Err(invalid(format!("{name:?} {why}")).field(format!("{at}name")));
        }
        methods.push(read);
    }
    Ok(Description { name, doc, fields, methods })
}

fn read_field(mut part: Part) -> Result<FieldDecl> {
    let field = FieldDecl {
        name: part.text("name")?,
        kind: match part.optional_text("type")? {
            None => FieldType::Any,
            Some(kind) => {
                let known = FieldType::ALL.iter().copied().find(|known| known.as_str() == kind);
                known.ok_or_else(|| part.wrong("type", &format!("{kind:?} is not a type of fields")))?
            }
        },
        default: part.take("default").map(|value| value.encode()),
        doc: part.optional_text("doc")?,
    };
    part.end()?;
    Ok(field)
}

fn read_method(part: &mut Part) -> Result<Method> {
    let mut method = Method {
        decl: MethodDecl {
            name: part.text("name")?,
            params: Vec::new(),
            doc: part.optional_text("doc")?,
            is_async: false,
            is_static: part.flag("static")?,
            is_property: part.flag("property")?,
            returns: part.optional_text("returns")?,
        },
        defaults: Vec::new(),
    };
    let params = part.parts("params")?;
    let count = params.len();
    for (place, mut param) in params.into_iter().enumerate() {
        let name = param.text("name")?;
        let default = param.take("default");
        let plain = name.strip_prefix("...");
        let known = method.decl.params.iter().any(|known| known.name == name);
        if known || !is_name(plain.unwrap_or(&name)) {
            return Err(param.wrong("name", &format!("{name:?} is not a name for one more parameter")));
        }
        if plain.is_some() && (place + 1 < count || default.is_some()) {
            return Err(
                param.wrong("name", "a parameter that takes all the rest is the last, and has no default")
            );
        }
        if default.is_none() && plain.is_none() && method.defaults.last().is_some_and(Option::is_some) {
            return Err(param.wrong("default", "a parameter after one with a default needs a default too"));
        }
        let kind = param.optional_text("type")?;
        param.end()?;
        let shown = default.as_ref().map(|value| value.to_json().to_string());
        method.decl.params.push(ParamDecl { name, default: shown, kind });
        method.defaults.push(default.map(|value| value.encode()));
    }
    if method.decl.is_property && count > 0 {
        return Err(part.wrong("params", "a property has no parameters"));
    }
    Ok(method)
}

/// A map of the description, and where it lies: `methods[0].`, for example.
struct Part {
    entries: Vec<(String, Value)>,
    at: String,
}

impl Part {
    fn take(&mut self, key: &str) -> Option<Value> {
        let at = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(at).1)
    }

    fn optional_text(&mut self, key: &str) -> Result<Option<String>> {
        match self.take(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "a text is needed")),
        }
    }

    fn text(&mut self, key: &str) -> Result<String> {
        self.optional_text(key)?.ok_or_else(|| self.wrong(key, "a text is needed"))
    }

    fn flag(&mut self, key: &str) -> Result<bool> {
        match self.take(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.wrong(key, "true or false is needed")),
        }
    }

    /// The maps of a list, of which there is a bounded number; none when it is absent.
    fn parts(&mut self, key: &str) -> Result<Vec<Part>> {
        let list = match self.take(key) {
            None => return Ok(Vec::new()),
            Some(Value::List(list)) => list,
            Some(_) => return Err(self.wrong(key, "a list is needed")),
        };
        if list.len() > limits::MAX_MEMBERS {
            let why = format!("there are {}; the limit is {}", list.len(), limits::MAX_MEMBERS);
            return Err(self.wrong(key, &why).limit(limits::MAX_MEMBERS as u64));
        }
        let part = |(place, value)| match value {
            Value::Map(entries) => Ok(Part { entries, at: format!("{}{key}[{place}].", self.at) }),
            _ => Err(self.wrong(&format!("{key}[{place}]"), "a map is needed")),
        };
        list.into_iter().enumerate().map(part).collect()
    }

    /// Nothing that was not asked for may be left: it would be a typing error, or from a later interface.
    fn end(&self) -> Result<()> {
        match self.entries.first() {
            None => Ok(()),
            Some((key, _)) => Err(unknown(&self.at, key)),
        }
    }

    fn wrong(&self, key: &str, why: &str) -> Error {
        wrong(&self.at, key, why)
    }
}

fn wrong(at: &str, key: &str, why: &str) -> Error {
    let place = format!("{at}{key}");
    invalid(format!("{place} of the module's description: {why}")).field(place)
}

fn unknown(at: &str, key: &str) -> Error {
    wrong(at, key, "nothing of this name is known")
}
