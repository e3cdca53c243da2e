//! The backend that keeps everything in memory, for tests, simulation and throw-away stores.

use crate::backend::{Backend, BackendError, CommitRecord, Key, Limits};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A store in memory. Clones are the same store, so that it can be opened again as after a restart.
#[derive(Clone, Default)]
pub struct MemoryBackend {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    map: BTreeMap<Key, Bytes>,
    fence: u64,
}

impl MemoryBackend {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of all that is stored, in order: what a test compares.
    pub fn contents(&self) -> Vec<(Key, Bytes)> {
        self.lock().map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Another store with the same contents.
    pub fn fork(&self) -> Self {
        let inner = self.lock();
        let copy = Inner { map: inner.map.clone(), fence: inner.fence };
        Self { inner: Arc::new(Mutex::new(copy)) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for MemoryBackend {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, BackendError> {
        let inner = self.lock();
        Ok(keys.iter().map(|key| inner.map.get(key).cloned()).collect())
    }

    async fn scan(&self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, BackendError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let inner = self.lock();
        Ok(inner.map.range(range).take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn scan_back(&self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, BackendError> {
        if range.start >= range.end {
            return Ok(Vec::new());
        }
        let inner = self.lock();
        let found = inner.map.range(range).rev().take(limit);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    async fn commit(&self, record: CommitRecord, fence: u64) -> Result<(), BackendError> {
        let mut inner = self.lock();
        if fence != inner.fence {
            return Err(BackendError::Fenced { presented: fence, current: inner.fence });
        }
        for write in record.writes {
            match write.value {
                Some(value) => inner.map.insert(write.key, value),
                None => inner.map.remove(&write.key),
            };
        }
        Ok(())
    }

    async fn claim(&self) -> Result<u64, BackendError> {
        let mut inner = self.lock();
        inner.fence += 1;
        Ok(inner.fence)
    }

    fn limits(&self) -> Limits {
        Limits { max_value: usize::MAX, max_batch: usize::MAX }
    }
}
