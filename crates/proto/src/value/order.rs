//! A total order of all values, as bytes: what an index is sorted by, and what a search is ordered by.
//!
//! Kinds follow one another: missing, null, false, true, numbers (integers and floats as one line, exact), NaN, text by code points, bytes, moments, days,
//! lengths of time, UUIDs, and all others, which are equal to one another. A text or byte string is cut after [`CUT`] bytes, so that keys stay short: two
//! that agree so far have the same key. Every key ends by itself, so that none is the beginning of another.

use super::Value;
use num_bigint::{BigInt, Sign};

/// Bytes of a text or byte string that count.
pub const CUT: usize = 256;

/// The kinds of keys, in their order: the first byte of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are those of the values")]
pub enum Kind {
    Missing = 1,
    Null = 2,
    False = 3,
    True = 4,
    Number = 5,
    NaN = 6,
    Text = 7,
    Bytes = 8,
    DateTime = 9,
    Date = 10,
    Duration = 11,
    Uuid = 12,
    Other = 13,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: &'static [Kind] = &[
        Kind::Missing,
        Kind::Null,
        Kind::False,
        Kind::True,
        Kind::Number,
        Kind::NaN,
        Kind::Text,
        Kind::Bytes,
        Kind::DateTime,
        Kind::Date,
        Kind::Duration,
        Kind::Uuid,
        Kind::Other,
    ];

    /// The kind of a value; of none [`Kind::Missing`].
    pub fn of(value: Option<&Value>) -> Self {
        match value {
            None => Kind::Missing,
            Some(Value::Null) => Kind::Null,
            Some(Value::Bool(false)) => Kind::False,
            Some(Value::Bool(true)) => Kind::True,
            Some(Value::Float(float)) if float.is_nan() => Kind::NaN,
            Some(Value::Int(_) | Value::BigInt(_) | Value::Float(_)) => Kind::Number,
            Some(Value::Text(_)) => Kind::Text,
            Some(Value::Bytes(_)) => Kind::Bytes,
            Some(Value::DateTime(_)) => Kind::DateTime,
            Some(Value::Date(_)) => Kind::Date,
            Some(Value::Duration(_)) => Kind::Duration,
            Some(Value::Uuid(_)) => Kind::Uuid,
            Some(_) => Kind::Other,
        }
    }
}

/// The key of a value; none when the field is missing.
pub fn key(value: Option<&Value>) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    key.push(Kind::of(value) as u8);
    match value {
        Some(Value::Int(int)) => integer(*int, &mut key),
        Some(Value::BigInt(int)) => big(int, &mut key),
        Some(Value::Float(float)) if !float.is_nan() => {
            key.extend_from_slice(&sortable(*float));
            key.push(WHOLE);
        }
        Some(Value::Text(text)) => string(text.as_bytes(), &mut key),
        Some(Value::Bytes(bytes)) => string(bytes, &mut key),
        Some(Value::DateTime(micros) | Value::Duration(micros)) => key.extend_from_slice(&signed(*micros)),
        Some(Value::Date(days)) => key.extend_from_slice(&signed(i64::from(*days))),
        Some(Value::Uuid(uuid)) => key.extend_from_slice(uuid),
        _ => {}
    }
    key
}

/// Between what is less and what is more than the nearest float.
const WHOLE: u8 = 0x80;

fn signed(number: i64) -> [u8; 8] {
    ((number as u64) ^ (1 << 63)).to_be_bytes()
}

/// The bits of a float so that their order is that of the numbers; both zeros are the same.
fn sortable(float: f64) -> [u8; 8] {
    let bits = (float + 0.0).to_bits();
    let bits = if float == 0.0 { 0 } else { bits };
    (if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }).to_be_bytes()
}

fn integer(int: i64, key: &mut Vec<u8>) {
    let near = int as f64;
    // Both are exact in 128 bits.
    let rest = i128::from(int) - near as i128;
    key.extend_from_slice(&sortable(near));
    if rest == 0 { key.push(WHOLE) } else { remainder(&BigInt::from(rest), key) }
}

fn big(int: &BigInt, key: &mut Vec<u8>) {
    // No integer is infinite: those past the largest float come after it, by how far they are from it.
    let near = float_of(int).clamp(f64::MIN, f64::MAX);
    let rest = int - exact(near);
    key.extend_from_slice(&sortable(near));
    if rest.sign() == Sign::NoSign { key.push(WHOLE) } else { remainder(&rest, key) }
}

/// The nearest float; infinite past the largest.
pub fn float_of(int: &BigInt) -> f64 {
    // Its text is exact, and reading a float rounds to the nearest.
    int.to_string().parse().unwrap_or(f64::NAN)
}

/// The integer that a whole finite float is.
pub fn exact(float: f64) -> BigInt {
    let bits = float.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i64;
    let mantissa =
        if exponent == 0 { (bits & ((1 << 52) - 1)) << 1 } else { bits & ((1 << 52) - 1) | 1 << 52 };
    let shift = exponent - 1075;
    let magnitude = if shift >= 0 {
        BigInt::from(mantissa) << shift as usize
    } else {
        BigInt::from(mantissa) >> (-shift).min(2000) as usize
    };
    if float.is_sign_negative() { -magnitude } else { magnitude }
}

fn remainder(rest: &BigInt, key: &mut Vec<u8>) {
    let (sign, bytes) = rest.to_bytes_be();
    let length = (bytes.len() as u16).to_be_bytes();
    if sign == Sign::Minus {
        key.push(WHOLE - 1);
        key.extend(length.iter().chain(&bytes).map(|byte| !byte));
    } else {
        key.push(WHOLE + 1);
        key.extend(length.iter().chain(&bytes));
    }
}

