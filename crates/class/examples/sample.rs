//! The class of the conformance cases (`conformance/Sample.mjs`), in Rust.

use emerge::{Value, object};
use std::collections::BTreeMap;

/// What every language has.
#[emerge::class]
pub struct Sample {
    /// How many.
    #[default(0)]
    pub count: i64,
    /// What one costs.
    #[default(0)]
    pub price: f64,
    /// What it is called.
    #[default("")]
    pub name: String,
}

#[emerge::class]
impl Sample {
    /// Gives back what it is given.
    pub fn echo(&self, value: Value) -> Value {
        value
    }

    /// The names of a map, in their order.
    pub fn names(&self, map: Value) -> Result<Vec<String>, String> {
        match map {
            Value::Map(entries) => Ok(entries.into_iter().map(|(name, _)| name).collect()),
            other => Err(format!("a map has names, and {} has none", other.type_name())),
        }
    }

    /// A field, or nothing.
    pub fn field(&self, name: String) -> Value {
        match name.as_str() {
            "count" => Value::Int(self.count),
            "price" => Value::Float(self.price),
            "name" => Value::Text(self.name.clone()),
            _ => Value::Null,
        }
    }

    /// What all of it costs.
    pub fn total(&self) -> f64 {
        self.count as f64 * self.price
    }

    /// Counts on, and tells how far.
    pub fn add(&mut self, by: i64) -> i64 {
        self.count += by;
        self.count
    }

    /// What it is given, in order.
    pub fn pair(&self, first: i64, #[default(2)] second: i64, #[default(2)] third: i64) -> Vec<i64> {
        vec![first, second, third]
    }

    /// Holds another object.
    pub fn held(&self) -> BTreeMap<String, Value> {
        let inner = Sample { count: 1, price: -0.0, name: "inner".into() };
        BTreeMap::from([("inner".into(), object(inner))])
    }

    /// Ends with an error.
    pub fn fail(&self, text: String) -> Result<(), String> {
        Err(text)
    }
}
