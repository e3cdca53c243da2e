//! The engine: one owner of one store.

use crate::access::{Principal, ROOT_OWNER, ROOT_PERMS};
use crate::backend::{Backend, CommitRecord, Key, Write};
use crate::cache::Slot;
use crate::classes::{ClassCache, Lineage};
use crate::keys;
use crate::object::{Object, Record, damaged, read};
use crate::pages::{Kept, PageOfEntries, Viewer};
use crate::random::Random;
use crate::state::{Found, Health, State};
use crate::tx::Tx;
use crate::usage::{self, Usage, Used};
use bytes::Bytes;
use emerge_proto::{ClassHash, ClassVersion, Error, ErrorCode, ObjectId, ObjectType, Result, limits};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// What a host decides.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The node's name, shown as `node` of what it holds.
    pub node_name: String,
    /// Bytes of memory for hot records.
    pub cache_bytes: usize,
    /// Randomness for the identity of a new store.
    pub seed: u64,
    /// Commits from one checkpoint of the sessions to the next: as many records of the log are read when the store is opened.
    pub checkpoint: u64,
    /// Deliberate defects, for the simulator's proof that it finds them.
    #[cfg(feature = "mutations")]
    pub mutations: Mutations,
}

/// Deliberate defects of the engine, each switched on by the simulator alone.
#[cfg(feature = "mutations")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutations {
    /// Every commit counts as durable as soon as it is made.
    pub acknowledge_before_commit: bool,
    /// A request's outcome is written in a commit of its own, after that of the change.
    pub outcome_in_another_commit: bool,
    /// What a transaction has listed is not validated when it commits.
    pub forget_listed_ranges: bool,
    /// What a transaction read is not validated at its commit.
    pub reads_not_validated: bool,
    /// A watch that goes on after a change skips the next commit.
    pub watch_gap: bool,
    /// An object that is moved leaves the indexes.
    pub stale_index: bool,
}

impl EngineOptions {
    /// Options with 128 MB for hot records.
    pub fn new(node_name: impl Into<String>) -> Self {
        Self {
            node_name: node_name.into(),
            cache_bytes: 128 * 1024 * 1024,
            seed: 0,
            checkpoint: 4096,
            #[cfg(feature = "mutations")]
            mutations: Mutations::default(),
        }
    }
}

/// The engine. Cheap to clone; all clones are the same engine.
pub struct Engine<B: Backend> {
    pub(crate) shared: Arc<Shared<B>>,
}

pub(crate) struct Shared<B: Backend> {
    pub(crate) backend: B,
    pub(crate) options: EngineOptions,
    pub(crate) fence: AtomicU64,
    store_id: ObjectId,
    state: Mutex<State>,
    pub(crate) classes: Mutex<ClassCache>,
    pub(crate) cursors: Mutex<crate::collect::Cursors>,
    /// See [`Engine::accounts_generation`].
    pub(crate) accounts: AtomicU64,
}

impl<B: Backend> Clone for Engine<B> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

/// The value of a key, and how it was come by.
pub(crate) struct Looked {
    pub(crate) key: Key,
    pub(crate) record: Option<Record>,
    /// The number of the last commit when it was read.
    pub(crate) at: u64,
    /// The commit that wrote it, when that may not be durable yet.
    pub(crate) number: u64,
}

/// Objects that were read together.
pub(crate) struct Together {
    /// In the order of their keys; none for one that is not there.
    pub(crate) objects: Vec<Option<Arc<Object>>>,
    /// The number of the last commit when they were read.
    pub(crate) at: u64,
    /// The highest commit that wrote one of them and may not be durable yet.
    pub(crate) number: u64,
}

/// The side of a range from which on its keys are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Start,
    End,
}

impl Side {
    pub(crate) fn next<I: DoubleEndedIterator>(self, items: &mut I) -> Option<I::Item> {
        match self {
            Self::Start => items.next(),
            Self::End => items.next_back(),
        }
    }

    fn sorted<T>(self, map: BTreeMap<Key, T>) -> Vec<(Key, T)> {
        match self {
            Self::Start => map.into_iter().collect(),
            Self::End => map.into_iter().rev().collect(),
        }
    }
}

/// Keys and records of a range, and how they were come by.
pub(crate) struct Scanned {
    pub(crate) records: Vec<(Key, Record)>,
    pub(crate) at: u64,
    pub(crate) number: u64,
}

/// What lies over the backend's records, in order; nothing where it was removed.
struct Over {
    slots: Vec<(Key, Slot)>,
    at: u64,
    number: u64,
}

