//! What directories hold, page by page, as it was last scanned: for who lists a directory again that has not changed.

use crate::backend::Key;
use crate::engine::Matches;
use crate::keys;
use crate::object::Entry;
use emerge_proto::ObjectId;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Some entries of a directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PageOfEntries {
    /// Their objects, in the order of their names.
    pub(crate) ids: Vec<ObjectId>,
    /// How many there were, those that were passed over included.
    pub(crate) count: usize,
    /// The key of the last of all; empty when there was none.
    pub(crate) last: Vec<u8>,
}

impl PageOfEntries {
    /// Adds the next entry, if it matches.
    pub(crate) fn add(&mut self, key: &[u8], entry: Entry, matches: Option<Matches<'_>>) {
        if matches.is_none_or(|matches| matches(key)) {
            self.ids.push(entry.id);
        }
        self.count += 1;
        self.last.clear();
        self.last.extend_from_slice(key);
    }

    /// About how many bytes of memory it takes, with what it was asked for by.
    fn weight(&self) -> usize {
        self.ids.len() * size_of::<ObjectId>() + self.last.len() + 256
    }
}

/// A page, and the end of the range that it was asked for by.
struct Asked {
    end: Key,
    page: Arc<PageOfEntries>,
}

/// Pages of which nothing has been written since they were read. All of a directory's go with the first write of an entry in it, and all go when they
/// take too much memory.
pub(crate) struct Pages {
    /// By the start of the range, and how many were asked for.
    directories: HashMap<ObjectId, HashMap<(Key, usize), Asked>>,
    bytes: usize,
    budget: usize,
}

impl Pages {
    pub(crate) fn new(budget: usize) -> Self {
        Self { directories: HashMap::new(), bytes: 0, budget }
    }

    pub(crate) fn get(&self, range: &Range<Key>, limit: usize) -> Option<Arc<PageOfEntries>> {
        let pages = self.directories.get(&keys::id_of(&range.start)?)?;
        let asked = pages.get(&(range.start.clone(), limit)).filter(|asked| asked.end == range.end)?;
        Some(asked.page.clone())
    }

    /// Keeps a page that is as it is now.
    pub(crate) fn put(&mut self, range: &Range<Key>, limit: usize, page: &Arc<PageOfEntries>) {
        let Some(directory) = keys::id_of(&range.start) else { return };
        let weight = page.weight();
        if weight > self.budget || self.get(range, limit).is_some() {
            return;
        }
        if self.bytes + weight > self.budget {
            self.clear();
        }
        self.bytes += weight;
        let asked = Asked { end: range.end.clone(), page: page.clone() };
        let pages = self.directories.entry(directory).or_default();
        if let Some(old) = pages.insert((range.start.clone(), limit), asked) {
            self.bytes -= old.page.weight();
        }
    }

    /// Forgets what a write of this key changes.
    pub(crate) fn written(&mut self, key: &[u8]) {
        if !self.directories.is_empty()
            && key.first() == Some(&keys::ENTRY)
            && let Some(directory) = keys::id_of(key)
            && let Some(asked) = self.directories.remove(&directory)
        {
            self.bytes -= asked.values().map(|asked| asked.page.weight()).sum::<usize>();
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.budget);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_kept_until_its_directory_is_written_to() {
        let mut pages = Pages::new(10_000);
        let directory = |n: u8| ObjectId([n; 16]);
        let page = Arc::new(PageOfEntries { ids: vec![directory(9); 100], count: 100, last: vec![1] });
        let (one, two) = (keys::entries(directory(1), None), keys::entries(directory(2), None));
        let later = keys::entries(directory(1), Some("k"));
        for range in [&one, &later, &two, &two] {
            pages.put(range, 100, &page);
        }
        assert_eq!(pages.get(&one, 100), Some(page.clone()));
        assert_eq!((pages.get(&one, 99), pages.bytes), (None, 3 * page.weight()));
        // Of neither: an object, and an entry of another directory.
        pages.written(&keys::object(directory(1)));
        pages.written(&keys::entry(directory(3), "k"));
        pages.written(&keys::entry(directory(1), "a"));
        let left = [&one, &later, &two].map(|range| pages.get(range, 100).is_some());
        assert_eq!((left, pages.bytes), ([false, false, true], page.weight()));
        for limit in 0..50 {
            pages.put(&one, limit, &page);
            assert!(pages.bytes <= 10_000 && pages.get(&one, limit).is_some());
        }
    }
}
