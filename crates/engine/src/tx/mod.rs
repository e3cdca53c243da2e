//! Transactions: reads that are noted, writes that are held back, and their commit.

mod account;
mod asked;
mod blobs;
mod call;
mod children;
mod class;
mod copy;
mod held;
mod import;
mod index;
mod inside;
mod list;
mod object;
mod order;
mod ordered;
mod place;
mod purge;
mod quota;
mod rights;
mod rules;
mod search;
mod system;
mod token;
mod tree;
mod unique;
mod version;
mod watch;

pub use call::{Code, ObjectForCall};
pub use copy::CopyPart;
pub use held::Savepoint;
pub use import::{MadeVersion, Ownership};
pub use list::Listing;
pub use object::Base;
pub use ordered::IndexOrder;
pub use search::{Candidate, KeyRanges, Scope, Walk};
pub use system::is_told_by_node;
pub(crate) use system::is_told_by_node_at;

use crate::access::Principal;
use crate::backend::{Backend, BackendError, Key, Write};
use crate::change::{Change, LogRecord, Where};
use crate::engine::{Engine, Entries, Looked, Matches, ShownBefore, Side, Together};
use crate::index::{self as indexes, Indexes};
use crate::keys;
use crate::object::{Entry, Object, Record};
use crate::outcomes::no_longer_kept;
use crate::pages::{PageOfEntries, Viewer};
use crate::queue::{self, Waiting};
use crate::random::Random;
use crate::session::{LoggedOutcome, Outcome};
use crate::state::State;
use crate::usage::{self, Changes};
use bytes::Bytes;
use compact_str::CompactString;
use emerge_proto::account::Quota;
use emerge_proto::{Error, ObjectId, Result, SessionId};
use held::weight;
use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::poll_fn;
use std::ops::Range;
use std::sync::Arc;
use std::task::Poll;

/// A transaction. It sees its own writes. Dropped without a commit it changes nothing.
///
/// An operation that fails changes nothing of the transaction, so that it can go on with others.
pub struct Tx<B: Backend> {
    engine: Engine<B>,
    /// Whose rights count now: the caller's, or within a method those of all parties to it.
    principal: Arc<Principal>,
    /// Whose transaction it is.
    caller: Arc<Principal>,
    now: i64,
    random: Random,
    began: u64,
    /// Keys that were read: the number of the last commit at the first read, and what that gave. Every later read of
    /// the key gives the same, so that an operation is not led astray by commits of others between its reads.
    reads: HashMap<Key, (u64, Option<Record>)>,
    ranges: Vec<(Range<Key>, u64)>,
    /// Objects that were read together, and the number of the last commit then. What they were is not kept: when one of them is
    /// read again and is another by then, this transaction does not commit.
    together: Vec<(Vec<ObjectId>, u64)>,
    writes: BTreeMap<Key, Option<Record>>,
    /// Objects of which this transaction has made a version already.
    touched: HashSet<ObjectId>,
    changes: Vec<Change>,
    undo: Vec<Undo>,
    /// About how many bytes of memory `reads` and `writes` take.
    bytes: usize,
    depends_on: u64,
    /// Sessions that this transaction ends; those with a time only if they have had no outcome since.
    ended: Vec<(SessionId, Option<i64>)>,
    /// Whether users or groups change.
    accounts: bool,
    /// The indexes when it began: it cannot commit when there are others.
    indexes: Indexes,
    /// Records that were read since others had their turn.
    work: usize,
    /// Whether the caller's groups were others in an earlier operation.
    regrouped: bool,
}

/// Records that are read before others have their turn.
const AT_A_TIME: usize = 512;

/// Lets other tasks run once.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

enum Undo {
    Write(Key, Option<Option<Record>>),
    Touch(ObjectId),
}

/// What a commit changes besides records.
struct More {
    indexes: Option<Indexes>,
    used: Changes,
    quotas: Vec<(CompactString, Quota)>,
}

/// A commit that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// What must be durable before anyone is told: the commit itself or, when nothing was written, the highest commit
    /// that was read. See [`Engine::poll_durable`].
    pub number: u64,
    /// Whether anything was written.
    pub wrote: bool,
}

/// Why a commit was not made. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// Something that the transaction read has been changed since, or its request has committed already: run it again.
    Conflict,
    /// It cannot be made.
    Error(Error),
}

impl From<Error> for CommitError {
    fn from(error: Error) -> Self {
        CommitError::Error(error)
    }
}