/// A record that is shown where it lies.
pub(crate) enum Shown<'a> {
    /// In the store, as bytes.
    Stored(&'a [u8]),
    /// In memory, as it was written a moment ago.
    Held(&'a Record),
}

/// Some entries of a directory, and how they were come by.
pub(crate) struct Entries {
    pub(crate) page: Arc<PageOfEntries>,
    /// That page, if it was kept already.
    pub(crate) kept: Option<Kept>,
    pub(crate) at: u64,
    pub(crate) number: u64,
}

/// A page as it was shown before, and how it was come by.
pub(crate) struct ShownBefore {
    pub(crate) bytes: Bytes,
    pub(crate) page: Arc<PageOfEntries>,
    pub(crate) at: u64,
    pub(crate) number: u64,
}

/// Whether an entry is wanted, by its key.
pub(crate) type Matches<'a> = &'a (dyn Fn(&[u8]) -> bool + Sync);

impl<B: Backend> Engine<B> {
    /// Opens a store, a new one if the backend is empty, and takes it over from any other owner.
    ///
    /// # Errors
    /// `storage_failed`, `unavailable`.
    pub async fn open(backend: B, options: EngineOptions, now_micros: i64) -> Result<Self> {
        let fence = backend.claim().await?;
        let names = [keys::meta("format"), keys::meta("number"), keys::meta("store")];
        let mut facts = backend.get_many(&names).await?.into_iter();
        let mut fact = || facts.next().flatten();
        let (format, number, store) = (fact(), fact(), fact());
        let (number, store_id) = match format {
            Some(format) => {
                crate::upgrade::run(&backend, fence, number_of(&format)?).await?;
                usage::count_once(&backend, fence).await?;
                let id = store.as_deref().and_then(|id| <[u8; 16]>::try_from(id).ok());
                (
                    number.map_or(Ok(0), |number| number_of(&number))?,
                    ObjectId(id.ok_or_else(|| damaged("the store's id"))?),
                )
            }
            None => {
                let id = Random(options.seed).id(now_micros);
                backend.commit(first_record(id, now_micros), fence).await?;
                (0, id)
            }
        };
        let mut state = State::new(number, &options);
        state.indexes = Self::read_indexes(&backend).await?;
        state.usage = Usage::read(&backend).await?;
        let shared = Shared {
            backend,
            options,
            fence: AtomicU64::new(fence),
            store_id,
            state: Mutex::new(state),
            classes: Mutex::default(),
            cursors: Mutex::default(),
            accounts: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The identity of the store, made when it was first opened.
    pub fn store_id(&self) -> ObjectId {
        self.shared.store_id
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        &self.shared.backend
    }

    /// Begins a transaction. `seed` makes the ids of new objects and must not be used twice.
    pub fn begin(&self, principal: impl Into<Arc<Principal>>, now_micros: i64, seed: u64) -> Tx<B> {
        let (began, indexes) = {
            let mut state = self.state();
            (state.begin(), state.indexes.clone())
        };
        Tx::new(self.clone(), principal.into(), now_micros, seed, began, indexes)
    }

    /// A class version and those that it inherits from, nearest first.
    ///
    /// # Errors
    /// `class_not_found`, `storage_failed`.
    pub async fn class(&self, hash: ClassHash) -> Result<Lineage> {
        if let Some(lineage) = self.classes().get(hash) {
            return Ok(lineage);
        }
        let mut known = BTreeMap::new();
        let at = self.state().last;
        while let Some(missing) = crate::classes::missing(hash, &known)? {
            let record = self.look(&keys::class(missing)).await?.record;
            known.insert(missing, crate::classes::read_class(missing, record)?);
        }
        let lineage = crate::classes::linearise(hash, &known);
        self.remember_class(hash, &lineage, at);
        Ok(lineage)
    }

    /// Keeps a lineage that was read since commit number `at`, unless a failed commit has made it doubtful.
    pub(crate) fn remember_class(&self, hash: ClassHash, lineage: &[Arc<ClassVersion>], at: u64) {
        let state = self.state();
        if lineage.iter().all(|class| state.is_good(&keys::class(class.hash), at)) {
            self.classes().insert(hash, lineage.into());
        }
    }

    /// The highest number up to which every commit is durable. After a failed commit it stays below that one for good,
    /// and [`Engine::poll_durable`] decides for the numbers above.
    pub fn durable_through(&self) -> u64 {
        #[cfg(feature = "mutations")]
        if self.shared.options.mutations.acknowledge_before_commit {
            return u64::MAX;
        }
        self.state().gate.unbroken()
    }

    /// Ready when the commit of that number is durable.
    ///
    /// # Errors
    /// `storage_failed` with effect unknown: nobody can say whether the commit is in the store.
    pub fn poll_durable(&self, number: u64, cx: &mut Context<'_>) -> Poll<Result<()>> {
        #[cfg(feature = "mutations")]
        if self.shared.options.mutations.acknowledge_before_commit {
            return Poll::Ready(Ok(()));
        }
        self.state().gate.poll(number, cx)
    }

    /// Waits until the commit of that number is durable.
    ///
    /// # Errors
    /// As [`Engine::poll_durable`].
    pub async fn durable(&self, number: u64) -> Result<()> {
        poll_fn(|cx| self.poll_durable(number, cx)).await
    }

    /// Waits until the commit of that number is durable or has failed, and so the log is as it will be up to there.
    pub async fn settled(&self, number: u64) {
        let _ = poll_fn(|cx| self.state().gate.poll(number, cx)).await;
    }

    /// Takes no more commits, waits for those that were made, and ends [`Engine::run`], which must be running.
    ///
    /// # Errors
    /// `storage_failed` when the last commits failed.
    pub async fn shutdown(&self) -> Result<()> {
        let last = {
            let mut state = self.state();
            state.health = Health::Closed(Error::new(ErrorCode::Unavailable, "the store is being closed"));
            state.queue.wake_committer();
            state.last
        };
        poll_fn(|cx| self.state().gate.poll(last, cx)).await
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn classes(&self) -> MutexGuard<'_, ClassCache> {
        self.shared.classes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fence(&self) -> u64 {
        self.shared.fence.load(Ordering::Acquire)
    }

    /// Reads one key as it is visible now.
    pub(crate) async fn look(&self, key: &[u8]) -> Result<Looked> {
        let at = {
            let mut state = self.state();
            state.usable()?;
            let at = state.last;
            if let Found::Known(key, Slot { record, number }) = state.find(key) {
                return Ok(Looked { key, record, at, number });
            }
            at
        };
        let key = Key::from(key);
        let found =
            self.shared.backend.get_many(std::slice::from_ref(&key)).await?.into_iter().next().flatten();
        self.learn(key, found, at)
    }

    /// Reads many keys as they are visible now.
    pub(crate) async fn look_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Looked>> {
        let mut looked: Vec<Option<Looked>> = Vec::with_capacity(keys.len());
        let mut missing = Vec::new();
        let at = {
            let mut state = self.state();
            state.usable()?;
            let at = state.last;
            for key in keys.iter().map(AsRef::as_ref) {
                looked.push(match state.find(key) {
                    Found::Known(key, Slot { record, number }) => Some(Looked { key, record, at, number }),
                    Found::Unknown => {
                        missing.push(Key::from(key));
                        None
                    }
                });
            }
            at
        };
        let mut found = Vec::new();
        if !missing.is_empty() {
            let values = self.shared.backend.get_many(&missing).await?;
            for (key, value) in missing.into_iter().zip(values) {
                found.push(self.learn(key, value, at)?);
            }
        }
        let mut found = found.into_iter();
        Ok(looked.into_iter().filter_map(|known| known.or_else(|| found.next())).collect())
    }

    /// Reads many objects as they are visible now; of those in memory nothing else is made.
    pub(crate) async fn look_together(&self, ids: &[ObjectId]) -> Result<Together> {
        let mut objects = Vec::with_capacity(ids.len());
        let mut missing: Vec<(usize, Key)> = Vec::new();
        let (at, mut number) = {
            let mut state = self.state();
            state.usable()?;
            let mut highest = 0;
            for (id, known) in ids.iter().zip(state.objects(ids)?) {
                objects.push(match known {
                    Some((object, number)) => {
                        highest = highest.max(number);
                        object
                    }
                    None => {
                        missing.push((objects.len(), keys::object(*id).into()));
                        None
                    }
                });
            }
            (state.last, highest)
        };
        if !missing.is_empty() {
            let keys: Vec<Key> = missing.iter().map(|(_, key)| key.clone()).collect();
            let values = self.shared.backend.get_many(&keys).await?;
            for ((place, key), value) in missing.into_iter().zip(values) {
                let looked = self.learn(key, value, at)?;
                number = number.max(looked.number);
                objects[place] = looked.record.map(Record::object).transpose()?;
            }
        }
        Ok(Together { objects, at, number })
    }

    fn learn(&self, key: Key, value: Option<Bytes>, at: u64) -> Result<Looked> {
        let record = value.map(|bytes| Record::decode(&key, bytes)).transpose()?;
        self.state().learn(&key, record.as_ref(), at);
        Ok(Looked { key, record, at, number: 0 })
    }

    /// What lies over the backend's records in a range: the recent writes from one side on, up to `limit` that are there, and over them a transaction's own.
    fn over(
        &self,
        range: &Range<Key>,
        limit: usize,
        side: Side,
        own: &BTreeMap<Key, Option<Record>>,
    ) -> Result<Over> {
        let (mut slots, at) = {
            let mut state = self.state();
            state.usable()?;
            let own_deletions = own.values().filter(|record| record.is_none()).count();
            (state.recent_in(range, limit.saturating_add(own_deletions), side), state.last)
        };
        let number = slots.iter().map(|(_, slot)| slot.number).max().unwrap_or(0);
        if !own.is_empty() && range.start < range.end {
            let mut merged: BTreeMap<Key, Slot> = slots.into_iter().collect();
            for (key, record) in own.range(range.clone()) {
                merged.insert(key.clone(), Slot { record: record.clone(), number: 0 });
            }
            slots = side.sorted(merged);
        }
        Ok(Over { slots, at, number })
    }

    /// As [`Engine::scan`] from the start of a range, for who keeps little of it: about `limit` records are shown where they lie. Gives the key of the last
    /// when more may come, and the number of the newest write among what was shown.
    pub(crate) async fn show(
        &self,
        range: &Range<Key>,
        limit: usize,
        own: &BTreeMap<Key, Option<Record>>,
        see: &mut (dyn FnMut(&[u8], Shown<'_>) + Send),
    ) -> Result<(Option<Key>, u64)> {
        let Over { mut slots, number, .. } = self.over(range, limit, Side::Start, own)?;
        // Past as many as are asked for, what lies over the backend's is not known.
        let mut live = 0;
        let cut = slots.iter().position(|(_, slot)| {
            live += usize::from(slot.record.is_some());
            live == limit
        });
        slots.truncate(cut.map_or(usize::MAX, |cut| cut + 1));
        let mut last = slots.last().filter(|_| cut.is_some()).map(|(key, _)| key.clone());
        let end = last.as_ref().map_or_else(|| range.end.clone(), |last| keys::after(last));
        let mut over = slots.into_iter().peekable();
        let held = |key: &[u8], slot: &Slot, see: &mut dyn FnMut(&[u8], Shown<'_>)| {
            if let Some(record) = &slot.record {
                see(key, Shown::Held(record));
            }
        };
        let mut count = 0;
        let mut merge = |key: &[u8], value: &[u8]| {
            while let Some((above, slot)) = over.next_if(|(above, _)| **above < *key) {
                held(&above, &slot, see);
            }
            match over.next_if(|(above, _)| **above == *key) {
                Some((_, slot)) => held(key, &slot, see),
                None => see(key, Shown::Stored(value)),
            }
            count += 1;
            if count == limit {
                last = Some(Key::from(key));
            }
        };
        self.shared.backend.show(range.start.clone()..end, limit, &mut merge).await?;
        if count < limit {
            over.for_each(|(key, slot)| held(&key, &slot, see));
        }
        Ok((last, number))
    }

    /// The `limit` records of a range from one side on as they are visible now, with a transaction's own writes over them.
    pub(crate) async fn scan(
        &self,
        range: &Range<Key>,
        limit: usize,
        side: Side,
        own: &BTreeMap<Key, Option<Record>>,
    ) -> Result<Scanned> {
        let Over { slots: over, at, number } = self.over(range, limit, side, own)?;
        let deletions = over.iter().filter(|(_, slot)| slot.record.is_none()).count();
        // Each deletion hides at most one of what the backend has.
        let wanted = limit.saturating_add(deletions);
        let under = match side {
            Side::Start => self.shared.backend.scan(range.clone(), wanted).await?,
            Side::End => self.shared.backend.scan_back(range.clone(), wanted).await?,
        };
        let mut records = Vec::with_capacity(under.len().min(limit) + over.len());
        let mut over = over.into_iter().peekable();
        let mut under = under.into_iter().peekable();
        while records.len() < limit {
            let from_over = match (over.peek(), under.peek()) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some((above, _)), Some((below, _))) => {
                    if above == below {
                        under.next();
                        true
                    } else {
                        (above < below) == (side == Side::Start)
                    }
                }
            };
            if from_over {
                if let Some((key, Slot { record: Some(record), .. })) = over.next() {
                    records.push((key, record));
                }
            } else if let Some((key, bytes)) = under.next() {
                let record = Record::decode(&key, bytes)?;
                records.push((key, record));
            }
        }
        Ok(Scanned { records, at, number })
    }

    /// As [`Engine::scan`], of the entries of a directory, all or those that match: no more is made of them than who lists them needs.
    pub(crate) async fn scan_entries(
        &self,
        range: &Range<Key>,
        limit: usize,
        own: &BTreeMap<Key, Option<Record>>,
        matches: Option<Matches<'_>>,
    ) -> Result<Entries> {
        let (is_written, at) = {
            let mut state = self.state();
            state.usable()?;
            if own.is_empty()
                && matches.is_none()
                && let Some(kept) = state.pages.get(range, limit)
            {
                let page = kept.page.clone();
                return Ok(Entries { page, kept: Some(kept), at: state.last, number: 0 });
            }
            (!own.is_empty() || state.is_recent_in(range), state.last)
        };
        let mut page = PageOfEntries::default();
        if is_written {
            let Scanned { records, at, number } = self.scan(range, limit, Side::Start, own).await?;
            for (key, record) in records {
                page.add(&key, record.entry()?, matches);
            }
            return Ok(Entries { page: page.into(), kept: None, at, number });
        }
        page.ids.reserve(limit.min(limits::MAX_PAGE + 1));
        let mut failure = None;
        let mut see = |key: &[u8], value: &[u8]| match read(value, "an entry") {
            Ok(entry) => page.add(key, entry, matches),
            Err(error) => failure = Some(error),
        };
        self.shared.backend.show(range.clone(), limit, &mut see).await?;
        if let Some(error) = failure {
            return Err(error);
        }
        let page = Arc::new(page);
        let mut state = self.state();
        if matches.is_none() && state.is_range_good(range, at) {
            state.pages.put(range, limit, &page);
        }
        Ok(Entries { page, kept: None, at, number: 0 })
    }

    /// A page that the viewer was shown before, if nothing has changed since.
    pub(crate) fn shown_before(
        &self,
        range: &Range<Key>,
        limit: usize,
        viewer: &Viewer,
    ) -> Result<Option<ShownBefore>> {
        let mut state = self.state();
        state.usable()?;
        let at = state.last;
        Ok(state.pages.shown(range, limit, viewer).map(|(bytes, page, number)| ShownBefore {
            bytes,
            page,
            at,
            number,
        }))
    }

    /// Keeps what a viewer sees of a page: see [`Pages::show`](crate::pages::Pages::show).
    pub(crate) fn keep_shown(
        &self,
        range: &Range<Key>,
        limit: usize,
        kept: &Kept,
        shown: (Viewer, Bytes, u64),
    ) {
        self.state().pages.show(range, limit, kept, shown);
    }
}

pub(crate) fn number_record(number: u64) -> Write {
    Write { key: keys::meta("number"), value: Some(Bytes::copy_from_slice(&number.to_be_bytes())) }
}

pub(crate) fn number_of(bytes: &[u8]) -> Result<u64> {
    Ok(u64::from_be_bytes(bytes.try_into().map_err(|_| damaged("a number"))?))
}

/// What a new store holds: its facts and the root directory.
fn first_record(id: ObjectId, now: i64) -> CommitRecord {
    let root = Object {
        kind: ObjectType::Directory,
        parent: ObjectId::ROOT,
        name: "".into(),
        class: None,
        owner: ROOT_OWNER.into(),
        group: ROOT_OWNER.into(),
        perms: ROOT_PERMS,
        version: 1,
        created: now,
        modified: now,
        author: ROOT_OWNER.into(),
        method: None,
        restored: None,
        operation: None,
        rules: None,
        state: Bytes::new(),
        blobs: Vec::new(),
    };
    let put = |key: Key, value: Bytes| Write { key, value: Some(value) };
    let mut writes = vec![
        put(keys::meta("format"), Bytes::copy_from_slice(&keys::FORMAT.to_be_bytes())),
        put(keys::meta("store"), Bytes::copy_from_slice(&id.0)),
        number_record(0),
        put(keys::object(ObjectId::ROOT).into(), root.encode()),
        put(keys::used(ROOT_OWNER), emerge_proto::class::encode(&Used { objects: 1, bytes: 0 }).into()),
        usage::counted_record(),
    ];
    writes.sort_by(|a, b| a.key.cmp(&b.key));
    CommitRecord { writes }
}
