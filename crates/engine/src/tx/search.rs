//! Walking over the objects below a directory that the caller may read: what a search looks at. What is asked of each is not the engine's.
//!
//! Objects come in the order of their ids, which is that in which they were made, or the other way round. A directory with few objects below it is walked as a tree; else all objects
//! of the store are read in order, and those that are not below it left out. Which it is makes no difference but in speed. Along an index they come in its
//! order, so that one who wants the first of that order can stop.

use super::Tx;
use super::ordered::{IndexOrder, Ordered};
use super::place;
use crate::access::{self, Want};
use crate::backend::{Backend, Key};
use crate::engine::Side;
use crate::index::Index;
use crate::keys::{self, ObjectKey};
use crate::object::{Object, Record};
use emerge_proto::op::Target;
use emerge_proto::scope::Verb;
use emerge_proto::{ClassHash, Error, ErrorCode, ObjectId, Result, Stat};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// Members that are looked at to find out whether a tree is small.
const SMALL_TREE: usize = 1000;

/// Entries of an index past which all objects are looked at instead.
const MAX_INDEXED: usize = 20_000;

/// Ranges of keys of values: from the first on, and before the second.
pub type KeyRanges = Vec<(Vec<u8>, Vec<u8>)>;

/// Which objects are looked at.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// Only those of a class with this registered name, or of one that inherits from such a class.
    pub class: Option<String>,
    /// Only those of the class with this id, or of the class version with this address, or of one that inherits from it.
    pub class_id: Option<ObjectId>,
    /// Only those after this id, in the order in which they come.
    pub after: Option<ObjectId>,
    /// From the greatest id on.
    pub descending: bool,
    /// The index by which they are found, and the parts of it, by keys of values, that are looked at.
    pub index: Option<(Arc<Index>, KeyRanges)>,
    /// The order in which they are wanted, where an index has it. Objects come in another one when that is faster: [`Walk::access`] tells.
    pub order: Option<IndexOrder>,
    /// Only those that [`Walk::look_at`] names, in the order in which it does.
    pub named: bool,
    /// Whether what is read is noted, so that the transaction cannot commit when it has changed. What is not noted may come from different moments.
    pub noted: bool,
}

/// A walk under way.
pub struct Walk {
    pub(super) scope: Scope,
    pub(super) source: Source,
    /// Directories above what was looked at: their path when they lie below the directory and may be passed.
    pub(super) directories: HashMap<ObjectId, Option<Arc<str>>>,
    /// That of the last object: the next one often lies in the same.
    pub(super) last_directory: Option<(ObjectId, Option<Arc<str>>)>,
    /// Whether objects of a class version are wanted.
    pub(super) classes: HashMap<ClassHash, bool>,
    pub(super) seen: u64,
    gone: Vec<ObjectId>,
}

pub(super) enum Source {
    /// The ids that an index gave, or those of a small tree, in order, or those that were named, and how many of them have been looked at.
    Ids {
        ids: Vec<ObjectId>,
        at: usize,
        access: &'static str,
    },
    All(Side, Range<Key>),
    /// In the order of an index.
    Ordered(Ordered),
}

impl Walk {
    /// How objects are come by, for people: `index`, `order` (in the order of an index), `named`, `tree` or `scan`.
    pub fn access(&self) -> &'static str {
        match self.source {
            Source::Ids { access, .. } => access,
            Source::All(..) => "scan",
            Source::Ordered(_) => "order",
        }
    }

    /// In the order of an index: the key of the value and the object up to which, inclusive, all objects have been given.
    pub fn reached(&self) -> Option<&(Vec<u8>, ObjectId)> {
        if let Source::Ordered(ordered) = &self.source { ordered.reached() } else { None }
    }

    /// Whether the objects had better be looked at in another way than in the order of an index, from the first on: there are too many that nobody wants,
    /// or the index has gone.
    pub fn gives_up(&self) -> bool {
        matches!(&self.source, Source::Ordered(ordered) if ordered.gives_up())
    }

    /// Goes on with these.
    pub fn look_at(&mut self, ids: Vec<ObjectId>) {
        self.source = Source::Ids { ids, at: 0, access: "named" };
    }

    /// Ids, of those that were looked at so far, under which there is nothing any more and never will be.
    pub fn take_gone(&mut self) -> Vec<ObjectId> {
        std::mem::take(&mut self.gone)
    }

    /// Objects that were looked at and that the caller may read.
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