impl<B: Backend> Tx<B> {
    pub(crate) fn new(
        engine: Engine<B>,
        caller: Arc<Principal>,
        now: i64,
        seed: u64,
        began: u64,
        indexes: Indexes,
    ) -> Self {
        Self {
            engine,
            principal: caller.clone(),
            caller,
            now,
            random: Random(seed),
            began,
            reads: HashMap::new(),
            ranges: Vec::new(),
            together: Vec::new(),
            writes: BTreeMap::new(),
            touched: HashSet::new(),
            changes: Vec::new(),
            undo: Vec::new(),
            bytes: 0,
            depends_on: 0,
            ended: Vec::new(),
            accounts: false,
            indexes,
            work: 0,
            regrouped: false,
        }
    }

    /// Who asks, with the rights that count now.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// From now on these rights count.
    pub fn act_as(&mut self, principal: &Arc<Principal>) {
        if !Arc::ptr_eq(&self.principal, principal) {
            self.principal = principal.clone();
        }
    }

    /// The highest commit that was read and may not be durable yet; 0 for none.
    pub fn depends_on(&self) -> u64 {
        self.depends_on
    }

    /// False when something that was read has been changed since: then nothing that the transaction said, an error
    /// included, need be true, and it should be run again.
    pub fn is_current(&self) -> bool {
        self.is_current_in(&self.engine.state())
    }

    fn is_current_in(&self, state: &State) -> bool {
        let together =
            |(ids, at): &(Vec<ObjectId>, u64)| ids.iter().all(|id| state.is_good(&keys::object(*id), *at));
        let reads_are_good = self.reads.iter().all(|(key, (at, _))| state.is_good(key, *at))
            && self.together.iter().all(together);
        #[cfg(feature = "mutations")]
        if self.engine.shared.options.mutations.forget_listed_ranges {
            return reads_are_good;
        }
        reads_are_good && self.ranges.iter().all(|(range, at)| state.is_range_good(range, *at))
    }

    /// Commits: from now on every later transaction sees the writes. Nobody outside may be told before
    /// [`Engine::poll_durable`] says so. A transaction that wrote nothing commits nothing and keeps no outcome.
    ///
    /// Waits while too many commits wait for the backend.
    ///
    /// # Errors
    /// [`CommitError::Conflict`]; `too_large`, `storage_failed`, `unavailable`, `session_expired` (the request's outcome
    /// was acknowledged, so that it must not run again).
    pub async fn commit(mut self, outcome: Option<Outcome>) -> Result<Commit, CommitError> {
        self.try_commit(outcome).await
    }

    /// As [`Tx::commit`], which this transaction outlives to tell what the conflict was about; it is good for nothing else then.
    ///
    /// # Errors
    /// As [`Tx::commit`].
    pub async fn try_commit(&mut self, outcome: Option<Outcome>) -> Result<Commit, CommitError> {
        self.principal = self.caller.clone();
        if self.writes.is_empty() {
            self.engine.state().usable()?;
            return match self.is_current() {
                true => Ok(Commit { number: self.depends_on, wrote: false }),
                false => Err(CommitError::Conflict),
            };
        }
        if !self.indexes.is_empty()
            && let Err(error) = self.index_writes().await
        {
            if !self.is_current() {
                return Err(CommitError::Conflict);
            }
            // It tells of what was read.
            self.engine.durable(self.depends_on).await?;
            return Err(error.into());
        }
        let more = More {
            indexes: indexes::changed(&self.indexes, self.writes.range(keys::all(keys::INDEX_DEF)))?,
            used: self.used().await?,
            quotas: usage::quotas(self.writes.range(keys::all(keys::QUOTA)))?,
        };
        let writes = std::mem::take(&mut self.writes);
        // One more for the log.
        let mut encoded: Vec<Write> = Vec::with_capacity(writes.len() + 1);
        encoded.extend(
            writes
                .iter()
                .map(|(key, record)| Write { key: key.clone(), value: record.as_ref().map(Record::encode) }),
        );
        let places = self.places(&writes);
        let room = places.iter().map(Where::size).sum::<usize>() + more.used.size();
        self.check_size(&encoded, outcome.as_ref(), room)?;
        self.engine.room(outcome.as_ref().map(|outcome| outcome.session)).await?;
        // All that can be done before anybody has to wait for it.
        let log = LogRecord {
            time: self.now,
            changes: std::mem::take(&mut self.changes),
            outcome: outcome.map(LoggedOutcome::from),
            author: (!places.is_empty()).then(|| self.caller.user.clone()),
            places: (!places.is_empty()).then_some(places),
            ended: (!self.ended.is_empty()).then(|| self.ended.iter().map(|(session, _)| *session).collect()),
        };
        let encoded_log = (!log.is_empty()).then(|| emerge_proto::class::encode(&log).into());
        let admitted = self.admit(writes.into_iter().collect(), encoded, log, encoded_log, more);
        if matches!(admitted, Err(CommitError::Error(_))) {
            // It may tell of what was read.
            self.engine.durable(self.depends_on).await?;
        }
        admitted
    }

