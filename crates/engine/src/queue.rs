//! Commits on their way to the backend.

use crate::backend::{CommitRecord, Write};
use bytes::Bytes;
use std::collections::VecDeque;
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

    /// As many commits as one backend commit should hold, oldest first.
    pub(crate) fn take(&mut self, max_batch: usize) -> Vec<Waiting> {
        let mut taken: Vec<Waiting> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.waiting.front() {
            let more = size(&next.writes);
            let fits = bytes + more <= max_batch.min(GOOD_BATCH) && !next.alone;
            if !taken.is_empty() && !fits {
                break;
            }
            let Some(next) = self.waiting.pop_front() else { break };
            bytes += more;
            let alone = next.alone;
            taken.push(next);
            if alone {
                break;
            }
        }
        self.bytes -= bytes;
        if !taken.is_empty() {
            self.room.drain(..).for_each(Waker::wake);
        }
        taken
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.bytes = 0;
        self.room.drain(..).for_each(Waker::wake);
    }
}

/// One record for several commits, oldest first: of each key what was written last, by key.
pub(crate) fn merge(commits: Vec<Waiting>) -> CommitRecord {
    let mut writes: Vec<Write> = Vec::with_capacity(commits.iter().map(|commit| commit.writes.len()).sum());
    // Newest first, and the sort keeps the order of equal keys, so that the last write of a key is the first of its run.
    writes.extend(commits.into_iter().rev().flat_map(|commit| commit.writes.into_iter().rev()));
    writes.sort_by(|a, b| a.key.cmp(&b.key));
    writes.dedup_by(|later, first| later.key == first.key);
    CommitRecord { writes }
}

pub(crate) fn size(writes: &[Write]) -> usize {
    writes.iter().map(|write| write.key.len() + write.value.as_ref().map_or(0, Bytes::len)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Key;

    #[test]
    fn of_each_key_the_last_write_counts() {
        let commit = |number, writes: &[(&str, Option<&str>)]| Waiting {
            number,
            writes: writes
                .iter()
                .map(|(key, value)| Write {
                    key: Key::from(key.as_bytes()),
                    value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
                })
                .collect(),
            alone: false,
        };
        let merged = merge(vec![
            commit(1, &[("b", Some("1")), ("a", Some("1")), ("c", Some("1"))]),
            commit(2, &[("b", None), ("d", Some("2"))]),
            commit(3, &[("a", Some("2")), ("a", Some("3"))]),
        ]);
        let merged: Vec<(&[u8], Option<&[u8]>)> =
            merged.writes.iter().map(|write| (&*write.key, write.value.as_deref())).collect();
        let wanted: [(&[u8], Option<&[u8]>); 4] =
            [(b"a", Some(b"3")), (b"b", None), (b"c", Some(b"1")), (b"d", Some(b"2"))];
        assert_eq!(merged, wanted);
    }
}
