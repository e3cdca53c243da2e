//! The requests that have no outcome yet, by their numbers, and what follows from them: which is sent next, which have run
//! past their deadlines, and up to where all outcomes have arrived.

use super::op::Nature;
use std::collections::VecDeque;

/// Slots after which an unanswered read at the front no longer holds back the acknowledgement of what came after it.
const STRAGGLER_AFTER: usize = 1024;
/// Deadlines are rounded up to this, so that expired requests are looked for seldom.
const DEADLINE_GRAIN: u64 = 8;

/// A request without an outcome.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The number that the host knows it by. It differs from the number on the wire only after the request was sent again
    /// under a new one.
    pub(crate) handle: u64,
    /// The encoded operation; empty once nobody waits for the outcome.
    pub(crate) op: Box<[u8]>,
    pub(crate) nature: Nature,
    /// For a stream, the items that the node may still send.
    pub(crate) credit: Option<u32>,
    /// The time at which the caller gives up.
    pub(crate) deadline: Option<u64>,
    /// Where the stream goes on.
    pub(crate) cursor: Option<Box<str>>,
    /// The cursor before that one.
    #[cfg(feature = "mutations")]
    pub(crate) cursor_before: Option<Box<str>>,
    /// True once it has left on any connection, so that its fate is the node's to tell.
    pub(crate) sent: bool,
    /// True once the caller asked the node to give it up.
    pub(crate) cancelled: bool,
    /// True once the caller was told that its deadline passed: its outcome is awaited but not delivered.
    pub(crate) abandoned: bool,
}

/// What became of a late request.
pub(crate) enum Expired {
    /// It never left; it is gone.
    Unsent(Entry),
    /// It left: the caller's number, the number on the wire, whether it may write, and whether it left on this connection.
    Sent { handle: u64, wire: u64, writes: bool, here: bool },
}