    /// Validates, numbers and queues the commit, all in one critical section.
    fn admit(
        &mut self,
        writes: Vec<(Key, Option<Record>)>,
        mut encoded: Vec<Write>,
        log: LogRecord,
        encoded_log: Option<Bytes>,
        more: More,
    ) -> Result<Commit, CommitError> {
        let mut state = self.engine.state();
        state.usable()?;
        let good = self.is_current_in(&state);
        #[cfg(feature = "mutations")]
        let good = good || self.engine.shared.options.mutations.reads_not_validated;
        if !good || !Arc::ptr_eq(&self.indexes, &state.indexes) {
            return Err(CommitError::Conflict);
        }
        if let Some(outcome) = &log.outcome {
            let Some(indexed) = state.sessions.get(outcome.session) else {
                return Err(CommitError::Conflict);
            };
            if indexed.has(outcome) {
                return Err(CommitError::Conflict);
            }
            if outcome.seq <= indexed.acknowledged {
                return Err(no_longer_kept(outcome.seq).into());
            }
        }
        for (session, silent_since) in &self.ended {
            let known = state.sessions.get(*session);
            if silent_since.is_some_and(|since| known.is_none_or(|known| known.time >= Some(since))) {
                return Err(CommitError::Conflict);
            }
        }
        state.usage.check(&more.used)?;
        for (session, _) in &self.ended {
            state.sessions.remove(*session);
        }
        let number = state.apply(writes);
        encoded.extend(state.usage.apply(more.used));
        state.usage.set(more.quotas);
        if self.accounts {
            self.engine.accounts_changed();
        }
        if let Some(indexes) = more.indexes {
            state.indexes = indexes;
        }
        if let Some(value) = encoded_log {
            let write = Write { key: keys::log(number), value: Some(value) };
            if let Some(outcome) = &log.outcome {
                state.sessions.add(number, log.time, outcome);
            }
            if log.outcome.is_some() || log.ended.is_some() {
                state.show(number, &write);
            }
            #[cfg(feature = "mutations")]
            if self.engine.shared.options.mutations.outcome_in_another_commit && log.outcome.is_some() {
                state.queue.push(Waiting { number, writes: encoded, alone: true });
                state.queue.push(Waiting { number, writes: vec![write], alone: true });
                return Ok(Commit { number, wrote: true });
            }
            encoded.push(write);
        }
        state.queue.push(Waiting { number, writes: encoded, alone: false });
        for batch in state.sessions.checkpoint(number) {
            let number = state.apply(Vec::new());
            batch.iter().for_each(|write| state.show(number, write));
            state.queue.push(Waiting { number, writes: batch, alone: false });
        }
        Ok(Commit { number, wrote: true })
    }

    fn check_size(&self, writes: &[Write], outcome: Option<&Outcome>, places: usize) -> Result<()> {
        let limits = self.engine.backend().limits();
        let reply = outcome.map_or(0, |outcome| outcome.reply.len());
        let values = writes.iter().filter_map(|write| write.value.as_ref().map(|value| value.len()));
        let largest = values.max().unwrap_or(0).max(reply);
        if largest > limits.max_value {
            return Err(BackendError::TooLarge { bytes: largest, limit: limits.max_value }.into());
        }
        // Room for the log record.
        let bytes = queue::size(writes) + reply + places + self.changes.len() * 64 + 1024;
        if bytes > limits.max_batch {
            return Err(BackendError::TooLarge { bytes, limit: limits.max_batch }.into());
        }
        Ok(())
    }

    fn note(&mut self, looked: Looked) -> Option<Record> {
        self.depends_on = self.depends_on.max(looked.number);
        match self.reads.entry(looked.key) {
            Place::Occupied(known) => known.get().1.clone(),
            Place::Vacant(place) => {
                self.bytes += weight(place.key(), looked.record.as_ref());
                place.insert((looked.at, looked.record)).1.clone()
            }
        }
    }

