//! A disk on the virtual clock: a commit takes time, and a crash in the middle leaves it done or not done.

use bytes::Bytes;
use emerge_engine::backend::{Backend, BackendError, CommitRecord, Key, Limits};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// What survives crashes, and the commit under way.
#[derive(Default)]
pub(crate) struct Disk {
    data: BTreeMap<Key, Bytes>,
    fence: u64,
    /// The commit under way, and whether it is done.
    pending: Option<Pending>,
}

struct Pending {
    record: CommitRecord,
    done: bool,
    waker: Option<Waker>,
}

/// A handle on the disk, for one life of the node.
#[derive(Clone)]
pub(crate) struct SimBackend {
    disk: Arc<Mutex<Disk>>,
}

impl SimBackend {
    pub(crate) fn new() -> Self {
        Self { disk: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when a commit waits to be done.
    pub(crate) fn is_committing(&self) -> bool {
        self.lock().pending.as_ref().is_some_and(|pending| !pending.done)
    }

    /// Writes the commit under way.
    pub(crate) fn finish_commit(&self) {
        let mut disk = self.lock();
        if let Some(mut pending) = disk.pending.take()
            && !pending.done
        {
            for write in std::mem::take(&mut pending.record.writes) {
                match write.value {
                    Some(value) => disk.data.insert(write.key, value),
                    None => disk.data.remove(&write.key),
                };
            }
            pending.done = true;
            let waker = pending.waker.take();
            disk.pending = Some(pending);
            drop(disk);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// The power fails: the commit under way is done or not done, and nobody learns which.
    pub(crate) fn crash(&self, done: bool) {
        if done {
            self.finish_commit();
        }
        self.lock().pending = None;
    }
}

impl Backend for SimBackend {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let disk = self.lock();
        Ok(keys.iter().map(|key| disk.data.get(key).cloned()).collect())
    }

    async fn scan(&self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, BackendError> {
        let disk = self.lock();
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        Ok(disk.data.range(range).take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn commit(&self, record: CommitRecord, fence: u64) -> Result<(), BackendError> {
        {
            let mut disk = self.lock();
            if fence != disk.fence {
                return Err(BackendError::Fenced { presented: fence, current: disk.fence });
            }
            if disk.pending.is_some() {
                return Err(BackendError::Failed("two commits at the same time".into()));
            }
            disk.pending = Some(Pending { record, done: false, waker: None });
        }
        poll_fn(|cx| {
            let mut disk = self.lock();
            match &mut disk.pending {
                Some(pending) if !pending.done => {
                    pending.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
                _ => {
                    disk.pending = None;
                    Poll::Ready(Ok(()))
                }
            }
        })
        .await
    }

    async fn claim(&self) -> Result<u64, BackendError> {
        let mut disk = self.lock();
        disk.fence += 1;
        Ok(disk.fence)
    }

    fn limits(&self) -> Limits {
        Limits { max_value: 64 << 20, max_batch: 64 << 20 }
    }
}
