//! What is made of the values of a group.

use emerge_proto::Value;
use emerge_proto::query::AggregateKind;
use emerge_proto::value::order::{self, Kind};
use num_bigint::BigInt;

/// One value in the making.
#[derive(Clone, Debug)]
pub struct Aggregator {
    kind: AggregateKind,
    count: u64,
    whole: BigInt,
    float: f64,
    /// Whether a float was among them.
    is_float: bool,
    best: Option<(Vec<u8>, Value)>,
}

impl Aggregator {
    /// One that has seen nothing.
    pub fn new(kind: AggregateKind) -> Self {
        Self { kind, count: 0, whole: BigInt::ZERO, float: 0.0, is_float: false, best: None }
    }

    /// Adds a value; one that does not count changes nothing.
    pub fn add(&mut self, value: &Value) {
        match self.kind {
            AggregateKind::Sum | AggregateKind::Mean => match value {
                Value::Int(int) => self.whole += *int,
                Value::BigInt(int) => self.whole += int,
                Value::Float(float) if !float.is_nan() => {
                    self.float += float;
                    self.is_float = true;
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

    /// What has come of it; null when no value counted.
    pub fn finish(self) -> Value {
        match self.kind {
            _ if self.count == 0 => Value::Null,
            AggregateKind::Min | AggregateKind::Max => self.best.map_or(Value::Null, |(_, value)| value),
            AggregateKind::Sum if !self.is_float => Value::integer(self.whole),
            AggregateKind::Sum => Value::Float(order::float_of(&self.whole) + self.float),
            AggregateKind::Mean => {
                Value::Float((order::float_of(&self.whole) + self.float) / self.count as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: AggregateKind, values: &[Value]) -> Value {
        let mut aggregator = Aggregator::new(kind);
        values.iter().for_each(|value| aggregator.add(value));
        aggregator.finish()
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
        ];
        let sum = Value::integer(BigInt::from(i64::MAX) + 1);
        assert_eq!(of(AggregateKind::Sum, &mixed), sum);
        assert_eq!(of(AggregateKind::Mean, &mixed), Value::Float(2f64.powi(62)));
        assert_eq!(of(AggregateKind::Min, &mixed), Value::Int(1));
        assert_eq!(of(AggregateKind::Max, &mixed), Value::Int(i64::MAX));
        assert_eq!(of(AggregateKind::Sum, &[Value::Int(1), Value::Float(0.5)]), Value::Float(1.5));
        assert_eq!(
            of(AggregateKind::Max, &[Value::Text("a".into()), Value::Text("b".into())]),
            Value::Text("b".into())
        );
        for kind in AggregateKind::ALL {
            assert_eq!(of(*kind, &[Value::Null]), Value::Null);
        }
    }
}
