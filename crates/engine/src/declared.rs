//! Values of fields, held against the types that their class declares: the same for every client and every method.

use crate::classes::Lineage;
use bytes::Bytes;
use emerge_proto::value::{Array, DType, raw};
use emerge_proto::{Error, ErrorCode, FieldType, Result, Value};
use std::borrow::Cow;

/// Encoded fields in the form that the class's declared types have. Null fits every type, and a name that the class does not declare takes
/// any value.
///
/// # Errors
/// `bad_argument` names the field.
pub(crate) fn fitted(lineage: &Lineage, fields: &[u8]) -> Result<Bytes> {
    if lineage.iter().all(|class| class.source.fields.is_empty()) {
        return Ok(Bytes::copy_from_slice(fields));
    }
    let mut changed = false;
    let mut entries = Vec::new();
    for entry in raw::entries(fields)? {
        let (name, value) = entry?;
        let kind = kind_of(lineage, &name);
        let value = if is_plainly(kind, value) {
            Cow::Borrowed(value)
        } else {
            let fitted = fit(kind, &name, Value::decode(value)?)?.encode();
            changed |= fitted != value;
            Cow::Owned(fitted)
        };
        entries.push((name, value));
    }
    Ok(if changed { raw::build(&entries).into() } else { Bytes::copy_from_slice(fields) })
}

/// The declared type of a class's field; that of the nearest class that declares it.
pub(crate) fn kind_of(lineage: &Lineage, name: &str) -> FieldType {
    let declared = lineage.iter().flat_map(|class| &class.source.fields).find(|field| field.name == name);
    declared.map_or(FieldType::Any, |field| field.kind)
}

/// A value in the form that the field's declared type has, where a language's or JSON's own form would lose it.
///
/// # Errors
/// `bad_argument` names the field.
pub(crate) fn fit(kind: FieldType, name: &str, value: Value) -> Result<Value> {
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
        ) => Value::of_text(kind, &text).map_err(|error| error.field(name))?,
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
    let why = format!("the field {name:?} is declared {} and was given {}", kind.as_str(), value.type_name());
    Err(Error::new(ErrorCode::BadArgument, why).field(name))
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
                let fits = fit(*kind, "f", value.clone()).is_ok_and(|same| same == *value);
                assert!(!is_plainly(*kind, &value.encode()) || fits, "{value:?} as {}", kind.as_str());
            }
        }
    }

    #[test]
    fn what_a_language_cannot_say_is_what_is_declared() {
        assert_eq!(fit(FieldType::Float, "f", Value::Int(3)).unwrap(), Value::Float(3.0));
        assert_eq!(fit(FieldType::Date, "f", Value::Text("1970-01-02".into())).unwrap(), Value::Date(1));
        let error = fit(FieldType::Int, "count", Value::Float(1.5)).unwrap_err();
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("count")));
        assert!(fit(FieldType::Int, "count", Value::Bool(true)).is_err(), "true is no number");
        fit(FieldType::Object, "owner", Value::Ref("/customers/c0".into())).unwrap();
    }
}
