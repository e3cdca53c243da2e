//! What is visible: commits that are on their way to the backend over what the backend has, and the checks that make
//! transactions serializable.
//!
//! Every commit has a number. A read notes the number of the last commit at the time of the read, and is still good when
//! no later commit has written the key (or, for a range, any key in it). `recent` holds every write that is not yet
//! durable or that an active transaction may not have seen, so both questions are answered in memory.

use crate::backend::{Key, Write};
use crate::backup::Followers;
use crate::cache::{Cache, KnownObject, Slot, weight};
use crate::engine::{EngineOptions, Side};
use crate::gate::Gate;
use crate::index::Indexes;
use crate::keys;
use crate::object::Record;
use crate::pages::Pages;
use crate::queue::Queue;
use crate::session::SessionIndex;
use crate::usage::Usage;
use emerge_proto::{Error, ObjectId, Result};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::task::Waker;

/// Writes kept for validation before the oldest are forgotten and transactions older than them conflict.
const MAX_RECENT: usize = 200_000;
/// About how many bytes of memory those writes may take before the same happens.
const MAX_RECENT_BYTES: usize = 256 * 1024 * 1024;

/// Whether the store may be used.
#[derive(Clone, Debug)]
pub(crate) enum Health {
    Good,
    /// A commit failed; the store must be claimed again before anything is read or written.
    Reclaim(Error),
    /// Another owner has it.
    Lost(Error),
    /// It is being shut down: what was committed still goes to the backend.
    Closed(Error),
}

pub(crate) struct State {
    /// The number of the last commit.
    pub(crate) last: u64,
    pub(crate) health: Health,
    pub(crate) gate: Gate,
    pub(crate) queue: Queue,
    pub(crate) sessions: SessionIndex,
    pub(crate) followers: Followers,
    pub(crate) indexes: Indexes,
    pub(crate) usage: Usage,
    pub(crate) pages: Pages,
    cache: Cache,
    recent: BTreeMap<Key, Slot>,
    /// About how many bytes of memory `recent` takes.
    recent_bytes: usize,
    /// The keys of each commit in `recent`, oldest first.
    written: VecDeque<(u64, Vec<Key>)>,
    /// What was in `recent` and is not any more: to be dropped by who has let go of the state, for that takes time too.
    forgotten: Vec<(Key, Slot)>,
    /// How many active transactions began at each number.
    active: BTreeMap<u64, usize>,
    /// Reads taken before this number are no longer good.
    floor: u64,
}

/// What a lookup found.
pub(crate) enum Found {
    Known(Key, Slot),
    /// The backend must be asked.
    Unknown,
}

/// The log, the sessions and the entries of indexes are hardly ever read one by one: none of them is in the cache.
fn may_be_hot(key: &[u8]) -> bool {
    !matches!(key.first(), Some(&(keys::LOG | keys::SESSION | keys::INDEX)))
}

impl State {
    pub(crate) fn new(last: u64, options: &EngineOptions) -> Self {
        Self {
            last,
            health: Health::Good,
            gate: Gate::new(last),
            queue: Queue::default(),
            sessions: SessionIndex::new(options.checkpoint),
            followers: Followers::default(),
            indexes: Indexes::default(),
            usage: Usage::default(),
            pages: Pages::new(options.cache_bytes / 16),
            cache: Cache::new(options.cache_bytes),
            recent: BTreeMap::new(),
            recent_bytes: 0,
            written: VecDeque::new(),
            forgotten: Vec::new(),
            active: BTreeMap::new(),
            floor: 0,
        }
    }

    /// Refuses when the store may not be used now.
    pub(crate) fn usable(&mut self) -> Result<()> {
        match &self.health {
            Health::Good => Ok(()),
            Health::Reclaim(error) => {
                let error = error.clone();
                self.queue.wake_committer();
                Err(error)
            }
            Health::Lost(error) | Health::Closed(error) => Err(error.clone()),
        }
    }

    pub(crate) fn begin(&mut self) -> u64 {
        *self.active.entry(self.last).or_default() += 1;
        self.last
    }

    /// Gives what nobody needs any more, to be dropped.
    pub(crate) fn end(&mut self, began: u64) -> Vec<(Key, Slot)> {
        if let Some(count) = self.active.get_mut(&began) {
            *count -= 1;
            if *count == 0 {
                self.active.remove(&began);
                self.prune();
            }
        }
        std::mem::take(&mut self.forgotten)
    }

    pub(crate) fn find(&mut self, key: &[u8]) -> Found {
        if let Some((key, slot)) = self.cache.get(key) {
            return Found::Known(key, slot);
        }
        match self.recent.get_key_value(key) {
            Some((key, slot)) => Found::Known(key.clone(), slot.clone()),
            None => Found::Unknown,
        }
    }

    /// What is known of many objects, in the order of their ids; none where the backend must be asked.
    pub(crate) fn objects(&mut self, ids: &[ObjectId]) -> Result<Vec<Option<KnownObject>>> {
        let mut known = self.cache.objects(ids);
        if !self.recent.is_empty() {
            for (id, known) in ids.iter().zip(&mut known).filter(|(_, known)| known.is_none()) {
                if let Some(Slot { record, number }) = self.recent.get(&keys::object(*id)[..]).cloned() {
                    *known = Some((record.map(Record::object).transpose()?, number));
                }
            }
        }
        Ok(known)
    }

    /// Keeps what the backend gave to a read that began at number `at`.
    pub(crate) fn learn(&mut self, key: &Key, record: Option<&Record>, at: u64) {
        // Anybody may send tokens that nobody has.
        let stray = record.is_none() && key.first() == Some(&keys::TOKEN);
        if may_be_hot(key) && !stray && self.is_good(key, at) {
            self.cache.put(key.clone(), Slot { record: record.cloned(), number: 0 });
        }
    }

