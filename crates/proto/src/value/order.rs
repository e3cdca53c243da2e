//! A total order of all values, as bytes: what an index is sorted by, and what a search is ordered by.
//!
//! Kinds follow one another: missing, null, false, true, numbers (integers, floats and decimals as one line, exact), NaN, text by code points, bytes, moments,
//! days, lengths of time, UUIDs, and all others, which have no order: equal ones have one key. A text or byte string is cut after [`CUT`] bytes, so that keys
//! stay short: two that agree so far have the same key.
//!
//! An index keeps decimals apart ([`entry`]): how a function compares one with a number is not always the order of the two. Every key of an index ends by
//! itself, so that none is the beginning of another; so do all keys but those of decimals.

use super::Value;
use num_bigint::{BigInt, Sign};
use sha2::{Digest, Sha256};

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
    /// In an index alone: elsewhere a decimal is a number.
    Decimal = 14,
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
        Kind::Decimal,
    ];

    /// The kind of a value's key in an index; of none [`Kind::Missing`].
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
            Some(Value::Decimal { .. }) => Kind::Decimal,
            Some(_) => Kind::Other,
        }
    }
}

/// The key of a value; none when the field is missing.
pub fn key(value: Option<&Value>) -> Vec<u8> {
    let mut key = Vec::with_capacity(24);
    match Kind::of(value) {
        Kind::Decimal => key.push(Kind::Number as u8),
        kind => key.push(kind as u8),
    }
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
        Some(Value::Decimal { exponent, mantissa }) => decimal(*exponent, mantissa, &mut key),
        None | Some(Value::Null | Value::Bool(_) | Value::Float(_)) => {}
        Some(other) => key.extend_from_slice(&digest(other)),
    }
    key
}

/// The key of a value in an index: that of its order, but of a decimal, whose is by its value alone.
pub fn entry(value: Option<&Value>) -> Vec<u8> {
    match value {
        Some(value @ Value::Decimal { .. }) => {
            let mut key = vec![Kind::Decimal as u8];
            key.extend_from_slice(&digest(value));
            key
        }
        value => key(value),
    }
}

/// Bytes of a digest.
const DIGEST: usize = 16;

/// What tells a value without an order from others: equal ones have the same, whatever the order of the names in a map, or of the members of a set, is.
fn digest(value: &Value) -> [u8; DIGEST] {
    let whole = Sha256::digest(canonical(value).encode());
    let mut short = [0; DIGEST];
    short.copy_from_slice(&whole[..DIGEST]);
    short
}

fn canonical(value: &Value) -> Value {
    let sorted = |entries: &[(String, Value)]| {
        let mut entries: Vec<(String, Value)> =
            entries.iter().map(|(name, value)| (name.clone(), canonical(value))).collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries
    };
    match value {
        Value::Decimal { exponent, mantissa } => {
            let (exponent, mantissa) = shortest(*exponent, mantissa);
            Value::Decimal { exponent, mantissa }
        }
        Value::Map(entries) => Value::Map(sorted(entries)),
        Value::Object { class, fields } => Value::Object { class: *class, fields: sorted(fields) },
        Value::List(items) => Value::List(items.iter().map(canonical).collect()),
        Value::Set(items) => {
            let mut items: Vec<Value> = items.iter().map(canonical).collect();
            items.sort_by_cached_key(Value::encode);
            Value::Set(items)
        }
        other => other.clone(),
    }
}

/// A decimal without zeros at its end.
fn shortest(exponent: i64, mantissa: &BigInt) -> (i64, BigInt) {
    if mantissa.sign() == Sign::NoSign {
        return (0, BigInt::ZERO);
    }
    let text = mantissa.to_string();
    let digits = text.trim_end_matches('0');
    let zeros = text.len() - digits.len();
    match exponent.checked_add(zeros as i64) {
        Some(exponent) if zeros > 0 => (exponent, digits.parse().unwrap_or_else(|_| mantissa.clone())),
        _ => (exponent, mantissa.clone()),
    }
}

/// Digits before the point past which a decimal is more than any integer that there is ([`crate::limits::MAX_INTEGER`]).
const HUGE: i64 = 10_000;

