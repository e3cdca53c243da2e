//! Values: what a field, an argument or a result may be. The same set in every language.
//!
//! Most of the node moves values as encoded bytes and never builds them: [`check`], [`check_map`] and [`raw`] are for that.

mod array;
mod base64;
mod fail;
mod from_json;
pub mod order;
pub mod raw;
mod reader;
pub(crate) mod scan;
mod time;
mod to_json;
mod tree;
mod walk;
mod write;

pub use array::{Array, DType};
/// The proleptic Gregorian calendar.
pub mod calendar {
    pub use super::time::{civil, days_of};
}
pub use fail::{FieldPath, Step};
pub use walk::{check, check_fields, check_list, check_map};

use crate::class::ClassHash;
use crate::{Error, Result};
use num_bigint::BigInt;

/// A value. The CBOR form of each is in `PROTOCOL.md`.
///
/// Two values are equal when they are the same value of the same type: floats by their bits (so NaN equals itself and
/// -0.0 is not 0.0), an integer however it is held, maps and sets in the order that they keep.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer of 64 bits, signed.
    Int(i64),
    /// An integer outside 64 bits, signed. Never one that fits [`Value::Int`]; [`Value::integer`] chooses.
    BigInt(BigInt),
    /// A 64-bit float. Stays a float when it is whole.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Value>),
    /// A map with text keys, in the order in which they were set. No key twice.
    Map(Vec<(String, Value)>),
    /// A set; equal members are kept once, order is that of insertion.
    Set(Vec<Value>),
    /// A moment, as microseconds since 1970-01-01T00:00:00Z; from year 0000 to year 9999.
    DateTime(i64),
    /// A day of the calendar, as days since 1970-01-01; from year 0000 to year 9999.
    Date(i32),
    /// A UUID.
    Uuid([u8; 16]),
    /// A decimal number: `mantissa * 10^exponent`.
    Decimal {
        /// The power of ten.
        exponent: i64,
        /// The digits.
        mantissa: BigInt,
    },
    /// A length of time, in microseconds.
    Duration(i64),
    /// An n-dimensional typed array, row-major, little-endian.
    Array(Array),
    /// A reference to another object, by path.
    Ref(String),
    /// An object inside another: its class version and its fields.
    Object {
        /// The version of its class.
        class: ClassHash,
        /// Its fields, as in a map.
        fields: Vec<(String, Value)>,
    },
    /// Columns and rows, as many values in each row as there are columns.
    Table {
        /// The names of the columns, none twice.
        columns: Vec<String>,
        /// The rows.
        rows: Vec<Vec<Value>>,
    },
}

impl Value {
    /// An integer of any size, in the variant that it belongs to.
    pub fn integer(integer: BigInt) -> Self {
        match i64::try_from(&integer) {
            Ok(small) => Value::Int(small),
            Err(_) => Value::BigInt(integer),
        }
    }

    /// The CBOR encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_into(&mut bytes);
        bytes
    }

    /// Appends the CBOR encoding.
    pub fn encode_into(&self, bytes: &mut Vec<u8>) {
        write::value(self, bytes);
    }

    /// Reads exactly one value.
    ///
    /// # Errors
    /// `bad_frame` (cut short, not well-formed, a forbidden key or tag), `too_deep`, `too_large` (an integer); with the
    /// field path where the fault lies inside a list or a map.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        walk::whole::<tree::Tree>(bytes)
    }

    /// Reads the value that the bytes begin with; also gives its length.
    ///
    /// # Errors
    /// As [`Value::decode`].
    pub fn decode_first(bytes: &[u8]) -> Result<(Self, usize), Error> {
        walk::first::<tree::Tree>(bytes)
    }

    /// The JSON form that HTTP and the command line use (`{"$int": …}` and the like for what JSON lacks).
    pub fn to_json(&self) -> serde_json::Value {
        to_json::value(self)
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// `bad_argument` or `too_deep`, with the field path.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, Error> {
        from_json::value(json)
    }

    /// The value that a text stands for where one of this declared type is needed: `2024-02-29` of a date. Types that JSON writes by a text have one.
    ///
    /// # Errors
    /// `bad_argument`.
    pub fn of_text(kind: crate::FieldType, text: &str) -> Result<Self, Error> {
        let tag = format!("${}", kind.as_str());
        from_json::value(&serde_json::Value::Object([(tag, text.into())].into_iter().collect()))
            .map_err(|error| Error::new(crate::ErrorCode::BadArgument, error.message))
    }

    /// The name of the value's type, as declared types of fields are named.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::BigInt(_) => "int",
            Value::Float(_) => "float",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "list",
            Value::Map(_) => "map",
            Value::Set(_) => "set",
            Value::DateTime(_) => "datetime",
            Value::Date(_) => "date",
            Value::Uuid(_) => "uuid",
            Value::Decimal { .. } => "decimal",
            Value::Duration(_) => "duration",
            Value::Array(_) => "array",
            Value::Ref(_) => "ref",
            Value::Object { .. } => "object",
            Value::Table { .. } => "table",
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        use Value::*;
        match (self, other) {
            (Null, Null) => true,
            (Bool(a), Bool(b)) => a == b,
            (Int(a), Int(b)) => a == b,
            (BigInt(a), BigInt(b)) => a == b,
            (Int(small), BigInt(big)) | (BigInt(big), Int(small)) => i64::try_from(big) == Ok(*small),
            (Float(a), Float(b)) => a.to_bits() == b.to_bits(),
            (Text(a), Text(b)) | (Ref(a), Ref(b)) => a == b,
            (Bytes(a), Bytes(b)) => a == b,
            (List(a), List(b)) | (Set(a), Set(b)) => a == b,
            (Map(a), Map(b)) => a == b,
            (DateTime(a), DateTime(b)) | (Duration(a), Duration(b)) => a == b,
            (Date(a), Date(b)) => a == b,
            (Uuid(a), Uuid(b)) => a == b,
            (
                Decimal { exponent: exponent_a, mantissa: mantissa_a },
                Decimal { exponent: exponent_b, mantissa: mantissa_b },
            ) => exponent_a == exponent_b && mantissa_a == mantissa_b,
            (Array(a), Array(b)) => a == b,
            (Object { class: class_a, fields: fields_a }, Object { class: class_b, fields: fields_b }) => {
                class_a == class_b && fields_a == fields_b
            }
            (Table { columns: columns_a, rows: rows_a }, Table { columns: columns_b, rows: rows_b }) => {
                columns_a == columns_b && rows_a == rows_b
            }
            _ => false,
        }
    }
}

impl Eq for Value {}

impl<C> minicbor::Encode<C> for Value {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.writer_mut().write_all(&Value::encode(self)).map_err(minicbor::encode::Error::write)
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Value {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let from = d.position();
        let rest = d.input().get(from..).unwrap_or_default();
        let (value, length) = walk::first::<tree::Tree>(rest).map_err(minicbor::decode::Error::custom)?;
        d.set_position(from + length);
        Ok(value)
    }
}

#[cfg(test)]
mod tests;