/// An object that the caller may read.
#[derive(Clone)]
pub struct Candidate {
    /// Its identity.
    pub id: ObjectId,
    /// The path of the directory that holds it; nothing for the root.
    pub(super) directory: Arc<str>,
    pub(super) object: Arc<Object>,
}

impl Candidate {
    /// Where it is.
    pub fn path(&self) -> String {
        format!("{}/{}", self.directory, self.object.name)
    }

    /// Its encoded fields, when they lie in one piece; else [`Tx::candidate_state`] puts them together.
    pub fn state(&self) -> Option<&[u8]> {
        self.object.blobs.is_empty().then_some(&self.object.state)
    }

    /// Bytes that it takes in memory, about.
    pub fn size(&self) -> usize {
        self.object.state.len() + self.directory.len() + 256
    }
}

impl<B: Backend> Tx<B> {
    /// Begins a walk over the objects below a directory.
    ///
    /// # Errors
    /// `not_found`, `not_a_directory`, `bad_argument` (the node itself tells what is there), `permission_denied` (the directory cannot be reached, or not be passed), `bad_path`.
    pub async fn walk_objects(&mut self, directory: &Target, scope: Scope) -> Result<Walk> {
        if self.system_of(directory)?.is_some() {
            let why = "the node itself tells what is there, and no objects are stored below; list it";
            let error = Error::new(ErrorCode::BadArgument, why).field("directory");
            return Err(if let Target::Path(path) = directory { error.at(path) } else { error });
        }
        let place = self.place(directory).await?;
        if !place.object.is_directory() {
            return Err(place::not_a_directory(&place.path));
        }
        self.check(&place.object, Want::Execute, &place.path)?;
        if scope.named {
            let mut walk = Self::walk_from(&place, scope, Source::All(Side::Start, keys::objects(None)));
            walk.look_at(Vec::new());
            return Ok(walk);
        }
        let mut found = match &scope.index {
            Some((index, spans)) => self.in_index(index, spans, MAX_INDEXED, scope.noted).await?,
            None => None,
        };
        let mut indexed = found.is_some();
        // A walk over a small tree looks at fewer than an index that gives many.
        // Below the root lies all that an index has, so that its order is as good.
        let in_order = scope.order.is_some() && found.is_none() && place.id == ObjectId::ROOT;
        if !in_order
            && found.as_ref().is_none_or(|ids| ids.len() > SMALL_TREE)
            && let Some(tree) = self.small_tree(place.id, scope.noted).await?
        {
            (found, indexed) = (Some(tree), false);
        }
        let source = match found {
            Some(mut ids) => {
                ids.sort_unstable();
                if scope.descending {
                    ids.reverse();
                }
                let is_before = |id: &ObjectId, after: ObjectId| {
                    if scope.descending { *id >= after } else { *id <= after }
                };
                let at = scope.after.map_or(0, |after| ids.partition_point(|id| is_before(id, after)));
                Source::Ids { ids, at, access: if indexed { "index" } else { "tree" } }
            }
            None => match &scope.order {
                Some(order) => Source::Ordered(self.in_order(order)),
                None if scope.descending => {
                    let mut all = keys::objects(None);
                    if let Some(after) = scope.after {
                        all.end = Key::from(&keys::object(after)[..]);
                    }
                    Source::All(Side::End, all)
                }
                None => Source::All(Side::Start, keys::objects(scope.after)),
            },
        };
        Ok(Self::walk_from(&place, scope, source))
    }

    fn walk_from(place: &place::Place, scope: Scope, source: Source) -> Walk {
        let path = place.path.to_string();
        let mut directories = HashMap::new();
        directories.insert(place.id, Some(Arc::from(if path == "/" { "" } else { &*path })));
        let classes = HashMap::new();
        Walk { scope, source, directories, last_directory: None, classes, seen: 0, gone: Vec::new() }
    }

