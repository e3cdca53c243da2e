//! Between Rust's types and Emerge's values.

use emerge_proto::{Error, ErrorCode, Value};
use std::collections::{BTreeMap, HashMap};

/// A type of fields, arguments and results.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type of fields, arguments or results of a class",
    note = "numbers, bool, String, Vec, HashMap, BTreeMap, Option, and Bytes, DateTime, Date, Uuid, Ref and Value of the crate emerge are; \
            of a Result the error is a text or an emerge::Error"
)]
pub trait Data: Sized {
    /// The value.
    fn into_value(self) -> Value;

    /// What a value is, in this type.
    ///
    /// # Errors
    /// `bad_argument`.
    fn from_value(value: Value) -> Result<Self, Error>;
}

fn wrong(needed: &str, value: &Value) -> Error {
    Error::new(ErrorCode::BadArgument, format!("{needed} is needed, not {}", value.type_name()))
}

impl Data for Value {
    fn into_value(self) -> Value {
        self
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        Ok(value)
    }
}

impl Data for () {
    fn into_value(self) -> Value {
        Value::Null
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        match value {
            Value::Null => Ok(()),
            other => Err(wrong("null", &other)),
        }
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Data for $type {
            fn into_value(self) -> Value {
                Value::integer(self.into())
            }

            fn from_value(value: Value) -> Result<Self, Error> {
                let fits = match &value {
                    Value::Int(number) => <$type>::try_from(*number).ok(),
                    Value::BigInt(number) => <$type>::try_from(number.clone()).ok(),
                    other => return Err(wrong("an integer", other)),
                };
                let why = || Error::new(ErrorCode::BadArgument, format!("the integer does not fit {}", stringify!($type)));
                fits.ok_or_else(why)
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, i128, u128);

macro_rules! plain {
    ($($type:ty, $variant:ident, $needed:literal, $wrap:expr, $take:expr;)*) => {$(
        impl Data for $type {
            fn into_value(self) -> Value {
                Value::$variant($take(self))
            }

            fn from_value(value: Value) -> Result<Self, Error> {
                match value {
                    Value::$variant(inner) => Ok($wrap(inner)),
                    other => Err(wrong($needed, &other)),
                }
            }
        }
    )*};
}

/// Bytes, which a `Vec<u8>` is not: that is a list of integers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// A moment: microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime(pub i64);

/// A day: days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub i32);

/// A UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uuid(pub [u8; 16]);

/// A reference to another object, by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref(pub String);

plain! {
    bool, Bool, "true or false", |inner| inner, |own| own;
    String, Text, "a text", |inner| inner, |own| own;
    Bytes, Bytes, "bytes", Bytes, |own: Bytes| own.0;
    DateTime, DateTime, "a datetime", DateTime, |own: DateTime| own.0;
    Date, Date, "a date", Date, |own: Date| own.0;
    Uuid, Uuid, "a UUID", Uuid, |own: Uuid| own.0;
    Ref, Ref, "a reference", Ref, |own: Ref| own.0;
}

impl Data for f64 {
    fn into_value(self) -> Value {
        Value::Float(self)
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        match value {
            Value::Float(number) => Ok(number),
            Value::Int(number) => Ok(number as f64),
            other => Err(wrong("a number", &other)),
        }
    }
}

impl Data for f32 {
    fn into_value(self) -> Value {
        Value::Float(self.into())
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        f64::from_value(value).map(|number| number as f32)
    }
}

impl<T: Data> Data for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, Data::into_value)
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl<T: Data> Data for Vec<T> {
    fn into_value(self) -> Value {
        Value::List(self.into_iter().map(Data::into_value).collect())
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        let (Value::List(items) | Value::Set(items)) = value else { return Err(wrong("a list", &value)) };
        let item = |(at, item)| T::from_value(item).map_err(|error| within(error, &format!("[{at}]")));
        items.into_iter().enumerate().map(item).collect()
    }
}

macro_rules! maps {
    ($($type:ident),*) => {$(
        impl<T: Data> Data for $type<String, T> {
            fn into_value(self) -> Value {
                Value::Map(self.into_iter().map(|(key, value)| (key, value.into_value())).collect())
            }

            fn from_value(value: Value) -> Result<Self, Error> {
                let Value::Map(entries) = value else { return Err(wrong("a map", &value)) };
                let entry = |(key, value): (String, Value)| match T::from_value(value) {
                    Ok(value) => Ok((key, value)),
                    Err(error) => Err(within(error, &format!(".{key}"))),
                };
                entries.into_iter().map(entry).collect()
            }
        }
    )*};
}

maps!(BTreeMap, HashMap);

/// Says where in a list or a map something was wrong; the name of the whole is put before it later.
fn within(error: Error, step: &str) -> Error {
    let rest = error.field.as_deref().unwrap_or_default();
    let field = format!("{step}{rest}");
    error.field(field)
}

/// Names the field or argument in which something was wrong.
pub(crate) fn named(error: Error, name: &str) -> Error {
    let error = within(error, name);
    let message = format!("{}: {}", error.field.as_deref().unwrap_or_default(), error.message);
    Error { message, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there_and_back<T: Data + PartialEq + std::fmt::Debug + Clone>(value: T) {
        assert_eq!(T::from_value(value.clone().into_value()), Ok(value));
    }

    #[test]
    fn what_goes_out_comes_back() {
        there_and_back(i64::MIN);
        there_and_back(u64::MAX);
        there_and_back(u128::MAX);
        there_and_back(-1.5f64);
        there_and_back(Some(String::from("é")));
        there_and_back(None::<bool>);
        there_and_back(vec![Bytes(vec![1, 2]), Bytes(vec![])]);
        there_and_back(BTreeMap::from([("a".to_owned(), vec![DateTime(5)])]));
        there_and_back((Date(3).into_value(), Uuid([7; 16]).into_value()).0);
        there_and_back(Ref("/a".into()));
        assert_eq!(f64::from_value(Value::Int(3)), Ok(3.0));
    }

    #[test]
    fn what_does_not_fit_says_where() {
        let list = Value::Map(vec![("a".into(), Value::List(vec![Value::Int(1), Value::Int(300)]))]);
        let error = named(BTreeMap::<String, Vec<u8>>::from_value(list).unwrap_err(), "sizes");
        assert_eq!((error.code, error.field.as_deref()), (ErrorCode::BadArgument, Some("sizes.a[1]")));
        assert_eq!(error.message, "sizes.a[1]: the integer does not fit u8");
        let error = named(bool::from_value(Value::Null).unwrap_err(), "open");
        assert_eq!(error.message, "open: true or false is needed, not null");
    }
}
