//! What is made of the values of a group.

use emerge_proto::Value;
use emerge_proto::query::AggregateKind;
use emerge_proto::value::order::{self, Kind};
use num_bigint::{BigInt, Sign};

/// Digits that the mean of decimals has at most, unless the sum has more: as many as Python's decimals have at first.
const MEAN_DIGITS: usize = 28;

/// Places that a sum of decimals spans at most; one that would span more goes on as a float.
const MAX_PLACES: i64 = 10_000;

/// One value in the making.
#[derive(Clone, Debug)]
pub struct Aggregator {
    kind: AggregateKind,
    /// Integers and decimals: `whole * 10^exponent`.
    count: u64,
    whole: BigInt,
    exponent: i64,
    float: f64,
    /// Whether a float was among them, and whether a decimal was.
    is_float: bool,
    is_decimal: bool,
    /// Lengths of time, which count where there are no numbers.
    durations: i128,
    duration_count: u64,
    best: Option<(Vec<u8>, Value)>,
}

impl Aggregator {
    /// One that has seen nothing.
    pub fn new(kind: AggregateKind) -> Self {
        Self {
            kind,
            count: 0,
            whole: BigInt::ZERO,
            exponent: 0,
            float: 0.0,
            is_float: false,
            is_decimal: false,
            durations: 0,
            duration_count: 0,
            best: None,
        }
    }

    /// Adds a value; one that does not count changes nothing.
    pub fn add(&mut self, value: &Value) {
        match self.kind {
            AggregateKind::Sum | AggregateKind::Mean => match value {
                Value::Int(int) => self.add_exact(0, BigInt::from(*int)),
                Value::BigInt(int) => self.add_exact(0, int.clone()),
                Value::Decimal { exponent, mantissa } => {
                    self.is_decimal = true;
                    self.add_exact(*exponent, mantissa.clone());
                }
                Value::Float(float) if !float.is_nan() => self.add_float(*float),
                Value::Duration(micros) => {
                    self.durations += i128::from(*micros);
                    self.duration_count += 1;
                    return;
                }
                _ => return,
            },
            AggregateKind::Min | AggregateKind::Max => {
                let kind = Kind::of(Some(value));
                if kind < Kind::Number || matches!(kind, Kind::NaN | Kind::Other) {
                    return;
                }
                let key = order::key(Some(value));
                let better = match &self.best {
                    None => true,
                    Some((best, _)) if self.kind == AggregateKind::Min => key < *best,
                    Some((best, _)) => key > *best,
                };
                if better {
                    self.best = Some((key, value.clone()));
                }
            }
        }
        self.count += 1;
    }

    fn add_float(&mut self, float: f64) {
        self.float += float;
        self.is_float = true;
    }

    fn add_exact(&mut self, exponent: i64, mantissa: BigInt) {
        if mantissa.sign() == Sign::NoSign {
            return;
        }
        let least = exponent.min(self.exponent);
        let places = |exponent: i64| exponent.checked_sub(least).filter(|places| *places <= MAX_PLACES);
        match (places(exponent), places(self.exponent)) {
            (Some(more), Some(own)) => {
                self.whole *= order::power_of_ten(own);
                self.whole += mantissa * order::power_of_ten(more);
                self.exponent = least;
            }
            _ => self.add_float(float_of(exponent, &mantissa)),
        }
    }

    /// What has come of it; null when no value counted.
    pub fn finish(self) -> Value {
        match self.kind {
            AggregateKind::Min | AggregateKind::Max => self.best.map_or(Value::Null, |(_, value)| value),
            _ if self.count == 0 => self.finish_durations(),
            AggregateKind::Sum if !self.is_float && !self.is_decimal => Value::integer(self.whole),
            AggregateKind::Sum if !self.is_float => {
                Value::Decimal { exponent: self.exponent, mantissa: self.whole }
            }
            AggregateKind::Sum => Value::Float(float_of(self.exponent, &self.whole) + self.float),
            AggregateKind::Mean if !self.is_float && self.is_decimal => {
                divided(self.exponent, &self.whole, self.count)
            }
            AggregateKind::Mean => {
                Value::Float((float_of(self.exponent, &self.whole) + self.float) / self.count as f64)
            }
        }
    }

    /// A length of time; null when there is none, or it is longer than any that there is.
    fn finish_durations(self) -> Value {
        let count = i128::from(self.duration_count);
        let micros = match self.kind {
            _ if count == 0 => return Value::Null,
            AggregateKind::Mean => (2 * self.durations + count).div_euclid(2 * count),
            _ => self.durations,
        };
        i64::try_from(micros).map_or(Value::Null, Value::Duration)
    }
}

fn float_of(exponent: i64, mantissa: &BigInt) -> f64 {
    // Its text is exact, and reading a float rounds to the nearest.
    format!("{mantissa}e{exponent}").parse().unwrap_or(f64::NAN)
}

