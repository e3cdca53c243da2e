//! Python's meaning.

use super::{Done, Rules, Stop, V, number};
use crate::expr::{Cmp, Method, Operator};
use emerge_proto::Value;
use num_bigint::BigInt;
use std::borrow::Cow;
use std::cmp::Ordering;

/// The first moment of the year 1: before it Python has none.
const FIRST: i64 = -62_135_596_800_000_000;

pub(super) struct Python;

impl Rules for Python {
    fn of(value: &Value) -> V<'_> {
        match value {
            Value::Null => V::Null,
            Value::Bool(bool) => V::Bool(*bool),
            Value::Int(int) => V::Int(*int),
            Value::BigInt(int) => V::Big(Cow::Borrowed(int)),
            Value::Float(float) => V::Float(*float),
            Value::Text(text) => V::Text(Cow::Borrowed(text)),
            other => V::Other(other),
        }
    }

    fn truth(value: &V<'_>) -> Done<bool> {
        Ok(match value {
            V::Undefined => return Err(Stop::Sandbox),
            V::Null => false,
            V::Bool(bool) => *bool,
            V::Int(int) => *int != 0,
            V::Big(int) => !number::is_zero(int),
            V::Float(float) => *float != 0.0,
            V::Text(text) => !text.is_empty(),
            V::Other(Value::List(items) | Value::Set(items)) => !items.is_empty(),
            V::Other(Value::Map(fields)) => !fields.is_empty(),
            V::Other(Value::Bytes(bytes)) => !bytes.is_empty(),
            V::Other(Value::DateTime(_) | Value::Date(_) | Value::Uuid(_)) => true,
            V::Other(Value::Duration(micros)) => *micros != 0,
            V::Other(_) => return Err(Stop::Sandbox),
        })
    }

    fn compare(cmp: Cmp, a: &V<'_>, b: &V<'_>) -> Done<bool> {
        Ok(match cmp {
            Cmp::Eq => equal(a, b)?,
            Cmp::Ne => !equal(a, b)?,
            Cmp::Lt => matches!(order(a, b)?, Some(Ordering::Less)),
            Cmp::Le => matches!(order(a, b)?, Some(Ordering::Less | Ordering::Equal)),
            Cmp::Gt => matches!(order(a, b)?, Some(Ordering::Greater)),
            Cmp::Ge => matches!(order(a, b)?, Some(Ordering::Greater | Ordering::Equal)),
            Cmp::In => contains(b, a)?,
            Cmp::NotIn => !contains(b, a)?,
            Cmp::Is => is(a, b)?,
            Cmp::IsNot => !is(a, b)?,
            Cmp::StrictEq | Cmp::StrictNe => return Err(Stop::Sandbox),
        })
    }

    fn arithmetic<'a>(op: Operator, a: V<'a>, b: V<'a>) -> Done<V<'a>> {
        if let (Operator::Add, V::Text(a), V::Text(b)) = (op, &a, &b) {
            return Ok(V::Text(Cow::Owned(format!("{a}{b}"))));
        }
        if let (Some(a), Some(b)) = (integer(&a), integer(&b)) {
            return integers(op, &a, &b);
        }
        let (a, b) = (float(&a)?, float(&b)?);
        Ok(V::Float(match op {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            // To divide by nothing raises.
            Operator::Divide if b != 0.0 => a / b,
            _ => return Err(Stop::Sandbox),
        }))
    }

    fn negative(value: V<'_>) -> Done<V<'static>> {
        match (&value, integer(&value)) {
            (V::Float(float), _) => Ok(V::Float(-float)),
            (_, Some(int)) => Ok(whole(-int.into_owned())),
            _ => Err(Stop::Sandbox),
        }
    }

    fn absolute(value: V<'_>) -> Done<V<'static>> {
        match (&value, integer(&value)) {
            (V::Float(float), _) => Ok(V::Float(float.abs())),
            (_, Some(int)) => Ok(whole(BigInt::from(int.magnitude().clone()))),
            _ => Err(Stop::Sandbox),
        }
    }

    fn item<'a>(of: V<'a>, key: &V<'_>) -> Done<V<'a>> {
        // What is not there raises.
        match (of, key) {
            (V::Other(Value::List(items)), V::Int(at)) => {
                let at = if *at < 0 { at + items.len() as i64 } else { *at };
                let item = usize::try_from(at).ok().and_then(|at| items.get(at));
                item.map(Self::of).ok_or(Stop::Sandbox)
            }
            (V::Other(Value::Map(fields)), V::Text(key)) => {
                let found = fields.iter().find(|(name, _)| *name == **key);
                found.map(|(_, value)| Self::of(value)).ok_or(Stop::Sandbox)
            }
            _ => Err(Stop::Sandbox),
        }
    }

    /// Only `meta` has properties here.
    fn member<'a>(of: V<'a>, name: &str) -> Done<V<'a>> {
        Self::item(of, &V::Text(Cow::Borrowed(name)))
    }

    fn call<'a>(of: V<'a>, method: Method, args: &[V<'a>]) -> Done<V<'a>> {
        let blank = |char: char| matches!(char, '\t'..='\r' | '\u{1c}'..='\u{1f}' | ' ');
        if let V::Text(text) = &of
            && let Some(found) = super::text_method(text, method, args, blank)
        {
            return Ok(found);
        }
        match (of, method, args) {
            (V::Other(Value::Map(fields)), Method::Get, [V::Text(key), rest @ ..]) if rest.len() < 2 => {
                let found = fields.iter().find(|(name, _)| *name == **key);
                Ok(match found {
                    Some((_, value)) => Self::of(value),
                    None => rest.first().cloned().unwrap_or(V::Null),
                })
            }
            _ => Err(Stop::Sandbox),
        }
    }

    fn missing(field: usize) -> Done<V<'static>> {
        Err(Stop::Missing(field))
    }
}

