//! JavaScript's meaning.

use super::{Done, Rules, Stop, V, number};
use crate::expr::{Cmp, Method, Operator};
use emerge_proto::Value;
use num_bigint::BigInt;
use std::borrow::Cow;
use std::cmp::Ordering;

/// The largest integer that is a number and no bigint.
pub(crate) const SAFE: u64 = (1 << 53) - 1;

/// What every object inherits: a field that an object lacks is not undefined under these names.
pub(crate) const INHERITED: [&str; 12] = [
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

pub(super) struct JavaScript;

impl Rules for JavaScript {
    fn of(value: &Value) -> V<'_> {
        match value {
            Value::Null => V::Null,
            Value::Bool(bool) => V::Bool(*bool),
            Value::Int(int) if int.unsigned_abs() <= SAFE => V::Float(*int as f64),
            Value::Int(int) => V::Big(Cow::Owned(BigInt::from(*int))),
            Value::BigInt(int) => V::Big(Cow::Borrowed(int)),
            Value::Float(float) => V::Float(*float),
            Value::Text(text) => V::Text(Cow::Borrowed(text)),
            other => V::Other(other),
        }
    }

    fn truth(value: &V<'_>) -> Done<bool> {
        Ok(match value {
            V::Undefined | V::Null => false,
            V::Bool(bool) => *bool,
            V::Int(_) => return Err(Stop::Sandbox),
            V::Big(int) => !number::is_zero(int),
            V::Float(float) => *float != 0.0 && !float.is_nan(),
            V::Text(text) => !text.is_empty(),
            V::Other(other) => {
                objects(other)?;
                true
            }
        })
    }

    fn compare(cmp: Cmp, a: &V<'_>, b: &V<'_>) -> Done<bool> {
        Ok(match cmp {
            Cmp::StrictEq => strict(a, b)?,
            Cmp::StrictNe => !strict(a, b)?,
            Cmp::Eq => loose(a, b)?,
            Cmp::Ne => !loose(a, b)?,
            Cmp::Lt => matches!(order(a, b)?, Some(Ordering::Less)),
            Cmp::Le => matches!(order(a, b)?, Some(Ordering::Less | Ordering::Equal)),
            Cmp::Gt => matches!(order(a, b)?, Some(Ordering::Greater)),
            Cmp::Ge => matches!(order(a, b)?, Some(Ordering::Greater | Ordering::Equal)),
            Cmp::In | Cmp::NotIn | Cmp::Is | Cmp::IsNot => return Err(Stop::Sandbox),
        })
    }

    fn arithmetic<'a>(op: Operator, a: V<'a>, b: V<'a>) -> Done<V<'a>> {
        if let (Operator::Add, V::Text(a), V::Text(b)) = (op, &a, &b) {
            return Ok(V::Text(Cow::Owned(format!("{a}{b}"))));
        }
        if let (V::Big(a), V::Big(b)) = (&a, &b) {
            return Ok(V::Big(Cow::Owned(match op {
                Operator::Add => &**a + &**b,
                Operator::Subtract => &**a - &**b,
                Operator::Multiply => &**a * &**b,
                // To divide by nothing raises.
                Operator::Divide if !number::is_zero(b) => &**a / &**b,
                Operator::Remainder if !number::is_zero(b) => &**a % &**b,
                _ => return Err(Stop::Sandbox),
            })));
        }
        let (a, b) = (number(&a)?, number(&b)?);
        Ok(V::Float(match op {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            Operator::Remainder => a % b,
            Operator::FloorDivide => return Err(Stop::Sandbox),
        }))
    }

    fn negative(value: V<'_>) -> Done<V<'static>> {
        match value {
            V::Big(int) => Ok(V::Big(Cow::Owned(-int.into_owned()))),
            other => Ok(V::Float(-number(&other)?)),
        }
    }

    fn absolute(value: V<'_>) -> Done<V<'static>> {
        match value {
            V::Float(float) => Ok(V::Float(float.abs())),
            _ => Err(Stop::Sandbox),
        }
    }

    fn item<'a>(of: V<'a>, key: &V<'_>) -> Done<V<'a>> {
        match (&of, key) {
            (V::Other(Value::List(items)), V::Float(at))
                if *at >= 0.0 && at.fract() == 0.0 && *at < 4_294_967_295.0 =>
            {
                Ok(items.get(*at as usize).map_or(V::Undefined, Self::of))
            }
            (_, V::Text(name)) => Self::member(of, name),
            _ => Err(Stop::Sandbox),
        }
    }

    fn member<'a>(of: V<'a>, name: &str) -> Done<V<'a>> {
        match of {
            V::Text(text) if name == "length" => Ok(V::Float(text.encode_utf16().count() as f64)),
            V::Other(Value::List(items)) if name == "length" => Ok(V::Float(items.len() as f64)),
            V::Other(Value::Map(fields)) => match fields.iter().find(|(key, _)| key == name) {
                Some((_, value)) => Ok(Self::of(value)),
                None if INHERITED.contains(&name) => Err(Stop::Sandbox),
                None => Ok(V::Undefined),
            },
            _ => Err(Stop::Sandbox),
        }
    }

    fn call<'a>(of: V<'a>, method: Method, args: &[V<'a>]) -> Done<V<'a>> {
        let blank = |char: char| matches!(char, '\t'..='\r' | ' ');
        if let V::Text(text) = &of
            && let Some(found) = super::text_method(text, method, args, blank)
        {
            return Ok(found);
        }
        match (of, method, args) {
            (V::Text(text), Method::Includes, [V::Text(part)]) => Ok(V::Bool(text.contains(&**part))),
            (V::Other(Value::List(items)), Method::Includes, [wanted])
            | (V::Other(Value::Set(items)), Method::HasMember, [wanted]) => {
                for item in items {
                    if same_value_zero(&Self::of(item), wanted)? {
                        return Ok(V::Bool(true));
                    }
                }
                Ok(V::Bool(false))
            }
            _ => Err(Stop::Sandbox),
        }
    }

    fn missing(_: usize) -> Done<V<'static>> {
        Ok(V::Undefined)
    }
}