    /// Whether there are recent writes in a range.
    pub(crate) fn is_recent_in(&self, range: &Range<Key>) -> bool {
        range.start < range.end && self.recent.range(range.clone()).next().is_some()
    }

    /// The recent writes in a range from one side on, up to `limit` that are not deletions.
    pub(crate) fn recent_in(&self, range: &Range<Key>, limit: usize, side: Side) -> Vec<(Key, Slot)> {
        let mut live = 0;
        let mut writes = Vec::new();
        if range.start < range.end {
            let mut recent = self.recent.range(range.clone());
            while live < limit
                && let Some((key, slot)) = side.next(&mut recent)
            {
                live += usize::from(slot.record.is_some());
                writes.push((key.clone(), slot.clone()));
            }
        }
        writes
    }

    /// True while nothing has been written to the key since the read at number `at`.
    pub(crate) fn is_good(&self, key: &[u8], at: u64) -> bool {
        at >= self.floor && (at == self.last || self.recent.get(key).is_none_or(|slot| slot.number <= at))
    }

    /// True when the key is known to have been written since the read at number `at`.
    pub(crate) fn has_changed(&self, key: &[u8], at: u64) -> bool {
        self.recent.get(key).is_some_and(|slot| slot.number > at)
    }

    /// The first key in the range that is known to have been written since the read at number `at`.
    pub(crate) fn changed_in(&self, range: &Range<Key>, at: u64) -> Option<&Key> {
        if range.start >= range.end {
            return None;
        }
        self.recent.range(range.clone()).find(|(_, slot)| slot.number > at).map(|(key, _)| key)
    }

    /// True while nothing has been written in the range since the read at number `at`.
    pub(crate) fn is_range_good(&self, range: &Range<Key>, at: u64) -> bool {
        at >= self.floor
            && (at == self.last
                || range.start >= range.end
                || self.recent.range(range.clone()).all(|(_, slot)| slot.number <= at))
    }

    /// Makes the writes of the next commit visible, and gives its number.
    pub(crate) fn apply(&mut self, writes: Vec<(Key, Option<Record>)>) -> u64 {
        self.last += 1;
        let number = self.last;
        let mut keys = Vec::with_capacity(writes.len() + 1);
        for (key, record) in writes {
            let slot = Slot { record, number };
            if may_be_hot(&key) {
                self.cache.put(key.clone(), slot.clone());
            }
            self.remember(key.clone(), slot);
            keys.push(key);
        }
        self.written.push_back((number, keys));
        if self.recent.len() > MAX_RECENT || self.recent_bytes > MAX_RECENT_BYTES {
            // What is not durable stays in any case; the queue bounds it.
            let through = self.gate.through();
            self.floor = self.floor.max(self.forget(through, MAX_RECENT / 2, MAX_RECENT_BYTES / 2));
        }
        number
    }

    fn remember(&mut self, key: Key, slot: Slot) {
        self.pages.written(&key, slot.record.as_ref());
        self.recent_bytes += weight(&key, &slot);
        match self.recent.entry(key) {
            Entry::Occupied(mut known) => {
                let before = known.insert(slot);
                self.recent_bytes = self.recent_bytes.saturating_sub(weight(known.key(), &before));
            }
            Entry::Vacant(place) => {
                place.insert(slot);
            }
        }
    }

    /// Makes one write more of the last commit visible.
    pub(crate) fn show(&mut self, number: u64, write: &Write) {
        let record = write.value.clone().map(Record::Bytes);
        self.remember(write.key.clone(), Slot { record, number });
        if let Some((last, keys)) = self.written.back_mut()
            && *last == number
        {
            keys.push(write.key.clone());
        }
    }

    /// Everything up to `number` is durable; gives those who waited for it, and what nobody needs any more, to be dropped.
    #[must_use]
    pub(crate) fn durable(&mut self, number: u64) -> (Vec<Waker>, Vec<(Key, Slot)>) {
        let wakers = self.gate.advance(number);
        self.prune();
        (wakers, std::mem::take(&mut self.forgotten))
    }

    /// Everything that is not durable is lost or uncertain: it is dropped, whoever has read it conflicts, whoever waits
    /// for it is told.
    pub(crate) fn fail(&mut self, health: Health, error: Error) {
        self.last += 1;
        self.floor = self.last;
        self.followers.fail(&error);
        self.gate.fail(self.last, error);
        self.health = health;
        self.queue.clear();
        self.sessions.clear();
        self.cache.clear();
        self.pages.clear();
        self.recent.clear();
        self.recent_bytes = 0;
        self.written.clear();
    }

    /// Forgets writes that are durable and that every active transaction has seen.
    fn prune(&mut self) {
        let oldest = self.active.first_key_value().map_or(u64::MAX, |(began, _)| *began);
        self.forget(self.gate.through().min(oldest), 0, 0);
    }

    /// Forgets writes up to a number while more than `keep` are held, or more than `bytes`; gives the last number that was forgotten.
    fn forget(&mut self, through: u64, keep: usize, bytes: usize) -> u64 {
        let mut forgotten = 0;
        while (self.recent.len() > keep || self.recent_bytes > bytes)
            && let Some((number, _)) = self.written.front()
            && *number <= through
            && let Some((number, keys)) = self.written.pop_front()
        {
            for key in keys {
                if let Entry::Occupied(slot) = self.recent.entry(key)
                    && slot.get().number == number
                {
                    let (key, slot) = slot.remove_entry();
                    self.recent_bytes = self.recent_bytes.saturating_sub(weight(&key, &slot));
                    self.forgotten.push((key, slot));
                }
            }
            forgotten = number;
        }
        forgotten
    }
}