pub(super) fn length(value: &V<'_>) -> Done<i64> {
    let length = match value {
        V::Text(text) => text.chars().count(),
        V::Other(Value::List(items)) => items.len(),
        V::Other(Value::Map(fields)) => fields.len(),
        V::Other(Value::Bytes(bytes)) => bytes.len(),
        // In a set 1 and 1.0 and True are one.
        _ => return Err(Stop::Sandbox),
    };
    Ok(length as i64)
}

/// An integer; booleans are.
fn integer<'a>(value: &'a V<'_>) -> Option<Cow<'a, BigInt>> {
    match value {
        V::Bool(bool) => Some(Cow::Owned(BigInt::from(u8::from(*bool)))),
        V::Int(int) => Some(Cow::Owned(BigInt::from(*int))),
        V::Big(int) => Some(Cow::Borrowed(int)),
        _ => None,
    }
}

fn whole(int: BigInt) -> V<'static> {
    match i64::try_from(&int) {
        Ok(small) => V::Int(small),
        Err(_) => V::Big(Cow::Owned(int)),
    }
}

fn float(value: &V<'_>) -> Done<f64> {
    match value {
        V::Bool(bool) => Ok(f64::from(u8::from(*bool))),
        V::Int(int) => Ok(*int as f64),
        V::Float(float) => Ok(*float),
        // A large one may not fit, which raises.
        _ => Err(Stop::Sandbox),
    }
}

fn integers<'a>(op: Operator, a: &BigInt, b: &BigInt) -> Done<V<'a>> {
    /// Below this a quotient of floats is the nearest to that of the integers.
    const EXACT: u64 = 1 << 53;
    let by_nothing = number::is_zero(b);
    Ok(match op {
        Operator::Add => whole(a + b),
        Operator::Subtract => whole(a - b),
        Operator::Multiply => whole(a * b),
        Operator::Divide => match (i64::try_from(a), i64::try_from(b)) {
            (Ok(a), Ok(b)) if b != 0 && a.unsigned_abs() <= EXACT && b.unsigned_abs() <= EXACT => {
                V::Float(a as f64 / b as f64)
            }
            _ => return Err(Stop::Sandbox),
        },
        Operator::FloorDivide | Operator::Remainder if by_nothing => return Err(Stop::Sandbox),
        Operator::FloorDivide => {
            let (quotient, rest) = (a / b, a % b);
            let below = !number::is_zero(&rest) && rest.sign() != b.sign();
            whole(if below { quotient - 1 } else { quotient })
        }
        Operator::Remainder => {
            let rest = a % b;
            let below = !number::is_zero(&rest) && rest.sign() != b.sign();
            whole(if below { rest + b } else { rest })
        }
    })
}

/// How two numbers compare: none when one is none, and in it none when NaN is among them.
fn numbers(a: &V<'_>, b: &V<'_>) -> Option<Option<Ordering>> {
    Some(match (a, b) {
        (V::Int(a), V::Int(b)) => Some(a.cmp(b)),
        (V::Float(a), V::Float(b)) => a.partial_cmp(b),
        (V::Int(a), V::Float(b)) => number::int_with_float(*a, *b),
        (V::Float(a), V::Int(b)) => number::int_with_float(*b, *a).map(Ordering::reverse),
        (V::Float(a), b) => number::big_with_float(&*integer(b)?, *a).map(Ordering::reverse),
        (a, V::Float(b)) => number::big_with_float(&*integer(a)?, *b),
        (a, b) => Some(integer(a)?.cmp(&integer(b)?)),
    })
}

