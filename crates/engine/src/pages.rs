//! What directories hold, page by page, as it was last scanned and as it was shown: for who lists a directory again that has not changed.

use crate::access::Principal;
use crate::backend::Key;
use crate::engine::Matches;
use crate::keys;
use crate::object::{Entry, Record};
use bytes::Bytes;
use emerge_proto::{ObjectId, Path};
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

/// To whom a page is shown, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Viewer {
    /// With all that decides what is seen, the scope of the token in use included; which token it is and from where it is used decide nothing.
    principal: Principal,
    /// Where the directory is.
    path: Path,
}

impl Viewer {
    pub(crate) fn new(principal: &Principal, path: &Path) -> Self {
        // All by name, so that what comes to decide something is not forgotten.
        let Principal { user, groups, admin, parties, scope, token: _, from: _ } = principal.clone();
        Self {
            principal: Principal { user, groups, admin, parties, scope, token: None, from: None },
            path: path.clone(),
        }
    }
}

/// A page as it was shown.
struct Shown {
    viewer: Viewer,
    /// Encoded.
    bytes: Bytes,
    /// The highest commit that it depends on.
    number: u64,
}

/// A page, and what it was asked for by.
struct Asked {
    end: Key,
    page: Arc<PageOfEntries>,
    /// As its last viewer saw it, as long as no object in it has been written since.
    shown: Option<Shown>,
}

impl Asked {
    fn weight(&self) -> usize {
        self.page.weight() + self.shown.as_ref().map_or(0, |shown| shown.bytes.len())
    }
}

/// The pages of one directory, by the start of the range, and how many were asked for.
#[derive(Default)]
struct Directory {
    pages: HashMap<(Key, usize), Asked>,
    /// Counts the writes of its objects: what was read before one must not be kept after it.
    writes: u64,
}

/// Pages of which nothing has been written since they were read. All of a directory's go with the first write of an entry in it, what was shown of them with
/// that of an object, and all go when they take too much memory.
pub(crate) struct Pages {
    directories: HashMap<ObjectId, Directory>,
    bytes: usize,
    budget: usize,
}

/// A page that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) page: Arc<PageOfEntries>,
    /// The writes of the directory's objects until then.
    writes: u64,
}

impl Pages {
    pub(crate) fn new(budget: usize) -> Self {
        Self { directories: HashMap::new(), bytes: 0, budget }
    }

    fn asked(&self, range: &Range<Key>, limit: usize) -> Option<(&Directory, &Asked)> {
        let directory = self.directories.get(&keys::id_of(&range.start)?)?;
        let asked = directory.pages.get(&(range.start.clone(), limit))?;
        (asked.end == range.end).then_some((directory, asked))
    }

    pub(crate) fn get(&self, range: &Range<Key>, limit: usize) -> Option<Kept> {
        let (directory, asked) = self.asked(range, limit)?;
        Some(Kept { page: asked.page.clone(), writes: directory.writes })
    }

    /// A page as it was shown to this viewer, its entries, and the highest commit that it depends on.
    pub(crate) fn shown(
        &self,
        range: &Range<Key>,
        limit: usize,
        viewer: &Viewer,
    ) -> Option<(Bytes, Arc<PageOfEntries>, u64)> {
        let (_, asked) = self.asked(range, limit)?;
        let shown = asked.shown.as_ref().filter(|shown| shown.viewer == *viewer)?;
        Some((shown.bytes.clone(), asked.page.clone(), shown.number))
    }

    /// Keeps a page that is as it is now.
    pub(crate) fn put(&mut self, range: &Range<Key>, limit: usize, page: &Arc<PageOfEntries>) {
        let Some(directory) = keys::id_of(&range.start) else { return };
        let asked = Asked { end: range.end.clone(), page: page.clone(), shown: None };
        let weight = asked.weight();
        if self.get(range, limit).is_some() || !self.makes_room(weight) {
            return;
        }
        self.bytes += weight;
        let pages = &mut self.directories.entry(directory).or_default().pages;
        if let Some(old) = pages.insert((range.start.clone(), limit), asked) {
            self.bytes -= old.weight();
        }
    }

    /// Keeps what a viewer saw of a page that is kept, if it has room and no object in it has been written since [`Pages::get`] gave it.
    pub(crate) fn show(
        &mut self,
        range: &Range<Key>,
        limit: usize,
        kept: &Kept,
        (viewer, bytes, number): (Viewer, Bytes, u64),
    ) {
        // All that there is would go for the sake of one, and with it the page that this is of.
        if self.bytes + bytes.len() > self.budget {
            return;
        }
        let Some(directory) = keys::id_of(&range.start).and_then(|id| self.directories.get_mut(&id)) else {
            return;
        };
        let Some(asked) = directory.pages.get_mut(&(range.start.clone(), limit)) else { return };
        if directory.writes != kept.writes || asked.end != range.end || !Arc::ptr_eq(&asked.page, &kept.page)
        {
            return;
        }
        self.bytes += bytes.len();
        if let Some(old) = asked.shown.replace(Shown { viewer, bytes, number }) {
            self.bytes -= old.bytes.len();
        }
    }

    /// Whether so much more has room, if need be in the place of all there is.
    fn makes_room(&mut self, weight: usize) -> bool {
        if weight <= self.budget && self.bytes + weight > self.budget {
            self.clear();
        }
        weight <= self.budget
    }

