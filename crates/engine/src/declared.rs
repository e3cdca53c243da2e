//! Fields, held against what their class declares: the same for every client and every method, for an object's own fields and for those of the
//! objects that lie within it.
//!
//! A name that no class of the lineage declares is refused, with these exceptions: a Python class takes any, as Python does; so does a class that declares
//! none; a class with a method `query` has the names of kept results; and what the object has already stays (fields of before a migration).

use crate::classes::Lineage;
use bytes::Bytes;
use emerge_proto::value::{Array, DType, FieldPath, Step, raw};
use emerge_proto::{ClassHash, Error, ErrorCode, FieldType, Language, Result, Value};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

/// The method of a query object, and what is kept of it.
const QUERY: &str = "query";
const KEPT: [&str; 3] = ["results", "results_at", "results_by"];

/// The classes of the objects that lie within a value.
pub(crate) type Within = HashMap<ClassHash, Lineage>;

/// Encoded fields in the form that the class's declared types have. Null fits every type. `within` has the classes of all objects that lie within;
/// `held` is what the object has already, an encoded map.
///
/// # Errors
/// `bad_argument` names the field, by its whole path.
pub(crate) fn fitted(lineage: &Lineage, within: &Within, fields: &[u8], held: &[u8]) -> Result<Bytes> {
    if within.is_empty() && declares_nothing(lineage) {
        return Ok(Bytes::copy_from_slice(fields));
    }
    let mut changed = false;
    let mut entries = Vec::new();
    for entry in raw::entries(fields)? {
        let (name, value) = entry?;
        let kind = match kind_of(lineage, &name) {
            Some(kind) => kind,
            None if raw::get(held, &name)?.is_some() => FieldType::Any,
            None => return Err(undeclared(lineage, &[Step::Key(name.into_owned())])),
        };
        let value = if is_plainly(kind, value) && (within.is_empty() || holds_nothing(value)) {
            Cow::Borrowed(value)
        } else {
            let mut fitting = Fitting { within, at: vec![Step::Key(name.to_string())] };
            let fitted = fitting.value(kind, Value::decode(value)?)?.encode();
            changed |= fitted != value;
            Cow::Owned(fitted)
        };
        entries.push((name, value));
    }
    Ok(if changed { raw::build(&entries).into() } else { Bytes::copy_from_slice(fields) })
}

/// A field's value in which something was set at the end of `steps`, in the form that the declared types have: those of the field, when it was set as a
/// whole, and of the objects that the steps lead through or that were set.
///
/// # Errors
/// As [`fitted`].
pub(crate) fn fitted_at(
    lineage: Option<&Lineage>,
    within: &Within,
    steps: &[Step],
    value: Value,
    held: &Held,
) -> Result<Value> {
    let Some((Step::Key(name), rest)) = steps.split_first() else { return Ok(value) };
    let mut fitting = Fitting { within, at: vec![Step::Key(name.clone())] };
    fitting.field(lineage, name, rest, value, held)
}

/// What was at a place before it was set.
#[derive(Default)]
pub(crate) struct Held {
    /// Whether there was anything.
    there: bool,
    /// The names of its fields, if it was an object.
    names: Vec<String>,
}

impl Held {
    pub(crate) fn of(value: Option<&Value>) -> Self {
        let names = match value {
            Some(Value::Object { fields, .. }) => fields.iter().map(|(name, _)| name.clone()).collect(),
            _ => Vec::new(),
        };
        Self { there: value.is_some(), names }
    }
}

/// The classes of the objects in a value. A value nests no deeper than its limit.
pub(crate) fn classes_in(value: &Value, found: &mut BTreeSet<ClassHash>) {
    match value {
        Value::List(items) | Value::Set(items) => items.iter().for_each(|item| classes_in(item, found)),
        Value::Map(entries) => entries.iter().for_each(|(_, entry)| classes_in(entry, found)),
        Value::Object { class, fields } => {
            found.insert(*class);
            fields.iter().for_each(|(_, entry)| classes_in(entry, found));
        }
        Value::Table { rows, .. } => rows.iter().flatten().for_each(|cell| classes_in(cell, found)),
        _ => {}
    }
}

/// The declared type of a class's field, that of the nearest class which declares it; none when the class has no such field.
fn kind_of(lineage: &Lineage, name: &str) -> Option<FieldType> {
    let declared = lineage.iter().flat_map(|class| &class.source.fields).find(|field| field.name == name);
    declared.map(|field| field.kind).or_else(|| takes(lineage, name).then_some(FieldType::Any))
}

