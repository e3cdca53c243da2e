//! Numbers: comparing integers with floats exactly.

use emerge_proto::value::order;
use num_bigint::{BigInt, Sign};
use std::cmp::Ordering;

/// Compares an integer with a float; none for NaN.
pub(super) fn int_with_float(int: i64, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Both bounds are exact floats.
    if float >= 9_223_372_036_854_775_808.0 {
        return Some(Ordering::Less);
    }
    if float < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    Some(int.cmp(&(whole as i64)).then_with(|| fraction(float, whole)))
}

/// Compares a large integer with a float; none for NaN.
pub(super) fn big_with_float(int: &BigInt, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    if float.is_infinite() {
        return Some(if float > 0.0 { Ordering::Less } else { Ordering::Greater });
    }
    let whole = float.trunc();
    Some(int.cmp(&order::exact(whole)).then_with(|| fraction(float, whole)))
}

/// How a whole number compares with the float whose whole part it is.
fn fraction(float: f64, whole: f64) -> Ordering {
    whole.partial_cmp(&float).unwrap_or(Ordering::Equal)
}

pub(super) fn is_zero(int: &BigInt) -> bool {
    int.sign() == Sign::NoSign
}
