//! Building a [`Value`] while it is read.

use super::array::{self, Array};
use super::walk::{Big, Build, Leaf};
use super::{Value, write};
use crate::class::ClassHash;
use num_bigint::{BigInt, Sign};
use std::collections::HashSet;

/// Builds a [`Value`].
pub(super) struct Tree;

impl Build for Tree {
    type Out = Value;
    type Items = Vec<Value>;
    type Fields = Vec<(String, Value)>;

    fn leaf(leaf: Leaf<'_>) -> Value {
        match leaf {
            Leaf::Null => Value::Null,
            Leaf::Bool(bool) => Value::Bool(bool),
            Leaf::Int(int) => Value::Int(int),
            Leaf::Big(big) => Value::integer(integer(&big)),
            Leaf::Float(float) => Value::Float(float),
            Leaf::Text(text) => Value::Text(text.into_owned()),
            Leaf::Bytes(bytes) => Value::Bytes(bytes.into_owned()),
            Leaf::DateTime(micros) => Value::DateTime(micros),
            Leaf::Date(days) => Value::Date(days),
            Leaf::Uuid(bytes) => Value::Uuid(bytes),
            Leaf::Decimal { exponent, mantissa } => Value::Decimal { exponent, mantissa: integer(&mantissa) },
            Leaf::Duration(micros) => Value::Duration(micros),
            Leaf::Array { dtype, big_endian, shape, data } => {
                let mut data = data.into_owned();
                if big_endian {
                    array::swap(dtype, &mut data);
                }
                Value::Array(Array { dtype, shape, data })
            }
            Leaf::Ref(path) => Value::Ref(path.into_owned()),
        }
    }

    fn items(capacity: usize) -> Vec<Value> {
        Vec::with_capacity(capacity)
    }

    fn item(items: &mut Vec<Value>, item: Value) {
        items.push(item);
    }

    fn fields(capacity: usize) -> Vec<(String, Value)> {
        Vec::with_capacity(capacity)
    }

    fn field(fields: &mut Vec<(String, Value)>, key: &str, value: Value) {
        fields.push((key.to_owned(), value));
    }

    fn list(items: Vec<Value>) -> Value {
        Value::List(items)
    }

    fn set(items: Vec<Value>) -> Value {
        Value::Set(distinct(items))
    }

    fn map(fields: Vec<(String, Value)>) -> Value {
        Value::Map(fields)
    }

    fn object(class: ClassHash, fields: Vec<(String, Value)>) -> Value {
        Value::Object { class, fields }
    }

    fn table(columns: Vec<String>, rows: Vec<Value>) -> Value {
        let row = |row| match row {
            Value::List(row) => row,
            other => vec![other],
        };
        Value::Table { columns, rows: rows.into_iter().map(row).collect() }
    }
}

/// Keeps the first of equal members.
pub(super) fn distinct(mut members: Vec<Value>) -> Vec<Value> {
    let mut known = HashSet::with_capacity(members.len());
    members.retain(|member| {
        let mut encoded = Vec::new();
        write::value(member, &mut encoded);
        known.insert(encoded)
    });
    members
}

fn integer(big: &Big<'_>) -> BigInt {
    let magnitude = BigInt::from_bytes_be(Sign::Plus, &big.magnitude);
    if big.negative { -magnitude - 1 } else { magnitude }
}