/// A zero byte is followed by 255, the end is two zeros, and the end of what was cut is a zero and a one.
fn string(bytes: &[u8], key: &mut Vec<u8>) {
    for byte in bytes.iter().take(CUT) {
        key.push(*byte);
        if *byte == 0 {
            key.push(0xff);
        }
    }
    key.extend_from_slice(if bytes.len() > CUT { &[0, 1] } else { &[0, 0] });
}

/// The length of the key that some bytes begin with; none when they begin with no key.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let kind = Kind::ALL.iter().find(|kind| **kind as u8 == *bytes.first().unwrap_or(&0))?;
    let length = match kind {
        Kind::Missing | Kind::Null | Kind::False | Kind::True | Kind::NaN | Kind::Other => 1,
        Kind::Number => match *bytes.get(9)? {
            WHOLE => 10,
            sign => {
                let flip = if sign < WHOLE { 0xff } else { 0 };
                12 + usize::from(u16::from_be_bytes([bytes.get(10)? ^ flip, bytes.get(11)? ^ flip]))
            }
        },
        Kind::Text | Kind::Bytes => {
            let mut at = 1;
            loop {
                match (*bytes.get(at)?, bytes.get(at + 1)) {
                    (0, Some(0xff)) => at += 2,
                    (0, Some(_)) => break at + 2,
                    (0, None) => return None,
                    _ => at += 1,
                }
            }
        }
        Kind::DateTime | Kind::Date | Kind::Duration => 9,
        Kind::Uuid => 17,
    };
    (bytes.len() >= length).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big_of(text: &str) -> Value {
        Value::integer(text.parse().unwrap())
    }

    #[test]
    fn keys_follow_the_order_of_values() {
        let text = |text: &str| Value::Text(text.into());
        let huge = format!("1{}", "0".repeat(400));
        let rising = [
            None,
            Some(Value::Null),
            Some(Value::Bool(false)),
            Some(Value::Bool(true)),
            Some(Value::Float(f64::NEG_INFINITY)),
            Some(big_of(&format!("-{huge}"))),
            Some(Value::Float(f64::MIN)),
            Some(Value::Int(i64::MIN)),
            Some(Value::Int(-9_007_199_254_740_993)),
            Some(Value::Float(-9_007_199_254_740_992.0)),
            Some(Value::Float(-1.5)),
            Some(Value::Int(-1)),
            Some(Value::Float(-5e-324)),
            Some(Value::Int(0)),
            Some(Value::Float(5e-324)),
            Some(Value::Float(0.5)),
            Some(Value::Int(1)),
            Some(Value::Float(9_007_199_254_740_992.0)),
            Some(Value::Int(9_007_199_254_740_993)),
            Some(Value::Int(9_007_199_254_740_994)),
            Some(Value::Int(i64::MAX)),
            Some(Value::Float(9_223_372_036_854_775_808.0)),
            Some(big_of("9223372036854775809")),
            Some(Value::Float(f64::MAX)),
            Some(big_of(&huge)),
            Some(Value::Float(f64::INFINITY)),
            Some(Value::Float(f64::NAN)),
            Some(text("")),
            Some(text("\0")),
            Some(text("\0\u{1}")),
            Some(text("a")),
            Some(text("a\0")),
            Some(text("ab")),
            Some(text("b")),
            Some(text("\u{ffff}")),
            Some(text("\u{10000}")),
            Some(Value::Bytes(vec![])),
            Some(Value::Bytes(vec![0])),
            Some(Value::Bytes(vec![255, 255])),
            Some(Value::DateTime(-1)),
            Some(Value::DateTime(0)),
            Some(Value::Date(-3)),
            Some(Value::Date(3)),
            Some(Value::Duration(5)),
            Some(Value::Uuid([1; 16])),
            Some(Value::List(vec![])),
        ];
        let keys: Vec<Vec<u8>> = rising.iter().map(|value| key(value.as_ref())).collect();
        for (at, pair) in keys.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{:?} and {:?}", rising[at], rising[at + 1]);
            // None is the beginning of the next, whatever comes after it.
            assert!(!pair[1].starts_with(&pair[0]), "{:?} and {:?}", rising[at], rising[at + 1]);
        }
        for each in &keys {
            let mut longer = each.clone();
            longer.extend_from_slice(&[0, 255, 7]);
            assert_eq!(length(&longer), Some(each.len()), "{each:02x?}");
            assert_eq!(length(&each[..each.len() - 1]), None);
        }
    }

    #[test]
    fn equal_numbers_have_one_key() {
        for (one, other) in [
            (Value::Int(3), Value::Float(3.0)),
            (Value::Float(0.0), Value::Float(-0.0)),
            (Value::Int(0), Value::Float(-0.0)),
            (big_of("18446744073709551616"), Value::Float(18_446_744_073_709_551_616.0)),
        ] {
            assert_eq!(key(Some(&one)), key(Some(&other)), "{one:?}");
        }
        assert_ne!(key(Some(&Value::Int(i64::MAX))), key(Some(&Value::Float(i64::MAX as f64))));
    }

    #[test]
    fn long_texts_are_cut() {
        let of = |length: usize, end: &str| key(Some(&Value::Text("a".repeat(length) + end)));
        assert_eq!(of(CUT, "b"), of(CUT, "c"));
        assert!(of(CUT, "") < of(CUT, "b") && of(CUT, "b") < of(CUT - 1, "b"));
    }
}
