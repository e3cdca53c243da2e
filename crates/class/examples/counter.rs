//! What every class in Rust can do, for the tests of those that run it.

#![allow(missing_docs, reason = "its names are those of what is tested")]

use emerge::{Error, Value, fs, log, now, path, random};
use std::collections::BTreeMap;

/// Counts.
#[emerge::class]
pub struct Counter {
    /// So many.
    #[default(0)]
    pub count: i64,
    #[default(0)]
    pub ratio: f64,
    /// Whatever was kept.
    pub kept: Option<Value>,
}

#[emerge::class]
impl Counter {
    /// Adds to the count.
    ///
    /// Gives the new one.
    pub fn add(&mut self, #[default(1)] by: i64, #[rest] more: Vec<i64>) -> i64 {
        self.count += by + more.iter().sum::<i64>();
        self.count
    }

    #[property]
    pub fn double(&self) -> i64 {
        self.count * 2
    }

    pub fn about() -> String {
        "Counter".into()
    }

    pub fn look(&self) -> String {
        path()
    }

    pub fn same(&mut self) {
        self.ratio = self.ratio.abs();
    }

    pub fn whole(&mut self) {
        self.ratio = 3.0;
    }

    /// Gives back what it is given.
    pub fn echo(&mut self, value: Value) -> Value {
        self.kept = Some(value.clone());
        value
    }

    /// The clock and two random numbers.
    pub fn chance() -> Vec<i64> {
        vec![now().0, (random() >> 1) as i64, (random() >> 1) as i64]
    }

    pub fn others(&self) -> Result<Vec<i64>, Error> {
        let Value::Map(fields) = fs::get("/things/one")? else { return Ok(vec![]) };
        let count = fields.into_iter().find(|(name, _)| name == "count");
        let Some((_, Value::Int(count))) = count else { return Ok(vec![]) };
        Ok(vec![count, fs::call("/things/one", "add", vec![Value::Int(5)])?])
    }

    pub fn down(&self, n: i64) -> Result<i64, Error> {
        if n == 0 { Ok(0) } else { Ok(1 + fs::call::<i64>("/x", "down", vec![Value::Int(n - 1)])?) }
    }

    pub fn chatter(&self, #[default(1)] lines: u32) {
        (0..lines).for_each(|_| log("0123456789".repeat(10)));
    }

    pub fn panics(&self, at: u32) -> i64 {
        log("before");
        [1, 2][at as usize]
    }

    pub fn fails(&self) -> Result<(), String> {
        log("before");
        Err("no".into())
    }

    pub fn forever(&self) {
        log("before");
        let mut n = 0u64;
        while std::hint::black_box(n) < u64::MAX {
            n = n.wrapping_add(1) % 7;
        }
    }

    pub fn hog(&self) -> u64 {
        let mut all = Vec::new();
        loop {
            all.push(std::hint::black_box(vec![1u8; 1 << 20]));
            if all.len() > 4000 {
                return all.len() as u64;
            }
        }
    }

    pub fn deep(&self, n: u64) -> u64 {
        if std::hint::black_box(n) == u64::MAX { 0 } else { 1 + self.deep(n + 1) }
    }

    pub fn fib(&self, n: u64) -> u64 {
        if n < 2 { n } else { self.fib(n - 1) + self.fib(n - 2) }
    }

    pub fn totals(&self, by: BTreeMap<String, Vec<f64>>) -> BTreeMap<String, f64> {
        by.into_iter().map(|(name, all)| (name, all.iter().sum())).collect()
    }
}
