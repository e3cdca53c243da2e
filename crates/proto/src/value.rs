//! Values: what a field, an argument or a result may be. The same set in every language.

use crate::class::ClassHash;
use crate::{Error, Result};
use num_bigint::BigInt;

/// A value. The CBOR form of each is in `PROTOCOL.md`.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer of 64 bits, signed.
    Int(i64),
    /// An integer outside 64 bits, signed. Never one that fits [`Value::Int`].
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
    /// A moment, as microseconds since 1970-01-01T00:00:00Z.
    DateTime(i64),
    /// A day of the calendar, as days since 1970-01-01.
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
}

/// A typed array (RFC 8746).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// The type of the elements.
    pub dtype: DType,
    /// The length of each dimension; the product times the element's size is `data.len()`.
    pub shape: Vec<u64>,
    /// The elements, little-endian.
    pub data: Vec<u8>,
}

/// The element type of an [`Array`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum DType {
    U8,
    U8Clamped,
    U16,
    U32,
    U64,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
}

impl Value {
    /// The CBOR encoding.
    pub fn encode(&self) -> Vec<u8> {
        unimplemented_codec()
    }

    /// Reads exactly one value.
    ///
    /// # Errors
    /// `bad_frame` (cut short, not well-formed, a forbidden key or tag), `too_deep`.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let _ = bytes;
        unimplemented_codec()
    }

    /// The JSON form that HTTP and the command line use (`{"$int": …}` and the like for what JSON lacks).
    pub fn to_json(&self) -> serde_json::Value {
        unimplemented_codec()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// `bad_argument`, with the field path.
    pub fn from_json(json: &serde_json::Value) -> Result<Self, Error> {
        let _ = json;
        unimplemented_codec()
    }
}

fn unimplemented_codec() -> ! {
    panic!("the codec is being written")
}