/// `==`.
fn equal(a: &V<'_>, b: &V<'_>) -> Done<bool> {
    if let Some(order) = numbers(a, b) {
        return Ok(order == Some(Ordering::Equal));
    }
    Ok(match (a, b) {
        (V::Null, V::Null) => true,
        (V::Text(a), V::Text(b)) => a == b,
        (V::Other(a), V::Other(b)) => others_equal(a, b)?,
        (V::Other(other), _) | (_, V::Other(other)) => {
            plain(other)?;
            false
        }
        (V::Undefined, _) | (_, V::Undefined) => return Err(Stop::Sandbox),
        _ => false,
    })
}

/// Values that surely equal nothing of another type.
fn plain(value: &Value) -> Done<()> {
    match value {
        Value::List(_)
        | Value::Map(_)
        | Value::Set(_)
        | Value::Bytes(_)
        | Value::DateTime(_)
        | Value::Date(_)
        | Value::Duration(_)
        | Value::Uuid(_) => Ok(()),
        _ => Err(Stop::Sandbox),
    }
}

fn others_equal(a: &Value, b: &Value) -> Done<bool> {
    plain(a)?;
    plain(b)?;
    Ok(match (a, b) {
        (Value::Set(_), Value::Set(_)) => return Err(Stop::Sandbox),
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !element_equal(a, b)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, one) in a {
                let Some((_, other)) = b.iter().find(|(name, _)| name == key) else { return Ok(false) };
                if !element_equal(one, other)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::DateTime(a), Value::DateTime(b)) => moments(*a, *b)? == Ordering::Equal,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Date(a), Value::Date(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Uuid(a), Value::Uuid(b)) => a == b,
        _ => false,
    })
}

/// Within lists and dicts what is the same object is equal, NaN too; which are the same only the sandbox knows.
fn element_equal(a: &Value, b: &Value) -> Done<bool> {
    let (a, b) = (Python::of(a), Python::of(b));
    if is_nan(&a) && is_nan(&b) {
        return Err(Stop::Sandbox);
    }
    equal(&a, &b)
}

fn is_nan(value: &V<'_>) -> bool {
    matches!(value, V::Float(float) if float.is_nan())
}

fn moments(a: i64, b: i64) -> Done<Ordering> {
    if a < FIRST || b < FIRST { Err(Stop::Sandbox) } else { Ok(a.cmp(&b)) }
}

/// What does not compare raises.
fn order(a: &V<'_>, b: &V<'_>) -> Done<Option<Ordering>> {
    if let Some(order) = numbers(a, b) {
        return Ok(order);
    }
    Ok(Some(match (a, b) {
        // UTF-8 has the order of code points.
        (V::Text(a), V::Text(b)) => a.cmp(b),
        (V::Other(Value::Bytes(a)), V::Other(Value::Bytes(b))) => a.cmp(b),
        (V::Other(Value::DateTime(a)), V::Other(Value::DateTime(b))) => moments(*a, *b)?,
        (V::Other(Value::Date(a)), V::Other(Value::Date(b))) => a.cmp(b),
        (V::Other(Value::Duration(a)), V::Other(Value::Duration(b))) => a.cmp(b),
        _ => return Err(Stop::Sandbox),
    }))
}

/// `in`.
fn contains(all: &V<'_>, one: &V<'_>) -> Done<bool> {
    match (all, one) {
        (V::Text(all), V::Text(one)) => Ok(all.contains(&**one)),
        (V::Other(Value::Map(fields)), V::Text(key)) => Ok(fields.iter().any(|(name, _)| *name == **key)),
        (V::Other(Value::Set(_)), V::Other(_)) => Err(Stop::Sandbox),
        (V::Other(Value::List(items) | Value::Set(items)), one) => {
            if is_nan(one) {
                return Err(Stop::Sandbox);
            }
            for item in items {
                if equal(&Python::of(item), one)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => Err(Stop::Sandbox),
    }
}

/// `is` with one of the three that are unique.
fn is(a: &V<'_>, b: &V<'_>) -> Done<bool> {
    match (a, b) {
        (V::Null, V::Null) => Ok(true),
        (V::Bool(a), V::Bool(b)) => Ok(a == b),
        (_, V::Null | V::Bool(_)) => Ok(false),
        _ => Err(Stop::Sandbox),
    }
}
