//! Hot records in memory, bounded in bytes.

use crate::backend::Key;
use crate::keys::{self, ObjectKey};
use crate::object::{Object, Record};
use emerge_proto::ObjectId;
use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::sync::Arc;

/// What the cache knows of a key.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// None: nothing is stored there.
    pub(crate) record: Option<Record>,
    /// The commit that wrote it; 0 when it came from the backend.
    pub(crate) number: u64,
}

/// What is known of an object, and the commit that wrote it; see [`Slot`].
pub(crate) type KnownObject = (Option<Arc<Object>>, u64);

/// Two generations: what is used moves to the young one, and when both together are too large the old one is dropped and
/// the young one grows old. So it keeps what was used lately, without lists, one lookup costs one or two hashes, and
/// nothing is dropped while everything fits.
pub(crate) struct Cache {
    young: Generation,
    old: Generation,
    /// Bytes of both generations together.
    budget: usize,
}

/// Some of what the cache knows.
struct Generation {
    /// Objects by their ids, which lie in the map itself: who looks for thousands would wait for the memory of each key.
    objects: HashMap<ObjectId, Held, SeedableRandomState>,
    others: HashMap<Key, Slot>,
    bytes: usize,
}

/// What is known of an object.
struct Held {
    key: Key,
    object: Option<Arc<Object>>,
    number: u64,
}

impl Held {
    fn known(&self) -> KnownObject {
        (self.object.clone(), self.number)
    }

    fn slot(&self) -> Slot {
        Slot { record: self.object.clone().map(Record::Object), number: self.number }
    }
}

/// Bytes that a slot takes besides its key and its record.
const OVERHEAD: usize = 96;

/// The id in the key of an object.
fn object_of(key: &[u8]) -> Option<ObjectId> {
    let key: &ObjectKey = key.try_into().ok()?;
    if key[0] == keys::OBJECT { keys::id_of(key) } else { None }
}

impl Generation {
    fn new() -> Self {
        // The ids are the node's own, and the seed is one that nobody knows.
        let seed = RandomState::new().hash_one(0);
        let hasher = SeedableRandomState::with_seed(seed, SharedSeed::global_fixed());
        Self { objects: HashMap::with_hasher(hasher), others: HashMap::new(), bytes: 0 }
    }

    fn get(&self, key: &[u8]) -> Option<(Key, Slot)> {
        match object_of(key) {
            Some(id) => self.objects.get(&id).map(|held| (held.key.clone(), held.slot())),
            None => self.others.get_key_value(key).map(|(key, slot)| (key.clone(), slot.clone())),
        }
    }

    fn put(&mut self, key: Key, slot: Slot) {
        let weight = weight(&key, &slot);
        match (object_of(&key), slot) {
            (None, slot) => {
                self.others.insert(key, slot);
            }
            (Some(id), Slot { record: None, number }) => {
                self.objects.insert(id, Held { key, object: None, number });
            }
            (Some(id), Slot { record: Some(Record::Object(object)), number }) => {
                self.objects.insert(id, Held { key, object: Some(object), number });
            }
            // Nothing else lies under the key of an object.
            (Some(_), Slot { record: Some(Record::Entry(_) | Record::Bytes(_)), .. }) => return,
        }
        self.bytes += weight;
    }

    fn remove(&mut self, key: &[u8]) -> Option<(Key, Slot)> {
        let (key, slot) = match object_of(key) {
            Some(id) => self.objects.remove(&id).map(|held| {
                let Held { key, object, number } = held;
                (key, Slot { record: object.map(Record::Object), number })
            }),
            None => self.others.remove_entry(key),
        }?;
        self.bytes -= weight(&key, &slot);
        Some((key, slot))
    }
}

impl Cache {
    pub(crate) fn new(budget: usize) -> Self {
        Self { young: Generation::new(), old: Generation::new(), budget }
    }

    /// What is known of a key, and the key itself, so that the caller need not make another.
    pub(crate) fn get(&mut self, key: &[u8]) -> Option<(Key, Slot)> {
        self.young.get(key).or_else(|| self.renew(key))
    }