/// All requests without an outcome.
#[derive(Default)]
pub(crate) struct Window {
    slots: VecDeque<Option<Entry>>,
    /// The number of the first slot, less one: all outcomes up to here have arrived, but for stragglers.
    horizon: u64,
    /// The number of the next request to leave on this connection; those before it have left.
    next_out: u64,
    /// Reads from before the horizon. They change nothing, so that the node need keep nothing for them.
    /// Sorted by number; there are few.
    stragglers: Vec<(u64, Entry)>,
    /// Numbers on the wire of requests whose host knows them by another.
    aliases: Vec<(u64, u64)>,
    live: usize,
    bytes: usize,
    in_flight: usize,
    /// No deadline lies before this.
    earliest: Option<u64>,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { next_out: 1, ..Self::default() }
    }

    pub(crate) fn horizon(&self) -> u64 {
        self.horizon
    }

    /// Requests without an outcome.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Bytes of their operations.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Those that left on this connection.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Numbers between the horizon and the newest request.
    pub(crate) fn span(&self) -> usize {
        self.slots.len()
    }

    /// True when the oldest request is a stream, which may last as long as its reader likes.
    pub(crate) fn stream_at_front(&self) -> bool {
        self.slots.front().is_some_and(|slot| slot.as_ref().is_some_and(|entry| entry.credit.is_some()))
    }

    /// Adds a request; the answer is its number.
    pub(crate) fn push(&mut self, mut entry: Entry) -> u64 {
        let seq = self.horizon + self.slots.len() as u64 + 1;
        if entry.handle == 0 {
            entry.handle = seq;
        } else {
            self.aliases.push((entry.handle, seq));
        }
        if let Some(deadline) = &mut entry.deadline {
            *deadline = deadline.saturating_add(DEADLINE_GRAIN - 1) / DEADLINE_GRAIN * DEADLINE_GRAIN;
            self.earliest = Some(self.earliest.map_or(*deadline, |earliest| earliest.min(*deadline)));
        }
        self.live += 1;
        self.bytes += entry.op.len();
        self.slots.push_back(Some(entry));
        seq
    }

    /// The number on the wire for the caller's number.
    pub(crate) fn wire(&self, handle: u64) -> u64 {
        self.aliases.iter().find(|(known, _)| *known == handle).map_or(handle, |(_, wire)| *wire)
    }

    fn index(&self, wire: u64) -> Option<usize> {
        usize::try_from(wire.checked_sub(self.horizon + 1)?).ok()
    }

    fn straggler(&self, wire: u64) -> Option<usize> {
        self.stragglers.binary_search_by_key(&wire, |(known, _)| *known).ok()
    }

    pub(crate) fn get_mut(&mut self, wire: u64) -> Option<&mut Entry> {
        match self.index(wire) {
            Some(at) => self.slots.get_mut(at)?.as_mut(),
            None => {
                let at = self.straggler(wire)?;
                Some(&mut self.stragglers.get_mut(at)?.1)
            }
        }
    }

    /// True when it left on this connection.
    pub(crate) fn left_here(&self, wire: u64) -> bool {
        wire < self.next_out
    }

    /// Takes a request out: it has its outcome.
    pub(crate) fn remove(&mut self, wire: u64) -> Option<Entry> {
        let entry = match self.index(wire) {
            Some(at) => self.slots.get_mut(at)?.take()?,
            None => {
                let at = self.straggler(wire)?;
                self.stragglers.remove(at).1
            }
        };
        if wire < self.next_out {
            self.in_flight -= 1;
        }
        self.forget(&entry);
        self.advance();
        Some(entry)
    }

    fn forget(&mut self, entry: &Entry) {
        self.live -= 1;
        self.bytes -= entry.op.len();
        if !self.aliases.is_empty() {
            self.aliases.retain(|(handle, _)| *handle != entry.handle);
        }
        if self.live == 0 {
            self.earliest = None;
        }
    }

    /// Drops the operation of a request that nobody waits for any more.
    fn abandon(entry: &mut Entry, bytes: &mut usize) {
        *bytes -= entry.op.len();
        entry.op = Box::default();
        entry.abandoned = true;
    }

    fn advance(&mut self) {
        loop {
            match self.slots.front() {
                Some(None) => {}
                Some(Some(entry))
                    if self.slots.len() > STRAGGLER_AFTER
                        && !entry.nature.writes
                        && self.horizon + 1 < self.next_out => {}
                _ => break,
            }
            self.horizon += 1;
            if let Some(Some(entry)) = self.slots.pop_front() {
                self.stragglers.push((self.horizon, entry));
            }
        }
        self.next_out = self.next_out.max(self.horizon + 1);
        if self.slots.is_empty() && self.slots.capacity() > 4 * STRAGGLER_AFTER {
            self.slots.shrink_to(STRAGGLER_AFTER);
        }
    }

    /// The next request that has not left on this connection.
    pub(crate) fn peek_out(&mut self) -> Option<(u64, &Entry)> {
        loop {
            let wire = self.next_out;
            match self.index(wire).and_then(|at| self.slots.get(at)) {
                None => return None,
                Some(None) => self.next_out += 1,
                Some(Some(_)) => break,
            }
        }
        let at = self.index(self.next_out)?;
        Some((self.next_out, self.slots.get(at)?.as_ref()?))
    }

    /// Notes that the request of `peek_out` has left.
    pub(crate) fn step_out(&mut self) {
        if let Some(entry) = self.get_mut(self.next_out) {
            entry.sent = true;
            self.next_out += 1;
            self.in_flight += 1;
        }
    }

    /// Begins a new connection, on which nothing has left. Requests that `keep` does not want are handed back. Stragglers
    /// get new numbers, since the node runs nothing from before the horizon; so do all others that had left, when asked.
    pub(crate) fn rewind(&mut self, renumber: bool, mut keep: impl FnMut(&Entry) -> bool) -> Vec<Entry> {
        let mut dropped = Vec::new();
        let mut moved: Vec<Entry> =
            std::mem::take(&mut self.stragglers).into_iter().map(|(_, entry)| entry).collect();
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|entry| entry.sent && (renumber || !keep(entry))) {
                moved.extend(slot.take());
            }
        }
        self.in_flight = 0;
        self.next_out = self.horizon + 1;
        for entry in moved {
            self.forget(&entry);
            if keep(&entry) {
                self.push(entry);
            } else {
                dropped.push(entry);
            }
        }
        self.advance();
        dropped
    }

    /// The callers' numbers of all streams.
    pub(crate) fn streams(&self) -> Vec<u64> {
        let entries = self.stragglers.iter().map(|(_, entry)| entry).chain(self.slots.iter().flatten());
        entries.filter(|entry| entry.credit.is_some()).map(|entry| entry.handle).collect()
    }

    #[cfg(feature = "mutations")]
    pub(crate) fn step_cursors_back(&mut self) {
        for entry in self.stragglers.iter_mut().map(|(_, entry)| entry).chain(self.slots.iter_mut().flatten())
        {
            entry.cursor = entry.cursor_before.take();
        }
    }

    /// Takes everything out, the oldest first.
    pub(crate) fn clear(&mut self) -> Vec<Entry> {
        let stragglers = std::mem::take(&mut self.stragglers).into_iter().map(|(_, entry)| entry);
        let entries = stragglers.chain(std::mem::take(&mut self.slots).into_iter().flatten()).collect();
        *self = Self { horizon: self.horizon, next_out: self.next_out, ..Self::default() };
        entries
    }

    /// When to look for late requests.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.earliest
    }

    /// Looks for late requests.
    pub(crate) fn expire(&mut self, now: u64) -> Vec<Expired> {
        let mut expired = Vec::new();
        if self.earliest.is_none_or(|earliest| now < earliest) {
            return expired;
        }
        let mut earliest = None;
        let mut look = |wire: u64, entry: &mut Entry, bytes: &mut usize, next_out: u64| -> bool {
            let Some(deadline) = entry.deadline else { return false };
            if now < deadline {
                earliest = Some(earliest.map_or(deadline, |other: u64| other.min(deadline)));
                return false;
            }
            if !entry.sent {
                return true;
            }
            entry.deadline = None;
            if !entry.abandoned {
                Self::abandon(entry, bytes);
                let (handle, writes) = (entry.handle, entry.nature.writes);
                expired.push(Expired::Sent { handle, wire, writes, here: wire < next_out });
            }
            false
        };
        let mut unsent = Vec::new();
        for (wire, entry) in &mut self.stragglers {
            look(*wire, entry, &mut self.bytes, self.next_out);
        }
        for (wire, slot) in (self.horizon + 1..).zip(&mut self.slots) {
            if slot.as_mut().is_some_and(|entry| look(wire, entry, &mut self.bytes, self.next_out)) {
                unsent.extend(slot.take());
            }
        }
        self.earliest = earliest;
        for entry in unsent {
            self.forget(&entry);
            expired.push(Expired::Unsent(entry));
        }
        self.advance();
        expired
    }
}