    async fn read(&mut self, key: &[u8]) -> Result<Option<Record>> {
        if let Some(record) = self.writes.get(key) {
            return Ok(record.clone());
        }
        if let Some((_, record)) = self.reads.get(key) {
            return Ok(record.clone());
        }
        let looked = self.engine.look(key).await?;
        self.take_turns(1).await;
        Ok(self.note(looked))
    }

    /// Lets other tasks run now and then: a store in memory never waits by itself, and one request may read much.
    pub(crate) async fn take_turns(&mut self, records: usize) {
        self.work += records;
        if self.work >= AT_A_TIME {
            self.work = 0;
            yield_now().await;
        }
    }

    /// Reads many keys; gives what each holds, in their order.
    async fn read_many<K: AsRef<[u8]>>(&mut self, keys: &[K]) -> Result<Vec<Option<Record>>> {
        let looked = self.engine.look_many(keys).await?;
        self.take_turns(keys.len()).await;
        self.reads.reserve(keys.len());
        let mut records = Vec::with_capacity(keys.len());
        for (key, looked) in keys.iter().zip(looked) {
            let record = match self.writes.get(key.as_ref()) {
                Some(own) => own.clone(),
                None => self.note(looked),
            };
            records.push(record);
        }
        Ok(records)
    }

    /// Reads many objects of which no other operation is told what they were; none for one that is not there.
    async fn objects_together(&mut self, ids: &[ObjectId]) -> Result<Vec<Option<Arc<Object>>>> {
        let Together { mut objects, at, number } = self.engine.look_together(ids).await?;
        self.take_turns(ids.len()).await;
        self.depends_on = self.depends_on.max(number);
        if !self.writes.is_empty() {
            for (id, object) in ids.iter().zip(&mut objects) {
                if let Some(own) = self.writes.get(&keys::object(*id)[..]) {
                    *object = own.clone().map(Record::object).transpose()?;
                }
            }
        }
        self.note_together(ids, at);
        Ok(objects)
    }

    fn note_together(&mut self, ids: &[ObjectId], at: u64) {
        self.bytes += size_of_val(ids);
        self.together.push((ids.to_vec(), at));
    }

    /// The first `limit` records of a range; what it says of the range up to the last of them is validated.
    pub(crate) async fn scan(&mut self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Record)>> {
        self.scan_from(Side::Start, range, limit).await
    }

    /// As [`Tx::scan`], from one side of the range on.
    pub(crate) async fn scan_from(
        &mut self,
        side: Side,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Record)>> {
        let scanned = self.engine.scan(&range, limit, side, &self.writes).await?;
        self.take_turns(scanned.records.len()).await;
        self.depends_on = self.depends_on.max(scanned.number);
        let told = match (scanned.records.last(), side) {
            (Some((last, _)), Side::Start) if scanned.records.len() == limit => {
                range.start..keys::after(last)
            }
            (Some((last, _)), Side::End) if scanned.records.len() == limit => last.clone()..range.end,
            _ => range,
        };
        self.note_range(told, scanned.at);
        Ok(scanned.records)
    }

    /// As [`Tx::scan`], of the entries of a directory, all or those that match.
    async fn scan_entries(
        &mut self,
        range: Range<Key>,
        limit: usize,
        matches: Option<Matches<'_>>,
    ) -> Result<Entries> {
        let entries = self.engine.scan_entries(&range, limit, &self.writes, matches).await?;
        self.note_entries(&entries.page, range, limit, entries.at, entries.number).await;
        Ok(entries)
    }

    async fn note_entries(
        &mut self,
        page: &PageOfEntries,
        range: Range<Key>,
        limit: usize,
        at: u64,
        number: u64,
    ) {
        self.take_turns(page.count).await;
        self.depends_on = self.depends_on.max(number);
        let end = if page.count == limit { keys::after(&page.last) } else { range.end };
        self.note_range(range.start..end, at);
    }

    /// A page as the viewer was shown it before, if nothing has changed since. It is validated as if it had been read again.
    async fn shown_before(
        &mut self,
        range: &Range<Key>,
        limit: usize,
        viewer: &Viewer,
    ) -> Result<Option<Bytes>> {
        if !self.writes.is_empty() {
            return Ok(None);
        }
        let Some(ShownBefore { bytes, page, at, number }) = self.engine.shown_before(range, limit, viewer)?
        else {
            return Ok(None);
        };
        self.note_entries(&page, range.clone(), limit, at, number).await;
        self.note_together(&page.ids, at);
        Ok(Some(bytes))
    }

    fn note_range(&mut self, range: Range<Key>, at: u64) {
        self.bytes += range.start.len() + range.end.len() + size_of::<(Range<Key>, u64)>();
        self.ranges.push((range, at));
    }