/// A decimal divided by a count, exactly or to so many digits, a half to the even one.
fn divided(exponent: i64, mantissa: &BigInt, count: u64) -> Value {
    let digits = mantissa.magnitude().to_string().len();
    let wanted = MEAN_DIGITS.max(digits);
    // Two digits more than can be wanted, so that what is left of them tells which way to round.
    let more = (wanted + 21).saturating_sub(digits) as i64;
    let scaled = mantissa.magnitude().clone() * order::power_of_ten(more).magnitude();
    let (mut quotient, rest) = (&scaled / count, &scaled % count);
    let ten = 10u32;
    let surplus = quotient.to_string().len().saturating_sub(wanted);
    let unit = num_bigint::BigUint::from(ten).pow(u32::try_from(surplus).unwrap_or(0));
    let (kept, cut) = (&quotient / &unit, &quotient % &unit);
    let zero = num_bigint::BigUint::ZERO;
    if cut == zero && rest == zero {
        quotient = kept;
    } else {
        let twice = &cut * 2u32;
        let is_odd = kept.bit(0);
        let up = twice > unit || twice == unit && (rest != zero || is_odd);
        quotient = if up { kept + 1u32 } else { kept };
    }
    let mut exponent = exponent.saturating_sub(more).saturating_add(surplus as i64);
    // As few digits as say it.
    let text = quotient.to_string();
    let short = text.trim_end_matches('0');
    if quotient != zero {
        exponent = exponent.saturating_add((text.len() - short.len()) as i64);
        quotient = short.parse().unwrap_or(quotient);
    } else {
        exponent = 0;
    }
    Value::Decimal { exponent, mantissa: BigInt::from_biguint(mantissa.sign(), quotient) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: AggregateKind, values: &[Value]) -> Value {
        let mut aggregator = Aggregator::new(kind);
        values.iter().for_each(|value| aggregator.add(value));
        aggregator.finish()
    }

    fn decimal(exponent: i64, mantissa: i64) -> Value {
        Value::Decimal { exponent, mantissa: mantissa.into() }
    }

    #[test]
    fn what_is_no_number_does_not_count() {
        let mixed = [
            Value::Int(1),
            Value::Null,
            Value::Bool(true),
            Value::Float(f64::NAN),
            Value::Int(i64::MAX),
            Value::List(vec![]),
            Value::Duration(5),
        ];
        let sum = Value::integer(BigInt::from(i64::MAX) + 1);
        assert_eq!(of(AggregateKind::Sum, &mixed), sum);
        assert_eq!(of(AggregateKind::Mean, &mixed), Value::Float(2f64.powi(62)));
        assert_eq!(of(AggregateKind::Min, &mixed), Value::Int(1));
        assert_eq!(of(AggregateKind::Max, &mixed[..6]), Value::Int(i64::MAX));
        assert_eq!(of(AggregateKind::Sum, &[Value::Int(1), Value::Float(0.5)]), Value::Float(1.5));
        assert_eq!(
            of(AggregateKind::Max, &[Value::Text("a".into()), Value::Text("b".into())]),
            Value::Text("b".into())
        );
        for kind in AggregateKind::ALL {
            assert_eq!(of(*kind, &[Value::Null]), Value::Null);
        }
    }

    #[test]
    fn decimals_are_summed_exactly() {
        let prices = [decimal(-1, 1), decimal(-1, 2), decimal(-20, 3), Value::Int(10)];
        let sum = Value::Decimal { exponent: -20, mantissa: "1030000000000000000003".parse().unwrap() };
        assert_eq!(of(AggregateKind::Sum, &prices), sum);
        assert_eq!(of(AggregateKind::Max, &prices), Value::Int(10));
        assert_eq!(of(AggregateKind::Min, &prices), decimal(-20, 3));
        assert_eq!(of(AggregateKind::Sum, &[decimal(-1, 1), Value::Float(0.5)]), Value::Float(0.6));
        assert_eq!(of(AggregateKind::Mean, &[decimal(-2, 150), decimal(0, 2)]), decimal(-2, 175));
        assert_eq!(of(AggregateKind::Mean, &[decimal(0, 0), decimal(0, 0)]), decimal(0, 0));
        let third = of(AggregateKind::Mean, &[decimal(0, -2), Value::Int(0), Value::Int(0)]);
        let wanted = format!("-{}7", "6".repeat(27)).parse().unwrap();
        assert_eq!(third, Value::Decimal { exponent: -28, mantissa: wanted });
        // What spans too much to be written down goes on as a float.
        let far = [decimal(i64::MAX, 1), decimal(i64::MIN, 1)];
        assert_eq!(of(AggregateKind::Sum, &far), Value::Float(f64::INFINITY));
    }

    #[test]
    fn lengths_of_time_are_summed() {
        let waits = [Value::Duration(5), Value::Duration(-2), Value::Null, Value::Duration(7)];
        assert_eq!(of(AggregateKind::Sum, &waits), Value::Duration(10));
        assert_eq!(of(AggregateKind::Mean, &waits), Value::Duration(3));
        assert_eq!(of(AggregateKind::Min, &waits), Value::Duration(-2));
        assert_eq!(of(AggregateKind::Sum, &[Value::Duration(i64::MAX), Value::Duration(1)]), Value::Null);
    }
}
