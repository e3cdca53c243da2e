//! Indexes that searches would have liked to have.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Wishes for one index after which it is made.
const ENOUGH: u32 = 3;
/// Indexes that are wished for; past that all are forgotten.
const MAX_WISHES: usize = 1000;

/// How often each index was wished for, by its class and field.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    counts: Mutex<HashMap<(String, String), u32>>,
}

impl Wishes {
    /// Wishes for an index. True when it was wished for often enough; then the count begins anew.
    pub(crate) fn wish(&self, class: &str, field: &str) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MAX_WISHES {
            counts.clear();
        }
        let key = (class.to_owned(), field.to_owned());
        let count = counts.entry(key.clone()).or_default();
        *count += 1;
        let enough = *count >= ENOUGH;
        if enough {
            counts.remove(&key);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_wish_is_granted() {
        let wishes = Wishes::default();
        let granted: Vec<bool> = (0..6).map(|_| wishes.wish("*", "x")).collect();
        assert_eq!(granted, [false, false, true, false, false, true]);
        assert!(!wishes.wish("*", "y"));
    }
}
