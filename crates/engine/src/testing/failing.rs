//! A backend that fails when it is told to.

use crate::backend::{Backend, BackendError, CommitRecord, Key, Limits};
use bytes::Bytes;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens to the write that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureMode {
    /// It is not applied.
    Before,
    /// It is applied, but reported as failed.
    After,
}

/// A backend over another one, of which one write fails. Clones share the count.
#[derive(Clone)]
pub struct FailingBackend<B> {
    inner: B,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Default)]
struct Plan {
    /// Writes until the one that fails; none when none will.
    left: Option<(usize, FailureMode)>,
    /// Whether the plan has come to pass.
    failed: bool,
    outage: bool,
}

impl<B: Backend> FailingBackend<B> {
    /// A backend that does not fail yet.
    pub fn new(inner: B) -> Self {
        Self { inner, plan: Arc::default() }
    }

    /// The write after `after` more fails; both commits and claims are writes.
    pub fn fail(&self, after: usize, mode: FailureMode) {
        let mut plan = self.plan();
        plan.left = Some((after, mode));
        plan.failed = false;
    }

    /// Whether the write that was to fail has failed.
    pub fn has_failed(&self) -> bool {
        self.plan().failed
    }

    /// From now on every write fails and is not applied, until the outage is over.
    pub fn outage(&self, outage: bool) {
        self.plan().outage = outage;
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a write; gives how it fails, if it does.
    fn count(&self) -> Option<FailureMode> {
        let mut plan = self.plan();
        if plan.outage {
            return Some(FailureMode::Before);
        }
        match &mut plan.left {
            Some((0, mode)) => {
                let mode = *mode;
                plan.left = None;
                plan.failed = true;
                Some(mode)
            }
            Some((left, _)) => {
                *left -= 1;
                None
            }
            None => None,
        }
    }
}

fn failure() -> BackendError {
    BackendError::Failed("a failure on demand".into())
}

impl<B: Backend> Backend for FailingBackend<B> {
    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>, BackendError> {
        self.inner.get_many(keys).await
    }

    async fn scan(&self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, BackendError> {
        self.inner.scan(range, limit).await
    }

    async fn scan_back(&self, range: Range<Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, BackendError> {
        self.inner.scan_back(range, limit).await
    }

    async fn commit(&self, record: CommitRecord, fence: u64) -> Result<(), BackendError> {
        match self.count() {
            None => self.inner.commit(record, fence).await,
            Some(FailureMode::Before) => Err(failure()),
            Some(FailureMode::After) => {
                self.inner.commit(record, fence).await?;
                Err(failure())
            }
        }
    }

    async fn claim(&self) -> Result<u64, BackendError> {
        match self.count() {
            None => self.inner.claim().await,
            Some(FailureMode::Before) => Err(failure()),
            Some(FailureMode::After) => {
                self.inner.claim().await?;
                Err(failure())
            }
        }
    }

    fn limits(&self) -> Limits {
        self.inner.limits()
    }
}