    /// Forgets what a write of this key changes. What is removed has had its entry removed, or its directory can be reached no longer.
    pub(crate) fn written(&mut self, key: &[u8], record: Option<&Record>) {
        if self.directories.is_empty() {
            return;
        }
        match (key.first(), record) {
            (Some(&keys::ENTRY), _) => {
                if let Some(directory) = keys::id_of(key).and_then(|id| self.directories.remove(&id)) {
                    self.bytes -= directory.pages.values().map(Asked::weight).sum::<usize>();
                }
            }
            (Some(&keys::OBJECT), Some(Record::Object(object))) => {
                if let Some(directory) = self.directories.get_mut(&object.parent) {
                    directory.writes += 1;
                    let gone = directory.pages.values_mut().filter_map(|asked| asked.shown.take());
                    self.bytes -= gone.map(|shown| shown.bytes.len()).sum::<usize>();
                }
            }
            _ => {}
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.budget);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Object;
    use emerge_proto::Scope;

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
        assert_eq!(pages.get(&one, 100).map(|kept| kept.page), Some(page.clone()));
        assert_eq!((pages.get(&one, 99), pages.bytes), (None, 3 * page.weight()));
        // Of neither: an object, and an entry of another directory.
        pages.written(&keys::object(directory(1)), None);
        pages.written(&keys::entry(directory(3), "k"), None);
        pages.written(&keys::entry(directory(1), "a"), None);
        let left = [&one, &later, &two].map(|range| pages.get(range, 100).is_some());
        assert_eq!((left, pages.bytes), ([false, false, true], page.weight()));
        for limit in 0..50 {
            pages.put(&one, limit, &page);
            assert!(pages.bytes <= 10_000 && pages.get(&one, limit).is_some());
        }
    }

    #[test]
    fn viewers_are_told_apart_by_what_their_tokens_are_for() {
        let scope = |grant: &str| Scope::parse(&[grant]).unwrap().unwrap();
        let ada = || Principal::user("ada");
        let at = |path: &str, principal: Principal| Viewer::new(&principal, &Path::parse(path).unwrap());
        let all = [
            at("/d", ada()),
            at("/d", ada().scoped(scope("read:/d/**"))),
            at("/d", ada().scoped(scope("read:/d/a"))),
            at("/d", Principal { groups: vec!["staff".into()], ..ada() }),
            at("/d", Principal { admin: true, ..ada() }),
            at("/e", ada()),
            at("/d", Principal::user("bob")),
            at("/d", (*Arc::new(ada()).bound_by("bob", Vec::new())).clone()),
            at("/d", (*Arc::new(ada()).bound_by("bob", vec!["staff".into()])).clone()),
        ];
        for (i, one) in all.iter().enumerate() {
            for (j, other) in all.iter().enumerate() {
                assert_eq!(one == other, i == j, "{one:?} {other:?}");
            }
        }
        let elsewhere = Principal { token: Some("t".into()), from: Some([127, 0, 0, 1].into()), ..ada() };
        assert_eq!(at("/d", elsewhere), at("/d", ada()));
    }

    #[test]
    fn what_was_shown_is_kept_until_an_object_is_written_and_not_past_one() {
        let mut pages = Pages::new(10_000);
        let (directory, other) = (ObjectId([1; 16]), ObjectId([2; 16]));
        let page = Arc::new(PageOfEntries { ids: vec![ObjectId([9; 16])], count: 1, last: vec![1] });
        let range = keys::entries(directory, None);
        let viewer = |name: &str| Viewer::new(&Principal::user(name), &Path::root());
        let bytes = || Bytes::from_static(&[7; 100]);
        let written = |parent| Record::Object(Arc::new(Object::of_test(parent)));
        pages.put(&range, 10, &page);
        let kept = pages.get(&range, 10).unwrap();
        pages.show(&range, 10, &kept, (viewer("ada"), bytes(), 5));
        assert_eq!(pages.shown(&range, 10, &viewer("ada")), Some((bytes(), page.clone(), 5)));
        assert_eq!(pages.shown(&range, 10, &viewer("bob")), None);
        assert_eq!(pages.bytes, page.weight() + 100);
        let key = keys::object(ObjectId([9; 16]));
        pages.written(&key, Some(&written(other)));
        assert!(pages.shown(&range, 10, &viewer("ada")).is_some());
        pages.written(&key, Some(&written(directory)));
        assert_eq!((pages.shown(&range, 10, &viewer("ada")), pages.bytes), (None, page.weight()));
        // There is room for no more.
        let kept_now = pages.get(&range, 10).unwrap();
        pages.show(&range, 10, &kept_now, (viewer("ada"), vec![7; 10_000].into(), 5));
        assert_eq!((pages.shown(&range, 10, &viewer("ada")), pages.bytes), (None, page.weight()));
        // Read before that write, shown after it.
        pages.show(&range, 10, &kept, (viewer("ada"), bytes(), 5));
        assert_eq!(pages.shown(&range, 10, &viewer("ada")), None);
        // Of entries that were scanned before another was added.
        let kept = pages.get(&range, 10).unwrap();
        pages.written(&keys::entry(directory, "a"), None);
        pages.put(&range, 10, &Arc::new(PageOfEntries::default()));
        pages.show(&range, 10, &kept, (viewer("ada"), bytes(), 5));
        assert_eq!(pages.shown(&range, 10, &viewer("ada")), None);
    }
}