/// The nearest float, and how far the decimal is from it: the whole part as of an integer, then the fraction.
///
/// Of what is less than an integer by a fraction the key may begin as that integer's does, so the fraction is one that is added.
fn decimal(exponent: i64, mantissa: &BigInt, key: &mut Vec<u8>) {
    let (exponent, mantissa) = shortest(exponent, mantissa);
    let digits = mantissa.magnitude().to_string();
    let is_negative = mantissa.sign() == Sign::Minus;
    let flip = if is_negative { 0xff } else { 0 };
    // Where the first digit stands: in 12.5 at 2, in 0.05 at -1.
    let first = exponent.saturating_add(digits.len() as i64);
    let near: f64 = format!("{mantissa}e{exponent}").parse().unwrap_or(0.0);
    let near = near.clamp(f64::MIN, f64::MAX);
    key.extend_from_slice(&sortable(near));
    // So many digits at such a place, the first ones counting most; no digits at all are the end.
    let scaled = |first: i64, digits: &str, flip: u8, key: &mut Vec<u8>| {
        key.extend(signed(first).iter().map(|byte| byte ^ flip));
        key.extend(digits.bytes().chain([b' ']).map(|byte| byte ^ flip));
    };
    if first > HUGE {
        key.push(if is_negative { WHOLE - 1 } else { WHOLE + 1 });
        key.extend_from_slice(&[0xff ^ flip, 0xff ^ flip]);
        return scaled(first, &digits, flip, key);
    }
    // What is so small that the nearest float is 0 is all rest.
    let (exponent, rest) = if near == 0.0 {
        (exponent, mantissa)
    } else {
        let (near_exponent, near) = decimal_of(near);
        let least = exponent.min(near_exponent);
        let at = |exponent: i64, mantissa: BigInt| mantissa * power_of_ten(exponent.saturating_sub(least));
        (least, at(exponent, mantissa) - at(near_exponent, near))
    };
    if rest.sign() == Sign::NoSign {
        return key.push(WHOLE);
    }
    if exponent >= 0 {
        return remainder(&(rest * power_of_ten(exponent)), key);
    }
    let is_negative = rest.sign() == Sign::Minus;
    let digits = rest.magnitude().to_string();
    let first = exponent.saturating_add(digits.len() as i64);
    if first <= 0 {
        // A fraction alone.
        let flip = if is_negative { 0xff } else { 0 };
        key.push(if is_negative { WHOLE - 1 } else { WHOLE });
        if is_negative {
            key.extend_from_slice(&[0xff, 0xff]);
        }
        return scaled(first, digits.trim_end_matches('0'), flip, key);
    }
    let unit = power_of_ten(exponent.saturating_neg());
    let (mut whole, mut fraction) = (&rest / &unit, &rest % &unit);
    if fraction.sign() == Sign::Minus {
        whole -= 1;
        fraction += &unit;
    }
    if whole.sign() == Sign::NoSign {
        key.push(WHOLE)
    } else {
        remainder(&whole, key)
    }
    if fraction.sign() != Sign::NoSign {
        let digits = fraction.to_string();
        scaled(exponent.saturating_add(digits.len() as i64), digits.trim_end_matches('0'), 0, key);
    }
}

/// The exponent and the mantissa of what a float is exactly, in decimals.
pub fn decimal_of(float: f64) -> (i64, BigInt) {
    let whole = float.trunc();
    if whole == float {
        return (0, exact(float));
    }
    // All of a float's digits are within 1,074 places; times five for each place of two.
    let bits = float.to_bits();
    let exponent = (bits >> 52 & 0x7ff) as i64;
    let mantissa =
        if exponent == 0 { (bits & ((1 << 52) - 1)) << 1 } else { bits & ((1 << 52) - 1) | 1 << 52 };
    let places = 1075 - exponent;
    let magnitude = BigInt::from(mantissa) * BigInt::from(5).pow(u32::try_from(places).unwrap_or(0));
    (-places, if float.is_sign_negative() { -magnitude } else { magnitude })
}

