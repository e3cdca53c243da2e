//! Commits on their way to the backend.

use crate::backend::{CommitRecord, Key, Write};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

/// Bytes that may wait for the backend before commits wait.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// Commits that may wait for the backend before commits wait.
const MAX_WAITING: usize = 16_384;
/// Bytes that one backend commit should not grow past, so that no reply waits long.
const GOOD_BATCH: usize = 8 * 1024 * 1024;

/// One commit.
pub(crate) struct Waiting {
    pub(crate) number: u64,
    pub(crate) writes: Vec<Write>,
    /// Never shares a backend commit with another.
    pub(crate) alone: bool,
}

#[derive(Default)]
pub(crate) struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Who waits for room.
    room: Vec<Waker>,
    committer: Option<Waker>,
}

impl Queue {
    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiting.len() < MAX_WAITING && self.bytes < MAX_WAITING_BYTES {
            return Poll::Ready(());
        }
        if !self.room.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.room.push(cx.waker().clone());
        }
        Poll::Pending
    }

    pub(crate) fn push(&mut self, commit: Waiting) {
        self.bytes += size(&commit.writes);
        self.waiting.push_back(commit);
        self.wake_committer();
    }

    pub(crate) fn wake_committer(&mut self) {
        if let Some(waker) = self.committer.take() {
            waker.wake();
        }
    }

    pub(crate) fn listen(&mut self, cx: &Context<'_>) {
        self.committer = Some(cx.waker().clone());
    }

    /// As much as one backend commit should hold, merged into one record, and the highest number in it.
    pub(crate) fn take(&mut self, max_batch: usize) -> Option<(CommitRecord, u64)> {
        let mut merged: BTreeMap<Key, Option<Bytes>> = BTreeMap::new();
        let mut bytes = 0;
        let mut number = None;
        while let Some(next) = self.waiting.front() {
            let more = size(&next.writes);
            let fits = bytes + more <= max_batch.min(GOOD_BATCH) && !next.alone;
            if number.is_some() && !fits {
                break;
            }
            let Some(next) = self.waiting.pop_front() else { break };
            bytes += more;
            number = Some(next.number);
            for write in next.writes {
                merged.insert(write.key, write.value);
            }
            if next.alone {
                break;
            }
        }
        let number = number?;
        self.bytes -= bytes;
        self.room.drain(..).for_each(Waker::wake);
        let writes = merged.into_iter().map(|(key, value)| Write { key, value }).collect();
        Some((CommitRecord { writes }, number))
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.room.drain(..).for_each(Waker::wake);
    }
}

pub(crate) fn size(writes: &[Write]) -> usize {
    writes.iter().map(|write| write.key.len() + write.value.as_ref().map_or(0, Bytes::len)).sum()
}