    /// What is known of many objects, in the order of their ids.
    pub(crate) fn objects(&mut self, ids: &[ObjectId]) -> Vec<Option<KnownObject>> {
        let held: Vec<Option<&Held>> = ids.iter().map(|id| self.young.objects.get(id)).collect();
        // Each is looked at before any is counted: the memory of many is waited for at once, but a count lets nothing pass while it waits.
        let look =
            |object: &Arc<Object>| Arc::strong_count(object) ^ object.version as usize ^ object.name.len();
        let objects = held.iter().flatten().filter_map(|held| held.object.as_ref());
        black_box(objects.fold(0, |seen, object| seen ^ look(object)));
        let mut known: Vec<Option<KnownObject>> =
            held.into_iter().map(|held| held.map(Held::known)).collect();
        if !self.old.objects.is_empty() {
            for (id, known) in ids.iter().zip(&mut known).filter(|(_, known)| known.is_none()) {
                if self.renew(&keys::object(*id)).is_some() {
                    *known = self.young.objects.get(id).map(Held::known);
                }
            }
        }
        known
    }

    /// What has been used grows young again.
    fn renew(&mut self, key: &[u8]) -> Option<(Key, Slot)> {
        let (key, slot) = self.old.remove(key)?;
        self.young.put(key.clone(), slot.clone());
        Some((key, slot))
    }

    pub(crate) fn put(&mut self, key: Key, slot: Slot) {
        let weight = weight(&key, &slot);
        self.remove(&key);
        if weight > self.budget / 16 {
            return;
        }
        if self.young.bytes + self.old.bytes + weight > self.budget {
            self.old = std::mem::replace(&mut self.young, Generation::new());
        }
        self.young.put(key, slot);
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.young.remove(key);
        self.old.remove(key);
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
        let len = |generation: &Generation| generation.others.len() + generation.objects.len();
        let held = len(&cache.young) + len(&cache.old);
        assert!(held * 200 <= 64 * 1024 && held > 100, "{held}");
        let counted = |generation: &Generation| {
            generation.others.iter().map(|(key, slot)| weight(key, slot)).sum::<usize>()
        };
        assert_eq!((counted(&cache.young), counted(&cache.old)), (cache.young.bytes, cache.old.bytes));
        cache.clear();
        for n in (0..200).chain(0..200) {
            assert_eq!(
                cache.get(&key(n)).is_some(),
                n < len(&cache.young) as u32,
                "nothing goes while all fits"
            );
            cache.put(key(n), slot(100));
        }
        cache.put(key(1), slot(10_000));
        assert!(cache.get(&key(1)).is_none(), "one large record does not empty the cache");
    }

    #[test]
    fn objects_are_found_together_and_one_by_one() {
        let mut cache = Cache::new(1024 * 1024);
        let id = |n: u8| ObjectId([n; 16]);
        let object = Arc::new(Object::of_test(ObjectId::ROOT));
        let there = Slot { record: Some(Record::Object(object.clone())), number: 7 };
        cache.put(keys::object(id(1)).into(), there.clone());
        cache.put(keys::object(id(2)).into(), Slot { record: None, number: 8 });
        cache.old = std::mem::replace(&mut cache.young, Generation::new());
        cache.put(keys::object(id(3)).into(), there);
        // What was old is found, and young from then on.
        let known = cache.objects(&[1, 2, 3, 4].map(id));
        let seen = Some((Some(object), 7));
        assert_eq!(known, [seen.clone(), Some((None, 8)), seen, None]);
        assert_eq!((cache.old.bytes, cache.old.objects.len(), cache.young.objects.len()), (0, 0, 3));
        let (key, slot) = cache.get(&keys::object(id(1))).unwrap();
        assert_eq!((&key[..], slot.number), (&keys::object(id(1))[..], 7));
        assert!(matches!(slot.record, Some(Record::Object(_))));
        // A key that begins as that of an object does is another.
        assert!(cache.get(&[&keys::object(id(1))[..], &[0]].concat()).is_none());
        for n in 1..4 {
            cache.remove(&keys::object(id(n)));
        }
        assert_eq!((cache.young.bytes, cache.objects(&[id(1)])), (0, vec![None]));
    }
}