/// 10 to the power of what is not negative; the callers see that it is not large.
pub fn power_of_ten(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
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

/// The length of the key of an index that some bytes begin with; none when they begin with no key.
pub fn length(bytes: &[u8]) -> Option<usize> {
    let kind = Kind::ALL.iter().find(|kind| **kind as u8 == *bytes.first().unwrap_or(&0))?;
    let length = match kind {
        Kind::Missing | Kind::Null | Kind::False | Kind::True | Kind::NaN => 1,
        Kind::Other | Kind::Decimal => 1 + DIGEST,
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
        let keys: Vec<Vec<u8>> = rising.iter().map(|value| entry(value.as_ref())).collect();
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

    fn decimal_text(text: &str) -> Value {
        Value::from_json(&serde_json::json!({ "$decimal": text })).unwrap()
    }

    #[test]
    fn decimals_are_among_the_numbers() {
        let huge = format!("1{}", "0".repeat(400));
        let rising = [
            Value::Float(f64::NEG_INFINITY),
            decimal_text("-1e99999"),
            decimal_text("-1.5e401"),
            big_of(&format!("-{huge}")),
            decimal_text("-9007199254740993.3"),
            Value::Int(-9_007_199_254_740_993),
            decimal_text("-9007199254740992.7"),
            decimal_text("-1.51"),
            Value::Float(-1.5),
            decimal_text("-0.1000000000000000001"),
            decimal_text("-0.1"),
            decimal_text("-1e-999999"),
            Value::Int(0),
            decimal_text("1e-99999999"),
            decimal_text("2e-99999999"),
            decimal_text("1e-999"),
            Value::Float(5e-324),
            // The float is a little more than the decimal.
            decimal_text("0.1"),
            Value::Float(0.1),
            decimal_text("0.3"),
            decimal_text("0.30000000000000004"),
            Value::Float(0.1 + 0.2),
            decimal_text("2.75"),
            decimal_text("9"),
            Value::Int(10),
            decimal_text("100.5"),
            Value::Int(9_007_199_254_740_993),
            decimal_text("9007199254740993.25"),
            decimal_text("9007199254740993.5"),
            Value::Int(9_007_199_254_740_994),
            Value::Float(f64::MAX),
            big_of(&huge),
            decimal_text(&format!("{huge}.5")),
            decimal_text("1e9999"),
            decimal_text("1e99999"),
            decimal_text("11e99998"),
            decimal_text("2e99999"),
            Value::Float(f64::INFINITY),
        ];
        for pair in rising.windows(2) {
            assert!(key(Some(&pair[0])) < key(Some(&pair[1])), "{:?} and {:?}", pair[0], pair[1]);
        }
        for (one, other) in [
            (decimal_text("1.50"), decimal_text("1.5")),
            (decimal_text("1.50"), Value::Float(1.5)),
            (decimal_text("9007199254740993.00"), Value::Int(9_007_199_254_740_993)),
            (decimal_text("0e5"), Value::Int(0)),
            (decimal_text("1e400"), big_of(&huge)),
        ] {
            assert_eq!(key(Some(&one)), key(Some(&other)), "{one:?}");
        }
        assert_eq!(entry(Some(&decimal_text("1.50"))), entry(Some(&decimal_text("1.5"))));
        assert_ne!(entry(Some(&decimal_text("1.50"))), entry(Some(&decimal_text("2.75"))));
    }

    #[test]
    fn what_has_no_order_has_a_key_of_its_own() {
        let map = |entries: &[(&str, i64)]| {
            Value::Map(entries.iter().map(|(name, value)| ((*name).to_owned(), Value::Int(*value))).collect())
        };
        let set = |items: &[i64]| Value::Set(items.iter().copied().map(Value::Int).collect());
        for (one, other) in [
            (map(&[("a", 1), ("b", 2)]), map(&[("b", 2), ("a", 1)])),
            (set(&[1, 2]), set(&[2, 1])),
            (Value::List(vec![decimal_text("1.0")]), Value::List(vec![decimal_text("1.00")])),
        ] {
            assert_eq!(key(Some(&one)), key(Some(&other)), "{one:?}");
        }
        for (one, other) in [
            (map(&[("a", 1)]), map(&[("a", 2)])),
            (Value::List(vec![Value::Int(1)]), Value::List(vec![Value::Int(2)])),
            (Value::Ref("/x".into()), Value::Ref("/y".into())),
        ] {
            assert_ne!(key(Some(&one)), key(Some(&other)), "{one:?}");
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