    /// The ids of the objects below a directory; none when there are many. Directories that the caller may not pass are not looked into.
    async fn small_tree(&mut self, root: ObjectId, noted: bool) -> Result<Option<Vec<ObjectId>>> {
        let (mut ids, mut rest, mut seen) = (Vec::new(), vec![root], 0);
        while let Some(directory) = rest.pop() {
            if directory != root {
                let Some(record) = self.peek(&keys::object(directory), noted).await? else { continue };
                if !access::user_may(&self.principal, &*record.object()?, Want::Execute) {
                    continue;
                }
            }
            let entries =
                self.peek_range(keys::entries(directory, None), SMALL_TREE + 1 - seen, noted).await?;
            seen += entries.len();
            if seen > SMALL_TREE {
                return Ok(None);
            }
            for (_, record) in entries {
                let entry = record.entry()?;
                match entry.kind {
                    emerge_proto::ObjectType::Directory => rest.push(entry.id),
                    _ => ids.push(entry.id),
                }
            }
        }
        Ok(Some(ids))
    }

    /// The next objects of a walk, after looking at about `budget` records; none at its end. What was looked at need not give any.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn next_objects(&mut self, walk: &mut Walk, budget: usize) -> Result<Option<Vec<Candidate>>> {
        let found: Vec<(ObjectId, Arc<Object>)> = match &mut walk.source {
            Source::Ids { ids, at, .. } => {
                if *at == ids.len() {
                    return Ok(None);
                }
                let next = &ids[*at..(*at + budget).min(ids.len())];
                *at += next.len();
                self.peek_objects(next, &mut walk.gone, walk.scope.noted).await?
            }
            Source::Ordered(ordered) => {
                let Some(next) = self.next_in_order(ordered, budget, walk.scope.noted).await? else {
                    return Ok(None);
                };
                self.peek_objects(&next, &mut walk.gone, walk.scope.noted).await?
            }
            Source::All(side, range) => {
                if range.start >= range.end {
                    return Ok(None);
                }
                let records = self.peek_range_from(*side, range.clone(), budget, walk.scope.noted).await?;
                let last = records.last().filter(|_| records.len() == budget).map(|(last, _)| last);
                match (*side, last) {
                    (_, None) => range.start = range.end.clone(),
                    (Side::Start, Some(last)) => range.start = keys::after(last),
                    (Side::End, Some(last)) => range.end = last.clone(),
                }
                let mut found = Vec::with_capacity(records.len());
                for (key, record) in records {
                    if let Some(id) = keys::id_of(&key) {
                        found.push((id, record.object()?));
                    }
                }
                found
            }
        };
        let mut candidates = Vec::with_capacity(found.len());
        for (id, object) in found {
            candidates.extend(self.candidate(walk, id, object).await?);
        }
        Ok(Some(candidates))
    }

    /// An object, if it is one that the walk gives.
    pub(super) async fn candidate(
        &mut self,
        walk: &mut Walk,
        id: ObjectId,
        object: Arc<Object>,
    ) -> Result<Option<Candidate>> {
        let Some(class) = object.class else { return Ok(None) };
        if !access::user_may(&self.principal, &object, Want::Read) || !self.is_wanted(walk, class).await? {
            return Ok(None);
        }
        let directory = match &walk.last_directory {
            Some((last, path)) if *last == object.parent => path.clone(),
            _ => {
                let path = self.directory_path(walk, object.parent).await?;
                walk.last_directory = Some((object.parent, path.clone()));
                path
            }
        };
        let Some(directory) = directory else { return Ok(None) };
        // Then all above it may be passed too.
        if !self.principal.is_granted_at(Verb::Read, format_args!("{directory}/{}", object.name)) {
            return Ok(None);
        }
        walk.seen += 1;
        Ok(Some(Candidate { id, directory, object }))
    }

    async fn is_wanted(&mut self, walk: &mut Walk, class: ClassHash) -> Result<bool> {
        let (name, id) = (&walk.scope.class, walk.scope.class_id);
        if name.is_none() && id.is_none() {
            return Ok(true);
        }
        if let Some(known) = walk.classes.get(&class) {
            return Ok(*known);
        }
        let lineage = self.class(class).await?;
        let wanted = name.as_ref().is_none_or(|name| lineage.iter().any(|class| class.source.name == *name))
            && id.is_none_or(|id| lineage.iter().any(|class| class.class_id == id || class.hash.0 == id.0));
        walk.classes.insert(class, wanted);
        Ok(wanted)
    }

    /// The path of a directory; none when it does not lie below the walk's, when the caller may not pass it or one above it, and when it was unlinked.
    async fn directory_path(&mut self, walk: &mut Walk, id: ObjectId) -> Result<Option<Arc<str>>> {
        let mut chain: Vec<(ObjectId, Arc<Object>)> = Vec::new();
        let (mut at, mut path) = (id, None);
        loop {
            if let Some(known) = walk.directories.get(&at) {
                path.clone_from(known);
                break;
            }
            let Some(record) = self.peek(&keys::object(at), walk.scope.noted).await? else { break };
            let directory = record.object()?;
            let entry = self.peek(&keys::entry(directory.parent, &directory.name), walk.scope.noted).await?;
            let is_linked = match entry {
                Some(entry) => entry.entry()?.id == at,
                None => false,
            };
            let parent = directory.parent;
            let passable = is_linked && access::user_may(&self.principal, &directory, Want::Execute);
            chain.push((at, directory));
            // The root of the store holds itself: it is above the walk's directory, or is it.
            if !passable || at == ObjectId::ROOT {
                break;
            }
            at = parent;
        }
        while let Some((id, directory)) = chain.pop() {
            path = path.map(|above| Arc::from(format!("{above}/{}", directory.name)));
            walk.directories.insert(id, path.clone());
        }
        Ok(path)
    }

    /// An object's encoded fields.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn candidate_state(&mut self, candidate: &Candidate) -> Result<Vec<u8>> {
        self.state_of(&candidate.object).await
    }

    /// An object's properties.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn candidate_stat(&mut self, candidate: &Candidate) -> Result<Stat> {
        self.stat_of(candidate.id, &candidate.object, &candidate.object.name).await
    }

    /// As [`Tx::read`]; what is not `noted` may be changed by others before the transaction ends.
    pub(super) async fn peek(&mut self, key: &[u8], noted: bool) -> Result<Option<Record>> {
        if noted || self.writes.contains_key(key) {
            return self.read(key).await;
        }
        let looked = self.engine.look(key).await?;
        self.depends_on = self.depends_on.max(looked.number);
        Ok(looked.record)
    }

    /// The objects with these ids; those that are not there go to `gone`.
    async fn peek_objects(
        &mut self,
        ids: &[ObjectId],
        gone: &mut Vec<ObjectId>,
        noted: bool,
    ) -> Result<Vec<(ObjectId, Arc<Object>)>> {
        let keys: Vec<ObjectKey> = ids.iter().map(|id| keys::object(*id)).collect();
        let records = self.peek_many(&keys, noted).await?;
        let mut found = Vec::with_capacity(records.len());
        for (id, record) in ids.iter().zip(records) {
            match record {
                Some(record) => found.push((*id, record.object()?)),
                None => gone.push(*id),
            }
        }
        Ok(found)
    }

    async fn peek_many(&mut self, keys: &[ObjectKey], noted: bool) -> Result<Vec<Option<Record>>> {
        if noted {
            return self.read_many(keys).await;
        }
        let looked = self.engine.look_many(keys).await?;
        let mut records = Vec::with_capacity(keys.len());
        for (key, looked) in keys.iter().zip(looked) {
            self.depends_on = self.depends_on.max(looked.number);
            records.push(match self.writes.get(&key[..]) {
                Some(own) => own.clone(),
                None => looked.record,
            });
        }
        Ok(records)
    }

    pub(super) async fn peek_range(
        &mut self,
        range: Range<Key>,
        limit: usize,
        noted: bool,
    ) -> Result<Vec<(Key, Record)>> {
        self.peek_range_from(Side::Start, range, limit, noted).await
    }

    pub(super) async fn peek_range_from(
        &mut self,
        side: Side,
        range: Range<Key>,
        limit: usize,
        noted: bool,
    ) -> Result<Vec<(Key, Record)>> {
        if noted {
            return self.scan_from(side, range, limit).await;
        }
        let scanned = self.engine.scan(&range, limit, side, &self.writes).await?;
        self.depends_on = self.depends_on.max(scanned.number);
        Ok(scanned.records)
    }
}