/// The declared type of a field of a class, where it is known; of one that is not declared any, if it `stays` as the object has it already.
fn kind_or_any(lineage: Option<&Lineage>, name: &str, stays: bool, at: &[Step]) -> Result<FieldType> {
    match lineage.map(|lineage| (lineage, kind_of(lineage, name))) {
        Some((_, Some(kind))) => Ok(kind),
        Some((lineage, None)) if !stays => Err(undeclared(lineage, at)),
        _ => Ok(FieldType::Any),
    }
}

#[cold]
fn takes(lineage: &Lineage, name: &str) -> bool {
    let queries = || lineage.iter().flat_map(|class| &class.methods).any(|method| method.name == QUERY);
    declares_nothing(lineage)
        || lineage.iter().any(|class| class.source.language == Language::Python)
        || (KEPT.contains(&name) && queries())
}

fn declares_nothing(lineage: &Lineage) -> bool {
    lineage.iter().all(|class| class.source.fields.is_empty())
}

#[cold]
fn undeclared(lineage: &Lineage, at: &[Step]) -> Error {
    let class = lineage.first().map_or("", |class| &class.source.name);
    let mut names: Vec<&str> =
        lineage.iter().flat_map(|class| &class.source.fields).map(|field| field.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let field = shown(at);
    let why = format!("class {class} has no field {field:?}; it has {}", names.join(", "));
    Error::new(ErrorCode::BadArgument, why).field(field)
}

/// A field by its path; by its mere name when it is the object's own.
fn shown(at: &[Step]) -> String {
    match at {
        [Step::Key(name)] => name.clone(),
        steps => FieldPath(steps).to_string(),
    }
}

/// Values on the way to what lies within them.
struct Fitting<'a> {
    within: &'a Within,
    /// Where the value is.
    at: Vec<Step>,
}

