//! What belongs to the process that made it. A forked child has a copy, whose threads are not there, whose locks are as they were, and whose sockets
//! are its parent's: it must not be used there, nor dropped.

use emerge_proto::{Error, ErrorCode, Result};
use pyo3::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many forks lie between the first process and this one.
static FORKS: AtomicUsize = AtomicUsize::new(0);

/// Which process of its line this one is.
pub(crate) fn generation() -> usize {
    FORKS.load(Ordering::Relaxed)
}

/// Tells that this process is a child that has just been forked.
#[pyfunction]
pub(crate) fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    crate::mailbox::forked();
}

/// A value of this process.
pub(crate) struct Own<T> {
    /// Absent only while it is dropped.
    value: Option<T>,
    generation: usize,
}

impl<T> Own<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(value), generation: generation() }
    }

    /// The value.
    ///
    /// # Errors
    /// `disconnected` in a child of the process that made it.
    pub(crate) fn get(&self) -> Result<&T> {
        self.value.as_ref().filter(|_| self.generation == generation()).ok_or_else(|| {
            Error::new(
                ErrorCode::Disconnected,
                "this connection belongs to the process from which this one was forked; connect again",
            )
        })
    }
}

impl<T> Drop for Own<T> {
    fn drop(&mut self) {
        if self.generation != generation() {
            std::mem::forget(self.value.take());
        }
    }
}