    /// As [`Tx::scan`], for a caller whose writes are right whatever happens to the range meanwhile.
    pub(crate) async fn scan_unnoted(
        &mut self,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Record)>> {
        Ok(self.engine.scan(&range, limit, Side::Start, &self.writes).await?.records)
    }

    /// An object as it is now.
    pub(crate) async fn object_unnoted(&self, id: ObjectId) -> Result<Option<Arc<Object>>> {
        self.engine.look(&keys::object(id)).await?.record.map(Record::object).transpose()
    }

    /// When an earlier version was made, if it is kept.
    pub(crate) async fn version_time_unnoted(&self, id: ObjectId, version: u64) -> Result<Option<i64>> {
        let record = self.engine.look(&keys::version(id, version)).await?.record;
        Ok(record.map(Record::object).transpose()?.map(|object| object.modified))
    }

    /// Ends a session: its record goes, and what the log says of it does not count any more. With `silent_since` it is a conflict when the session has had
    /// an outcome since that time.
    pub(crate) fn end_session(&mut self, session: SessionId, silent_since: Option<i64>) {
        self.put_raw(keys::session(session), None);
        self.ended.push((session, silent_since));
    }

    /// Sessions without a record of their newest outcome, that have had none since `horizon`; at most `limit`.
    pub(crate) fn silent_sessions(&self, horizon: i64, limit: usize) -> Vec<SessionId> {
        self.engine.state().sessions.silent_since(horizon, limit)
    }

    /// True when a session has had no outcome since `horizon`.
    pub(crate) async fn is_silent(&self, session: SessionId, horizon: i64) -> Result<bool> {
        self.engine.index_session(session).await?;
        Ok(self.engine.state().sessions.get(session).is_some_and(|known| known.time < Some(horizon)))
    }

    /// The time that the transaction was given.
    pub(crate) fn time(&self) -> i64 {
        self.now
    }

    pub(crate) fn with_cursors<T>(&self, body: impl FnOnce(&mut crate::collect::Cursors) -> T) -> T {
        body(&mut self.engine.shared.cursors.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn put(&mut self, key: impl Into<Key>, record: Option<Record>) {
        self.put_raw(key.into(), record);
    }

    pub(crate) fn put_raw(&mut self, key: Key, record: Option<Record>) {
        let before = self.write(key.clone(), Some(record));
        self.undo.push(Undo::Write(key, before));
    }

    /// Sets what is written under a key, or takes it back; gives what was written there before.
    fn write(&mut self, key: Key, record: Option<Option<Record>>) -> Option<Option<Record>> {
        let size = key.len();
        let (before, more) = match record {
            Some(record) => {
                let more = weight(&key, record.as_ref());
                (self.writes.insert(key, record), more)
            }
            None => (self.writes.remove(&key), 0),
        };
        let less = before
            .as_ref()
            .map_or(0, |record| size + held::OVERHEAD + record.as_ref().map_or(0, Record::weight));
        self.bytes = (self.bytes + more).saturating_sub(less);
        before
    }

    fn touch(&mut self, id: ObjectId) {
        if self.touched.insert(id) {
            self.undo.push(Undo::Touch(id));
        }
    }

    /// Takes back all that was written since the savepoint when the operation failed.
    fn settle<T>(&mut self, savepoint: &Savepoint, result: Result<T>) -> Result<T> {
        if result.is_err() {
            self.back_to(savepoint);
        }
        result
    }

    async fn entry(&mut self, directory: ObjectId, name: &str) -> Result<Option<Entry>> {
        self.read(&keys::entry(directory, name)).await?.map(Record::entry).transpose()
    }

    pub(crate) async fn object(&mut self, id: ObjectId) -> Result<Option<Arc<Object>>> {
        self.read(&keys::object(id)).await?.map(Record::object).transpose()
    }

    fn put_entry(&mut self, directory: ObjectId, name: &str, entry: Option<Entry>) {
        self.put(keys::entry(directory, name), entry.map(Record::Entry));
    }

    fn put_object(&mut self, id: ObjectId, object: Object) -> Arc<Object> {
        let object = Arc::new(object);
        self.put(keys::object(id), Some(Record::Object(object.clone())));
        object
    }

    fn new_id(&mut self) -> ObjectId {
        self.random.id(self.now)
    }
}

impl<B: Backend> Drop for Tx<B> {
    fn drop(&mut self) {
        // What it gives is dropped after the state is let go of.
        let _forgotten = self.engine.state().end(self.began);
    }
}