impl Fitting<'_> {
    /// One field of an object, of which what is at the end of `rest` was set.
    fn field(
        &mut self,
        lineage: Option<&Lineage>,
        name: &str,
        rest: &[Step],
        value: Value,
        held: &Held,
    ) -> Result<Value> {
        let kind = kind_or_any(lineage, name, held.there || !rest.is_empty(), &self.at)?;
        if rest.is_empty() {
            return self.whole(kind, value, held);
        }
        self.along(rest, value, held)
    }

    /// A value within which the end of `steps` was set.
    fn along(&mut self, steps: &[Step], mut value: Value, held: &Held) -> Result<Value> {
        let Some((step, rest)) = steps.split_first() else { return self.whole(FieldType::Any, value, held) };
        let within = self.within;
        self.at.push(step.clone());
        match (&mut value, step) {
            (Value::Object { class, fields }, Step::Key(name)) => {
                if let Some((_, inner)) = fields.iter_mut().find(|(known, _)| known == name) {
                    let old = std::mem::replace(inner, Value::Null);
                    *inner = self.field(within.get(class), name, rest, old, held)?;
                }
            }
            (Value::Map(fields), Step::Key(name)) => {
                if let Some((_, inner)) = fields.iter_mut().find(|(known, _)| known == name) {
                    *inner = self.along(rest, std::mem::replace(inner, Value::Null), held)?;
                }
            }
            (Value::List(items), Step::Index(index)) => {
                if let Some(inner) = items.get_mut(*index) {
                    *inner = self.along(rest, std::mem::replace(inner, Value::Null), held)?;
                }
            }
            _ => {}
        }
        self.at.pop();
        Ok(value)
    }

    fn value(&mut self, kind: FieldType, value: Value) -> Result<Value> {
        self.whole(kind, value, &Held::default())
    }

    /// A value of a declared type, and all that lies within.
    fn whole(&mut self, kind: FieldType, value: Value, held: &Held) -> Result<Value> {
        let mut value = fit(kind, &self.at, value)?;
        if !self.within.is_empty() {
            self.inner(&mut value, &held.names)?;
        }
        Ok(value)
    }

    /// What lies within a value. It nests no deeper than its limit.
    fn inner(&mut self, value: &mut Value, held: &[String]) -> Result<()> {
        match value {
            Value::List(items) | Value::Set(items) => self.items(items),
            Value::Map(entries) => {
                for (name, entry) in entries {
                    self.at.push(Step::Key(name.clone()));
                    self.inner(entry, &[])?;
                    self.at.pop();
                }
                Ok(())
            }
            Value::Object { class, fields } => {
                let lineage = self.within.get(class);
                for (name, field) in fields {
                    self.at.push(Step::Key(name.clone()));
                    let kind = kind_or_any(lineage, name, held.contains(name), &self.at)?;
                    *field = self.value(kind, std::mem::replace(field, Value::Null))?;
                    self.at.pop();
                }
                Ok(())
            }
            Value::Table { rows, .. } => {
                self.at.push(Step::Key("rows".into()));
                for (index, row) in rows.iter_mut().enumerate() {
                    self.at.push(Step::Index(index));
                    self.items(row)?;
                    self.at.pop();
                }
                self.at.pop();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn items(&mut self, items: &mut [Value]) -> Result<()> {
        for (index, item) in items.iter_mut().enumerate() {
            self.at.push(Step::Index(index));
            self.inner(item, &[])?;
            self.at.pop();
        }
        Ok(())
    }
}

/// A value in the form that the field's declared type has, where a language's or JSON's own form would lose it.
///
/// # Errors
/// `bad_argument` names the field.
fn fit(kind: FieldType, at: &[Step], value: Value) -> Result<Value> {
    let value = match (kind, value) {
        (FieldType::Float, Value::Int(int)) => Value::Float(int as f64),
        (FieldType::Array, Value::Bytes(data)) => {
            Value::Array(Array { dtype: DType::U8, shape: vec![data.len() as u64], data })
        }
        (
            FieldType::Ref
            | FieldType::Uuid
            | FieldType::Date
            | FieldType::Decimal
            | FieldType::DateTime
            | FieldType::Duration,
            Value::Text(text),
        ) => Value::of_text(kind, &text).map_err(|error| error.field(shown(at)))?,
        (_, value) => value,
    };
    let fits = match &value {
        Value::Null => true,
        // What a reference leads to is what the field's reader gets.
        Value::Ref(_) => matches!(kind, FieldType::Any | FieldType::Ref | FieldType::Object),
        value => kind == FieldType::Any || FieldType::of(value) == kind,
    };
    if fits {
        return Ok(value);
    }
    let field = shown(at);
    let why =
        format!("the field {field:?} is declared {} and was given {}", kind.as_str(), value.type_name());
    Err(Error::new(ErrorCode::BadArgument, why).field(field))
}

/// Whether the first byte tells that no other value lies within.
fn holds_nothing(value: &[u8]) -> bool {
    value.first().is_some_and(|first| !matches!(first >> 5, 4..=6))
}

/// Whether an encoded value is seen to be of a type by its first byte (RFC 8949, section 3); one with a tag is not.
fn is_plainly(kind: FieldType, value: &[u8]) -> bool {
    const NULL: u8 = 0xf6;
    const DOUBLE: u8 = 0xfb;
    let Some(&first) = value.first() else { return false };
    let major = first >> 5;
    first == NULL
        || match kind {
            FieldType::Any => true,
            FieldType::Int => major <= 1,
            FieldType::Bytes => major == 2,
            FieldType::Text => major == 3,
            FieldType::List => major == 4,
            FieldType::Map => major == 5,
            FieldType::Float => first == DOUBLE,
            FieldType::Bool => matches!(first, 0xf4 | 0xf5),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str) -> [Step; 1] {
        [Step::Key(name.into())]
    }

    #[test]
    fn what_the_first_byte_tells_is_what_the_value_is() {
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(7),
            Value::Int(-1_000_000),
            Value::integer("100000000000000000000000".parse().unwrap()),
            Value::Float(1.0),
            Value::Float(f64::NAN),
            Value::Text("🐎".into()),
            Value::Bytes(vec![1]),
            Value::List(vec![Value::Int(1)]),
            Value::Map(vec![("a".into(), Value::Null)]),
            Value::Set(vec![Value::Int(1)]),
            Value::DateTime(1),
            Value::Date(1),
            Value::Uuid([1; 16]),
            Value::Decimal { exponent: -2, mantissa: 150.into() },
            Value::Duration(1),
            Value::Array(Array { dtype: DType::U8, shape: vec![1], data: vec![1] }),
            Value::Ref("/a".into()),
            Value::Table { columns: vec![], rows: vec![] },
        ];
        for value in &values {
            for kind in FieldType::ALL {
                let fits = fit(*kind, &field("f"), value.clone()).is_ok_and(|same| same == *value);
                assert!(!is_plainly(*kind, &value.encode()) || fits, "{value:?} as {}", kind.as_str());
            }
        }
    }

    #[test]
    fn what_a_language_cannot_say_is_what_is_declared() {
        assert_eq!(fit(FieldType::Float, &field("f"), Value::Int(3)).unwrap(), Value::Float(3.0));
        assert_eq!(
            fit(FieldType::Date, &field("f"), Value::Text("1970-01-02".into())).unwrap(),
            Value::Date(1)
        );
        let error = fit(FieldType::Int, &field("count"), Value::Float(1.5)).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("count")));
        assert!(fit(FieldType::Int, &field("count"), Value::Bool(true)).is_err(), "true is no number");
        fit(FieldType::Object, &field("owner"), Value::Ref("/customers/c0".into())).unwrap();
    }
}