/// Values that surely are objects in JavaScript, of which no two are the same.
fn objects(value: &Value) -> Done<()> {
    match value {
        Value::List(_) | Value::Map(_) | Value::Set(_) | Value::Bytes(_) | Value::DateTime(_) => Ok(()),
        _ => Err(Stop::Sandbox),
    }
}

/// A primitive as a number; a text has to be read as one, which is the sandbox's.
pub(super) fn number(value: &V<'_>) -> Done<f64> {
    Ok(match value {
        V::Undefined => f64::NAN,
        V::Null => 0.0,
        V::Bool(bool) => f64::from(u8::from(*bool)),
        V::Float(float) => *float,
        V::Int(_) | V::Big(_) | V::Text(_) | V::Other(_) => return Err(Stop::Sandbox),
    })
}

pub(super) fn type_of(value: &V<'_>) -> Done<&'static str> {
    Ok(match value {
        V::Undefined => "undefined",
        V::Null => "object",
        V::Bool(_) => "boolean",
        V::Float(_) => "number",
        V::Big(_) => "bigint",
        V::Text(_) => "string",
        V::Int(_) => return Err(Stop::Sandbox),
        V::Other(other) => {
            objects(other)?;
            "object"
        }
    })
}

/// `===`.
fn strict(a: &V<'_>, b: &V<'_>) -> Done<bool> {
    Ok(match (a, b) {
        (V::Undefined, V::Undefined) | (V::Null, V::Null) => true,
        (V::Bool(a), V::Bool(b)) => a == b,
        (V::Float(a), V::Float(b)) => a == b,
        (V::Big(a), V::Big(b)) => a == b,
        (V::Text(a), V::Text(b)) => a == b,
        (V::Other(_), V::Other(_)) => return Err(Stop::Sandbox),
        (V::Other(other), _) | (_, V::Other(other)) => {
            objects(other)?;
            false
        }
        _ => false,
    })
}

/// As `===`, with NaN equal to itself.
fn same_value_zero(a: &V<'_>, b: &V<'_>) -> Done<bool> {
    match (a, b) {
        (V::Float(a), V::Float(b)) if a.is_nan() && b.is_nan() => Ok(true),
        _ => strict(a, b),
    }
}

/// `==`.
fn loose(a: &V<'_>, b: &V<'_>) -> Done<bool> {
    match (a, b) {
        (V::Undefined | V::Null, V::Undefined | V::Null) => Ok(true),
        (V::Undefined | V::Null, V::Other(other)) | (V::Other(other), V::Undefined | V::Null) => {
            objects(other)?;
            Ok(false)
        }
        (V::Undefined | V::Null, _) | (_, V::Undefined | V::Null) => Ok(false),
        (V::Bool(a), V::Bool(b)) => Ok(a == b),
        (V::Text(a), V::Text(b)) => Ok(a == b),
        (V::Bool(_) | V::Float(_) | V::Big(_), V::Bool(_) | V::Float(_) | V::Big(_)) => {
            Ok(order(a, b)? == Some(Ordering::Equal))
        }
        _ => Err(Stop::Sandbox),
    }
}

/// How two primitives compare; none when NaN is among them.
fn order(a: &V<'_>, b: &V<'_>) -> Done<Option<Ordering>> {
    Ok(match (a, b) {
        (V::Text(a), V::Text(b)) => Some(a.encode_utf16().cmp(b.encode_utf16())),
        (V::Big(a), V::Big(b)) => Some(a.cmp(b)),
        (V::Big(a), b) => number::big_with_float(a, number(b)?),
        (a, V::Big(b)) => number::big_with_float(b, number(a)?).map(Ordering::reverse),
        (a, b) => number(a)?.partial_cmp(&number(b)?),
    })
}
