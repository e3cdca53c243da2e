//! Hot records in memory, bounded in bytes.

use crate::backend::Key;
use crate::object::Record;
use std::collections::HashMap;

/// What the cache knows of a key.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// None: nothing is stored there.
    pub(crate) record: Option<Record>,
    /// The commit that wrote it; 0 when it came from the backend.
    pub(crate) number: u64,
}

/// Two generations: what is used moves to the young one, and when both together are too large the old one is dropped and
/// the young one grows old. So it keeps what was used lately, without lists, one lookup costs one or two hashes, and
/// nothing is dropped while everything fits.
pub(crate) struct Cache {
    young: HashMap<Key, Slot>,
    old: HashMap<Key, Slot>,
    young_bytes: usize,
    old_bytes: usize,
    /// Bytes of both generations together.
    budget: usize,
}

/// Bytes that a slot takes besides its key and its record.
const OVERHEAD: usize = 96;

impl Cache {
    pub(crate) fn new(budget: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0, old_bytes: 0, budget }
    }

    /// What is known of a key, and the key itself, so that the caller need not make another.
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<(Key, Slot)> {
        if let Some((key, slot)) = self.young.get_key_value(key) {
            return Some((key.clone(), slot.clone()));
        }
        self.renew(key)
    }

    /// What is known of a key.
    pub(crate) fn slot(&mut self, key: &[u8]) -> Option<Slot> {
        match self.young.get(key) {
            Some(slot) => Some(slot.clone()),
            None => self.renew(key).map(|(_, slot)| slot),
        }
    }

    /// What has been used grows young again.
    fn renew(&mut self, key: &[u8]) -> Option<(Key, Slot)> {
        let (key, slot) = self.old.remove_entry(key)?;
        let weight = weight(&key, &slot);
        self.old_bytes -= weight;
        self.young_bytes += weight;
        self.young.insert(key.clone(), slot.clone());
        Some((key, slot))
    }

    pub(crate) fn put(&mut self, key: Key, slot: Slot) {
        let weight = weight(&key, &slot);
        self.remove(&key);
        if weight > self.budget / 16 {
            return;
        }
        if self.young_bytes + self.old_bytes + weight > self.budget {
            self.old = std::mem::take(&mut self.young);
            self.old_bytes = std::mem::take(&mut self.young_bytes);
        }
        self.young_bytes += weight;
        self.young.insert(key, slot);
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        if let Some((key, slot)) = self.young.remove_entry(key) {
            self.young_bytes -= weight(&key, &slot);
        }
        if let Some((key, slot)) = self.old.remove_entry(key) {
            self.old_bytes -= weight(&key, &slot);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.budget);
    }
}

pub(crate) fn weight(key: &[u8], slot: &Slot) -> usize {
    key.len() + OVERHEAD + slot.record.as_ref().map_or(0, Record::weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn slot(len: usize) -> Slot {
        Slot { record: Some(Record::Bytes(Bytes::from(vec![0; len]))), number: 0 }
    }

    #[test]
    fn it_stays_within_its_budget_and_keeps_what_is_used() {
        let mut cache = Cache::new(64 * 1024);
        let key = |n: u32| Key::from(n.to_be_bytes());
        for n in 0..10_000 {
            cache.put(key(n), slot(100));
            assert!(cache.get(&key(0)).is_some(), "what is used at every step stays");
        }
        let held = cache.young.len() + cache.old.len();
        assert!(held * 200 <= 64 * 1024 && held > 100, "{held}");
        let counted =
            |map: &HashMap<Key, Slot>| map.iter().map(|(key, slot)| weight(key, slot)).sum::<usize>();
        assert_eq!((counted(&cache.young), counted(&cache.old)), (cache.young_bytes, cache.old_bytes));
        cache.clear();
        for n in (0..200).chain(0..200) {
            assert_eq!(
                cache.get(&key(n)).is_some(),
                n < cache.young.len() as u32,
                "nothing goes while all fits"
            );
            cache.put(key(n), slot(100));
        }
        cache.put(key(1), slot(10_000));
        assert!(cache.get(&key(1)).is_none(), "one large record does not empty the cache");
    }
}
